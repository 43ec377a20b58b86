"""A compiled program for arguments of one kind, for those who want it in their hands.

compiled = wl.jit(step).compile(params, batch)
print(compiled.profile(params, batch))
compiled.save("step.zip")
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ...runtime.gpu.devices import array_on_device
from ..ir.errors import ProgramError
from ..ir.graph import Graph
from ..ir.lazy import lazy
from ..ir.types import Type
from ..trace import tree
from ..trace.arrays import argument_array
from ..trace.trace import Traced, aval
from ..trace.tracer import Recomputed
from ..trace.tree import Structure
from .back_end import back_end
from .programs import KeptProgram, ProgramPlace

if TYPE_CHECKING:
    from ...runtime.cpu.record import ProgramRecord
    from ...runtime.program import AnyProgram
    from ..family import SizedProgram
    from ..pipeline import Compiled
    from .profile import Profile


@dataclass(frozen=True, eq=False)
class Executable:
    """A program for one kind of arguments, and how its results are put together.

    A call takes the arguments without the static ones, whose values are part of the program. It
    never traces or compiles: arguments of another kind are an error.

    Within `@numba.njit` it is a function too, without Python in between, on any thread: of the
    arrays of the arguments in their order (`paths`), of one array or a flat tuple, in which a
    result without axes is a number. Types that do not fit are errors of Numba's typing, other
    shapes a ValueError; a check that fails raises, without values. Not for programs that call
    Python or NumPy, and Numba does not keep what calls one in its cache.
    """

    traced: Traced
    make: Callable[[], Compiled]
    static: tuple[int, ...] = ()  # places of static arguments among the positional ones
    budget: int = 0
    kept: KeptProgram | None = None  # the program, where it was on disk
    keep: Callable[[ProgramRecord], None] | None = None
    sized: SizedProgram | None = None  # where it is one of several that differ in sizes

    @lazy
    def compiled(self) -> Compiled:
        """How the program comes about; by all passes, where it was on disk."""
        return self.make()

    @lazy
    def program(self) -> AnyProgram:
        made = self.kept or self.sized or self.compiled
        program = made.program
        if self.keep:
            self.keep(made.record)
        return program

    @property
    def donated(self) -> tuple[tuple[int, int], ...]:
        """Inputs whose memory outputs take, with these."""
        known = self.kept or self.sized
        return known.record.donated if known else self.compiled.plan.donated

    @lazy
    def read(self) -> Callable[[Any], tuple[Any, ...] | None]:
        """The leaves of arguments of this structure, or None."""
        return tree.reader(self.traced.inputs)

    @property
    def results(self) -> Structure:
        return self.traced.outputs

    @lazy
    def single(self) -> bool:
        return self.results.container is None

    @property
    def name(self) -> str:
        return self.traced.graph.name

    def __repr__(self) -> str:
        inputs, outputs = (", ".join(map(str, types)) for types in self.traced.graph.types)
        return f"<compiled {self.name}({inputs}) -> ({outputs})>"

    # ---- calls

    @lazy
    def numba_function(self) -> Any:
        """This as a function of Numba's; its code finds it by `_numba_type_`."""
        from .numba_calls import numba_function  # brings Numba

        return numba_function(self.traced, self.paths, self.donated, self.program)

    @property
    def _numba_type_(self) -> Any:
        return self.numba_function._numba_type_

    def __call__(self, *args: Any, **options: Any) -> Any:
        return self.together(self.program(self.leaves(args, options)))

    def bind(self, *args: Any, **options: Any) -> Callable[[], Any]:
        """A function of nothing that runs the program on the memory of these arrays, unchecked.

        Change the arrays in place between calls. Every call gives the same result arrays,
        overwritten; a donated argument is updated in place and is its result. Binding runs the
        program once. Not for several threads at once.

        On a GPU the arrays are there already (`wl.device_put`), a call does not wait, and what
        another library writes to them must be done before a call.
        """
        leaves = self.leaves(args, options)
        for leaf, v, path in zip(leaves, self.traced.args, self.paths, strict=True):
            if refusal := self.program.refusal(leaf):
                required, repair = refusal
                raise ProgramError(
                    f"bind: an array {v.type} {required} is required at {path}, "
                    f"got {type(leaf).__name__}",
                    repair=repair,
                )
        bound = self.program.bind(leaves)
        results, call = self.together(bound.results), bound.run

        def run() -> Any:
            call()
            return results

        return run

    def together(self, outputs: tuple[Any, ...]) -> Any:
        if self.single:
            return outputs[0]
        return tree.unflatten(self.results, outputs if self.results.size else ())

    def leaves(self, args: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, ...]:
        """The arrays of arguments of the program's kind, else an error that names what is not."""
        places = list(args)
        for i in sorted(self.static):
            places.insert(i, None)
        given, structure = tree.flatten((tuple(places), options))
        if structure != self.traced.inputs:
            found = tree.difference(self.traced.inputs, structure)
            raise ProgramError(
                f"{self.name}: the arguments it was compiled for are required, {found}"
            )
        given = [x if type(x) is np.ndarray else known(x) for x in given]
        for i, (x, (dtype, shape)) in enumerate(zip(given, self.kinds, strict=True)):
            if type(x) is np.ndarray and x.dtype == dtype and x.shape == shape:
                continue  # most are, and to ask no more is half of the time of a small call
            v, path = self.traced.args[i], self.paths[i]
            got, weak = aval(x, path)
            if got != v.type and not (weak and got.shape == v.shape):
                raise ProgramError(f"{self.name}: {v.type} is required at {path}, got {got}")
        return tuple(given)

    @lazy
    def kinds(self) -> list[tuple[np.dtype[Any], tuple[int, ...]]]:
        """The dtype and the shape of each argument."""
        return [(v.type.numpy, v.shape) for v in self.traced.args]

    @lazy
    def paths(self) -> list[str]:
        """How each array is reached: `args[0]['w']`, `options['x']`."""
        return [
            f"{'args' if path.startswith('[0]') else 'options'}{path[3:]}"
            for path in tree.paths(self.traced.inputs)
        ]

    # ---- reading and keeping

    def profile(self, *args: Any, **options: Any) -> Profile:
        """Times of every kernel on these arguments; `print` shows them as a table."""
        from .profile import profile  # brings the back end

        return profile(self.name, self.compiled, self.leaves(args, options))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the graph as text and its constants to a file that `wl.load` reads anywhere.

        The file has the program too, its machine code signed with a secret of this user's cache:
        where that is there, on the same processor and with the same version, loading compiles
        nothing. Anywhere else the graph is compiled.
        """
        from .archive import save

        save(self.traced, self.donated, self.budget, self.static, self.packed(), path)

    def packed(self) -> bytes | None:
        """The program for a file; None where programs are not kept."""
        place = None
        if self.kept or self.keep:
            place = ProgramPlace.of(self.traced.graph, self.donated, self.budget)
        if place is None or self.program is None:  # which makes its machine code
            return None
        return place.packed(self.kept.record if self.kept else self.compiled.record)


def load(
    path: str | os.PathLike[str],
    types: Iterable[type] = (),
    *,
    memory_budget: int | str | None = None,
) -> Executable:
    """The executable of a file that `save` wrote.

    `types`: the named tuples and dataclasses among its arguments and results; a file names them,
    but never brings them. A program keeps its budget of memory, which counts the threads of the
    machine that loads it; `memory_budget` is another one, "none" none.

    A file may be a stranger's: of it the graph alone is trusted, which is compiled here. The
    program of a file that this user saved on this machine, and with this version, runs as it is.
    """
    from .archive import read_archive

    traced, donated, static, budget, program = read_archive(path, types, memory_budget)
    make = partial(compiled_alone, traced.graph, donated, budget)
    place = ProgramPlace.of(traced.graph, donated, budget)
    if place and (kept := place.kept() or (program and place.unpacked(program)) or None):
        return Executable(traced, make, static, budget, kept)
    compiled = make()
    keep = place and partial(place.keep, Recomputed())
    return Executable(traced, lambda: compiled, static, budget, keep=keep)


def compiled_alone(graph: Graph, donated: tuple[tuple[int, int], ...], budget: int) -> Compiled:
    """A graph by all passes, as it is: no other trace is tried to keep within the budget."""
    return back_end().compile_graph(graph, donated=donated, budget=budget)


def known(x: Any) -> Any:
    """What another library holds as an array of the host or a device, all else as it is."""
    found = array_on_device(x)
    if found is None and not isinstance(x, (np.ndarray, Type)):
        found = argument_array(x)
    return x if found is None else found
