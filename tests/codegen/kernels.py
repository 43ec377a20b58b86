"""Kernels for tests: an expression over vectors, as machine code and as plain Python."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

import numpy as np

from wonderland.compiler.codegen.words import twin
from wonderland.compiler.codegen.words.words import KEY, WORDS
from wonderland.compiler.ir.types import FLOATS, HALVES, NAMES, NUMPY
from wonderland.runtime.native import objects

SIGNATURE = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * 4)


@dataclass(frozen=True)
class Case:
    """`expression` over a, b, c of the dtypes `operands`, 32 lanes at a time."""

    expression: str
    operands: tuple[str, ...]
    result: str

    @property
    def text(self) -> str:
        loads = [
            f"        {n} = load(pointer(args, {k}, {d}), i, 32)"
            for k, (n, d) in enumerate(zip("abc", self.operands, strict=False))
        ]
        out = f"pointer(args, {len(self.operands)}, {self.result})"
        store = f"        store({out}, i, {self.expression})"
        return "\n".join(
            [
                "def kernel(args, start, stop, scratch):",
                "    for i in range(start, stop, 32):",
                *loads,
                store,
            ]
        )

    def __str__(self) -> str:
        return f"{self.expression}-{'-'.join(self.operands)}"


def compiled(texts: list[str]) -> dict[str, Any]:
    """Each text as a callable of four integers; all are compiled as one module."""
    functions: dict[str, Any] = {}
    for text, address in objects.addresses({t: t for t in texts}, WORDS, KEY).items():
        functions[text] = SIGNATURE(address)
        functions[text].address = address  # it holds the machine code
    return functions


def evaluate(function: Any, result: str, *operands: np.ndarray) -> np.ndarray:
    """The result of a case, of dtype `result`; operands hold a multiple of 32 elements."""
    out = np.zeros(operands[0].size, NUMPY[result])
    args = np.array([x.ctypes.data for x in (*operands, out)], np.int64)
    function(args.ctypes.data, 0, out.size, 0)
    return out


def both(case: Case, function: Any, *operands: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The result by machine code and by the twin."""
    plain = lambda *args: twin.run_text(case.text, *args)  # noqa: E731
    return evaluate(function, case.result, *operands), evaluate(plain, case.result, *operands)


def same(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Where x and y agree to the bit; NaNs are all alike."""
    bits = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}[x.dtype.itemsize]
    alike = x.view(bits) == y.view(bits)
    if NAMES[x.dtype] not in FLOATS:
        return alike
    with np.errstate(invalid="ignore"):  # signalling NaNs of bf16
        return alike | (np.isnan(x) & np.isnan(y))


EDGES = {
    "f": [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5, 3.0, 7.0, 1e-3, 0.9375, 0.625, 10.0,
          -18.0, 1e10, -1e10, 1e22, 65536.0, 65537.0, 3e38, -3e38, 1e-38, 1e-40, -1e-40, 1e-45,
          88.72, 88.73, -87.5, -103.5, -104.5,
          2147483647.0, 2147483648.0, -2147483648.0, 4294967295.0, 9.3e18, np.inf, -np.inf, np.nan],
    "i": [0, 1, -1, 2, -2, 3, 5, 7, -7, 31, 32, 33, 63, 64, 100, -100, 12345, 2**31 - 1, -(2**31)],
    "u": [0, 1, 2, 3, 5, 7, 31, 32, 33, 100, 200, 255],
    "b": [False, True],
}  # fmt: skip
MORE = {
    "f64": [1e300, -1e300, 1e-310, 5e-324, 709.7, 709.8, -745.0, -746.0, 2.0**53, 2.0**53 - 1],
    "i64": [2**40, -(2**40) - 3, 2**63 - 1, -(2**63)],
    "u32": [2**31, 2**32 - 1],
    "u64": [2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**63 + 2**62 + 1, 2**64 - 1],
}
NARROW = ("i8", "i16", "u8", "u16")


def edges(dtype: str) -> np.ndarray:
    if dtype in HALVES:
        bits = np.array([0, 1, 2, 0x3FF, 0x400, 0x3BFF, 0x3C00, 0x3C01, 0x4248, 0x7BFF, 0x7C00])
        more = np.array([0x7C01, 0x7E00, 0x7F7F, 0x7F80, 0x7FC0, 0x3F80, 0x4049, 0x0080, 0x5640])
        words = np.concatenate([bits, more, bits + 0x8000, more + 0x8000]).astype(np.uint16)
        return words.view(NUMPY[dtype])
    numbers = [*EDGES[NUMPY[dtype].kind], *MORE.get(dtype, [])]
    if dtype in NARROW:
        return np.unique(
            np.array([*numbers, -128, 127, 128, 32767, 32768, 65535]).astype(NUMPY[dtype])
        )
    return np.array(numbers, NUMPY[dtype])


def combinations(*dtypes: str) -> list[np.ndarray]:
    """Every combination of edge cases, filled up to a multiple of 32."""
    grid = [g.ravel() for g in np.meshgrid(*(edges(d) for d in dtypes), indexing="ij")]
    n = -(-grid[0].size // 32) * 32
    return [np.resize(g, n) for g in grid]
