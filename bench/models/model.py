"""What a model of the bench is, and how each library runs it.

A model has parameters and inputs of NumPy, a function for libraries with JAX's names, Wonderland
and JAX, and a module of PyTorch, whose parameters are copies of the same. All compute the same
numbers, which `apart` tells before anything is timed.

Kinds: "step" is a step of training, the gradients of a loss and Adam, which goes on from where the
last one came to; "gradient" the value and its gradients in the parameters; "forward" the outputs
alone; "decode" outputs and a next state, which takes the place of the last one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

import wonderland as wl

from .. import peers
from ..adam import B1, B2, EPS, RATE, updated, updated_in_jax
from ..harness import Run

Kind = Literal["step", "gradient", "forward", "decode"]


@dataclass(frozen=True)
class Model:
    """One model at one size."""

    size: str
    parameters: Any  # a tree of arrays
    inputs: tuple[np.ndarray, ...]
    function: Callable[..., Any]  # of a library, parameters, the state of a decoder, and inputs
    module: Callable[[Any], Any]  # of parameters; makes a PyTorch module of inputs
    state: Any = None  # of a decoder; its module keeps one of its own
    torch_compile: bool = True  # not for modules that loop over time, which would be unrolled


class Entry(NamedTuple):
    """How a model is made: at its size without arguments, at a size for tests with `small`."""

    make: Callable[..., Model]
    kind: Kind
    small: Mapping[str, Any]
    quick: bool


MODELS: dict[str, Entry] = {}
"""By name, in the order of the table."""


def model(
    name: str, kind: Kind, small: Mapping[str, Any], *, quick: bool = False
) -> Callable[[Callable[..., Model]], Callable[..., Model]]:
    """Registers what makes a model; `quick` ones are those of a short look."""

    def register(make: Callable[..., Model]) -> Callable[..., Model]:
        MODELS[name] = Entry(make, kind, small, quick)
        return make

    return register


# ---------------------------------------------------------------- numbers


def weights(*shape: int, seed: int = 0, fan: int = 0) -> np.ndarray:
    """Normal numbers that keep the size of what is multiplied by them."""
    fan = fan or (shape[-2] if len(shape) > 1 else 1)
    return peers.random(*shape, seed=seed + 31 * sum(shape)) / np.float32(np.sqrt(fan))


def integers(stop: int, *shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, stop, shape, np.int32)


def cross_entropy(m: Any, logits: Any, labels: Any) -> Any:
    scores = m.nn.log_softmax(logits)
    return -m.numpy.mean(m.numpy.take_along_axis(scores, labels[..., None], axis=-1))


def layer_norm(m: Any, x: Any, p: Mapping[str, Any]) -> Any:
    return m.nn.standardize(x, axis=-1, epsilon=1e-5) * p["gain"] + p["bias"]


def norm_weights(size: int) -> dict[str, np.ndarray]:
    return {"gain": np.ones(size, np.float32), "bias": np.zeros(size, np.float32)}


def linear(m: Any, x: Any, p: Mapping[str, Any]) -> Any:
    return x @ p["w"] + p["b"]


def linear_weights(inputs: int, outputs: int, seed: int = 0) -> dict[str, np.ndarray]:
    return {"w": weights(inputs, outputs, seed=seed), "b": np.zeros(outputs, np.float32)}


# ---------------------------------------------------------------- the same in PyTorch


def parameter(array: np.ndarray) -> Any:
    """A parameter of PyTorch, a copy."""
    return peers.torch.nn.Parameter(peers.torch.from_numpy(np.array(array)))


def torch_linear(w: np.ndarray, b: np.ndarray | None = None) -> Any:
    """nn.Linear of a weight [inputs, outputs]."""
    made = peers.torch.nn.Linear(*w.shape, bias=b is not None)
    made.weight = parameter(w.T)
    if b is not None:
        made.bias = parameter(b)
    return made


def torch_norm(gain: np.ndarray, bias: np.ndarray) -> Any:
    made = peers.torch.nn.LayerNorm(len(gain))
    made.weight, made.bias = parameter(gain), parameter(bias)
    return made


# ---------------------------------------------------------------- runs


def runs(made: Model, kind: Kind, names: Iterable[str] = peers.PEERS) -> dict[str, Run]:
    """A run for each peer that is there; of a step it gives the loss."""
    makers: dict[str, Callable[[], Run]] = {
        "wonderland": lambda: ours(made, kind),
        "jax": lambda: in_jax(made, kind),
        "torch": lambda: in_torch(made, kind),
        "torch.compile": lambda: in_torch(made, kind, compiled=True),
    }
    if not made.torch_compile:
        del makers["torch.compile"]
    return {p: makers[p]() for p in names if p in makers and peers.there(p)}


def program(made: Model, kind: Kind, m: Any, update: Callable[..., Any]) -> Callable[..., Any]:
    """(parameters, state, *inputs) -> (parameters, state, result) in a library with JAX's names."""

    def function(parameters: Any, state: Any, *inputs: Any) -> tuple[Any, Any, Any]:
        if kind == "forward":
            return (), (), made.function(m, parameters, *inputs)
        if kind == "decode":
            state, result = made.function(m, parameters, state, *inputs)
            return (), state, result
        found = m.value_and_grad(lambda p: made.function(m, p, *inputs))(parameters)
        if kind == "gradient":
            return (), (), found
        value, slopes = found
        return *update(slopes, state, parameters), value

    return function


