"""jit: a function compiled on its first call with arguments of some kind, native on the next.

step = wl.jit(train_step, donate_argnums=(0,))
params, loss = step(params, batch)
print(step.inspect(params, batch))
"""

from __future__ import annotations

import difflib
import functools
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from . import tree
from .errors import ProgramError
from .ir import Graph
from .trace import Traced, call, trace
from .tracer import current
from .tree import Structure
from .types import type_of

if TYPE_CHECKING:
    from ..runtime.program import Program
    from .pipeline import Compiled

log = logging.getLogger("wonderland")

Ints = int | Sequence[int]


def jit(
    function: Callable[..., Any] | None = None,
    *,
    static_argnums: Ints = (),
    static_argnames: str | Sequence[str] = (),
    donate_argnums: Ints = (),
) -> Any:
    """`function` compiled to native code, once per kind of arguments.

    The kind is the structure of the arguments, the element type and shape of every array in them, and the values of static
    arguments, which must be hashable. What the function closes over is read at the first call.

    Errors: a ProgramError that names the user's line; the next call starts afresh.
    Donation: arrays in the arguments `donate_argnums` may be overwritten by results; don't read them after the call.
    Results: new arrays that share memory with nothing.
    """
    if function is None:
        return functools.partial(
            jit,
            static_argnums=static_argnums,
            static_argnames=static_argnames,
            donate_argnums=donate_argnums,
        )
    names = (static_argnames,) if isinstance(static_argnames, str) else tuple(static_argnames)
    return Jitted(function, ints(static_argnums), names, ints(donate_argnums))


def ints(given: Ints) -> tuple[int, ...]:
    return (given,) if isinstance(given, int) else tuple(given)


@dataclass(frozen=True)
class Entry:
    """A program for one kind of arguments, and how its results are put together."""

    traced: Traced
    compiled: Compiled

    @cached_property
    def program(self) -> Program:
        return self.compiled.program

    @cached_property
    def read(self) -> Callable[[Any], tuple[Any, ...] | None]:
        """The leaves of arguments of this structure, or None."""
        return tree.reader(self.traced.inputs)

    @property
    def results(self) -> Structure:
        return self.traced.outputs

    @cached_property
    def single(self) -> bool:
        return self.results.container is None


