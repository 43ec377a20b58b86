"""Compiled programs in Numba's code: called there as functions, without Python in between.

    import numba

    gradient = wl.jit(wl.grad(lambda x: np.sum(np.cos(x)))).compile(np.zeros(3))

    @numba.njit
    def leapfrog(x, v, steps):
        for _ in range(steps):
            v -= 0.01 * gradient(x)
            x += 0.01 * v
        return x

Numba asks an `Executable` for its `_numba_type_`, and only that imports this file. The type is that
of a function of Numba's, made here, that allocates the results and calls the program's machine code
(runtime/cpu/calls.py). What does not fit is refused while Numba types the caller, other shapes when
they come; the caller's machine code holds the program.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils, errors
from numba.core.imputils import lower_constant
from numba.extending import intrinsic, models, register_model
from numba.np.arrayobj import _empty_nd_impl as empty_array
from numba.np.numpy_support import from_dtype

from ..ir.lazy import lazy
from ..ir.types import HALVES, Type

if TYPE_CHECKING:
    from ...runtime.program import AnyProgram, NativeCalls
    from ..trace.trace import Traced
    from .programs import Pairs


class Entrance:
    """What Numba's code knows of a program. It does not know the executable, which knows it: such
    a circle goes through memory of Numba's and would never be freed."""

    def __init__(
        self, traced: Traced, paths: Sequence[str], donated: Pairs, program: AnyProgram
    ) -> None:
        self.name, self.paths = traced.graph.name, paths
        self.inputs: list[Type] = [v.type for v in traced.graph.inputs]
        self.outputs: list[Type] = [v.type for v in traced.graph.outputs]
        self.count, self.single = traced.outputs.size, traced.outputs.container is None
        self.donors: dict[int, int] = {o: i for i, o in donated}
        try:
            self.calls: NativeCalls = program.native_calls()
        except TypeError as error:
            raise errors.TypingError(f"{self.name}: in Numba's code {error}") from None
        if halves := [t for t in (*self.inputs, *self.outputs) if t.dtype in HALVES]:
            required = "in Numba's code f32 or f64 is required"
            raise errors.TypingError(f"{self.name}: {required}, got {halves[0]}")
        self.kinds = [from_dtype(t.numpy) for t in (*self.inputs, *self.outputs)]

    @lazy
    def _numba_type_(self) -> EntranceType:
        return EntranceType(self)

    def argument(self, k: int) -> tuple[Type, Any, str]:
        """Type, element type of Numba's, and path of an argument."""
        return self.inputs[k], self.kinds[k], self.paths[k]

    @property
    def results(self) -> list[Any]:
        """The types of Numba's; a number where there are no axes."""
        kinds = self.kinds[len(self.inputs) :]
        return [
            types.Array(kind, len(t.shape), "C") if t.shape else kind
            for t, kind in zip(self.outputs, kinds, strict=True)
        ]

    @property
    def result(self) -> Any:
        """The type of a call: flat, whatever tree the results are."""
        found = self.results[: self.count]
        if self.single:
            return found[0]
        return types.Tuple(found) if found else types.none


_numbers = itertools.count()


class EntranceType(types.Dummy):
    """The type of one program, which Numba's tables of types do not keep alive."""

    def __init__(self, entrance: Entrance) -> None:
        self.reference = weakref.ref(entrance)
        super().__init__(f"program {next(_numbers)}, {entrance.name}")

    @property
    def entrance(self) -> Entrance:
        entrance = self.reference()
        assert entrance is not None, "whoever has the type compiles what holds it"
        return entrance


register_model(EntranceType)(models.OpaqueModel)


