"""What the package finds on this machine, and whether it works: `wonderland doctor`.

Rates are of programs compiled here, so the whole path from a function to machine code is tried.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..compiler.jit.jit import jit
from .results import call_seconds

PACKAGES = ("numpy", "numba", "llvmlite", "networkx", "ml_dtypes")
OPTIONAL = ("scipy", "scikit-learn", "rich", "hypothesis", "jax", "torch")
FEATURES = ("sse4.2", "avx", "avx2", "fma", "f16c", "avx512f", "avx512vl", "neon", "sve")

PRODUCT = 1024  # rows and columns of the product that is timed
LEAST_COPY, MOST_COPY = 64 << 20, 256 << 20


def add(commands: Any) -> None:
    doctor = commands.add_parser("doctor", help="versions, processor, threads, caches and rates")
    doctor.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print what is found; 1 if something needs a hand."""
    advice: list[str] = []
    facts = processor_facts(), thread_facts(), process_facts()
    for part in (versions(advice), *facts, cache(advice), rates(advice)):
        for name, said in part:
            print(f"{name:<18}{said}", flush=True)
    for line in advice:
        print(f"! {line}")
    return int(bool(advice))


def version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def versions(advice: list[str]) -> Iterator[tuple[str, str]]:
    from llvmlite.binding import llvm_version_info

    package = str(Path(__file__).resolve().parents[2])
    yield "wonderland", f"{version('wonderland') or 'not installed'}, in {package}"
    yield "Python", f"{platform.python_version()}, {platform.platform()}"
    found = {p: version(p) for p in PACKAGES}
    advice += [f"{p} is not installed, try: pip install {p}" for p, v in found.items() if not v]
    llvm = ".".join(map(str, llvm_version_info))
    yield "needs", f"{', '.join(f'{p} {v}' for p, v in found.items() if v)}, LLVM {llvm}"
    optional = {p: version(p) for p in OPTIONAL}
    yield "beside", ", ".join(f"{p} {v}" for p, v in optional.items() if v) or "nothing"
    if missing := [p for p, v in optional.items() if not v]:
        yield "not installed", ", ".join(missing)


def processor_facts() -> Iterator[tuple[str, str]]:
    from ..compiler.codegen.target import host
    from ..runtime.gpu import cuda, nccl
    from ..runtime.native.generator import processor_features

    target = host()
    name, features = processor_features()
    have = {f[1:] for f in features.split(",") if f.startswith("+")}
    yield "processor", f"{name}: {', '.join(f for f in FEATURES if f in have) or 'plain'}"
    lanes = ", ".join(f"{target.lanes(d)} of {d}" for d in ("f32", "f64"))
    yield "lanes", f"{lanes}; {target.registers} registers of {target.bits} bits"
    sizes = (target.l1_bytes, target.l2_bytes, target.l3_bytes)
    yield "data caches", ", ".join(f"L{k} {amount(n)}" for k, n in enumerate(sizes, 1))
    yield "GPU", ", ".join(map(repr, cuda.cuda_devices())) or f"none: {cuda.missing()}"
    if cuda.cuda_devices():
        yield "between GPUs", nccl.lacking() or "NCCL"


def thread_facts() -> Iterator[tuple[str, str]]:
    from ..runtime.cpu import executor

    affinity = getattr(os, "sched_getaffinity", None)
    allowed = len(affinity(0)) if affinity else os.cpu_count()
    said = f"{executor.thread_count()} of {allowed} allowed, {os.cpu_count()} processors"
    if quota := min(executor.quotas(), default=None):
        said += f", group quota {quota}"
    setting = os.environ.get("WONDERLAND_NUM_THREADS")
    yield "threads", f"{said}, WONDERLAND_NUM_THREADS={setting}" if setting else said


def process_facts() -> Iterator[tuple[str, str]]:
    from ..runtime.processes import mpi
    from ..runtime.processes.wire import ProcessError

    try:
        library = mpi.mpi_library().Get_library_version().splitlines()[0]
    except ProcessError:
        yield "processes", f"one, without mpi4py: {mpi.REPAIR}"
    else:
        yield "processes", f"several by mpi4py {version('mpi4py')}, {' '.join(library.split())}"


def cache(advice: list[str]) -> Iterator[tuple[str, str]]:
    from ..runtime.native import cache_size, objects

    folder = objects.folder()
    if folder is not None and not os.access(folder, os.W_OK):
        advice.append(f"{folder} cannot be written, try: chmod u+w, or WONDERLAND_CACHE=FOLDER")
    if folder is None and os.environ.get("WONDERLAND_CACHE") not in ("", "off"):
        advice.append(
            "the cache's folder belongs to another user or is open to others, so every process "
            "compiles anew, try: chmod 700, or WONDERLAND_CACHE=FOLDER"
        )
    if folder is None:
        yield "machine code", "not kept"
        return
    sizes = [f.stat().st_size for f in folder.iterdir() if f.is_file()]
    most = amount(cache_size.limit())
    yield "machine code", f"{len(sizes)} files, {amount(sum(sizes))} of at most {most}, in {folder}"


def rates(advice: list[str]) -> Iterator[tuple[str, str]]:
    """Of programs of two kinds: one that is bound by memory, one by arithmetic."""
    from ..compiler.codegen.target import host

    copy = jit(np.negative)
    memory = min(max(4 * host().l3_bytes, LEAST_COPY), MOST_COPY)
    for where, size in (("cache", host().l2_bytes // 4), ("memory", memory)):
        x = np.ones(size // 4, np.float32)
        y = np.empty_like(x)
        ours, theirs = (2 * size / s / 1e9 for s in (
            call_seconds(copy.compile(x).bind(x)), call_seconds(lambda: np.negative(x, out=y))  # noqa: B023
        ))  # fmt: skip
        yield f"copy in {where}", f"{ours:.1f} GB/s of {amount(size)}; NumPy {theirs:.1f}"
    a = np.random.default_rng(0).standard_normal((PRODUCT, PRODUCT), np.float32)
    product = jit(np.matmul)
    wrong = float(np.max(np.abs(product(a, a) - a @ a)))
    if not wrong < 1e-2:
        advice.append(f"a product is off by {wrong:.2g}: please report this with the lines above")
    operations = 2 * PRODUCT**3 / 1e9
    ours, theirs = (
        operations / call_seconds(call)
        for call in (product.compile(a, a).bind(a, a), lambda: np.matmul(a, a))
    )
    yield "product", f"{ours:.0f} GFLOP/s of f32[{PRODUCT}, {PRODUCT}]; NumPy {theirs:.0f}"


def amount(nbytes: float) -> str:
    """Bytes with a unit: 1.5 MiB."""
    for unit in ("B", "KiB", "MiB"):
        if nbytes < 1024:
            return f"{nbytes:.3g} {unit}"
        nbytes /= 1024
    return f"{nbytes:.3g} GiB"
