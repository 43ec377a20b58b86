"""jit: a function compiled on its first call with arguments of some kind, native on the next.

step = wl.jit(train_step, donate_argnums=(0,))
params, loss = step(params, batch)
print(step.inspect(params, batch))
"""

from __future__ import annotations

import functools
import heapq
import itertools
import operator
import os
import re
import sys
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import (
    TYPE_CHECKING,
    Any,
    ParamSpec,
    Protocol,
    Self,
    TypedDict,
    TypeVar,
    Unpack,
    overload,
)

import numpy as np

from ...runtime.gpu.device_array import DeviceArray
from ...runtime.gpu.devices import array_on_device
from ..ir.errors import ProgramError
from ..ir.graph import Graph
from ..ir.precision import factors_of
from ..ir.source import location, user_source
from ..ir.types import NUMPY, Type, dtype_name
from ..settings import Settings, active, bytes_of, changed, float_of
from ..trace import tree
from ..trace.arguments import Ints, Static, Strings, places_and_names, positional
from ..trace.arrays import plain
from ..trace.frozen import watched
from ..trace.operands import is_wide
from ..trace.standing import Carrying, StandIn, name_of
from ..trace.trace import PYTHON, Traced, aval, call, names_of, trace, trace_tree
from ..trace.tracer import Recomputed, current
from ..transform.interpreter import interpret
from . import nans, programs
from .back_end import back_end
from .budget import Candidate, fitted
from .devices import device_of, on_host, program_device
from .executable import Executable, compiled_alone
from .inspection import Inspection
from .keys import Key, leaf_name, reason
from .mesh import Mesh

if TYPE_CHECKING:
    from ..family import SizedProgram, SizeFamilies

NUMBERS = frozenset(dtype.type for dtype in NUMPY.values())  # of NumPy's, in no array

PROGRAMS = 1024
"""Of one function that are kept; what was used longest ago is compiled again when it is needed."""
PRECISION = "default_matmul_precision"
HEEDED = (PRECISION, "default_dtype", "mesh")  # the settings that tracing heeds

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")


class Options(TypedDict, total=False):
    """What `jit` takes beside the function, for those who check types."""

    static_argnums: Ints
    static_argnames: Strings
    donate_argnums: Ints
    donate_argnames: Strings
    check_nans: bool | None
    disable_jit: bool | None
    dump: str | os.PathLike[str] | None
    verify: bool | None
    memory_budget: int | str | None
    device: Any
    default_dtype: Any
    default_matmul_precision: Any
    mesh: Mesh | None


class Decorator(Protocol):
    """`jit` with options, which takes the function."""

    def __call__(self, function: Callable[P, R], /) -> Jitted[P, R]: ...