@lower_constant(EntranceType)
def entrance_constant(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    return context.get_dummy_value()


def numba_function(
    traced: Traced, paths: Sequence[str], donated: Pairs, program: AnyProgram
) -> Any:
    """The program as a function of Numba's. Errors: a TypingError where it cannot be one."""
    entrance = Entrance(traced, paths, donated, program)
    call = cast("Any", program_call)  # a decorator without types

    def function(*args: Any) -> Any:
        return call(entrance, args)

    function.__name__ = function.__qualname__ = entrance.name
    return numba.njit(function)


# ---------------------------------------------------------------- types of a call


@intrinsic
def program_call(typing: Any, program: Any, args: Any) -> Any:
    """A call of a program on a tuple of arguments."""
    entrance: Entrance = program.entrance
    leaves = flat_types(args)
    required = len(entrance.inputs)
    if len(leaves) != required:
        paths = ", ".join(entrance.paths)
        raise errors.TypingError(
            f"{entrance.name}: {required} arrays are required ({paths}), got {len(leaves)}"
        )
    for k, leaf in enumerate(leaves):
        if not accepted(leaf, *entrance.argument(k)[:2]):
            of, _, path = entrance.argument(k)
            raise errors.TypingError(
                f"{entrance.name}: {of} is required at {path}, got {leaf}{repair(leaf, of)}"
            )

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        flat = flat_values(builder, signature.args[1], values[1])
        return ProgramCall(context, builder, signature.args[0].entrance).lowered(leaves, flat)

    return entrance.result(program, args), generate


def is_tuple(of: Any) -> bool:
    return isinstance(of, types.BaseTuple)


def flat_types(of: Any) -> list[Any]:
    """The leaves of a tuple of tuples."""
    return [x for t in of for x in flat_types(t)] if is_tuple(of) else [of]


def flat_values(builder: Any, of: Any, value: Any) -> list[Any]:
    if not is_tuple(of):
        return [value]
    parts = cgutils.unpack_tuple(builder, value, len(of))
    return [x for t, v in zip(of, parts, strict=True) for x in flat_values(builder, t, v)]


def accepted(leaf: Any, of: Type, kind: Any) -> bool:
    """Whether a type of Numba's is one that fits; numbers do as Python's."""
    if isinstance(leaf, types.Array):
        return leaf.dtype == kind and leaf.ndim == len(of.shape) and leaf.aligned
    if of.shape or not isinstance(leaf, (types.Number, types.Boolean)):
        return False
    if isinstance(leaf, types.Boolean) or isinstance(kind, types.Boolean):
        return isinstance(leaf, types.Boolean) and isinstance(kind, types.Boolean)
    return rank(leaf) <= rank(kind)


def rank(kind: Any) -> int:
    """Integers, then floats, then complex numbers."""
    return isinstance(kind, types.Float) + 2 * isinstance(kind, types.Complex)


def repair(leaf: Any, of: Type) -> str:
    if isinstance(leaf, types.Array) and leaf.ndim == len(of.shape):
        return f"\ntry: x.astype(np.{of.numpy})"
    return ""


# ---------------------------------------------------------------- code of a call


class ProgramCall:
    """A call in machine code: `context` and `builder` are Numba's."""

    def __init__(self, context: Any, builder: Any, entrance: Entrance) -> None:
        self.context, self.builder, self.entrance = context, builder, entrance
        context.active_code_library.program = entrance  # which lives as long as the code

    def lowered(self, leaves: Sequence[Any], values: Sequence[Any]) -> Any:
        entrance, builder = self.entrance, self.builder
        for k, (leaf, value) in enumerate(zip(leaves, values, strict=True)):
            if isinstance(leaf, types.Array):
                self.require_shape(k, leaf, value)
        copies: list[tuple[Any, Any]] = []
        given = zip(leaves, values, strict=True)
        inputs = [self.input(*pair, k, copies) for k, pair in enumerate(given)]
        results = list(map(self.result, entrance.outputs, entrance.results))
        outputs = [address for _, address in results]
        for output, donor in entrance.donors.items():
            nbytes = ir.Constant(I64, entrance.inputs[donor].nbytes)
            to, source = self.bytes(outputs[output]), self.bytes(inputs[donor])
            cgutils.raw_memcpy(builder, to, source, nbytes, 1)
            inputs[donor] = outputs[output]
        status = self.call([*inputs, *outputs])
        self.drop(copies)
        found = [
            self.loaded(of, made) for of, (made, _) in zip(entrance.results, results, strict=True)
        ]
        made = list(zip(entrance.results, found, strict=True))
        with builder.if_then(builder.icmp_signed("!=", status, ir.Constant(I64, 0)), likely=False):
            self.drop(made)
            self.fail(status)
        self.drop(made[entrance.count :])
        found = found[: entrance.count]
        if entrance.single:
            return found[0]
        if not found:
            return self.context.get_dummy_value()
        return self.context.make_tuple(builder, entrance.result, found)

    def require_shape(self, k: int, leaf: Any, value: Any) -> None:
        """Raises a ValueError where an array has another shape."""
        of, _, path = self.entrance.argument(k)
        builder, array = (
            self.builder,
            self.context.make_array(leaf)(self.context, self.builder, value),
        )
        right = ir.Constant(ir.IntType(1), 1)
        for size, given in zip(of.shape, cgutils.unpack_tuple(builder, array.shape), strict=True):
            right = builder.and_(right, builder.icmp_signed("==", given, ir.Constant(I64, size)))
        with builder.if_then(builder.not_(right), likely=False):
            said = f"{self.entrance.name}: {of} is required at {path}, got another shape"
            self.context.call_conv.return_user_exc(builder, ValueError, (said,))

    def input(self, leaf: Any, value: Any, k: int, copies: list[tuple[Any, Any]]) -> Any:
        """The address of an argument: of a number on the stack, of a copy that is in order."""
        kind = self.entrance.kinds[k]
        if not isinstance(leaf, types.Array):
            number = self.context.cast(self.builder, value, leaf, kind)
            data = self.context.data_model_manager[kind].as_data(self.builder, number)
            return self.address(cgutils.alloca_once_value(self.builder, data))
        if leaf.layout != "C":
            of = types.Array(kind, leaf.ndim, "C")
            value = self.context.compile_internal(self.builder, c_ordered, of(leaf), [value])
            copies.append((of, value))
            leaf = of
        array = self.context.make_array(leaf)(self.context, self.builder, value)
        return self.address(array.data)

    def result(self, of: Type, kind: Any) -> tuple[Any, Any]:
        """Where a result is made, and its address."""
        if isinstance(kind, types.Array):
            sizes = [ir.Constant(I64, n) for n in of.shape]
            made = empty_array(self.context, self.builder, kind, sizes)
            return made._getvalue(), self.address(made.data)
        place = cgutils.alloca_once(self.builder, self.context.get_data_type(kind))
        return place, self.address(place)

    def loaded(self, kind: Any, made: Any) -> Any:
        if isinstance(kind, types.Array):
            return made
        model = self.context.data_model_manager[kind]
        return model.from_data(self.builder, self.builder.load(made))

    def call(self, addresses: Sequence[Any]) -> Any:
        """Calls the program; 0, or 1 + the number of the check that fails."""
        block = cgutils.alloca_once(self.builder, ir.ArrayType(I64, max(len(addresses), 1)))
        for k, address in enumerate(addresses):
            place = cgutils.gep_inbounds(self.builder, block, 0, k)
            self.builder.store(address, place)
        calls = self.entrance.calls
        # as addresses of this process, so that Numba keeps the code out of its cache
        code = self.context.add_dynamic_addr(self.builder, int(calls.call), info="program")
        desk = self.context.add_dynamic_addr(self.builder, calls.address, info="desk")
        kind = ir.FunctionType(I64, [I64, I64]).as_pointer()
        args = [self.builder.ptrtoint(desk, I64), self.address(block)]
        return self.builder.call(self.builder.bitcast(code, kind), args)

    def fail(self, status: Any) -> None:
        """Raises the AssertionError of a check."""
        for k, said in enumerate(self.entrance.calls.failures):
            this = self.builder.icmp_signed("==", status, ir.Constant(I64, 1 + k))
            with self.builder.if_then(this):
                self.context.call_conv.return_user_exc(self.builder, AssertionError, (said,))
        self.context.call_conv.return_user_exc(self.builder, SystemError, ("a lost program",))

    def drop(self, values: Sequence[tuple[Any, Any]]) -> None:
        """Gives up values of types of Numba's."""
        for of, value in values:
            self.context.nrt.decref(self.builder, of, value)

    def address(self, pointer: Any) -> Any:
        return self.builder.ptrtoint(pointer, I64)

    def bytes(self, address: Any) -> Any:
        return self.builder.inttoptr(address, ir.IntType(8).as_pointer())


I64 = ir.IntType(64)


def c_ordered(array: Any) -> Any:
    """A copy in C order."""
    return np.ascontiguousarray(array)
