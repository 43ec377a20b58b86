"""Recurrent layers: a state that each step of a sequence changes, from torch.nn's equations.

    lstm = nn.LSTM.init(key, 12, 64, layers=2, bidirectional=True)
    y, state = lstm(x, lengths=lengths)  # y [batch, time, 2 * 64]

A cell is one step, `state, y = cell(state, x)`, as a body of lax.scan. Its four fields are those of
torch, weights transposed: x @ weight_ih + bias_ih of the inputs, h @ weight_hh + bias_hh of the
state, their columns in torch's order of gates. A whole layer takes the products of all inputs at
once, so that the loop has those of the state alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Self

from ...compiler.front import numpy as np
from ...compiler.front import random
from ...compiler.front.lax.control_flow import scan
from ...compiler.front.lax.primitives import array_or_tracer
from ...compiler.trace import tree
from ...compiler.trace.operands import wrong
from .functions import sigmoid
from .layer import layer
from .normalisation import dropout
from .weights import glorot_uniform, orthogonal

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNCell"]

# ---------------------------------------------------------------- cells


@layer
class _Cell:
    """What cells share; `advance` is a cell's own, the step after the inputs' product."""

    weight_ih: Any  # [inputs, gates * size]
    weight_hh: Any  # [size, gates * size]
    bias_ih: Any  # [gates * size], or None
    bias_hh: Any

    def start(self, batch: int) -> Any:
        """The state before a sequence: zeros."""
        return np.zeros((batch, self.weight_hh.shape[0]), self.weight_hh.dtype)

    def project(self, x: Any) -> Any:
        """What inputs [..., inputs] add to the gates, at any number of steps at once."""
        x = array_or_tracer(x)
        if x.shape[-1:] != (self.weight_ih.shape[0],):
            raise wrong(
                f"{type(self).__name__}: {self.weight_ih.shape[0]} features are required, "
                f"got {x.shape[-1] if x.ndim else 'a number'}"
            )
        return _plus(x @ self.weight_ih, self.bias_ih)

    def recur(self, h: Any) -> Any:
        """What the state adds to the gates."""
        return _plus(h @ self.weight_hh, self.bias_hh)

    def advance(self, state: Any, gates: Any) -> tuple[Any, Any]:
        raise NotImplementedError

    def __call__(self, state: Any, x: Any) -> tuple[Any, Any]:
        """The state after a step, and what the step gives, from inputs [batch, inputs]."""
        return self.advance(state, self.project(x))

    @classmethod
    def _weights(
        cls, key: Any, inputs: int, size: int, gates: int, bias: bool, rows: int, dtype: Any
    ) -> tuple[Any, Any, Any, Any]:
        keys = random.split(key, 1 + gates)
        turns = [orthogonal(k, (rows, size), dtype) for k in keys[1:]]
        into = glorot_uniform(keys[0], (inputs, gates * size), dtype)
        added = [np.zeros(gates * size, dtype) if bias else None for _ in range(2)]
        return into, np.concatenate(turns, 1), added[0], added[1]


@layer
class RNNCell(_Cell):
    """h' = activation(x @ weight_ih + bias_ih + h @ weight_hh + bias_hh), which is the output too.

    Source: Elman, Finding structure in time, 1990.
    """

    activation: Callable[[Any], Any] = np.tanh

    @classmethod
    def init(
        cls,
        key: Any,
        inputs: int,
        size: int,
        *,
        activation: Callable[[Any], Any] = np.tanh,
        bias: bool = True,
        dtype: Any = "float32",
    ) -> Self:
        weights = cls._weights(key, inputs, size, 1, bias, size, dtype)
        return cls(*weights, activation=activation)

    def advance(self, state: Any, gates: Any) -> tuple[Any, Any]:
        h = self.activation(gates + self.recur(state))
        return h, h


@layer
class GRUCell(_Cell):
    """h' = (1 - z) * n + z * h, which is the output too; gates r, z, n in this order.

    r and z are sigmoids of x @ weight_ih + bias_ih + h @ weight_hh + bias_hh, and
    n = tanh(x @ weight_ih + bias_ih + r * (h @ weight_hh + bias_hh)), of their own columns.
    Source: Cho and others, Learning phrase representations using RNN encoder-decoder, 2014; r
    stands after the product, as in torch and cuDNN.
    """

    @classmethod
    def init(
        cls, key: Any, inputs: int, size: int, *, bias: bool = True, dtype: Any = "float32"
    ) -> Self:
        return cls(*cls._weights(key, inputs, size, 3, bias, size, dtype))

    def advance(self, state: Any, gates: Any) -> tuple[Any, Any]:
        (xr, xz, xn), (hr, hz, hn) = (np.split(g, 3, -1) for g in (gates, self.recur(state)))
        r, z = sigmoid(xr + hr), sigmoid(xz + hz)
        n = np.tanh(xn + r * hn)
        h = n + z * (state - n)
        return h, h


@layer
class LSTMCell(_Cell):
    """c' = f * c + i * g, h' = o * tanh(c'); the state is (h, c), the output h; gates i, f, g, o.

    i, f, o are sigmoids, g a tanh, of x @ weight_ih + bias_ih + h @ weight_hh + bias_hh. With
    `projection`, h' = (o * tanh(c')) @ weight_hr is of so many numbers.
    Source: Hochreiter and Schmidhuber, Long short-term memory, 1997; the gate f and its first bias
    of 1: Gers and others, Learning to forget, 2000; projection: Sak and others, 2014.
    """

    weight_hr: Any = None  # [size, projection]

    @classmethod
    def init(
        cls,
        key: Any,
        inputs: int,
        size: int,
        *,
        projection: int | None = None,
        bias: bool = True,
        dtype: Any = "float32",
    ) -> Self:
        gates, out = random.split(key)
        weights = cls._weights(gates, inputs, size, 4, bias, projection or size, dtype)
        if bias:
            forget = np.where(np.arange(4 * size) // size == 1, 1, 0).astype(dtype)
            weights = (*weights[:2], forget, weights[3])
        narrow = None if not projection else glorot_uniform(out, (size, projection), dtype)
        return cls(*weights, weight_hr=narrow)

    def start(self, batch: int) -> tuple[Any, Any]:
        """The state (h, c) before a sequence: zeros."""
        narrow, wide = self.weight_hh.shape
        dtype = self.weight_hh.dtype
        return np.zeros((batch, narrow), dtype), np.zeros((batch, wide // 4), dtype)

    def advance(self, state: tuple[Any, Any], gates: Any) -> tuple[tuple[Any, Any], Any]:
        h, c = state
        i, f, g, o = np.split(gates + self.recur(h), 4, -1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        h = h if self.weight_hr is None else h @ self.weight_hr
        return (h, c), h


def _plus(x: Any, bias: Any) -> Any:
    return x if bias is None else x + bias


# ---------------------------------------------------------------- whole sequences


@layer
class _Sequence:
    """Cells over sequences: layer by layer, and in a layer forward, then backward."""

    cells: tuple[Any, ...]
    bidirectional: bool = False
    reverse: bool = False
    dropout: float = 0.0

    CELL: ClassVar[Any] = _Cell

    @classmethod
    def init(
        cls,
        key: Any,
        inputs: int,
        size: int,
        *,
        layers: int = 1,
        bidirectional: bool = False,
        reverse: bool = False,
        dropout: float = 0.0,
        **options: Any,
    ) -> Self:
        """`layers` of cells, twice as many where both ways are read; `options` are the cells'."""
        cells: list[Any] = []
        ways = 2 if bidirectional else 1
        for place, each in enumerate(random.split(key, layers * ways)):
            reads = inputs if place < ways else ways * cells[0].weight_hh.shape[0]
            cells.append(cls.CELL.init(each, reads, size, **options))
        return cls(tuple(cells), bidirectional, reverse, dropout)

    def start(self, batch: int) -> tuple[Any, ...]:
        """The state before a sequence, of every cell."""
        return tuple(cell.start(batch) for cell in self.cells)

    def step(self, state: tuple[Any, ...], x: Any) -> tuple[tuple[Any, ...], Any]:
        """The state after one step, and its output, from inputs [batch, inputs]."""
        if self.bidirectional or self.reverse:
            name = type(self).__name__
            raise wrong(f"{name}.step: a layer that runs forward is required, got one that reads "
                        "what comes later")  # fmt: skip
        states = []
        for cell, before in zip(self.cells, state, strict=True):
            after, x = cell(before, x)
            states.append(after)
        return tuple(states), x

    def __call__(
        self,
        x: Any,
        state: tuple[Any, ...] | None = None,
        *,
        lengths: Any = None,
        mask: Any = None,
        key: Any = None,
    ) -> tuple[Any, tuple[Any, ...]]:
        """Outputs [batch, time, size] of inputs [batch, time, inputs], and the last state.

        Steps beyond `lengths` [batch], and those whose `mask` [batch, time] is false, change no
        state and give 0: the last state is that of the last step of each sequence, and the
        direction from the end begins there. With a key, what a layer gives to the next is dropped
        at the rate `dropout`. Outputs of two directions are side by side.
        """
        x = array_or_tracer(x)
        if x.ndim != 3:
            raise wrong(f"{type(self).__name__}: [batch, time, features] is required, got "
                        f"{x.ndim} axes", "x[None] for one sequence")  # fmt: skip
        begin = self.start(x.shape[0])
        state = begin if state is None else state
        if tree.structure(state) != tree.structure(begin):
            raise wrong(
                f"{type(self).__name__}: a state for each of {len(self.cells)} cells is required, "
                f"{tree.structure(begin)}, got {tree.structure(state)}", "the layer's start(batch)"
            )  # fmt: skip
        kept = _kept(type(self).__name__, x, lengths, mask)
        if kept is not None:  # whatever is there: its derivative is 0, which is not that of NaN
            x = np.where(np.swapaxes(kept, 0, 1), x, 0)
        ways = 2 if self.bidirectional else 1
        layers = range(0, len(self.cells), ways)
        keys = None if key is None or not self.dropout else random.split(key, len(layers))
        states, x = [], np.swapaxes(x, 0, 1)  # time first
        for place in layers:
            if place and keys is not None:
                x = dropout(keys[place // ways], x, self.dropout)
            outputs = []
            for way in range(ways):
                back = self.reverse ^ bool(way)
                last, y = _run(self.cells[place + way], state[place + way], x, kept, back)
                states.append(last)
                outputs.append(y)
            x = np.concatenate(outputs, -1) if ways > 1 else outputs[0]
        return np.swapaxes(x, 0, 1), tuple(states)


def _kept(name: str, x: Any, lengths: Any, mask: Any) -> Any:
    """Steps that count, [time, batch, 1]; None where all do."""
    for what, given, axes in (("lengths [batch]", lengths, 1), ("a mask [batch, time]", mask, 2)):
        if given is not None and np.shape(given) != x.shape[:axes]:
            raise wrong(
                f"{name}: {what} of {list(x.shape[:axes])} is required, got {list(np.shape(given))}"
            )
    kept = None if mask is None else np.asarray(mask) != 0
    if lengths is not None:
        inside = np.arange(x.shape[1]) < np.asarray(lengths)[:, None]
        kept = inside if kept is None else kept & inside
    return None if kept is None else np.swapaxes(kept, 0, 1)[..., None]


def _run(cell: Any, state: Any, x: Any, kept: Any, reverse: bool) -> tuple[Any, Any]:
    """The last state and all outputs of a cell, over inputs whose time is first."""

    def turn(state: Any, step: tuple[Any, Any]) -> tuple[Any, Any]:
        gates, here = step
        after, y = cell.advance(state, gates)
        if here is None:
            return after, y
        stay = tree.map(lambda new, old: np.where(here, new, old), after, state)
        return stay, np.where(here, y, 0)

    gates = cell.project(x)
    # inputs that are wider than weights make states as wide
    state = tree.map(lambda s: s.astype(np.promote_types(s.dtype, gates.dtype)), state)
    return scan(turn, state, (gates, kept), reverse=reverse)


@layer
class RNN(_Sequence):
    """RNNCell over whole sequences, in several layers, forward, in reverse, or both ways."""

    CELL = RNNCell


@layer
class GRU(_Sequence):
    """GRUCell over whole sequences, in several layers, forward, in reverse, or both ways."""

    CELL = GRUCell


@layer
class LSTM(_Sequence):
    """LSTMCell over whole sequences, in several layers, forward, in reverse, or both ways."""

    CELL = LSTMCell
