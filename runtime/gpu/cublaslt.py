"""cuBLASLt, NVIDIA's library of products, by ctypes, where it is on the machine.

It comes with the toolkit, and with what is built on that (the package nvidia-cublas, PyTorch, JAX);
nothing here needs it. Its matrices are column-major: out' = rhs' lhs', all read as they lie.

The library chooses how it computes a product of given sizes once, among ways that give the same
bits on every run: partial sums are never added by atomics. Its sums have another order than those
of the generated kernels.

Source: the constants are those of cublasLt.h and library_types.h.
"""

from __future__ import annotations

import ctypes
import importlib.util
from ctypes import byref, c_int32, c_int64, c_size_t, c_uint32, c_uint64, c_void_p
from functools import cache
from pathlib import Path
from typing import Any

from ..rows import Matrix, MatrixProduct

LIBRARIES = ("libcublasLt.so.13", "libcublasLt.so.12")
WORKSPACE_BYTES = 32 << 20

REAL = {"f32": 0, "f64": 1}  # of cudaDataType
COMPUTE = {("f32", "f32"): 68, ("f32", "tf32"): 77, ("f32", "bf16"): 75, ("f64", "f32"): 70}
TRANSPOSE = {"lhs": 4, "rhs": 3}  # of a product: rhs is the library's first factor
BATCH_COUNT, BATCH_STEP = 5, 6  # of a layout
MAX_WORKSPACE, REDUCTIONS, ALIGNMENTS = 1, 3, (5, 6, 7, 8)  # of a preference
WITHOUT_ATOMICS = 2 | 4  # sums of parts in a workspace
ITEMSIZE = {"f32": 4, "f64": 8}
SCALAR = {"f32": ctypes.c_float, "f64": ctypes.c_double}


class Found(ctypes.Structure):
    """cublasLtMatmulHeuristicResult_t"""

    _fields_ = (
        ("algorithm", c_uint64 * 8),
        ("workspace_bytes", c_size_t),
        ("state", c_int32),
        ("waves", ctypes.c_float),
        ("reserved", c_int32 * 4),
    )


class LibraryError(RuntimeError):
    """The library refuses a call."""


@cache
def library() -> ctypes.CDLL | None:
    """The library, as a package installs it or as the system finds it; None where it is not."""
    from ctypes.util import find_library  # which brings subprocess

    spec = importlib.util.find_spec("nvidia")
    roots = map(Path, spec.submodule_search_locations or ()) if spec else ()
    packaged = [str(f) for root in roots for n in LIBRARIES for f in root.glob(f"*/lib/{n}")]
    for place in (*packaged, *LIBRARIES, find_library("cublasLt")):
        try:
            if place:
                return ctypes.CDLL(place)
        except OSError:
            continue
    return None


class Products:
    """The library in one context: a handle, and memory at `workspace` that it works in.

    One stream uses it, so that products follow each other.
    """

    def __init__(self, library: Any, workspace: int, workspace_bytes: int) -> None:
        self.library, self.workspace = library, workspace
        self.workspace_bytes = workspace_bytes
        self.handle = c_void_p()
        self.call("Create", byref(self.handle))

    def call(self, name: str, *args: Any) -> None:
        if result := getattr(self.library, f"cublasLt{name}")(*args):
            raise LibraryError(f"cublasLt{name} fails with {result}")

    def plan(self, product: MatrixProduct) -> ProductPlan | None:
        """How the library does it; None if it does not."""
        try:
            return ProductPlan(self, product)
        except LibraryError:
            return None


class ProductPlan:
    """A product of given sizes. It lives as long as the process: sizes are few."""

    def __init__(self, products: Products, p: MatrixProduct) -> None:
        self.products, self.product, call = products, p, products.call
        self.one, self.zero = SCALAR[p.dtype](1), SCALAR[p.dtype](0)
        self.of = c_void_p()
        compute = COMPUTE[p.dtype, p.factors if p.dtype == "f32" else "f32"]
        call("MatmulDescCreate", byref(self.of), c_int32(compute), c_int32(REAL[p.dtype]))
        for side, matrix in (("rhs", p.rhs), ("lhs", p.lhs)):
            self.set("MatmulDesc", self.of, TRANSPOSE[side], c_int32(matrix.turned))
        self.rhs = self.layout(p.rhs, p.depth, p.columns)
        self.lhs = self.layout(p.lhs, p.rows, p.depth)
        self.out = self.layout(p.out, p.rows, p.columns)
        preference, found, count = c_void_p(), Found(), c_int32()
        call("MatmulPreferenceCreate", byref(preference))
        kind = "MatmulPreference"
        self.set(kind, preference, MAX_WORKSPACE, c_uint64(products.workspace_bytes))
        self.set(kind, preference, REDUCTIONS, c_uint32(WITHOUT_ATOMICS))
        for which in ALIGNMENTS:
            self.set(kind, preference, which, c_uint32(p.aligned))
        layouts = self.rhs, self.lhs, self.out, self.out
        call(
            "MatmulAlgoGetHeuristic", products.handle, self.of, *layouts, preference, c_int32(1),
            byref(found), byref(count),
        )  # fmt: skip
        call("MatmulPreferenceDestroy", preference)
        if not count.value or found.state:
            raise LibraryError("there is no way to do it")
        self.heuristic = found

    def set(self, kind: str, of: c_void_p, which: int, value: Any) -> None:
        size = c_size_t(ctypes.sizeof(value))
        self.products.call(f"{kind}SetAttribute", of, c_int32(which), byref(value), size)

    def layout(self, m: Matrix, rows: int, columns: int) -> c_void_p:
        """A matrix, rows by columns, as the column-major one that it is in memory."""
        made, sizes = c_void_p(), (rows, columns) if m.turned else (columns, rows)
        self.products.call(
            "MatrixLayoutCreate", byref(made), c_int32(REAL[self.product.dtype]),
            c_uint64(sizes[0]), c_uint64(sizes[1]), c_int64(m.pitch),
        )  # fmt: skip
        if self.product.batch > 1:
            self.set("MatrixLayout", made, BATCH_COUNT, c_int32(self.product.batch))
            self.set("MatrixLayout", made, BATCH_STEP, c_int64(m.step))
        return made

    def run(self, addresses: tuple[int, ...], stream: int) -> None:
        """Asks for it on a stream; `addresses` are those of the slots."""
        p = self.product
        places = (
            c_void_p(addresses[m.slot] + m.offset * ITEMSIZE[p.dtype])
            for m in (p.rhs, p.lhs, p.out)
        )
        rhs, lhs, out = places
        products = self.products
        products.call(
            "Matmul", products.handle, self.of, byref(self.one), rhs, self.rhs, lhs, self.lhs,
            byref(self.zero), out, self.out, out, self.out, byref(self.heuristic.algorithm),
            c_void_p(products.workspace), c_size_t(products.workspace_bytes), c_void_p(stream),
        )  # fmt: skip
