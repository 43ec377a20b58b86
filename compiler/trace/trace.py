"""From functions to graphs.

`trace(f, *args)` runs `f` once on tracers and gives its graph. The graph is closed: arrays that `f`
reads from around it are constants of it, values of an outer trace are further inputs, listed in
`captured`. `call` puts a graph into the trace at hand, or runs it: with it every transformation of
graphs is a transformation of functions, in any nesting.
"""

from __future__ import annotations

import ast
import functools
import inspect
import itertools
import re
import traceback
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...runtime.gpu.devices import array_on_device
from ..ir.errors import ProgramError
from ..ir.explain import BARE, ELSEWHERE, shown
from ..ir.facts import effects_in, has_effect
from ..ir.failed import Failed, failed, renamed_keywords, repaired
from ..ir.graph import Graph, Node, Value, apply_all
from ..ir.source import Source, is_library, is_own, location, user_source
from ..ir.types import NUMPY, Type, dtype_name
from ..ir.walk import inline_graph
from ..ops.effects import Tie, tie, token
from ..settings import active as active_settings
from ..transform.interpreter import interpret
from . import tree
from .arrays import argument_array, refuse_subclasses
from .operands import NARROW, casted, holds_tracer, is_weak, is_wide, new, operand, value
from .peers import meaning
from .repairs import at_front, reshaped, uncalled
from .standing import name_of
from .static_fields import Inputs
from .tracer import FUNCTIONS, SYNTAX, Recomputed, Trace, Tracer, active, current, nearest, tracing
from .tree import Structure

PYTHON = {bool: "bool", int: "i64", float: "f64", complex: "c128"}
"""The dtype of a Python number that has no partner."""
Run = Callable[..., Sequence[np.ndarray]]
"""What runs a graph on arrays: the interpreter, or compiled code."""


@dataclass(frozen=True, eq=False)
class Traced:
    """A function's graph: its inputs are leaves of arguments, then what stands for `captured`."""

    graph: Graph
    inputs: Structure
    outputs: Structure
    captured: tuple[Tracer, ...] = ()
    weak: tuple[bool, ...] = ()  # which outputs are; those without an entry are not
    weak_args: tuple[bool, ...] = ()

    def results(self, found: Sequence[Value]) -> Any:
        """The results' tree of these values of the trace at hand."""
        weak = itertools.chain(self.weak, itertools.repeat(False))
        pairs = zip(found[: self.outputs.size], weak, strict=False)
        return tree.unflatten(self.outputs, [new(v, w) for v, w in pairs])

    @property
    def args(self) -> tuple[Value, ...]:
        """The inputs that are leaves of the arguments."""
        return self.graph.inputs[: self.inputs.size]

    def __str__(self) -> str:
        return str(self.graph)


def traced_leaves(leaves: Sequence[Any]) -> bool:
    """Whether a tracer is among the leaves."""
    return any(isinstance(x, Tracer) for x in leaves)


def aval(x: Any, place: str = "args") -> tuple[Type, bool]:
    """The type of an argument's leaf, and whether it is weak; errors name its place."""
    if isinstance(x, Tracer):
        return x.type, x.weak
    if isinstance(x, Type):
        return x, False
    if type(x) in PYTHON:
        return Type(PYTHON[type(x)]), type(x) is not bool
    refuse_subclasses(x)
    shape, dtype = getattr(x, "shape", None), getattr(x, "dtype", None)
    if isinstance(shape, tuple) and isinstance(dtype, np.dtype):
        weak = is_wide(x) and (isinstance(x, np.generic) or current() is not None)
        return Type(dtype_name(dtype), shape), weak
    found = array_on_device(x)
    found = argument_array(x) if found is None else found
    if found is None:
        memory = "" if isinstance(x, str) else "; np.asarray(x) where it is memory of numbers"
        raise ProgramError(
            "trace: arrays and numbers are required as arguments, "
            f"got {type(x).__name__} {x!r:.40} at {place}",
            location(user_source()),
            f"{static_repair(place)}, or close over it{memory}",
        )
    return Type(dtype_name(found.dtype), found.shape), False


