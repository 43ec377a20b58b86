"""Programs over named axes, as data: what they give over processes they give under vmap.

A program is a function of one application. `Program.arguments` are those of the application at some
places, `Program.stacked` what vmap gives of all of them; so each process can compute its own
arguments, and what its results are to be, with no word from others.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import wonderland as wl
from wonderland import lax
from wonderland.compiler.ir.types import INEXACT, NAMES, NUMPY

Draw = Callable[[np.random.Generator, int], tuple[Any, ...]]


@dataclass(frozen=True)
class Program:
    """`function` of what `draw` gives for each place, of a generator and the number of places, and
    of the last `shared` of that, which all have.

    `exact`: no sum of numbers that round, so results are the same to the bit.
    """

    name: str
    function: Callable[..., Any]
    draw: Draw
    axes: tuple[str, ...] = ("i",)
    shared: int = 0
    exact: bool = False

    def sizes(self, count: int) -> tuple[int, ...]:
        """Of the axes, of so many processes in all."""
        return (count,) if len(self.axes) == 1 else (2, count // 2)

    def arguments(self, sizes: tuple[int, ...], places: tuple[int, ...]) -> tuple[Any, ...]:
        """Those of the application at `places`."""
        count = math.prod(sizes)
        at = int(np.ravel_multi_index(places, sizes))
        own, same = (self.drawn(count, k) for k in (at, count))
        split = len(own) - self.shared
        return (*own[:split], *same[split:])

    def drawn(self, count: int, at: int) -> tuple[Any, ...]:
        return self.draw(np.random.default_rng([zlib.crc32(self.name.encode()), at]), count)

    def vmapped(self) -> Callable[..., Any]:
        """The function over all its axes in one process, of stacked arguments."""
        f = self.function
        for axis in reversed(self.axes):
            f = wl.vmap(f, in_axes=self.in_axes, axis_name=axis)
        return f

    @property
    def in_axes(self) -> Any:
        count = len(self.drawn(4, 0))
        return (*(0,) * (count - self.shared), *(None,) * self.shared)

    def stacked(self, sizes: tuple[int, ...]) -> tuple[Any, ...]:
        """The arguments of `vmapped`."""
        every = [self.arguments(sizes, places) for places in np.ndindex(*sizes)]

        def along(*leaves: Any) -> np.ndarray:
            return np.stack(leaves).reshape(*sizes, *np.shape(leaves[0]))

        split = len(every[0]) - self.shared
        own = [wl.tree.map(along, *same) for same in zip(*(e[:split] for e in every), strict=True)]
        return (*own, *every[0][split:])


ROUNDING = {"f16": 2e-3, "bf16": 2e-2, "f32": 1e-5, "f64": 1e-11, "c64": 1e-5, "c128": 1e-11}
"""A few sums in another order, of numbers near 1."""


def same(found: Any, expected: Any, exact: bool, message: str) -> None:
    """Two trees of results."""
    for got, want in zip(wl.tree.leaves(found), wl.tree.leaves(expected), strict=True):
        got, want = np.asarray(got), np.asarray(want)
        assert (got.dtype, got.shape) == (want.dtype, want.shape), message
        if exact or NAMES[got.dtype] not in INEXACT:
            np.testing.assert_array_equal(got, want, err_msg=message)
        else:
            near = ROUNDING[NAMES[got.dtype]]
            np.testing.assert_allclose(got, want, near, near, err_msg=message)


PROGRAMS: list[Program] = []


def program(name: str, draw: Draw, **options: Any) -> Callable[[Any], Any]:
    """Adds a function to the programs."""

    def added(function: Callable[..., Any]) -> Callable[..., Any]:
        PROGRAMS.append(Program(name, function, draw, **options))
        return function

    return added


def normal(*shape: int, count: int = 1) -> Draw:
    """Arrays of a shape."""
    return lambda rng, n: tuple(rng.normal(size=shape) for _ in range(count))


def parts(*shape: int, each: int = 1) -> Draw:
    """An array with `each` elements along axis 0 for every place."""
    return lambda rng, n: (rng.normal(size=(each * n, *shape)),)


def every_dtype(dtypes: list[str], *shape: int, parted: bool = False) -> Draw:
    """A dict of arrays, small whole numbers, of which sums are exact."""

    def draw(rng: np.random.Generator, n: int) -> tuple[Any, ...]:
        of = (n, *shape) if parted else shape
        return ({d: rng.integers(0, 2 if d == "bool" else 9, of).astype(NUMPY[d]) for d in dtypes},)

    return draw


def around(n: int, by: int = 1) -> list[tuple[int, int]]:
    """The pairs of a turn."""
    return [(k, (k + by) % n) for k in range(n)]


DTYPES = list(NUMPY)
NUMBERS = [d for d in NUMPY if d != "bool"]
ORDERED = [d for d in NUMPY if d not in ("c64", "c128")]

# ---------------------------------------------------------------- values

REDUCTIONS = {"psum": lax.psum, "pmean": lax.pmean, "pmax": lax.pmax, "pmin": lax.pmin}
for _name, _reduce in REDUCTIONS.items():
    for _shape in ((3, 5), (), (0, 4), (70_001,)):
        PROGRAMS.append(
            Program(
                f"{_name} of {_shape}",
                lambda x, reduce=_reduce: reduce(x, "i"),
                normal(*_shape),
                exact=_name in ("pmax", "pmin"),
            )
        )


@program("sums of every dtype", every_dtype(DTYPES, 7), exact=True)
def _(x: Any) -> Any:
    return lax.psum(x, "i")


@program("means of every dtype", every_dtype(DTYPES, 2, 3), exact=True)
def _(x: Any) -> Any:
    return lax.pmean(x, "i")


@program("greatest and least of every dtype", every_dtype(ORDERED, 5), exact=True)
def _(x: Any) -> Any:
    return lax.pmax(x, "i"), lax.pmin(x, "i")


@program("everything of every dtype", every_dtype(DTYPES, 3, 5), exact=True)
def _(x: Any) -> Any:
    return lax.all_gather(x, "i"), lax.all_gather(x, "i", axis=1, tiled=True)


@program("parts of sums of every dtype", every_dtype(NUMBERS, 3, parted=True), exact=True)
def _(x: Any) -> Any:
    return lax.psum_scatter(x, "i"), lax.psum_scatter(x, "i", tiled=True)


@program("parts of every dtype exchanged", every_dtype(DTYPES, 3, parted=True), exact=True)
def _(x: Any) -> Any:
    return lax.all_to_all(x, "i", 0, 1), lax.all_to_all(x, "i", 0, 1, tiled=True)


@program("a turn of every dtype", every_dtype(DTYPES, 3), exact=True)
def _(x: Any) -> Any:
    n = lax.axis_size("i")
    return lax.ppermute(x, "i", around(n)), lax.ppermute(x, "i", [(n - 1, 0)])


@program("what one has of every dtype", every_dtype(DTYPES, 4), exact=True)
def _(x: Any) -> Any:
    return lax.pbroadcast(x, "i", lax.axis_size("i") - 1)


@program("NaN and infinities", normal(6), exact=True)
def _(x: Any) -> Any:
    first = lax.axis_index("i") == 0
    x = np.where(first & (x > 0), np.nan, np.where(x < -1, -np.inf, x))
    return lax.pmax(x, "i"), lax.pmin(x, "i"), lax.all_gather(x, "i"), lax.psum(x * np.inf, "i")


@program("places and sizes", normal(3), exact=True)
def _(x: Any) -> Any:
    n = lax.axis_size("i")
    return x * lax.axis_index("i"), np.zeros(n) + lax.axis_index("i"), lax.psum(1, "i") * x, n


@program("no operand differs", normal(3, count=2), shared=1)
def _(_: Any, x: Any) -> Any:
    parted = np.stack([x] * lax.axis_size("i")) * np.arange(lax.axis_size("i"))[:, None]
    return (
        lax.psum(x, "i"), lax.pmax(x, "i"), lax.all_gather(x, "i"), lax.ppermute(x, "i", [(0, 0)]),
        lax.psum_scatter(parted, "i"), lax.all_to_all(parted, "i", 0, 0),
    )  # fmt: skip


@program("everything along other axes", normal(2, 3, 5), exact=True)
def _(x: Any) -> Any:
    whole = [lax.all_gather(x, "i", axis=k) for k in range(-1, 3)]
    return whole, [lax.all_gather(x, "i", axis=k, tiled=True) for k in range(-1, 3)]


@program("parts along other axes", parts(3, each=2))
def _(x: Any) -> Any:
    n = lax.axis_size("i")
    wide = np.outer(x[:, 0], x[:n, 1])
    return lax.psum_scatter(wide, "i", scatter_dimension=1), lax.psum_scatter(
        wide, "i", scatter_dimension=0, tiled=True
    )


@program("parts exchanged along other axes", parts(3, each=2), exact=True)
def _(x: Any) -> Any:
    n = lax.axis_size("i")
    y = x.reshape(2, n, 3)
    return (
        lax.all_to_all(y, "i", 1, 0), lax.all_to_all(y, "i", 1, 2),
        lax.all_to_all(y, "i", 1, 2, tiled=True), lax.pswapaxes(y, "i", 1),
    )  # fmt: skip


@program("permutations", normal(4), exact=True)
def _(x: Any) -> Any:
    n = lax.axis_size("i")
    several = [around(n, 0), around(n, n - 1), [], [(k, n - 1 - k) for k in range(n)], [(0, n - 1)]]
    moved = [lax.ppermute(x, "i", pairs) for pairs in several]
    return moved, lax.pshuffle(x, "i", list(reversed(range(n))))


@program("empty arrays", lambda rng, n: (np.zeros((n, 0)), np.zeros((0, n), np.int32)), exact=True)
def _(x: Any, y: Any) -> Any:
    return (
        lax.psum(x, "i"), lax.all_gather(y, "i"), lax.psum_scatter(x, "i"),
        lax.all_to_all(y, "i", 1, 0), lax.ppermute(x, "i", [(0, 0)]), lax.pmax(y, "i"),
    )  # fmt: skip


@program("a tree", lambda rng, n: ({"w": rng.normal(size=3), "b": (rng.normal(), 2)},))
def _(x: Any) -> Any:
    return lax.pmean(x, "i"), lax.all_gather(x, "i")


@program("sums of sums", normal(5, count=2))
def _(x: Any, y: Any) -> Any:
    s = lax.psum(x * y, "i")
    return lax.psum(s * x, "i") + lax.pmax(s, "i"), lax.psum(s, "i")


@program("statistics of a batch", normal(6, 3))
def _(x: Any) -> Any:
    mean = lax.pmean(np.mean(x, 0), "i")
    variance = lax.pmean(np.mean((x - mean) ** 2, 0), "i")
    return (x - mean) / np.sqrt(variance + 1e-5)


@program("softmax of classes shared out", normal(5, 3))
def _(x: Any) -> Any:
    e = np.exp(x - lax.pmax(np.max(x, 1), "i")[:, None])
    return e / lax.psum(np.sum(e, 1), "i")[:, None]


# ---------------------------------------------------------------- loops and branches


@program("a sum in every turn", normal(4))
def _(x: Any) -> Any:
    def turn(carry: Any, t: Any) -> Any:
        s = lax.psum(carry * t, "i")
        return np.tanh(s + x), s

    return lax.scan(turn, x, np.arange(5.0))


@program("a ring", normal(3), exact=True)
def _(x: Any) -> Any:
    n = lax.axis_size("i")

    def turn(carry: Any, _: Any) -> Any:
        return lax.ppermute(carry, "i", around(n)), carry

    return lax.scan(turn, x, None, length=n)


@program("a sum that every turn has", normal(4))
def _(x: Any) -> Any:
    return lax.scan(lambda c, t: (c * t + lax.psum(x, "i"), None), x, np.arange(3.0))[0]


@program("turns until all agree", normal(3))
def _(x: Any) -> Any:
    def more(state: Any) -> Any:
        return lax.pmax(np.max(np.abs(state[0])), "i") > 0.1

    def halved(state: Any) -> Any:
        return state[0] / 2 + lax.pmean(state[0], "i") / 8, state[1] + 1

    return lax.while_loop(more, halved, (x, 0))


@program("a branch that all take", normal(3))
def _(x: Any) -> Any:
    large = lax.psum(np.sum(x), "i") > 0
    taken = lax.cond(large, lambda x: lax.psum(x, "i"), lambda x: lax.pmax(x, "i") - 1, x)
    return taken, lax.switch(lax.psum(1, "i") % 3, [lambda x: x, lambda x: lax.pmin(x, "i")] * 2, x)


@program("loops in loops", normal(2, 3))
def _(x: Any) -> Any:
    def outer(c: Any, row: Any) -> Any:
        def inner(k: Any, y: Any) -> Any:
            return np.tanh(lax.psum(y, "i") * (k + 1) / 9)

        return lax.fori_loop(0, 3, inner, c + row), lax.all_gather(c, "i")

    return lax.scan(outer, x[0], x)


@program("a batch inside", normal(4, 3))
def _(x: Any) -> Any:
    def one(row: Any, k: Any) -> Any:
        s = lax.psum(row * k, "i") + lax.pmean(row, "rows")
        return s, lax.psum(row, ("i", "rows")), lax.all_gather(row, ("rows", "i"))

    return wl.vmap(one, axis_name="rows")(x, np.arange(4.0))


@program("an inner axis of the same name", normal(4, 3))
def _(x: Any) -> Any:
    inner = wl.vmap(lambda row: lax.psum(row, "i") + lax.axis_index("i"), axis_name="i")
    return inner(x) * lax.psum(x, "i")


@program("rows of a batch that take other ways", normal(4, 3))
def _(x: Any) -> Any:
    def chosen(row: Any, sign: Any) -> Any:
        return lax.cond(sign > 0, lambda r: lax.psum(r**2, "i"), lambda r: -r, row)

    def repeated(row: Any, turns: Any) -> Any:
        def turn(state: Any) -> Any:
            return np.tanh(state[0] + lax.pmean(state[0], "i")), state[1] + 1

        return lax.while_loop(lambda state: state[1] < turns, turn, (row, 0))

    signs = np.array([1.0, -1.0, 2.0, -3.0])
    slope = wl.grad(lambda x: np.sum(wl.vmap(chosen)(x, signs) ** 2))(x)
    return wl.vmap(chosen)(x, signs), wl.vmap(repeated)(x, np.arange(4)), slope


@program("parts beside a batch inside", parts(3, 2, 2))
def _(x: Any) -> Any:
    def one(y: Any) -> Any:
        return (
            lax.psum_scatter(y, "i"), lax.all_to_all(y, "i", 0, 1), lax.pmin(y, "i"),
            lax.ppermute(y, "i", [(0, lax.axis_size("i") - 1)]),
        )  # fmt: skip

    return wl.vmap(wl.vmap(one, in_axes=1), in_axes=2)(x)  # y has two axes


@program("parts over an axis of each kind", parts(3, each=2))
def _(x: Any) -> Any:
    def one(y: Any) -> Any:
        names = ("v", "i")
        return lax.psum_scatter(y, names), lax.all_to_all(y, names, 0, 0), lax.axis_index(names)

    return wl.vmap(one, axis_name="v")(np.stack([x, 2 * x]))


@program("compiled inside", normal(3))
def _(x: Any) -> Any:
    return wl.jit(lambda y: lax.psum(np.sin(y), "i"))(x) * wl.jit(lambda: lax.axis_index("i"))()


# ---------------------------------------------------------------- derivatives

SMOOTH: dict[str, Callable[..., Any]] = {
    "psum": lambda x: lax.psum(np.sin(x), "i"),
    "pmean": lambda x: x * lax.pmean(x**2, "i"),
    "pmax": lambda x: x * lax.pmax(x**2, "i"),
    "pmin": lambda x: np.cos(lax.pmin(x, "i")),
    "all_gather": lambda x: np.sum(np.sin(lax.all_gather(x, "i")), 0) * x,
    "psum_scatter": lambda x: lax.psum_scatter(
        np.sin(np.outer(np.arange(1.0, 1.0 + lax.axis_size("i")), x)), "i"
    ),
    "all_to_all": lambda x: np.sum(
        np.sin(lax.all_to_all(np.outer(x, np.arange(1.0 * lax.axis_size("i"))), "i", 1, 0)), 0
    ) * x,
    "ppermute": lambda x: x * lax.ppermute(np.sin(x), "i", around(lax.axis_size("i"))),
    "partial ppermute": lambda x: x**2 * lax.ppermute(
        np.sin(x), "i", [(0, lax.axis_size("i") - 1)]
    ),
    "pbroadcast": lambda x: x * lax.pbroadcast(np.sin(x), "i", lax.axis_size("i") - 1),
    "axis_index": lambda x: x**2 * (lax.axis_index("i") + 1),
}  # fmt: skip


def loss_of(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x: np.sum(f(x) ** 2)


for _name, _f in SMOOTH.items():

    def derivatives(x: Any, v: Any, f: Any = _f) -> Any:
        slope = wl.grad(loss_of(f))
        value, forward = wl.jvp(f, (x,), (v,))
        return slope(x), value, forward, wl.jvp(slope, (x,), (v,))[1]

    PROGRAMS.append(Program(f"derivatives of {_name}", derivatives, normal(4, count=2)))


@program("jacobians and a hessian", normal(3))
def _(x: Any) -> Any:
    def f(x: Any) -> Any:
        return lax.psum_scatter(np.outer(np.arange(1.0 * lax.axis_size("i")), x**2), "i") * x

    def total(x: Any) -> Any:
        return np.sum(lax.pmax(x, "i") ** 3) * lax.psum(x[0], "i")

    return wl.jacrev(f)(x), wl.jacfwd(f)(x), wl.hessian(total)(x)


@program("complex derivatives", lambda rng, n: (rng.normal(size=4) + 1j * rng.normal(size=4),))
def _(z: Any) -> Any:
    def loss(z: Any) -> Any:
        w = lax.psum(z**2, "i") + lax.ppermute(z, "i", around(lax.axis_size("i")))
        return np.sum(np.abs(lax.all_gather(w, "i") * z) ** 2)

    return wl.grad(loss)(z)


@program("derivatives in bf16", every_dtype(["bf16"], 3), exact=True)
def _(x: Any) -> Any:
    def loss(x: Any) -> Any:
        return np.sum(lax.psum(x["bf16"], "i") + lax.all_gather(x["bf16"], "i")[0])

    return wl.grad(loss)(x)


@program("a linear function turned around", normal(3, count=2))
def _(x: Any, ct: Any) -> Any:
    value, pullback = wl.vjp(lambda x: lax.all_gather(np.sin(x), "i")[::-1] * x, x)
    return value, pullback(lax.all_gather(ct, "i")), lax.map(lambda r: lax.psum(r, "i"), value)


@program("shares of what is greatest", lambda rng, n: (rng.integers(0, 2, 9) * 1.0,))
def _(x: Any) -> Any:
    return wl.grad(lambda x: np.sum(lax.pmax(x, "i") * np.arange(9.0)))(x)


@program("the gradient of a loop", normal(3))
def _(x: Any) -> Any:
    def loss(x: Any) -> Any:
        def turn(c: Any, t: Any) -> Any:
            c = np.tanh(lax.pmean(c, "i") * t + x)
            return c, lax.psum_scatter(np.outer(np.arange(1.0 * lax.axis_size("i")), c), "i")

        last, rows = lax.scan(turn, x, np.arange(4.0))
        return np.sum(last**2) + np.sum(rows)

    return wl.value_and_grad(loss)(x), wl.grad(wl.checkpoint(loss))(x)


@program("the gradient of a branch", normal(3))
def _(x: Any) -> Any:
    def loss(x: Any) -> Any:
        large = lax.pmax(np.sum(x), "i") > 0
        y = lax.cond(large, lambda x: lax.psum(x**2, "i"), lambda x: x * lax.pmin(x, "i"), x)
        return np.sum(y * x)

    return wl.grad(loss)(x)


@wl.custom_vjp
def summed_forward(x: Any) -> Any:
    return lax.psum(x, "i")


@wl.custom_vjp
def summed_backward(x: Any) -> Any:
    return x


summed_forward.defvjp(lambda x: (lax.psum(x, "i"), None), lambda _, ct: (ct,))
summed_backward.defvjp(lambda x: (x, None), lambda _, ct: (lax.psum(ct, "i"),))


@program("rules of the user's", normal(4, count=2))
def _(x: Any, w: Any) -> Any:
    def loss(w: Any) -> Any:
        return np.sum(np.sin(summed_forward(summed_backward(x) * w)))

    return wl.value_and_grad(loss)(w)


# ---------------------------------------------------------------- models


def layers(rng: np.random.Generator, n: int) -> dict[str, np.ndarray]:
    return {"w": rng.normal(size=(3, 4 * n)) / 2, "v": rng.normal(size=(4 * n, 2)) / 2}


def data_and_weights(rng: np.random.Generator, n: int) -> tuple[Any, ...]:
    return rng.normal(size=(5, 3)), rng.normal(size=(5, 2)), layers(rng, 1)


def squared(p: Any, x: Any, y: Any) -> Any:
    return np.mean((np.tanh(x @ p["w"]) @ p["v"] - y) ** 2)


@program("steps of data parallel training", data_and_weights, shared=1)
def _(x: Any, y: Any, p: Any) -> Any:
    def step(p: Any, _: Any) -> Any:
        value, slope = lax.pmean(wl.value_and_grad(squared)(p, x, y), "i")
        return wl.tree.map(lambda a, g: a - 0.1 * g, p, slope), value

    return lax.scan(step, p, None, length=3)


@program("sharded updates", data_and_weights, shared=1)
def _(x: Any, y: Any, p: Any) -> Any:
    n = lax.axis_size("i")
    slope = wl.grad(squared)(p, x, y)["w"].ravel()
    padded = np.pad(slope, (0, -slope.size % n))
    own = lax.psum_scatter(padded, "i", tiled=True) / n
    return lax.all_gather(own / (np.abs(own) + 1), "i", tiled=True)[: slope.size]


@program("layers shared out", lambda rng, n: (layers(rng, 1), rng.normal(size=(5, 3))), shared=1)
def _(p: Any, x: Any) -> Any:
    def loss(p: Any) -> Any:
        return np.mean(lax.psum(np.tanh(x @ p["w"]) @ p["v"], "i") ** 2) / lax.axis_size("i")

    return wl.value_and_grad(loss)(p)


@program("attention around a ring", normal(4, 3, count=3))
def _(q: Any, k: Any, v: Any) -> Any:
    n = lax.axis_size("i")

    def turn(carry: Any, _: Any) -> Any:
        (k, v), (top, total, out) = carry
        scores = q @ k.T
        new = np.maximum(top, np.max(scores, 1))
        e, kept = np.exp(scores - new[:, None]), np.exp(top - new)
        state = new, total * kept + np.sum(e, 1), out * kept[:, None] + e @ v
        return (lax.ppermute((k, v), "i", around(n)), state), None

    start = np.full(4, -np.inf), np.zeros(4), np.zeros((4, 3))
    (_, (_, total, out)), _ = lax.scan(turn, ((k, v), start), None, length=n)
    return out / total[:, None]


@program("stages of a pipeline", lambda rng, n: (rng.normal(size=(3, 3)), rng.normal(size=(4, 3))))
def _(w: Any, xs: Any) -> Any:
    n, here = lax.axis_size("i"), lax.axis_index("i")

    def loss(w: Any) -> Any:
        def tick(held: Any, x: Any) -> Any:
            y = np.tanh(np.where(here == 0, x, held) @ w)
            return lax.ppermute(y, "i", [(k, k + 1) for k in range(n - 1)]), y

        ticks = np.concatenate([xs, np.zeros((n - 1, 3))])
        _, ys = lax.scan(tick, np.zeros(3), ticks)
        return np.where(here == n - 1, np.sum(ys[n - 1 :] ** 2), 0.0)

    return wl.value_and_grad(loss)(w)


# ---------------------------------------------------------------- two axes

BOTH = ("data", "model")


@program("reductions over two axes", normal(3, 2), axes=BOTH)
def _(x: Any) -> Any:
    return (
        lax.psum(x, BOTH), lax.psum(x, "data"), lax.pmean(x, "model"), lax.pmax(x, BOTH),
        lax.pmin(x, "model"), lax.axis_index(BOTH), lax.axis_size(BOTH), lax.axis_index("model"),
    )  # fmt: skip


@program("everything of two axes", normal(3, 2), axes=BOTH, exact=True)
def _(x: Any) -> Any:
    return lax.all_gather(x, BOTH), lax.all_gather(x, ("model", "data"), axis=1, tiled=True)


@program("parts of two axes", parts(3), axes=BOTH)
def _(x: Any) -> Any:
    n = lax.axis_size("data")
    return (
        lax.psum_scatter(x, BOTH), lax.psum_scatter(x, ("model", "data")),
        lax.all_to_all(x, BOTH, 0, 1), lax.psum_scatter(x[:n], "data"),
    )  # fmt: skip


@program("permutations over two axes", normal(3), axes=BOTH, exact=True)
def _(x: Any) -> Any:
    n, m = lax.axis_size(BOTH), lax.axis_size("data")
    return (
        lax.ppermute(x, BOTH, around(n)),
        lax.ppermute(x, "data", around(m)),
        lax.ppermute(x, BOTH, [(0, n - 1)]),
    )


@program(
    "layers shared out over one axis, data over the other",
    lambda rng, n: (layers(rng, 1), rng.normal(size=(5, 3)), rng.normal(size=(5, 2))),
    axes=BOTH,
)
def _(p: Any, x: Any, y: Any) -> Any:
    p, data = lax.pbroadcast(p, "data", 0), lax.pbroadcast((x, y), "model", 0)

    def loss(p: Any) -> Any:
        x, y = data
        out = lax.psum(np.tanh(x @ p["w"]) @ p["v"], "model")
        return np.mean((out - y) ** 2) / lax.axis_size("model")

    value, slope = wl.value_and_grad(loss)(p)
    return lax.psum(value, BOTH), lax.pmean(slope, "data")


@program("a hessian product over two axes", normal(4, count=2), axes=BOTH)
def _(x: Any, v: Any) -> Any:
    def loss(x: Any) -> Any:
        return np.sum(np.sin(lax.psum(x**2, "data")) * lax.pmax(x, "model"))

    return wl.jvp(wl.grad(loss), (x,), (v,))


# ---------------------------------------------------------------- random chains


def step(rng: np.random.Generator, x: Any, axes: tuple[str, ...], depth: int = 0) -> Any:
    """One of what there is, of an array with as many rows as there are applications."""
    order = rng.permutation(len(axes))[: rng.integers(1, len(axes) + 1)]
    names = tuple(axes[k] for k in order)
    n = lax.axis_size(names)
    moved = [(int(a), int(b)) for a, b in zip(rng.permutation(n), rng.permutation(n), strict=True)]
    seeds = rng.integers(1000, size=2)

    def again(k: int) -> Callable[[Any], Any]:
        return lambda x: step(np.random.default_rng(seeds[k]), x, axes, depth + 1)

    flat: list[Callable[[], Any]] = [
        lambda: np.tanh(lax.pmean(x, names) + x),
        lambda: lax.pmax(x, names) - x * lax.pmin(x, names) / 2,
        lambda: np.tensordot(np.arange(n) / n, lax.all_gather(x, names), 1),
        lambda: lax.all_gather(lax.psum_scatter(x, names, tiled=True) / n, names, tiled=True) + x,
        lambda: lax.all_to_all(x, names, 0, 0, tiled=True),
        lambda: lax.ppermute(x, names, moved[: rng.integers(n + 1)]) + x / 2,
        lambda: wl.vmap(lambda y: y * lax.pmean(y, names), in_axes=1, out_axes=1)(x),
    ]
    holding: list[Callable[[], Any]] = [
        lambda: lax.scan(lambda c, _: (np.tanh(again(0)(c)), None), x, None, length=2)[0],
        lambda: lax.cond(lax.psum(np.sum(x), axes) > 0, again(0), again(1), x),
        lambda: wl.checkpoint(again(0))(x),
    ]
    kinds = flat if depth > 1 else flat + holding
    return kinds[rng.integers(len(kinds))]()


def chain(seed: int, axes: tuple[str, ...]) -> Callable[[Any], Any]:
    def function(x: Any) -> Any:
        rng = np.random.default_rng(seed)
        for _ in range(4):
            x = step(rng, x, axes)
        return x

    return lambda x: (function(x), wl.grad(loss_of(function))(x))


for _seed in range(6):
    _axes = BOTH if _seed % 2 else ("i",)
    PROGRAMS.append(Program(f"random chain {_seed}", chain(_seed, _axes), parts(3), axes=_axes))