def ours(made: Model, kind: Kind) -> Run:
    optimizer = wl.optim.adam(RATE, B1, B2, EPS)

    function = program(made, kind, wl, functools.partial(updated, optimizer))
    parameters = wl.tree.map(np.array, made.parameters)
    state = optimizer.init(parameters) if kind == "step" else wl.tree.map(np.array, made.state)
    return going_on(function, kind, wl.jit, parameters, state, made.inputs)


def in_jax(made: Model, kind: Kind) -> Run:
    jax, jnp = peers.jax, peers.jnp
    tree_map = jax.tree_util.tree_map

    function = program(made, kind, jax, updated_in_jax)
    parameters = tree_map(jnp.array, made.parameters)
    state = tree_map(jnp.array, made.state)
    if kind == "step":
        zeros = [tree_map(jnp.zeros_like, parameters) for _ in range(2)]
        state = (jnp.zeros((), jnp.int32), *zeros)
    inputs = [jnp.asarray(x) for x in made.inputs]
    run = going_on(function, kind, jax.jit, parameters, state, inputs)
    return lambda: jax.block_until_ready(run())


def going_on(
    function: Callable[..., Any], kind: Kind, jit: Any, parameters: Any, state: Any, inputs: Any
) -> Run:
    """A run that keeps what it gives for the next one, whose memory it hands over."""
    donated = {"step": (0, 1), "decode": (1,)}.get(kind, ())
    compiled = jit(function, donate_argnums=donated)
    held = [parameters, state]

    def run() -> Any:
        first, second, result = compiled(*held, *inputs)
        if donated:
            held[1] = second
        if kind == "step":
            held[0] = first
        return result

    return run


def in_torch(made: Model, kind: Kind, compiled: bool = False) -> Run:
    torch = peers.torch
    module = made.module(made.parameters)
    # its losses take labels as int64 only
    wide = [x.astype(np.int64) if x.dtype.kind == "i" else x.copy() for x in made.inputs]
    inputs = [torch.from_numpy(x) for x in wide]
    called = torch.compile(module, dynamic=False) if compiled else module
    if kind in ("forward", "decode"):
        module.eval()

        def outputs() -> Any:
            with torch.no_grad():
                return called(*inputs)

        return outputs
    optimizer = torch.optim.Adam(module.parameters(), RATE, (B1, B2), EPS, fused=True)

    def step() -> Any:
        optimizer.zero_grad(set_to_none=True)
        loss = called(*inputs)
        loss.backward()
        if kind == "gradient":
            return loss.detach(), [p.grad for p in module.parameters()]
        optimizer.step()
        return loss.detach()

    return step


def apart(named: Mapping[str, Run], times: int = 3) -> float:
    """The largest difference of the first results of all peers, as a part of the largest number."""
    most = 0.0
    for _ in range(times):
        results = [[np.asarray(x) for x in wl.tree.leaves(run())] for run in named.values()]
        for result in results[1:]:
            for x, y in zip(result, results[0], strict=True):
                most = max(most, float(np.max(np.abs(x - y)) / np.max(np.abs(y))))
    return most