def static_repair(place: str) -> str:
    """How the argument at a place becomes static: by jit, or as a field of a dataclass."""
    if place.isidentifier() and place != "args":
        return f"static_argnames={place!r}"
    field = place.rpartition(".")[2]
    in_field = "." in place and field.isidentifier()
    return f'{field}: Any = field(metadata={{"static": True}})' if in_field else "static_argnums"


def names_of(fun: Callable[..., Any], structure: Structure) -> list[str]:
    """What each leaf of (args, options) is called in messages: `params['w'][0]`."""
    args, options = structure.children
    names = [f"argument {i}" for i in range(len(args.children))]
    try:
        parameters = list(inspect.signature(fun).parameters.values())
    except (TypeError, ValueError):  # a builtin
        parameters = []
    for i, p in enumerate(parameters[: len(names)]):
        if p.kind is p.VAR_POSITIONAL:
            names[i:] = [f"{p.name}[{k}]" for k in range(len(names) - i)]
            break
        names[i] = p.name
    found = [
        name + path
        for name, child in zip(names, args.children, strict=True)
        for path in tree.paths(child)
    ]
    for name, child in zip(options.data, options.children, strict=True):
        found += [name + path for path in tree.paths(child)]
    return found


def trace(
    function: Callable[..., Any],
    *args: Any,
    name: str | None = None,
    recomputed: Recomputed | None = None,
) -> Traced:
    """The graph of `function` for arguments of the types of `args`.

    Those are trees of arrays, numbers, types or tracers. `recomputed`: of loops, what reverse
    mode computes again.
    """
    called = name or name_of(function)
    return trace_tree(function, args, called, recomputed)


def trace_tree(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    name: str,
    recomputed: Recomputed | None = None,
) -> Traced:
    """As `trace`, of arguments as one tuple."""
    leaves, inputs = tree.flatten(args)
    try:
        avals = [aval(x) for x in leaves]
    except ProgramError:
        avals = [aval(x, f"args{p}") for x, p in zip(leaves, tree.paths(inputs), strict=True)]
    name = name if name.isidentifier() else "function"
    alone = current() is None
    with tracing(name, recomputed) as made:
        places = [Value(of) for of, _ in avals]
        made.note(Inputs(tuple(places), inputs))
        tracers = [Tracer(v, made, weak) for v, (_, weak) in zip(places, avals, strict=True)]
        results, outputs = tree.flatten(_run(function, tree.unflatten(inputs, tracers)))
        refuse_traced_parts(outputs, name)
        given = [_result(x, i, outputs, name) for i, x in enumerate(results)]
        if alone and active_settings().default_dtype == "f32":
            pairs = zip(given, results, strict=True)
            given = [casted(v, NARROW.get(v.dtype, v.dtype)) if is_weak(x) else v for v, x in pairs]
        values = tied(given, effects_of(made))
        weak = tuple(map(is_weak, results))
    captured = tuple(outer for outer, _ in made.captured.values())
    further = (inner for _, inner in made.captured.values())
    graph = Graph.of(name, (*places, *further), values)
    return Traced(graph, inputs, outputs, captured, weak, tuple(weak for _, weak in avals))


