"""Loops and branches that stay in the graph, as jax.lax names them.

    last, ys = lax.scan(lambda h, x: (h + x, h * x), h0, xs)
    x = lax.while_loop(lambda x: np.sum(x) < 10, lambda x: x + x, x)
    y = lax.cond(np.sum(x) > 0, np.sin, np.cos, x)

The functions are traced once each; what they read of an outer trace becomes a constant of the loop.
Outside of a trace the whole is traced and run by the interpreter. A carry keeps its type; one that
begins as a Python number takes the type that the function gives it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from ...ir.explain import explained
from ...ir.facts import effects_in
from ...ir.graph import Graph, Value, apply_all
from ...ir.types import INTEGERS, Type, dtype_name
from ...ops import Scan, Switch, While, elementwise, token
from ...ops.nested import CheckpointedScan, CheckpointedWhile, SegmentedScan
from ...ops.source import full, iota, python_type
from ...settings import active as active_settings
from ...trace import tree
from ...trace.operands import (
    NARROW,
    casted,
    common,
    is_weak,
    new,
    operand,
    tracer,
    value,
    wrong,
)
from ...trace.standing import name_of
from ...trace.trace import aval, call, note_effects, trace_tree
from ...trace.tracer import FUNCTIONS, Tracer, active, current
from ..functions.vmap import vmap

Function = Callable[..., Any]
C = TypeVar("C")
R = TypeVar("R")

# ---------------------------------------------------------------- loops


@explained
def scan(
    f: Callable[[Any, Any], tuple[C, R]],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    unroll: int | bool = 1,
    *,
    checkpoints: int | None = None,
) -> tuple[C, R]:
    """carry, ys[i] = f(carry, xs[i]) for every i in order: the last carry and the ys, stacked.

    `init`, `xs` and the ys are trees; every leaf of `xs` has the same leading axis. `length` is
    required where `xs` has no leaves. With `reverse` the last element is the first to be taken, and
    ys[i] still belongs to xs[i]. `unroll` is accepted and changes nothing.
    Derivatives: forward and reverse, of any order; the reverse keeps what it reads of every step,
    as far as a memory budget allows: then the first steps run again, in segments (see jit).
    With `checkpoints=c` it keeps c carries, and the one before the last step, and computes the
    others again, by the revolve schedule: of l steps r l - C(c + r, r - 1) in all before those that
    it differentiates, r = min{r : C(c + r, c) >= l}, which is the least possible. For 1000 steps
    these are 1898 with c = 100, 2439 with 31, 3636 with 10; 20 carries do for 1771 steps of which
    none runs more than 3 times. The gradient is the same; only sums over steps, as of weights, may
    be taken in another order. Forward mode of it keeps c carries too, and their tangents; a second
    reverse pass keeps the carry of every step, as a plain scan does, but no more of it.
    Source: Griewank and Walther, Algorithm 799: revolve, 2000.
    Example:
    >>> scan(lambda total, x: (total + x, total), 0.0, np.arange(3.0))
    (array(3.), array([0., 0., 1.]))
    >>> import wonderland as wl
    >>> wl.grad(lambda x: scan(lambda x, _: (x * x, None), x, None, 5, checkpoints=2)[0])(1.0)
    array(32.)
    """
    del unroll
    kept = room_of("scan", checkpoints)
    return here(lambda init, xs: _scan(f, init, xs, length, reverse, kept), "scan", init, xs)


def room_of(name: str, checkpoints: Any) -> int:
    """How many carries reverse mode keeps; 0 where nothing is said."""
    if checkpoints is None:
        return 0
    if known_integer(checkpoints) is None:
        raise wrong(
            f"{name}: a number of checkpoints of one Python int is required, "
            f"got {described_result(checkpoints)}"
        )
    count = int(checkpoints)
    if count < 1:
        raise wrong(
            f"{name}: 1 checkpoint or more is required, got {count}",
            "no checkpoints= to keep what every step needs",
        )
    return count


def _scan(
    f: Function,
    init: Any,
    xs: Any,
    length: Any,
    reverse: bool,
    checkpoints: int = 0,
    name: str = "scan",
) -> tuple[Any, Any]:
    elements, sequence = tree.flatten(xs)
    sequences = [tracer(x) for x in elements]
    length = length_of(name, sequences, tree.paths(sequence), length)
    of_elements = [
        Tracer(Value(Type(x.type.dtype, x.shape[1:])), x.owner, x.weak) for x in sequences
    ]
    inside = tree.unflatten(sequence, of_elements)

    def step(carry: Any, x: Any) -> Any:
        found = function_given(name, f)(carry, x)
        if not isinstance(found, tuple) or len(found) != 2:
            raise wrong(
                f"{name}: f must return a pair (carry, y), got {described_result(found)}",
                "return carry, y",
            )
        return found

    loop = Carried(name, step, init, (inside,), pair=True)
    k = len(loop.types)
    body = loop.body
    params = body.graph, len(body.consts), k, length, bool(reverse)
    again = active().recomputed
    if checkpoints:
        op = CheckpointedScan(*params, checkpoints)
    elif (turns := round(again.part * length)) and not effects_in(body.graph):
        op = SegmentedScan(*params, turns, again.levels)
    else:
        op = Scan(*params)
    found = apply_all(op, *body.consts, *loop.first(), *(x.value for x in sequences))
    note_effects(found)
    rest = body.outputs.children[1]
    ys = [new(v, weak) for v, (_, weak) in zip(found[k:], body.avals[k:], strict=False)]
    return loop.last(found[:k]), tree.unflatten(rest, ys)


def length_of(name: str, sequences: Sequence[Tracer], paths: Sequence[str], length: Any) -> int:
    """The one length of all sequences."""
    if length is not None and not isinstance(length, (Tracer, int, np.integer)):
        raise wrong(f"{name}: a length of one Python int is required, got {length!r:.40}")
    given = None if length is None else operator.index(length)
    if not sequences and given is None:
        raise wrong(f"{name}: sequences or a length are required, got neither", "length=n")
    for x, path in zip(sequences, paths, strict=True):
        if not x.shape:
            raise wrong(
                f"{name}: an array with a leading axis is required at xs{path}, got {x.type}"
            )
        if x.shape[0] != (sequences[0].shape[0] if given is None else given):
            required = f"of length {given}" if given is not None else "of one length"
            first = "" if given is not None else f" beside {sequences[0].type} at xs{paths[0]}"
            raise wrong(
                f"{name}: sequences {required} are required, got {x.type} at xs{path}{first}"
            )
    count = sequences[0].shape[0] if given is None else given
    if count < 0:
        raise wrong(f"{name}: a length of 0 or more is required, got {count}")
    return count


@explained
def while_loop(
    cond_fun: Callable[[Any], Any],
    body_fun: Callable[[Any], C],
    init_val: Any,
    *,
    checkpoints: int | None = None,
) -> C:
    """carry = body_fun(carry) while cond_fun(carry), from the tree `init_val` on.

    Derivatives: forward, of any order. Reverse with `checkpoints=c`: c carries are kept, and the
    one before the last step, and the others computed again. How often the loop runs is not known
    before it ends, so carries are kept and dropped as it goes: for l steps no step runs more than
    r = min{r : C(c + r, c) >= l} times before it is differentiated, which is the least possible,
    and up to C(c + 2, 2) of them all together run r l - C(c + r, r - 1) times, which is too. The
    gradient has derivatives in forward mode; in reverse there is none without a known length: use
    `fori_loop` with Python ints as bounds, or `scan`.
    Under vmap it runs until all elements are done; what is computed meanwhile for one that is done
    reaches nothing, no derivative and no effect. Under vmap of the gradient every element
    keeps its own carries, which is slow where they run differently often; the gradient of vmap is
    one loop.
    Source: Stumm and Walther, New algorithms for optimal online checkpointing, 2010.
    Example:
    >>> while_loop(lambda x: x < 100, lambda x: x * x, 3)
    array(6561)
    >>> import wonderland as wl
    >>> wl.grad(lambda x: while_loop(lambda x: x < 100, lambda x: x * x, x, checkpoints=2))(3.0)
    array(17496.)
    """
    kept = room_of("while_loop", checkpoints)
    return here(lambda init: _while_loop(cond_fun, body_fun, init, kept), "while_loop", init_val)


def _while_loop(
    cond_fun: Function, body_fun: Function, init: Any, checkpoints: int, name: str = "while_loop"
) -> Any:
    loop = Carried(name, body_fun, init)
    tests = Body(name, cond_fun, (loop.carry(),))
    found = [v.type for v in tests.graph.outputs]
    if found != [Type("bool")] or tests.outputs.container is not None:
        got = ", ".join(str(t) for t in found) or "nothing"
        raise wrong(
            f"{name}: a condition that returns one bool is required, got {got}",
            "np.all or np.any of it" if len(found) == 1 else "",
        )
    consts, (condition, body) = common_constants(tests, loop.body)
    params = condition, body, len(consts)
    op = CheckpointedWhile(*params, checkpoints) if checkpoints else While(*params)
    found = apply_all(op, *consts, *loop.first())
    note_effects(found)
    return loop.last(found)


@explained
def fori_loop(
    lower: Any,
    upper: Any,
    body_fun: Callable[[Any, Any], C],
    init_val: Any,
    *,
    unroll: int | bool | None = None,
    checkpoints: int | None = None,
) -> C:
    """carry = body_fun(i, carry) for i from lower to upper - 1, from the tree `init_val` on.

    With ints that are known as bounds it is a scan, and has derivatives of all kinds; else a while
    loop. i has the dtype of `upper`, or of `lower` beside a Python int, and is weak if `lower` is.
    `checkpoints` is how many carries reverse mode keeps, as for these. `unroll` is accepted and
    changes nothing.
    Example:
    >>> fori_loop(0, 5, lambda i, x: x + i, 0)
    array(10)
    """
    del unroll
    kept = room_of("fori_loop", checkpoints)
    bounds = [known_integer(lower), known_integer(upper)]
    if None not in bounds:
        start, stop = (int(b) for b in bounds if b is not None)
        of = counter_dtype(lower, upper), is_weak(lower)
        return here(
            lambda init: _counted(start, max(stop - start, 0), of, body_fun, init, kept),
            "fori_loop",
            init_val,
        )

    def loop(lower: Any, upper: Any, init: Any) -> Any:
        first, end = (scalar_integer("fori_loop", b, "a bound") for b in (lower, upper))
        dtype = first.type.dtype if is_weak(end) else end.type.dtype
        first, end = (new(value(b, dtype), is_weak(b)) for b in (first, end))
        return _while_loop(
            lambda carry: carry[0] < end,
            lambda carry: (carry[0] + 1, function_given("fori_loop", body_fun)(*carry)),
            (first, init),
            kept,
            "fori_loop",
        )[1]

    return here(loop, "fori_loop", lower, upper, init_val)


def _counted(
    start: int, count: int, of: tuple[str, bool], body_fun: Function, init: Any, checkpoints: int
) -> Any:
    """The loop of known bounds as a scan over its counter, of a dtype and perhaps weak."""
    dtype, weak = of
    counter = iota(Type(dtype, (count,)), 0)
    counter = elementwise.add(counter, full(start, counter.type)) if start else counter

    def step(carry: Any, i: Any) -> tuple[Any, None]:
        function = function_given("fori_loop", body_fun)
        return function(Tracer(i.value, i.owner, weak), carry), None

    return _scan(step, init, new(counter), None, False, checkpoints, "fori_loop")[0]


def counter_dtype(lower: Any, upper: Any) -> str:
    """The dtype of the bound that has one, `upper` first, else i64."""
    strong = [operand(b).dtype for b in (upper, lower) if not is_weak(b)]
    return dtype_name(strong[0]) if strong else "i64"


def known_integer(x: Any) -> Any:
    """`x`, if it is one known integer."""
    whole = isinstance(x, int) and not isinstance(x, bool)
    known = isinstance(x, (np.integer, np.ndarray)) and x.dtype.kind in "iu" and not x.shape
    return x if whole or known else None


def scalar_integer(name: str, x: Any, what: str) -> Tracer:
    """A traced scalar integer."""
    found = tracer(x)
    if found.shape or found.type.dtype not in INTEGERS:
        raise wrong(f"{name}: {what} of one integer is required, got {found.type}")
    return found


@explained
def map(f: Callable[[Any], R], xs: Any, *, batch_size: int | None = None) -> R:
    """ys[i] = f(xs[i]) along the leading axis of every leaf, one after the other.

    With `batch_size` so many at once, as vmap has it; the last ones are fewer.

    Example:
    >>> map(lambda x: x * x, np.arange(3.0))
    array([0., 1., 4.])
    """

    if batch_size is not None:
        return here(lambda xs: _batched(function_given("map", f), xs, batch_size), "map", xs)

    def step(_: Any, x: Any) -> Any:
        return (), function_given("map", f)(x)

    return here(lambda xs: _scan(step, (), xs, None, False, name="map"), "map", xs)[1]


def _batched(f: Function, xs: Any, size: int) -> Any:
    """f of `size` elements at once, then of those that are left."""
    leaves, structure = tree.flatten(xs)
    count = leaves[0].shape[0] if leaves else 0
    if size < 1:
        raise wrong(f"map: a batch_size of 1 or more is required, got {size}")
    whole = count - count % size
    many, parts = vmap(f), []
    if whole:
        rows = [tracer(x)[:whole].reshape(whole // size, size, *x.shape[1:]) for x in leaves]
        found = map(many, tree.unflatten(structure, rows))
        parts.append(tree.map(lambda y: tracer(y).reshape(whole, *y.shape[2:]), found))
    if whole < count or not parts:
        parts.append(many(tree.unflatten(structure, [tracer(x)[whole:] for x in leaves])))
    if len(parts) == 1:
        return parts[0]
    joined = FUNCTIONS[np.concatenate]
    return tree.map(lambda a, b: joined([a, b], 0), *parts)


# ---------------------------------------------------------------- branches


@explained
def cond(
    pred: Any, true_fun: Callable[..., R], false_fun: Callable[..., R], *operands: Any
) -> R:
    """true_fun(*operands) where the scalar `pred` holds, else false_fun(*operands).

    Both are traced and give results of the same types; only the one that is chosen runs.
    Under vmap of `pred` both run, and each element gets what it chose, derivatives of any order
    too: what the other branch makes of it, however undefined, reaches nothing. Effects of a branch
    happen for the elements that chose it.
    Example:
    >>> cond(2 > 1, lambda x: x + 1, lambda x: x - 1, 5)
    array(6)
    """

    def chosen(pred: Any, operands: Any) -> Any:
        test = tracer(pred)
        if test.shape:
            raise wrong(
                f"cond: a scalar condition is required, got {test.type}",
                "np.where, which chooses element by element",
            )
        index = elementwise.cast(casted(test.value, "bool"), "i32")
        return branched("cond", index, (false_fun, true_fun), operands)

    return here(chosen, "cond", pred, operands)


@explained
def switch(index: Any, branches: Sequence[Callable[..., R]], *operands: Any) -> R:
    """branches[index](*operands), the index clamped to their number.

    All are traced and give results of the same types; only the one that is chosen runs. Under vmap
    of `index` it is as with `cond`.
    Example:
    >>> switch(1, [lambda x: x, lambda x: -x], 3.0)
    array(-3.)
    """
    functions = tuple(branches)
    if not functions:
        raise wrong("switch: one branch or more is required, got none")

    def chosen(index: Any, operands: Any) -> Any:
        at = scalar_integer("switch", index, "an index")
        last = full(len(functions) - 1, at.value.type)
        least = elementwise.minimum(elementwise.maximum(at.value, full(0, last.type)), last)
        return branched("switch", casted(least, "i32"), functions, operands)

    return here(chosen, "switch", index, operands)


def branched(name: str, index: Value, functions: Sequence[Function], operands: Any) -> Any:
    """The choice between functions of the same operands."""
    given, structure = tree.flatten(operands)
    leaves = [tracer(x) for x in given]
    args = tree.unflatten(structure, leaves)
    bodies = [Body(name, f, args) for f in functions]
    results = bodies[0].outputs
    for k, body in enumerate(bodies[1:], 1):
        if body.outputs != results:
            found = tree.difference(results, body.outputs)
            raise wrong(f"{name}: branches that return the same structure are required, {found}")
        for path, one, other in zip(tree.paths(results), bodies[0].avals, body.avals, strict=True):
            if agreed(one, other) is None:
                at = f" at result{path}" if path else ""
                raise wrong(
                    f"{name}: branches that return the same types are required, "
                    f"got {one[0]} and {other[0]}{at} of branch {k}",
                    ".astype in one of them" if one[0].shape == other[0].shape else "",
                )
    wanted = [common_of(several) for several in zip(*(b.avals for b in bodies), strict=True)]
    for k, body in enumerate(bodies):
        if body.avals != wanted:
            bodies[k] = Body(name, functions[k], args, [t.dtype for t, _ in wanted])
    consts, graphs = common_constants(*bodies)
    if not wanted and any(graph.outputs for graph in graphs):  # branches of effects alone
        graphs = tuple(g if g.outputs else Graph.of(g.name, g.inputs, (token(),)) for g in graphs)
    found = apply_all(Switch(graphs), index, *consts, *(x.value for x in leaves))
    note_effects(found)
    made = [new(v, weak) for v, (_, weak) in zip(found, wanted, strict=False)]
    return tree.unflatten(results, made)


# ---------------------------------------------------------------- bodies


def here(function: Function, name: str, *args: Any) -> Any:
    """function(*args) in the trace at hand; outside of a trace it is traced and run."""
    if current() is not None:
        return function(*args)
    return call(trace_tree(function, args, name), *args)


def function_given(name: str, function: Any) -> Function:
    """`function`, which must be one."""
    if not callable(function):
        raise wrong(f"{name}: a function is required, got {function!r:.40}")
    return function


def described_result(x: Any) -> str:
    return f"a tuple of {len(x)}" if isinstance(x, tuple) else f"{type(x).__name__} {x!r:.40}"


Aval = tuple[Type, bool]


class Body:
    """A function traced for a body: its graph takes constants, values of the trace at hand, first.

    `dtypes` are those that the results are cast to.
    """

    def __init__(
        self, name: str, function: Function, args: tuple[Any, ...], dtypes: Sequence[str] = ()
    ):
        function_given(name, function)
        avals: list[Aval] = []

        def noted(*args: Any) -> Any:
            found = function(*args)
            results, structure = tree.flatten(found)
            if not all(
                isinstance(x, (Tracer, bool, int, float, np.ndarray, np.generic)) for x in results
            ):
                return found  # whoever traces says what is wrong with it
            if dtypes:
                results = [new(value(x, d)) for x, d in zip(results, dtypes, strict=True)]
            avals[:] = [(aval(x)[0], is_weak(x)) for x in results]
            return tree.unflatten(structure, results)

        traced = trace_tree(noted, args, name_of(function))
        own = traced.graph.inputs
        n = len(traced.args)
        self.graph = Graph(
            traced.graph.name, (*own[n:], *own[:n]), traced.graph.nodes, traced.graph.outputs
        )
        self.consts = tuple(value(x) for x in traced.captured)
        self.outputs, self.avals = traced.outputs, avals

    @property
    def inputs(self) -> tuple[Value, ...]:
        """Those that are no constants."""
        return self.graph.inputs[len(self.consts) :]


def common_constants(*bodies: Body) -> tuple[tuple[Value, ...], tuple[Graph, ...]]:
    """The constants of all bodies, and their graphs as functions of them all."""
    consts = tuple(dict.fromkeys(c for body in bodies for c in body.consts))
    graphs = []
    for body in bodies:
        own = dict(zip(body.consts, body.graph.inputs, strict=False))
        inputs = [own.get(c) or Value(c.type) for c in consts]
        graphs.append(
            Graph(body.graph.name, (*inputs, *body.inputs), body.graph.nodes, body.graph.outputs)
        )
    return consts, tuple(graphs)


@dataclass
class Carried:
    """A function from a carry, and what else it takes, to the next carry, traced.

    A weak carry takes the type that the function gives it, as a Python number would; the function
    is traced again for it. `pair`: the function returns the carry and something else.
    """

    name: str
    function: Function
    init: Any
    further: tuple[Any, ...] = ()
    pair: bool = False

    def __post_init__(self) -> None:
        given, self.structure = tree.flatten(self.init)
        self.leaves = [tracer(x) for x in given]
        while True:
            self.body = Body(self.name, self.function, (self.carry(), *self.further))
            found = self.body.outputs
            found = found.children[0] if self.pair else found
            if found != self.structure:
                raise wrong(
                    f"{self.name}: a carry of the structure of the initial one is required, "
                    + tree.difference(self.structure, found)
                )
            before = [(x.type, x.weak) for x in self.leaves]
            after = self.body.avals[: len(before)]
            if before == after:
                return
            pairs = zip(self.leaves, after, tree.paths(self.structure), strict=True)
            self.leaves = [self.promoted(x, out, path) for x, out, path in pairs]
            if [(x.type, x.weak) for x in self.leaves] == before:
                return

    @property
    def types(self) -> list[Type]:
        return [x.type for x in self.leaves]

    def carry(self) -> Any:
        """The tree of types, and of tracers where they are weak."""
        return tree.unflatten(self.structure, [x if x.weak else x.type for x in self.leaves])

    def first(self) -> list[Value]:
        return [x.value for x in self.leaves]

    def last(self, found: Sequence[Value]) -> Any:
        """The tree of the last carry."""
        pairs = zip(found, self.leaves, strict=False)
        return tree.unflatten(self.structure, [new(v, x.weak) for v, x in pairs])

    def promoted(self, x: Tracer, out: Aval, path: str) -> Tracer:
        """The initial carry for what the function gives."""
        if x.type == out[0] and (x.weak == out[1] or not x.weak):
            return x
        both = agreed((x.type, x.weak), out)
        if both is None or not x.weak:
            repair = f"an initial value of {out[0]}"
            if x.shape == out[0].shape:
                repair = f".astype(np.{x.dtype}) of what the function returns, or {repair}"
            raise wrong(
                f"{self.name}: a carry keeps its type, {x.type} is required at carry{path}, "
                f"got {out[0]}",
                repair,
            )
        return new(casted(x.value, both[0].dtype), both[1])


def agreed(one: Aval, other: Aval) -> Aval | None:
    """The type that a weak value takes beside another, if there is one."""
    if one[0] == other[0]:
        return one[0], one[1] and other[1]
    if one[0].shape != other[0].shape or not (one[1] or other[1]):
        return None
    kinds = tuple(promotion_kind(t, weak) for t, weak in (one, other))
    dtype, weak = dtype_name(common(kinds)), one[1] and other[1]
    if weak and active_settings().default_dtype == "f32":
        dtype = NARROW.get(dtype, dtype)
    return Type(dtype, one[0].shape), weak


def promotion_kind(of: Type, weak: bool) -> Any:
    """What promotion asks for."""
    return python_type(of.dtype) if weak else of.numpy


def common_of(several: Sequence[Aval]) -> Aval:
    found = several[0]
    for other in several[1:]:
        found = agreed(found, other) or found
    return found
