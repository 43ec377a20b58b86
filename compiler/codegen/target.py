"""What lowering may know of the machine: a processor's vectors and caches, a GPU's threads."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from ...runtime.gpu.architectures import architecture
from ...runtime.native.generator import processor_features
from ...runtime.native.processor_caches import cache_sizes
from ..kernel.scalar import NUMPY
from .words.simd import DTYPES

LINE = 64  # bytes of a cache line, and the alignment of rows
OWN_BYTES = 4 << 10  # of shared memory, for what the warps of a block exchange


@dataclass(frozen=True)
class Target:
    """`bits` of a vector register, `registers` of them; bytes of the caches a core sees.

    The defaults are cautious."""

    bits: int = 128
    registers: int = 16
    l1_bytes: int = 32 << 10
    l2_bytes: int = 256 << 10
    l3_bytes: int = 4 << 20
    library: bool = False

    def lanes(self, dtype: str) -> int:
        """Elements of `dtype` in one register; a bool lives as a byte."""
        return self.bits // (8 * DTYPES[dtype].bytes)


@dataclass(frozen=True)
class GpuTarget:
    """A GPU: `threads` of a block, in warps; `access` bytes that a thread moves at once.

    A block has `plain_shared_bytes` without asking, `shared_bytes` at most. At most `blocks` are
    launched: what is left is done by the same blocks. `tensor_cores`: those of tf32 and bf16.
    `library`: large products are the vendor's, if nothing follows them in their kernel.
    """

    architecture: str = "sm_80"
    threads: int = 256
    warp: int = 32
    access: int = 16
    shared_bytes: int = 163 << 10
    plain_shared_bytes: int = 48 << 10
    blocks: int = 4096
    tensor_cores: bool = True
    library: bool = False

    @property
    def rows_bytes(self) -> int:
        """Of a block's shared memory, what the rows of its points may take."""
        return self.shared_bytes - OWN_BYTES


def row_bytes(elements: int, dtype: str) -> int:
    """What a row takes of memory: whole lines."""
    return -(-elements * NUMPY[dtype].itemsize // LINE) * LINE


def of_architecture(name: str, library: bool = False) -> GpuTarget:
    """What is known of a GPU. Errors: DeviceError."""
    return GpuTarget(
        name,
        shared_bytes=architecture(name).shared_bytes,
        tensor_cores=name != "sm_75",  # it has none for tf32 and bf16
        library=library,
    )


DEVICES = {name: of_architecture(name) for name in ("sm_80", "sm_90")}
"""The architectures that kernels are made for where there is no device."""


@cache
def host() -> Target:
    """The processor that code is for: this one, or what NUMBA_CPU_FEATURES says."""
    _, features = processor_features()
    have = {f[1:] for f in features.split(",") if f.startswith("+")}
    wide = "avx512f" in have
    bits = 512 if wide else 256 if "avx2" in have else 128
    # 64-bit ARM has 32 registers of 128 bits, as AVX-512 has of 512
    registers = 32 if wide or "neon" in have else 16
    sizes = cache_sizes()
    l1, l2, l3 = (sizes.get(k, d) for k, d in ((1, 32 << 10), (2, 256 << 10), (3, 4 << 20)))
    return Target(bits, registers, l1, l2, l3)
