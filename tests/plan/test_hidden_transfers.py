"""What the order of works hides of transfers, on paper, of programs as they are trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from tests.plan.timeline import timeline
from wonderland.compiler.fuse.work import AnyWork, StartWork, WaitWork
from wonderland.compiler.ir.graph import apply
from wonderland.compiler.ops.transferred import Transferred
from wonderland.compiler.pipeline import Compiled, compile_graph
from wonderland.compiler.trace import tree
from wonderland.compiler.trace.operands import new, value

MESH = (("i", 2),)


def psum(xs: Any) -> Any:
    return tree.map(lambda x: new(apply(Transferred("sum", "i", 2, MESH), value(x))), xs)


def zeros(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float32)


def step(loss: Callable[..., Any]) -> Callable[..., Any]:
    """One of data parallel gradient descent."""

    def updated(p: Any, x: Any) -> Any:
        return tree.map(lambda w, d: w - 0.1 * d, p, psum(wl.grad(loss)(p, x)))

    return updated


def perceptron(p: Any, x: Any) -> Any:
    for w, b in p:
        x = np.tanh(x @ w + b)
    return np.mean(x**2)


def layers(p: Any, x: Any) -> Any:
    return np.mean(wl.lax.scan(lambda h, w: (np.tanh(h @ w[0] + w[1]), ()), x, p)[0] ** 2)


def tensor_parallel(w: Any, x: Any) -> Any:
    return np.tanh(psum(x @ w))


def sharded(p: Any, x: Any) -> Any:
    """A step of which each process updates its part of every array, and gives it to all."""

    def part(d: Any) -> Any:
        halves = value(d.reshape(2, -1))
        return new(apply(Transferred("scatter", "i", 2, MESH), halves))

    def updated(w: Any, d: Any) -> Any:
        own = w.reshape(2, -1)[0] - 0.1 * part(d)
        return new(apply(Transferred("gather", "i", 2, MESH), value(own))).reshape(w.shape)

    return tree.map(updated, p, wl.grad(perceptron)(p, x))


def sharded_layers(p: Any, x: Any) -> Any:
    """Sums that the next layer needs, beside products for updates: of a bias in its kernel."""
    found = []
    for w, b in p:
        d = psum(x @ w) * (1 + b)
        found += [w - x.T @ d, b - np.sum(d, axis=0)]
        x = d
    return found


def updates(p: Any, x: Any) -> Any:
    """Sums of much that nothing is computed beside but what is done with them."""
    return [np.tanh(s) for s in psum([w * 2 for w in p])]


def compiled(name: str) -> Compiled:
    sizes = [(512, 512), (512,)]
    function, args = {
        "perceptron": (step(perceptron), ([[zeros(*s) for s in sizes]] * 4, zeros(256, 512))),
        "layers": (step(layers), ([zeros(8, *s) for s in sizes], zeros(256, 512))),
        "tensor parallel": (tensor_parallel, (zeros(512, 512), zeros(1024, 512))),
        "sharded": (sharded, ([[zeros(*s) for s in sizes]] * 8, zeros(256, 512))),
        "sharded layers": (sharded_layers, ([[zeros(*s) for s in sizes]] * 4, zeros(256, 512))),
        "updates": (updates, ([zeros(700, 500)] * 6, 0)),
    }[name]
    return compile_graph(wl.trace(function, *args).graph)


@pytest.mark.parametrize(
    ("name", "hidden", "most"),
    [
        ("perceptron", 0.8, 0.9),
        ("layers", 0.7, 0.9),  # of four parts the last has nothing beside it
        ("tensor parallel", 0.7, 0.8),
        ("sharded", 0.8, 0.95),
        ("sharded layers", 0.7, 0.8),
        ("updates", 0.5, 1.0),
    ],
)
def test_transfers_are_hidden_behind_work(name: str, hidden: float, most: float) -> None:
    found = timeline(compiled(name), share=0.5, message_share=0.005)
    assert hidden <= found.hidden <= most, found.hidden


def works(function: Callable[..., Any], *args: Any) -> list[AnyWork]:
    return [w for _, w in compile_graph(wl.trace(function, *args).graph).plan.works]


def test_what_is_computed_with_what_is_sent_keeps_it_from_nobody() -> None:
    """The sum is in one kernel with its norm, which is sent at the end."""

    def function(x: Any, w: Any) -> Any:
        total = np.sum(x, axis=0)
        y = np.tanh(x @ w) @ w
        most = Transferred("max", "i", 2, MESH)
        return psum(total), y, new(apply(most, value(np.sum(total**2))))

    found = works(function, zeros(64, 64), zeros(64, 64))
    start = next(k for k, w in enumerate(found) if isinstance(w, StartWork))
    assert [k for k, w in enumerate(found) if w.name.startswith("product")] > [start]


def test_no_kernel_waits_for_what_half_of_it_needs() -> None:
    def function(a: Any, b: Any, c: Any) -> Any:
        return psum(a) * c, psum(b) * c

    found = works(function, *[zeros(700, 500)] * 3)
    waits = {w.done for w in found if isinstance(w, WaitWork)}
    readers = [w for w in found if w.name.startswith("map")]
    assert len(waits) == len(readers) == 2
    assert all(len(waits.intersection(w.waits)) == 1 for w in readers)
