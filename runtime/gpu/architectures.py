"""The architectures of GPUs that kernels are made for, and what of them is known beforehand.

Source: NVIDIA, Parallel Thread Execution ISA, Target ISA notes; CUDA C++ Programming Guide,
Technical specifications per compute capability.
"""

from __future__ import annotations

from dataclasses import dataclass

from .device import DeviceError


@dataclass(frozen=True)
class Architecture:
    """`ptx`: the version of PTX that it is written in, ten times; `shared_bytes`: the most shared
    memory of a block."""

    ptx: int
    shared_bytes: int


def of(ptx: int, kilobytes: int) -> Architecture:
    return Architecture(ptx, kilobytes << 10)


# 8.1 is read by every driver from CUDA 12.1 on; what is newer has a first version that knows it,
# and LLVM ends the process where it is asked for less, or for what it does not know
ARCHITECTURES = {
    "sm_75": of(81, 64), "sm_80": of(81, 163), "sm_86": of(81, 99), "sm_87": of(81, 163),
    "sm_88": of(90, 99), "sm_89": of(81, 99), "sm_90": of(81, 227), "sm_100": of(86, 227),
    "sm_103": of(88, 227), "sm_110": of(90, 227), "sm_120": of(87, 99), "sm_121": of(88, 99),
}  # fmt: skip


def architecture(name: str) -> Architecture:
    """What is known of an architecture. Errors: DeviceError."""
    if name not in ARCHITECTURES:
        raise DeviceError(f"kernels are made for {', '.join(ARCHITECTURES)}, got {name}")
    return ARCHITECTURES[name]