def _run(function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    """The function's results.

    Errors about tracers that lack the user's line get it: NumPy and Python replace some of ours,
    and some of what fails in our own functions is bare.
    """
    try:
        return function(*args)
    except BARE as error:
        cause = error if isinstance(error, ProgramError) else error.__cause__
        if isinstance(cause, ProgramError):
            if cause is error and cause.where:
                raise
            raise ProgramError(cause.what, cause.where or _place(error), cause.repair) from None
        if what := _inside(error):
            what, _, repair = what.partition("\ntry: ")
            raise ProgramError(what.splitlines()[0], _place(error), repair, error) from None
        if found := _in_the_users_line(error) or _at_the_call(function, error):
            raise found from None
        if "Tracer" not in str(error):
            raise
        if misfit := re.match(OPERATOR, str(error)):
            sign, left, right = (x.replace("Tracer", "a traced array") for x in misfit.groups())
            what = f"{sign}: arrays and numbers are required, got {left} and {right}"
            raise ProgramError(what, _place(error), bare=error) from None
        raise ProgramError(
            f"trace: {error}", _place(error), "Python numbers, known when the function is traced"
        ) from None


OPERATOR = (r"(?:unsupported operand type\(s\) for )?'?(\S+?)'?"
                      r"(?:: | or pow\(\): | not supported between instances of )"
                      r"'(\w+)' and '(\w+)'")  # fmt: skip
"""What Python says of an operator and the types of its operands."""


def _inside(error: BaseException) -> str:
    """What a bare error says that came up in a function of ours which the user called."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    users = [k for k, f in enumerate(frames) if not is_own(f.f_code.co_filename)]
    if not users or users[-1] == len(frames) - 1:
        return ""
    called = frames[users[-1] + 1]
    code = called.f_code
    if code.co_name == "__getattr__":
        return str(error)
    name = code.co_name
    if name == "__init__":
        name = type(called.f_locals.get("self")).__name__
    given = {n: called.f_locals.get(n) for n in code.co_varnames[: code.co_argcount]}
    came = ", ".join(f"{n}={shown(x)}" for n, x in given.items() if n != "self")
    return f"{name}: {str(error).splitlines()[0]}" + (f", got {came}" if came else "")


def _at_the_call(function: Callable[..., Any], error: BaseException) -> ProgramError | None:
    """What a bare error says that arguments do not fit the function, or that it is none."""
    last = [f for f, _ in traceback.walk_tb(error.__traceback__)][-1]
    if not isinstance(error, TypeError) or not is_own(last.f_code.co_filename):
        return None
    if str(error).endswith("object is not callable"):
        what = f"trace: a function is required, got {str(error).split()[0].strip(chr(39))}"
    elif misfit := re.search(BINDING, str(error)):
        what = f"{misfit[1]}: arguments that fit its parameters are required, got {misfit[2]}"
    else:
        return None
    return ProgramError(what, location(user_source()), bare=error)


BINDING = r"([\w<>]+)\(\) (?:got )?((?:missing|takes|an unexpected|multiple|some) .+)"
"""What Python says of arguments that a function does not take, or takes and did not get."""


def _in_the_users_line(error: BaseException) -> ProgramError | None:
    """What a bare error says that a call in the user's own line raised, of a function of NumPy's
    with a keyword that it does not have, or of a number that is a method elsewhere."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    frame = last.tb_frame if last else None
    if last is None or frame is None or is_own(frame.f_code.co_filename):
        return None
    owner = getattr(error, "obj", None)
    ours = type(owner).__module__.startswith("wonderland.") and not isinstance(owner, Tracer)
    if isinstance(error, AttributeError) and ours:
        known = ", ".join(n for n in dir(owner) if not n.startswith("_"))
        what = f"{type(owner).__name__}: one of {known} is required, got {error.name}"
        return ProgramError(what, _place(error), bare=error)
    at = failed(frame, last.tb_lasti)
    if at is None:
        return None
    what, repair = "", ""
    match at.node:
        case ast.Attribute(attr=name, value=of) if isinstance(at.value(of), types.ModuleType):
            space = at.value(of).__name__
            if space.split(".")[0] == "wonderland":
                what = f"{space}: a name of it is required, got {name}"
                repair = _elsewhere(at, name, at.value(of))
        case ast.Attribute(attr=name, value=of) if isinstance(at.value(of), Tracer):
            what = f"{name}: an attribute that can be set is required ({error})"
            repair = repaired((reshaped,), "", at)
        case ast.Call(func=ast.Attribute(attr=name, value=of) as func) if isinstance(
            at.value(of), Tracer
        ) and not callable(at.value(func)):
            what = f"{name}: a method is required, got what is no function ({error})"
            repair = repaired((meaning, uncalled), "", at)
        case ast.Call(func=func, args=args):
            called = at.value(func)
            name = getattr(called, "__name__", "function")
            traced = any(isinstance(at.value(x), Tracer) for x in args)
            if isinstance(called, types.FunctionType | NUMPYS) and called in FUNCTIONS:
                known = frozenset(inspect.signature(FUNCTIONS[called]).parameters)
                what = f"{name}: arguments as NumPy has them are required ({error})"
                repair = repaired((renamed_keywords(ELSEWHERE, known),), "", at)
            elif traced and called is getattr(np, name, at) and "Tracer" not in str(error):
                what = f"{name}: numbers are required, got a traced array ({error})"
                repair = nearest(name)
    where = location(Source(frame.f_code.co_filename, last.tb_lineno))
    return ProgramError(what, where, repair, error) if what else None


SPACES = (
    "numpy", "nn", "lax", "special", "scipy.special", "numpy.linalg", "scipy.linalg", "random",
)  # fmt: skip
"""Where functions are looked for that are not where somebody asked for them."""


def _elsewhere(at: Failed, name: str, asked: types.ModuleType) -> str:
    """Where the front door has a function of the name, or what it has there that is near to it."""
    for space in SPACES:
        module = at_front(space)
        if name in getattr(module, "__all__", ()):
            return f"{at.module('wonderland')}.{space}.{name}"
    import difflib  # only errors need it

    near = difflib.get_close_matches(name, dir(asked), n=1, cutoff=0.75)
    return f"{asked.__name__}.{near[0]}" if near else ""


NUMPYS = type(np.sum)
"""The type of NumPy's functions that ask their arguments first."""


def _place(error: BaseException) -> str:
    """The innermost line of the user's that the error went through."""
    found, library = "", None
    for frame, line in traceback.walk_tb(error.__traceback__):
        source = Source(frame.f_code.co_filename, line)
        if is_library(source.path) and found:
            library = source
        elif not is_own(source.path):
            found, library = location(source), None
    called = f"  {library.file}:{library.line}: {library.text}" if library else ""
    return f"{found}, which calls\n{called}" if called else found


def refuse_traced_parts(outputs: Structure, name: str) -> None:
    """Refuses results whose static fields hold what only a run knows."""
    for path, x in tree.static_parts(outputs):
        if holds_tracer(x):
            raise ProgramError(
                f"{name}: a number known before it runs is required in a static field, got "
                f"{shown(x)} at result{path}",
                location(user_source()),
                f"{path.rpartition('.')[2] or 'field'}: Any, whose values are arrays",
            )


def _result(x: Any, i: int, outputs: Structure, name: str) -> Value:
    if not isinstance(x, (Tracer, *PYTHON, np.ndarray, np.generic)):
        path = tree.paths(outputs)[i] or ""
        raise ProgramError(
            f"{name}: arrays are required as results, got {type(x).__name__} {x!r:.40} "
            f"at result{path}",
            location(user_source()),
            "return arrays in dicts, lists, tuples or dataclasses",
        )
    return value(x)


def eagerly(function: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """A function of traced arrays on arrays, interpreted; other arguments are what they are."""
    leaves, structure = tree.flatten((args, options))
    arrays = {i: x for i, x in enumerate(leaves) if isinstance(x, (np.ndarray, np.generic))}
    found: Any = None

    def body(given: dict[int, Any]) -> Any:
        nonlocal found
        own, named = tree.unflatten(structure, [given.get(i, x) for i, x in enumerate(leaves)])
        found = function(*own, **named)
        return found if traced_leaves(tree.leaves(found)) else ()

    ran = call(trace_tree(body, (arrays,), function.__name__), arrays)
    return ran if traced_leaves(tree.leaves(found)) else found


SYNTAX.eagerly = eagerly


def keeps_bf16(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` as it is in a trace, where Python numbers leave bf16 what it is; outside, NumPy's
    operators make f32 of it."""

    @functools.wraps(function)
    def kept(*args: Any, **options: Any) -> Any:
        if current() is None and any(map(_is_bf16, tree.leaves((args, options)))):
            return eagerly(function, args, options)
        return function(*args, **options)

    return kept


def _is_bf16(x: Any) -> bool:
    return isinstance(x, (np.ndarray, np.generic)) and x.dtype == NUMPY["bf16"]


def call(traced: Traced, *args: Any, run: Run = interpret) -> Any:
    """The traced function on arguments of the types it was traced for.

    It becomes part of the trace at hand where it reads a tracer; else it runs at once.
    """
    operands, types = operands_of(traced, args), [v.type for v in traced.graph.inputs]
    if traced_leaves(operands):
        return traced.results(graph_results(traced.graph, operand_values(traced, operands)))
    arrays = (_array(x, t, traced) for x, t in zip(operands, types, strict=True))
    results = run(traced.graph, *arrays)
    return tree.unflatten(traced.outputs, results[: traced.outputs.size])


def operands_of(traced: Traced, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The leaves of arguments of the structure it was traced for, and what it captured."""
    leaves, inputs = tree.flatten(args)
    if inputs != traced.inputs:
        found = tree.difference(traced.inputs, inputs)
        raise ProgramError(
            f"{traced.graph.name}: the arguments it was traced for are required, {found}"
        )
    return *leaves, *traced.captured


def operand_values(traced: Traced, operands: Sequence[Any]) -> list[Value]:
    """The operands as values of the trace at hand, of the types it was traced for."""
    pairs = zip(operands, traced.graph.inputs, strict=True)
    return [_fitting(value(x, v.type.dtype), v.type, traced) for x, v in pairs]


@dataclass(frozen=True)
class Effects:
    """A note of a trace: values that stand for its effects so far."""

    values: tuple[Value, ...]


def effects_of(trace: Trace) -> tuple[Value, ...]:
    """What stands for the effects of a trace so far, in order."""
    found = trace.noted(Effects)
    return found.values if found else ()


def tied(values: Sequence[Value], effects: Sequence[Value]) -> list[Value]:
    """The results of a trace with the effects of it; a token with them if it has no results."""
    if not effects:
        return list(values)
    return [tie(values[0] if values else token(), *effects), *values[1:]]


def graph_results(graph: Graph, args: Sequence[Value]) -> list[Value]:
    """The results of a graph in the trace at hand, of which its effects become part."""
    if not effects_in(graph):
        return list(inline_graph(graph, args))

    def step(node: Node, given: tuple[Value, ...]) -> tuple[Value, ...]:
        values = apply_all(node.op, *given)
        note_effects(values)
        return values

    found = inline_graph(graph, args, step)
    return [v.node.args[0] if v.node and isinstance(v.node.op, Tie) else v for v in found]


def note_effects(values: Sequence[Value]) -> None:
    """Keeps the effects of a node of these results, which may be read by nothing."""
    node = values[0].node if values else None
    if node is not None and has_effect(node.op):
        trace = active()
        before = (v for v in effects_of(trace) if v not in node.args[:1])
        trace.note(Effects((*before, values[0])))


def _fitting(given: Any, expected: Type, traced: Traced) -> Any:
    if given.shape != expected.shape:
        raise ProgramError(
            f"{traced.graph.name}: {expected} is required, as traced, "
            f"got a shape {list(given.shape)}"
        )
    return given


def _array(x: Any, expected: Type, traced: Traced) -> np.ndarray:
    return _fitting(np.asarray(operand(x), NUMPY[expected.dtype]), expected, traced)
