"""Machine code of Numba's for a function of rows: a kernel as programs call them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numba import types
from numba.core import errors
from numba.core.imputils import impl_ret_borrowed
from numba.extending import intrinsic
from numba.np.numpy_support import as_dtype, carray, from_dtype

from ...ir.types import NAMES, NUMPY

Axes = tuple[str, ...]


class KernelAddress(int):
    """The address of a kernel, whose machine code lives as long as this number."""

    kernel: Any

    @classmethod
    def of(cls, kernel: Any) -> KernelAddress:
        made = cls(kernel.address)
        made.kernel = kernel
        return made


@dataclass(frozen=True, eq=False)
class NativeRows:
    """`kernel(args, start, stop, scratch)` on rows start to stop; args is the address of those of
    operands, results and, of each row, whether it is done, then of the sizes `named`."""

    inputs: tuple[Axes, ...]
    outputs: tuple[Axes, ...]
    gives: tuple[str, ...]  # dtypes
    named: Axes
    kernel: Any  # which holds the machine code

    @property
    def address(self) -> KernelAddress:
        return KernelAddress.of(self.kernel)


@intrinsic
def pointer(typing: Any, address: Any) -> Any:
    """An address as a pointer."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], context.get_value_type(types.voidptr))

    return types.voidptr(address), generate


@intrinsic
def readonly(typing: Any, array: Any) -> Any:
    """An array that may not be written."""
    of = array.copy(readonly=True)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return impl_ret_borrowed(context, builder, of, args[0])

    return of(array), generate


def native_rows(
    function: Callable[..., Any],
    dtypes: Sequence[str],
    inputs: tuple[Axes, ...],
    outputs: tuple[Axes, ...],
) -> NativeRows:
    """The kernel of a function for operands of these dtypes. Errors: TypeError, where Numba has
    one or the results are not of the signature."""
    of_numba: Any = numba.njit
    row: Any = function if hasattr(function, "py_func") else of_numba(function)
    kinds = [from_dtype(NUMPY[d]) for d in dtypes]
    given = tuple(
        types.Array(k, len(axes), "C", readonly=True) if axes else k
        for k, axes in zip(kinds, inputs, strict=True)
    )
    try:
        row.compile(given)
        result: Any = row.overloads[given].signature.return_type
    except (errors.NumbaError, RuntimeError, KeyError) as error:
        raise TypeError(f"Numba refuses {given}\n{error}") from None
    if row.overloads[given].lifted:
        raise TypeError("code without objmode is required, got a block that runs in Python")
    found = tuple(result.types) if hasattr(result, "types") else (result,)
    gives = dtypes_of(found, outputs)
    named = tuple(dict.fromkeys(a for axes in inputs for a in axes if not a.isdecimal()))
    names: dict[str, Any] = {
        "row": row, "carray": carray, "pointer": pointer, "readonly": readonly, "np": np,
    }  # fmt: skip
    numpy = [NUMPY[d].type for d in (*dtypes, *gives, "bool")]
    names |= {f"dtype{k}": t for k, t in enumerate(numpy)}
    exec(text_of(inputs, outputs, named), names)
    whole = types.int64(*(types.int64,) * 4)
    return NativeRows(inputs, outputs, gives, named, numba.cfunc(whole)(names["kernel"]))


def dtypes_of(found: Sequence[Any], outputs: Sequence[Axes]) -> tuple[str, ...]:
    """The dtypes of results, which are as many and have as many axes as the signature says."""
    ranks = [r.ndim if isinstance(r, types.Array) else 0 for r in found]
    kinds = [r.dtype if isinstance(r, types.Array) else r for r in found]
    numbers = all(isinstance(k, (types.Number, types.Boolean)) for k in kinds)
    if ranks != list(map(len, outputs)) or not numbers:
        wanted = ", ".join(f"({', '.join(axes)})" for axes in outputs)
        got = ", ".join(map(str, found))
        raise TypeError(f"results of axes {wanted} are required, got {got}")
    return tuple(NAMES[np.dtype(as_dtype(k))] for k in kinds)


def text_of(inputs: Sequence[Axes], outputs: Sequence[Axes], named: Axes) -> str:
    """The kernel's source, in Numba's Python."""
    parts = [*inputs, *outputs, ()]
    size = {a: f"size_{a}" for a in named}
    lines = ["def kernel(args, start, stop, scratch):"]
    lines += [f"    block = carray(pointer(args), ({len(parts) + len(named)},), np.int64)"]
    lines += [f"    {size[a]} = block[{len(parts) + k}]" for k, a in enumerate(named)]
    for k, axes in enumerate(parts):
        shape = ", ".join(["stop", *(size.get(a) or a for a in axes)])
        lines += [f"    part{k} = carray(pointer(block[{k}]), ({shape},), dtype{k})"]
    rows = [f"readonly(part{k}[i])" if axes else f"part{k}[i]" for k, axes in enumerate(inputs)]
    results = [f"result{k}" for k in range(len(outputs))]
    shapes = [
        f"{r}.shape == ({''.join((size.get(a) or a) + ', ' for a in axes)})"
        for r, axes in zip(results, outputs, strict=True) if axes
    ]  # fmt: skip
    lines += [
        "    for i in range(start, stop):",
        "        done = False",
        "        try:",
        f"            {', '.join(results)} = row({', '.join(rows)})",
        f"            done = {' and '.join(shapes) or 'True'}",
        "            if done:",
    ]
    lines += [f"                part{len(inputs) + k}[i] = {r}" for k, r in enumerate(results)]
    lines += ["        except Exception:", "            done = False"]
    return "\n".join([*lines, f"        part{len(parts) - 1}[i] = done", "    return 0"])