@overload
def jit(fun: np.ufunc, **options: Unpack[Options]) -> Jitted[..., Any]: ...
@overload
def jit(fun: Callable[P, R], **options: Unpack[Options]) -> Jitted[P, R]: ...
@overload
def jit(fun: Callable[..., Any], **options: Unpack[Options]) -> Jitted[..., Any]: ...
@overload
def jit(**options: Unpack[Options]) -> Decorator: ...
def jit(
    fun: Callable[..., Any] | None = None,
    *,
    static_argnums: Ints = (),
    static_argnames: Strings = (),
    donate_argnums: Ints = (),
    donate_argnames: Strings = (),
    check_nans: bool | None = None,
    disable_jit: bool | None = None,
    dump: str | os.PathLike[str] | None = None,
    verify: bool | None = None,
    memory_budget: int | str | None = None,
    device: Any = None,
    default_dtype: Any = None,
    default_matmul_precision: Any = None,
    mesh: Mesh | None = None,
) -> Any:
    """`fun` compiled to native code, once per kind of arguments.

    The kind is the structure of the arguments, the element type and shape of every array in them,
    and the values of static arguments, which must be hashable. What the function closes over is
    read at the first call. Programs die with the function that `jit` gave; of 1024 kinds and more
    the one used longest ago goes.

    Arguments: trees of arrays and numbers. An array is an ndarray, one of NumPy's scalars, or what
    gives one by `__array__` (tensors of PyTorch on the host, arrays of JAX, columns of pandas).
    What is memory alone (array.array, memoryview) is none, nor a subclass of ndarray whose
    arithmetic is its own (masked arrays, matrices).
    Errors: a ProgramError that names the user's line; the next call starts afresh.
    Settings: `check_nans`, `disable_jit`, `dump`, `verify`, `memory_budget`, `device`,
    `default_dtype`, `default_matmul_precision`, `mesh`, as in settings.py; None leaves them as they
    are.
    Memory: within `memory_budget`, bytes or "256MB", a call never takes more than that for results
    and everything between, threads included; what does not fit is computed again, by the same
    kernels, so the results are the same bits. Where that is faster, or the only way, the function
    is traced again with loops that keep less for reverse mode: then sums over turns, as of the
    gradients of weights, may be taken in another order. A budget that cannot be kept is an error
    that names the least, and what is in memory then.
    Processes: `wl.lax.psum` and its like know the axes of `mesh` (`wl.distributed.mesh`): they
    exchange values with other processes, all of which call the function, each with arguments of its
    own and of one kind.
    Devices: it runs on `device` ("cpu", "cuda", "cuda:1", one of `wl.devices()`), else where its
    arguments are. Results on a GPU stay there, and a call does not wait for them.
    Retracing: every trace after the first is logged, by the logger "wonderland" at level INFO, with
    what of the arguments made it necessary. Where only sizes differ the program is made without
    compiling anew, if all that compiling decided holds for them; else the log says what does not.
    Disk: programs are kept for other processes in the folder WONDERLAND_CACHE: these trace, and run
    them without compiling, which the logger says. Not kept are those that call Python.
    Donation: arrays in the arguments `donate_argnums`, or of the names `donate_argnames`, that are
    given by place may be overwritten by results; don't read them, or views of them, after the call.
    What is read-only, not contiguous or also part of another argument is copied instead.
    Results: new arrays that share memory with nothing.
    Threads: any number may call it at once. A fork waits until nothing is being compiled; the child
    may go on calling.
    Ctrl-C: while native code runs it is seen between two turns of a loop, and when the call is
    done, as a KeyboardInterrupt in place of the results. While a function is traced or compiled it
    is seen at once, and the next call starts afresh.
    """
    if fun is None:
        return functools.partial(
            jit,
            static_argnums=static_argnums,
            static_argnames=static_argnames,
            donate_argnums=donate_argnums,
            donate_argnames=donate_argnames,
            check_nans=check_nans,
            disable_jit=disable_jit,
            dump=dump,
            verify=verify,
            memory_budget=memory_budget,
            device=device,
            default_dtype=default_dtype,
            default_matmul_precision=default_matmul_precision,
            mesh=mesh,
        )
    static, names = places_and_names(fun, static_argnums, static_argnames)
    donated, _ = places_and_names(fun, donate_argnums, donate_argnames, "donate_argnames")
    folder = None if dump is None else os.fspath(dump)
    place = None if device is None else str(device)
    given = {"check_nans": check_nans, "disable_jit": disable_jit, "dump": folder, "device": place,
             "verify": verify}  # fmt: skip
    own = {name: value for name, value in given.items() if value is not None}
    if memory_budget is not None:
        own["memory_budget"] = bytes_of(memory_budget)
    if default_dtype is not None:
        own["default_dtype"] = float_of(default_dtype)
    if default_matmul_precision is not None:
        own[PRECISION] = factors_of(default_matmul_precision, PRECISION)
    if mesh is not None:
        own["mesh"] = mesh.axes
    kind = JittedCarrying if isinstance(fun, Carrying) else Jitted
    return kind(fun, static, names, donated, own)