@dataclass(eq=False)
class Jitted:
    """A function that compiles itself; see `jit`."""

    function: Callable[..., Any]
    static: tuple[int, ...]
    static_names: tuple[str, ...]
    donated: tuple[int, ...]
    entries: dict[Any, Entry] = field(default_factory=dict)
    recent: Entry | None = None
    lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        functools.update_wrapper(self, self.function)
        if not callable(self.function):
            raise ProgramError(f"jit: a function is required, got {self.function!r}")

    def __call__(self, *args: Any, **options: Any) -> Any:
        recent = self.recent
        if recent is not None and current() is None:
            leaves = recent.read((args, options))
            outputs = None if leaves is None else recent.program.attempt(leaves)
            if outputs is not None:
                return outputs[0] if recent.single else tree.unflatten(recent.results, outputs)
        return self.call(args, options)

    def call(self, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """A call in general: finds or makes the program for its kind."""
        static, dynamic = self.parted(args, options)
        if current() is not None:  # part of the function being traced
            return call(self.traced(static, dynamic), *dynamic)
        leaves, structure = tree.flatten(dynamic)
        arrays, kind = self.kind(leaves)
        key = static, structure, kind
        entry = self.entries.get(key) or self.entry(key, static, dynamic)
        if not static and all(type(x) is np.ndarray for x in leaves):
            self.recent = entry  # its native guard knows the kind as well as the key does
        outputs = entry.program(arrays)
        return outputs[0] if entry.single else tree.unflatten(entry.results, outputs)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def inspect(self, *args: Any, **options: Any) -> Inspection:
        """Every stage of the program for these arguments, which are not run."""
        return Inspection(self.compile(*args, **options).compiled)

    def compile(self, *args: Any, **options: Any) -> Entry:
        """The program for arguments of this kind."""
        static, dynamic = self.parted(args, options)
        leaves, structure = tree.flatten(dynamic)
        key = static, structure, self.kind(leaves)[1]
        return self.entries.get(key) or self.entry(key, static, dynamic)

    # ---- keys

    def parted(self, args: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, Any]:
        """Static values with their types, and everything else: positional arguments, then the named ones."""
        if not self.static and not self.static_names:
            return (), (args, options)
        static = [(i, type(args[i]), args[i]) for i in self.static if i < len(args)]
        static += [(n, type(options[n]), options[n]) for n in self.static_names if n in options]
        for where, kind, value in static:
            try:
                hash(value)
            except TypeError:
                raise ProgramError(
                    f"jit: static argument {where} must be hashable, got {kind.__name__}",
                    repair="a tuple in place of a list, or a dynamic argument",
                ) from None
        rest = tuple(None if i in self.static else a for i, a in enumerate(args))
        dynamic = {n: v for n, v in options.items() if n not in self.static_names}
        return tuple(static), (rest, dynamic)

    def kind(self, leaves: Sequence[Any]) -> tuple[tuple[np.ndarray, ...], tuple[Any, ...]]:
        """The leaves as arrays, and what of them decides the program."""
        arrays, kinds = [], []
        for x in leaves:
            if type(x) is np.ndarray:
                arrays.append(x)
                kinds.append((x.dtype, x.shape))
            else:
                a = array(x)
                arrays.append(a)
                kinds.append((type(x) if type(x) in (bool, int, float) else a.dtype, a.shape))
        return tuple(arrays), tuple(kinds)

    # ---- compiling

    def entry(self, key: Any, static: Any, dynamic: Any) -> Entry:
        with self.lock:
            if key not in self.entries:
                if self.entries:
                    log.info("jit: %s is traced again for %s", self.name, key[2])
                self.entries[key] = self.made(static, dynamic)
            return self.entries[key]

    @property
    def name(self) -> str:
        return getattr(self.function, "__name__", type(self.function).__name__)

    def traced(self, static: Any, dynamic: Any) -> Traced:
        return trace(self.bound(static), *dynamic, name=self.name)

    def bound(self, static: Any) -> Callable[..., Any]:
        """The function of the dynamic tree."""
        given = {where: value for where, _, value in static}

        def function(args: tuple[Any, ...], options: dict[str, Any]) -> Any:
            full = [given.get(i, a) for i, a in enumerate(args)]
            named = {n: v for n, v in given.items() if isinstance(n, str)}
            return self.function(*full, **options, **named)

        return function

    def made(self, static: Any, dynamic: Any) -> Entry:
        from .pipeline import compile_graph  # brings the back end: only compiling needs it

        traced = self.traced(static, dynamic)
        compiled = compile_graph(traced.graph, donated=self.donations(traced.graph, dynamic))
        return Entry(traced, compiled)

    def donations(self, graph: Graph, dynamic: Any) -> tuple[tuple[int, int], ...]:
        """Pairs of a donated input and an output of its type, in order."""
        pairs: list[tuple[int, int]] = []
        start = 0
        for k, argument in enumerate(dynamic[0]):
            size = len(tree.leaves(argument))
            if k in self.donated:
                for i in range(start, start + size):
                    taken = {o for _, o in pairs}
                    fits = (
                        o
                        for o, v in enumerate(graph.outputs)
                        if o not in taken and v.type == graph.inputs[i].type
                    )
                    if (o := next(fits, None)) is not None:
                        pairs.append((i, o))
            start += size
        return tuple(pairs)


def array(x: Any) -> np.ndarray:
    """A leaf as an array; weak Python scalars as f64, i64, bool."""
    if isinstance(x, (bool, int, float)):
        return np.array(
            x, np.bool_ if isinstance(x, bool) else np.int64 if isinstance(x, int) else np.float64
        )
    a = np.asarray(x)
    if a.dtype == object:
        raise ProgramError(f"jit: arrays and numbers are required as arguments, got {type(x).__name__}",
                           repair="static_argnums, for what is no array")  # fmt: skip
    type_of(a)
    return a


# ---------------------------------------------------------------- reading


@dataclass(frozen=True)
class Inspection:
    """The stages of a program, as text: `stages[name]`, `differences`, `str(...)` for all of them."""

    compiled: Compiled

    @cached_property
    def stages(self) -> dict[str, str]:
        """Name to text, in order; a pass that ran twice has a number."""
        from .pipeline import texts_of

        out: dict[str, str] = {}
        for name, text in texts_of(self.compiled):
            k = sum(n == name or n.startswith(f"{name} ") for n in out)
            out[f"{name} {k + 1}" if k else name] = text
        return out

    @cached_property
    def differences(self) -> dict[str, str]:
        """What each graph pass changed, as a unified difference; passes that changed nothing are left out."""
        out: dict[str, str] = {}
        graphs = [
            (n, t)
            for n, t in self.stages.items()
            if t.startswith("def ") and n not in ("fuse", "sources")
        ]
        for (a, before), (b, after) in zip(graphs, graphs[1:], strict=False):
            lines = difflib.unified_diff(
                before.splitlines(), after.splitlines(), a, b, lineterm="", n=1
            )
            if text := "\n".join(lines):
                out[b] = text
        return out

    @property
    def program(self) -> Any:
        return self.compiled.program

    def __iter__(self) -> Iterator[str]:
        return iter(self.stages)

    def __getitem__(self, name: str) -> str:
        if name not in self.stages:
            raise KeyError(f"no stage '{name}'; the stages are {', '.join(self.stages)}")
        return self.stages[name]

    def __str__(self) -> str:
        parts = []
        for name, text in self.stages.items():
            if name in self.differences:
                text = f"{text}\n\nchanged:\n{self.differences[name]}"
            parts.append(f"# {name}\n{text}")
        return "\n\n".join(parts)
