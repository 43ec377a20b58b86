"""Attention in slabs: the numbers of the plain formula, and nothing as large as all scores."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland.compiler.ir.graph import Graph, Node
from wonderland.compiler.ir.verify import verify
from wonderland.compiler.ops.contract import DotGeneral
from wonderland.compiler.ops.nested.slabs import Slabs
from wonderland.compiler.optimise import slab_cut
from wonderland.compiler.optimise.attention import attention
from wonderland.compiler.pipeline import compile_graph, optimised
from wonderland.compiler.transform.interpreter import interpret
from wonderland.runtime.cpu.executor import threads
from wonderland.runtime.cpu.program import Program

F = np.float32
Arrays = tuple[np.ndarray, ...]
nn = wl.nn.dot_product_attention


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slabs of few rows, however few scores there are."""
    monkeypatch.setattr(slab_cut, "LEAST_BYTES", 0)
    monkeypatch.setattr(slab_cut, "CACHE_BYTES", 1 << 13)
    monkeypatch.setattr(slab_cut, "LEAST_ROWS", 16)


def normal(*shape: int, dtype: Any = F, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng([seed, *shape])
    return (rng.standard_normal(shape) / 2).astype(dtype)


def heads(
    length: int = 72, keys: int = 0, count: int = 2, groups: int = 0, dtype: Any = F
) -> Arrays:
    """Queries, keys and values [2, length, heads, 4]."""
    shapes = (2, length, count, 4), *[(2, keys or length, groups or count, 4)] * 2
    return tuple(normal(*s, dtype=dtype, seed=k) for k, s in enumerate(shapes))


def softmax(s: Any) -> Any:
    e = np.exp(s - s.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def plain(q: Any, k: Any, v: Any, change: Callable[[Any], Any] = lambda s: s) -> Any:
    s = np.einsum("bthd,bshd->bhts", q, k) * F(0.5)
    return np.einsum("bhts,bshd->bthd", softmax(change(s)), v)


def past(s: Any) -> Any:
    t = wl.numpy.arange(s.shape[-1])
    return t[:, None] >= t


def filled(q: Any, k: Any, v: Any) -> Any:
    return plain(q, k, v, lambda s: np.where(past(s), s, F(-np.inf)))


def added(q: Any, k: Any, v: Any) -> Any:
    mask = np.where(np.tri(q.shape[1], k.shape[1], dtype=bool), F(0), F(-1e9))
    return plain(q, k, v, lambda s: s + mask)


def capped(q: Any, k: Any, v: Any) -> Any:
    cap = lambda s: np.where(past(s), np.tanh(s / F(5)) * F(5), F(-1e30))  # noqa: E731
    return plain(q, k, v, cap)


def sinks(q: Any, k: Any, v: Any) -> Any:
    """A first key that all see, then a window."""

    def seen(s: Any) -> Any:
        t = wl.numpy.arange(s.shape[-1])
        near = (t[:, None] - t < 20) & past(s)
        return np.where(near | (t == 0), s, F(-np.inf))

    return plain(q, k, v, seen)


def biased(q: Any, k: Any, v: Any, bias: Any) -> Any:
    return plain(q, k, v, lambda s: s + bias)


def rows(q: Any, k: Any, v: Any) -> Any:
    return softmax(q @ k.T) @ v


def of_heads(x: Any, w: Any) -> Any:
    """Heads cut out of one product, as layers write it."""
    length, width = x.shape
    q, k, v = ((x @ m).reshape(length, 2, -1).transpose(1, 0, 2) for m in w)
    s = np.where(past(x @ x.T), q @ k.transpose(0, 2, 1), F(-1e9))
    return (softmax(s) @ v).transpose(1, 0, 2).reshape(length, width)


def repeated(q: Any, k: Any, v: Any) -> Any:
    """Keys of a group repeated for each of its heads."""
    wide = lambda x: np.repeat(x, 3, axis=2)  # noqa: E731
    return plain(q, wide(k), wide(v))


def dropped(q: Any, k: Any, v: Any, key: Any) -> Any:
    s = np.einsum("bthd,bshd->bhts", q, k)
    kept = wl.random.bernoulli(key, 0.8, s.shape)
    return np.einsum("bhts,bshd->bthd", np.where(kept, softmax(s) / F(0.8), F(0)), v)


def gradients(f: Callable[..., Any], count: int = 3) -> Callable[..., Any]:
    def of(*args: Any) -> Any:
        loss = lambda *xs: np.sum(f(*xs, *args[count:]) ** 2)  # noqa: E731
        return wl.value_and_grad(loss, tuple(range(count)))(*args[:count])

    return of


def pulled(f: Callable[..., Any]) -> Callable[..., Any]:
    def of(*args: Any) -> Any:
        y, back = wl.vjp(f, *args[:-1])
        return y, *back(args[-1])

    return of


def forward(q: Any, k: Any, v: Any) -> Any:
    return wl.jvp(filled, (q, k, v), (k, q, v))


def curved(q: Any, k: Any, v: Any) -> Any:
    """A Hessian times a vector."""
    loss = lambda q: np.sum(rows(q, k, v) ** 2)  # noqa: E731
    return wl.jvp(wl.grad(loss), (q,), (v,))


def unit(seed: int) -> tuple[np.ndarray]:
    return (np.array([seed, 7], np.uint32),)


three = tuple(normal(72, 4, seed=k) for k in range(3))
FORMULAS: dict[str, tuple[Callable[..., Any], Arrays]] = {
    "plain": (plain, heads()),
    "ragged": (plain, heads(53)),
    "cross": (plain, heads(40, 90)),
    "f64": (filled, heads(dtype=np.float64)),
    "-inf": (filled, heads()),
    "added": (added, heads(70)),
    "soft cap": (capped, heads()),
    "sinks": (sinks, heads(130)),
    "bias": (biased, (*heads(), normal(2, 72, 72))),
    "no heads": (rows, three),
    "of itself": (lambda x: rows(x, x, x), (normal(72, 4),)),
    "merged heads": (of_heads, (normal(72, 8), normal(3, 8, 8))),
    "repeated keys": (repeated, heads(count=6, groups=2)),
    "dropout": (dropped, (*heads(), *unit(1))),
    "nn": (nn, heads(dtype=np.float16)),
    "nn causal": (lambda q, k, v: nn(q, k, v, is_causal=True), heads(count=4, groups=2)),
    "nn window": (lambda q, k, v: nn(q, k, v, local_window_size=(20, 5)), heads(150)),
    "nn lengths": (
        lambda q, k, v, n: nn(q, k, v, is_causal=True, key_value_seq_lengths=n),
        (*heads(), np.array([0, 50])),
    ),
    "one query": (lambda q, k, v: softmax(q @ np.swapaxes(k, -1, -2)) @ v,
                  (normal(2, 3, 1, 32), normal(2, 3, 300, 32), normal(2, 3, 300, 32, seed=1))),
    "vmap": (lambda q, k, v: wl.vmap(rows, (0, None, 0))(q, k, v),
             (normal(3, 72, 4), three[1], normal(3, 72, 4, seed=1))),
    "scan": (lambda x, w: wl.lax.scan(lambda x, m: (rows(x @ m, x, x), None), x, w)[0],
             (normal(72, 4), normal(3, 4, 4))),
    "grad": (gradients(plain), heads(53)),
    "grad -inf": (gradients(filled), heads()),
    "grad added": (gradients(added), heads(70)),
    "grad sinks": (gradients(sinks), heads(130)),
    "grad no heads": (gradients(rows), three),
    "grad of itself": (gradients(lambda x: rows(x, x, x), 1), (normal(72, 4),)),
    "grad merged heads": (gradients(of_heads, 2), (normal(72, 8), normal(3, 8, 8))),
    "grad repeated keys": (gradients(repeated), heads(count=6, groups=2)),
    "grad dropout": (gradients(dropped), (*heads(), *unit(2))),
    "grad nn": (gradients(lambda *a: nn(*a, is_causal=True)), heads(count=4, groups=2)),
    "vjp": (pulled(filled), (*heads(), normal(2, 72, 2, 4, seed=9))),
    "jvp": (forward, heads()),
    "second order": (curved, three),
}  # fmt: skip


def traced(function: Callable[..., Any], *arrays: np.ndarray) -> Graph:
    """The graph that attention is found in."""
    *_, last = optimised(wl.trace(function, *arrays).graph)
    assert isinstance(last.state, Graph)
    return last.state


def graph_of(name: str) -> tuple[Graph, Arrays]:
    function, arrays = FORMULAS[name]
    return traced(function, *arrays), arrays


def slabs_in(graph: Graph) -> list[Node]:
    inner = (n for node in graph.nodes for g in node.op.graphs for n in slabs_in(g))
    return [*(n for n in graph.nodes if isinstance(n.op, Slabs)), *inner]


def largest(graph: Graph) -> int:
    """Elements of what is made in memory, a loop's bodies included."""
    own = [v.type.size for n in graph.nodes if n.args for v in n.values]
    return max([*own, *(largest(g) for n in graph.nodes if not isinstance(n.op, Slabs)
                        for g in n.op.graphs)])  # fmt: skip


def scores(graph: Graph) -> int:
    inner = (scores(g) for n in graph.nodes for g in n.op.graphs)
    return max([*(n.out.type.size for n in graph.nodes if isinstance(n.op, DotGeneral)), *inner, 0])


def close(got: Any, want: Any) -> None:
    for x, y in zip(got, want, strict=True):
        rounding = 64 * np.finfo(y.dtype).eps
        np.testing.assert_allclose(x, y, rounding, rounding * max(np.abs(y).max(), 1e-3))


@pytest.mark.parametrize("name", FORMULAS)
def test_slabs_give_the_numbers_of_the_formula(name: str) -> None:
    graph, arrays = graph_of(name)
    found = attention(graph)
    assert slabs_in(found)
    verify(found, "attention", graph)
    assert largest(found) < scores(graph) or name == "one query"
    with np.errstate(invalid="ignore"):
        close(interpret(found, *arrays), interpret(graph, *arrays))


@pytest.mark.parametrize("name", ["ragged", "nn causal", "one query", "grad added", "grad dropout"])
def test_programs_of_slabs_give_the_same_bits_on_any_number_of_threads(name: str) -> None:
    graph, arrays = graph_of(name)
    c = compile_graph(graph)
    assert "attention" in [s.name for s in c.stages]
    r, seen = c.record, []
    rows = c.program.rows
    for count, poison in itertools.product((1, 2), (False, True)):
        with threads(count):
            program = Program(
                rows, r.inputs, r.outputs, tuple(r.constants.values()), r.arena_bytes,
                r.scratch_bytes, r.seconds, poison=poison, together=True,
            )  # fmt: skip
            seen.append(program(arrays))
    close(seen[0], interpret(graph, *arrays))
    for other in seen[1:]:
        for x, y in zip(other, seen[0], strict=True):
            np.testing.assert_array_equal(x, y)


# ---------------------------------------------------------------- bands


def multiplied(graph: Graph, times: int = 1) -> int:
    """Multiply-adds of all products."""
    total = 0
    for n in graph.nodes:
        turns = times * (n.op.count if isinstance(n.op, Slabs) else getattr(n.op, "length", 1))
        total += sum(multiplied(g, turns) for g in n.op.graphs)
        if isinstance(n.op, DotGeneral):
            depth = np.prod([n.args[0].shape[d] for d in n.op.contracting[0]], dtype=int)
            total += times * n.out.type.size * int(depth)
    return total


@pytest.mark.parametrize(
    ("masked", "share"),
    [(filled, 0.7), (added, 0.7), (capped, 0.7), (sinks, 1.0),
     (lambda *a: nn(*a, is_causal=True), 0.7), (lambda *a: nn(*a, local_window_size=(64, 0)), 0.4)],
)  # fmt: skip
def test_columns_that_no_row_of_a_band_sees_are_not_computed(masked: Any, share: float) -> None:
    arrays = tuple(normal(1, 512, 1, 4, seed=k) for k in range(3))
    for f in (masked, gradients(masked)):
        found = attention(traced(f, *arrays))
        whole = gradients(plain) if f is not masked else plain
        assert multiplied(found) <= share * multiplied(attention(traced(whole, *arrays)))


Mask = Callable[[Any, Any, Any], Any]
MASKS: tuple[Mask, ...] = (
    lambda i, j, t: (i & j) < 32,
    lambda i, j, t: (i | j) >= 224,
    lambda i, j, t: ~(j - i) >= 0,
    lambda i, j, t: i.astype("int8") >= j.astype("int8"),
    lambda i, j, t: (i - j).astype("uint32") >= 64,
    lambda i, j, t: (i - j + 600).astype("uint8") < 64,
    lambda i, j, t: i.astype("int32") * 2**24 >= j.astype("int32") * 2**24,
    lambda i, j, t: ((i - j) / 64).astype("int32") == 0,
    lambda i, j, t: np.minimum(i - j, 0).astype(bool),
    lambda i, j, t: i.astype("float16") + 2048 >= j.astype("float16") + 2048,
    lambda i, j, t: (i >= j) | (t > 1_700_000_000),
    lambda i, j, t: (i >= j) | (t - 2 * 10**8 > 0),
    lambda i, j, t: (i >= j) | (t.astype("float64") * 1e-9 > 1.7),
    lambda i, j, t: (i >= j) | (np.maximum(t.astype("float64"), 2e8) > 1.7e9),
    lambda i, j, t: (i >= j) | np.pad(np.zeros((256, 192), bool), ((0, 0), (0, 64)),
                                      constant_values=True),
)  # fmt: skip
"""What masks do with positions and numbers that is not the arithmetic of small floats."""


@pytest.mark.parametrize("mask", MASKS)
def test_a_block_of_columns_is_dead_where_the_mask_is_false_everywhere(mask: Mask) -> None:
    q, k, v = (normal(256, 2, seed=s) for s in range(3))
    t = np.random.default_rng(0).integers(1_600_000_000, 1_800_000_000, 256)

    def f(q: Any, k: Any, v: Any, t: Any, arange: Any = wl.numpy.arange) -> Any:
        seen = mask(arange(256)[:, None], arange(256)[None], t)
        e = np.where(seen, np.exp(q @ k.T), F(0))
        return e @ v / (1 + np.sum(e, 1, keepdims=True))

    found = attention(traced(f, q, k, v, t))
    assert slabs_in(found)
    (y,) = interpret(found, q, k, v, t)
    np.testing.assert_allclose(y, f(q, k, v, t, np.arange), 1e-4, 1e-4)


def test_a_row_that_sees_no_key_takes_them_all_alike() -> None:
    q, k, v = heads(72)
    mask = np.ones((1, 1, 72, 72), bool)
    mask[..., 3, :] = False
    masked = lambda q, k, v: nn(q, k, v, mask=np.tri(72, dtype=bool) & mask)  # noqa: E731
    (y,) = interpret(attention(traced(masked, q, k, v)), q, k, v)
    np.testing.assert_allclose(y[:, 3], v.mean(1), 1e-5, 1e-5)


# ---------------------------------------------------------------- what is not taken


def notes(f: Callable[..., Any], *arrays: np.ndarray) -> str:
    found: list[str] = []
    graph = attention(traced(f, *arrays), found)
    assert bool(slabs_in(graph)) == any(" is taken" in line for line in found)
    return "\n".join(found)


def test_it_says_what_was_taken_and_what_not(monkeypatch: pytest.MonkeyPatch) -> None:
    q, k, v = three
    assert "attention of f32[72, 72] is taken: 1 times 72 rows by 16" in notes(rows, q, k, v)

    def weights(q: Any, k: Any, v: Any) -> Any:
        p = softmax(q @ k.T)
        return p @ v, p

    assert "not taken: all of f32[72, 72], which div gives, is read by the caller" in notes(
        weights, q, k, v
    )
    assert "slabs of 1 rows would copy what products read where it is" in notes(
        nn, normal(2, 1, 3, 32), normal(2, 300, 3, 32), normal(2, 300, 3, 32)
    )
    monkeypatch.setattr(slab_cut, "LEAST_BYTES", 1 << 20)
    assert "not taken: so few scores stay in the cache, below 1024 KiB" in notes(rows, q, k, v)


def test_a_softmax_that_nothing_multiplies_stays_as_it_is() -> None:
    assert notes(lambda x: softmax(x) @ x.T, normal(72, 8)) == ""
    assert notes(lambda x, y: softmax(x @ y.T), *three[:2]) != ""


def test_the_user_sees_it_in_the_stages() -> None:
    text = wl.jit(rows).inspect(*three)["attention"]
    assert "slabs(" in text and "test_attention.py:" in text and " is taken: " in text


def test_memory_grows_as_the_length() -> None:
    sizes = []
    for length in (256, 1024):
        arrays = tuple(normal(length, 4, seed=k) for k in range(3))
        graph = wl.trace(gradients(rows), *arrays).graph
        sizes.append(compile_graph(graph).plan.arena_bytes)
    assert sizes[1] < 5 * sizes[0]