@dataclass(eq=False, repr=False)
class Jitted(StandIn[P, R]):
    """A function that compiles itself; see `jit`."""

    function: Callable[P, R]
    static: tuple[int, ...]
    static_names: tuple[str, ...]
    donated: tuple[int, ...]
    keywords: dict[str, Any]  # settings by keyword
    entries: dict[Key, Executable] = field(default_factory=dict)
    turns: dict[int, int] = field(default_factory=dict)  # when each was last looked up, by id
    clock: Iterator[int] = field(default_factory=itertools.count)
    recent: Executable | None = None
    seen: Settings | None = None  # of the thread that called the recent one
    lock: threading.RLock = field(default_factory=threading.RLock)
    families: SizeFamilies | None = None

    def __post_init__(self) -> None:
        self.stand_in("jit")
        _functions.add(self)

    def __call__(self, *args: P.args, **options: P.kwargs) -> R:
        recent = self.recent
        if recent is not None and active() is self.seen and current() is None:
            leaves = recent.read((args, options))
            outputs: Any = None if leaves is None else recent.program.attempt(leaves)
            if outputs is not None:
                return outputs[0] if recent.single else recent.together(outputs)
        return told_where(self.call, args, options)

    def call(self, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """A call in general: finds or makes the program for its kind."""
        static, dynamic = self.parted(args, options)
        if current() is not None:  # part of the function being traced
            return call(self.traced(static, dynamic), *dynamic)
        leaves, structure = tree.flatten(dynamic)
        arrays, kinds = self.kind(leaves, dynamic)
        settings = self.settings(arrays)
        if settings.disable_jit or settings.device in ("", "cpu"):
            arrays = on_host(arrays)
        if settings.disable_jit:
            traced = self.traced(static, dynamic)
            graph, results, outputs = traced.graph, traced.outputs, interpret(traced.graph, *arrays)
        else:
            entry = self.entry(Key(static, structure, kinds, settings), dynamic)
            exact = (np.ndarray, DeviceArray)
            if settings.native and not static and all(type(x) in exact for x in leaves):
                # its guard knows the kind as well as the key does
                self.recent, self.seen = entry, active()
            graph, results, outputs = entry.traced.graph, entry.results, entry.program(arrays)
        if settings.check_nans:
            nans.refuse_nans(graph, on_host(arrays), on_host(outputs))
        if results.container is None:
            return outputs[0]
        # a program without results has what stands for its effects
        return tree.unflatten(results, outputs if results.size else ())

    def __repr__(self) -> str:
        return f"<jit of {self.name}>"

    def __dir__(self) -> list[str]:
        """What users call; the rest is how it works."""
        shown = ("compile", "inspect", "name")
        return [n for n in super().__dir__() if n in shown or re.fullmatch("__.*__", n)]

    def __deepcopy__(self, memo: Any) -> Self:
        return self  # as of functions

    def __reduce__(self) -> str:
        return getattr(self, "__qualname__", self.name)  # as functions, by where it is

    def inspect(self, *args: Any, **options: Any) -> Inspection:
        """Every stage of the program for these arguments, which are not run."""
        return Inspection(self.program_for(args, options, passes=True).compiled)

    def compile(self, *args: Any, **options: Any) -> Executable:
        """The program for arguments of this kind, which are not read: types will do."""
        return self.program_for(args, options)

    def program_for(
        self, args: tuple[Any, ...], options: dict[str, Any], passes: bool = False
    ) -> Executable:
        """The program; one that is made now by all `passes`, if its stages are to be seen."""
        static, dynamic = self.parted(args, options)
        leaves, structure = tree.flatten(dynamic)
        arrays, kinds = self.kind(leaves, dynamic)
        return self.entry(Key(static, structure, kinds, self.settings(arrays)), dynamic, passes)

    @property
    def _numba_type_(self) -> Any:
        """Numba's code calls what `compile` gives: here kinds of arguments are not known."""
        from numba.core.errors import TypingError

        required = "a program for arguments of one kind is required in Numba's code"
        repair = f"program = {self.name}.compile(*arguments) before, and call that there"
        raise TypingError(f"{self.name}: {required}, got <jit of {self.name}>\ntry: {repair}")

    # ---- keys

    def parted(self, args: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, Any]:
        """Static values, told apart to the bit, and everything else: by position, then by name."""
        if not self.static and not self.static_names:
            return (), (args, options)
        static = [Static.of(i, args[i]) for i in self.static if i < len(args)]
        static += [Static.of(n, options[n]) for n in self.static_names if n in options]
        rest = tuple(None if i in self.static else a for i, a in enumerate(args))
        dynamic = {n: v for n, v in options.items() if n not in self.static_names}
        return tuple(static), (rest, dynamic)

    def array(self, x: Any, leaves: Sequence[Any], dynamic: Any) -> np.ndarray:
        """A leaf as an array; the error names the argument."""
        try:
            return leaf_array(x)
        except ProgramError:
            structure = tree.structure(dynamic if isinstance(dynamic[-1], dict) else (dynamic, {}))
            for leaf, place in zip(leaves, names_of(self.function, structure), strict=True):
                if leaf is x:
                    aval(x, place)
            raise

    def kind(self, leaves: Sequence[Any], dynamic: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """The leaves as arrays of the host or a device, and what of them decides the program."""
        arrays, kinds = [], []
        for x in leaves:
            if type(x) is np.ndarray or type(x) is DeviceArray:
                arrays.append(x)
                kinds.append((x.dtype, x.shape))
            elif type(x) in NUMBERS:
                arrays.append(np.asarray(x))
                kinds.append((type(x) if is_wide(x) else x.dtype, ()))
            elif isinstance(x, Type):
                arrays.append(x)
                kinds.append((x.numpy, x.shape))
            else:
                found = array_on_device(x)
                a = self.array(x, leaves, dynamic) if found is None else found
                arrays.append(a)
                number = type(x) in PYTHON or (isinstance(x, np.generic) and is_wide(x))
                kinds.append((type(x) if number else a.dtype, a.shape))
        return tuple(arrays), tuple(kinds)

    def settings(self, arrays: Sequence[Any]) -> Settings:
        """What holds for a call now; the device is that of the arguments if none is set."""
        found = replace(active(), **self.keywords) if self.keywords else active()
        device = found.device or device_of(arrays)
        return found if device == found.device else replace(found, device=device)

    # ---- compiling

    def entry(self, key: Key, dynamic: Any, passes: bool = False) -> Executable:
        """The program of a key."""
        try:
            found = self.entries.get(key)
        except TypeError:
            self.refuse_unhashable(key)
            raise
        if found is None:
            with self.lock:
                found = self.entries.get(key) or self.added(key, dynamic, passes)
        self.turns[id(found)] = next(self.clock)
        return found

    def refuse_unhashable(self, key: Key) -> None:
        """Refuses static data of a container that do not hash."""
        found = tree.unhashable(key.structure)
        if found is None:
            return
        path, value = found
        names = [p.name for p in positional(self.function)]
        raise ProgramError(
            f"jit: a static field must be hashable, got {type(value).__name__} "
            f"at {leaf_name(names, path)}",
            location(user_source()),
            "a tuple in place of a list or an array, or a field that is not static",
        ) from None

    def added(self, key: Key, dynamic: Any, passes: bool = False) -> Executable:
        """A new program; those used longest ago go where there are more than PROGRAMS."""
        if self.entries and (log := listened()):
            why = reason(self.function, key, self.entries)
            log.info("jit: %s is traced again: %s", self.name, why)
        made = self.entries[key] = self.compiled_for(key, dynamic, passes)
        if (extra := len(self.entries) - PROGRAMS) > 0:
            kept = {id(made), id(self.recent)}  # the recent one is called without looking it up
            entries = self.entries.items()
            others = ((self.turns.get(id(e), 0), k) for k, e in entries if id(e) not in kept)
            for _, gone in heapq.nsmallest(extra, others, operator.itemgetter(0)):
                del self.entries[gone]
            self.turns = {id(e): self.turns.get(id(e), 0) for e in self.entries.values()}
        return made

    def traced(self, static: Any, dynamic: Any, recomputed: Recomputed | None = None) -> Traced:
        with changed(**{k: v for k, v in self.keywords.items() if k in HEEDED}):
            return trace(self.bound(static), *dynamic, name=self.name, recomputed=recomputed)

    def bound(self, static: Any, whole: Callable[..., Any] | None = None) -> Callable[..., Any]:
        """The function, or `whole` in place of it, of the dynamic tree."""
        given = {s.where: s.value for s in static}
        whole = whole or self.function

        def function(args: tuple[Any, ...], options: dict[str, Any]) -> Any:
            full = [given.get(i, a) for i, a in enumerate(args)]
            named = {n: v for n, v in given.items() if isinstance(n, str)}
            return whole(*full, **options, **named)

        return function

    def compiled_for(self, key: Key, dynamic: Any, passes: bool = False) -> Executable:
        device, budget = program_device(key.settings.device), key.settings.memory_budget
        static = tuple(s.where for s in key.static if isinstance(s.where, int))

        def traced(recomputed: Recomputed) -> Traced:
            with watched(self.function):
                return self.traced(key.static, dynamic, recomputed)

        plain = traced(Recomputed())
        # to find where a NaN was born, the arguments must be as they were
        donated = () if key.settings.check_nans else self.donations(plain.graph, dynamic)

        def lowered(recomputed: Recomputed) -> Candidate:
            of = traced(recomputed) if recomputed.part else plain
            lowering = back_end().Lowering.of(of.graph, donated=donated, device=device)
            return Candidate(of, lowering, recomputed)

        with changed(verify=key.settings.verify, dump=key.settings.dump):
            place = None
            if device is None:
                place = programs.ProgramPlace.of(plain.graph, donated, budget, fitted=True)
            if place and (kept := place.kept()):
                if log := listened():
                    log.info("jit: the program of %s is from disk", self.name)
                of = traced(kept.recomputed) if kept.recomputed.part else plain
                make = functools.partial(compiled_alone, of.graph, donated, budget)
                return Executable(of, make, static, budget, kept)
            shown = passes or key.settings.verify or key.settings.dump
            if device is None and not (budget or shown):
                made = self.of_other_sizes(plain.graph, donated)
                if made is not None:
                    make = functools.partial(compiled_alone, plain.graph, donated, 0)
                    keep = place and functools.partial(place.keep, Recomputed())
                    return Executable(plain, make, static, 0, keep=keep, sized=made)
            candidate, compiled = fitted(lowered, budget)
        back_end().dumped(compiled, key.settings.dump)
        keep = place and functools.partial(place.keep, candidate.recomputed)
        return Executable(candidate.traced, lambda: compiled, static, budget, keep=keep)

    def of_other_sizes(
        self, graph: Graph, donated: tuple[tuple[int, int], ...]
    ) -> SizedProgram | None:
        """The program as one of a family."""
        back_end()
        from ..family import SizeFamilies  # brings the back end

        self.families = self.families or SizeFamilies()
        made, why = self.families.program(graph, donated)
        if log := listened():
            if why:
                log.info("jit: all passes run for %s again: %s", self.name, why)
            elif made and self.entries:
                log.info("jit: no pass runs for %s again, only sizes differ", self.name)
        return made

    def donations(self, graph: Graph, dynamic: Any) -> tuple[tuple[int, int], ...]:
        """Pairs of a donated input and an output of its type, in order."""
        pairs: list[tuple[int, int]] = []
        free: dict[Type, list[int]] = {}  # outputs that none has taken, the first one last
        for o, v in reversed([*enumerate(graph.outputs)]):
            free.setdefault(v.type, []).append(o)
        start = 0
        for k, argument in enumerate(dynamic[0]):
            size = len(tree.leaves(argument))
            if k in self.donated:
                for i in range(start, start + size):
                    if fits := free.get(graph.inputs[i].type):
                        pairs.append((i, fits.pop()))
            start += size
        return tuple(pairs)


class JittedCarrying(Jitted[P, R]):
    """A jitted function that holds arrays: they are a first argument, which it reads itself."""

    @property
    def carrying(self) -> Carrying[P, R]:
        found: Any = self.function
        return found

    def __call__(self, *args: P.args, **options: P.kwargs) -> R:
        recent = self.recent
        if recent is not None and active() is self.seen and current() is None:
            leaves = recent.read(((self.carrying.carried(), *args), options))
            outputs: Any = None if leaves is None else recent.program.attempt(leaves)
            if outputs is not None:
                return outputs[0] if recent.single else recent.together(outputs)
        return told_where(self.call, args, options)

    def parted(self, args: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, Any]:
        static, (rest, dynamic) = super().parted(args, options)
        return static, ((self.carrying.carried(), *rest), dynamic)

    def array(self, x: Any, leaves: Sequence[Any], dynamic: Any) -> np.ndarray:
        (carried, *rest), options = dynamic
        return super().array(x, leaves[len(tree.leaves(carried)) :], (tuple(rest), options))

    def bound(self, static: Any, whole: Callable[..., Any] | None = None) -> Callable[..., Any]:
        def function(args: tuple[Any, ...], options: dict[str, Any]) -> Any:
            held = functools.partial(self.carrying.apply_carried, args[0])
            return super(JittedCarrying, self).bound(static, held)(args[1:], options)

        return function

    def donations(self, graph: Graph, dynamic: Any) -> tuple[tuple[int, int], ...]:
        (carried, *rest), options = dynamic
        before = len(tree.leaves(carried))
        given = replace(graph, inputs=graph.inputs[before:])
        return tuple((i + before, o) for i, o in super().donations(given, (rest, options)))


_functions: weakref.WeakSet[Jitted[..., Any]] = weakref.WeakSet()


def told_where(call: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """The call, whose errors name the user's line even where nobody noted it."""
    try:
        return call(args, options)
    except ProgramError as error:
        if error.where or type(error) is not ProgramError:
            raise
        where = location(user_source())
        raise ProgramError(error.what, where, error.repair, error.bare) from None


def listened() -> Any:
    """The logger, where somebody listens: who does has imported logging, which is not cheap."""
    logging = sys.modules.get("logging")
    if logging is None:
        return None
    found = logging.getLogger("wonderland")
    return found if found.isEnabledFor(logging.INFO) else None


def forked() -> None:
    """In the child of a fork: the threads that were tracing are the parent's."""
    for function in list(_functions):
        function.lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forked)


def leaf_array(x: Any) -> np.ndarray:
    """A leaf as an array; weak Python scalars as bool, i64, f64, c128."""
    if isinstance(x, int) and not -(2**63) <= x < 2**63:
        raise ProgramError(f"jit: an integer of 64 bits is required, got {x}")
    for kind, name in PYTHON.items():
        if isinstance(x, kind):
            return np.array(x, NUMPY[name])
    aval(x)
    return plain(x)


def eval_shape(function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """The types of the results of `function`, in their tree; it is traced, nothing is computed.

    Arguments are arrays, numbers, or types: `wl.ShapeDtypeStruct(shape, dtype)`.
    """
    name = name_of(function)
    traced = trace_tree(lambda a, o: function(*a, **o), (args, options), name)
    return tree.unflatten(traced.outputs, [v.type for v in traced.graph.outputs])


def ShapeDtypeStruct(shape: Sequence[int], dtype: Any) -> Type:
    """The type of an array that need not exist; a function, named as JAX's class."""
    return Type(dtype_name(dtype), tuple(shape))
