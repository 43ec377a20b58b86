"""What does work cost on this machine, beside what the compiler takes it to cost?

Every figure of kernel/costs.py that is a time or a rate, measured on one thread, and that of waking
the team on all. The compiler's are cautious on purpose, and the same everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import wonderland as wl
from wonderland.compiler.kernel import costs
from wonderland.runtime.cpu.executor import threads
from wonderland.runtime.rows import TOGETHER_SECONDS

from .harness import markdown, processor, timed

SECONDS = 0.3
CYCLES = 3e9  # a second, about: what figures in cycles are of


def report() -> int:
    """Prints the table."""
    lines = [["cost", "the compiler's", "measured"]]
    with threads(1):
        lines += ([name, f"{here:.3g}", f"{found:.3g}"] for name, here, found in figures())
    woken = call(lambda x: np.exp(x), vector(1 << 17)), call(lambda x: np.exp(x), vector(1 << 12))
    lines.append(["seconds from which the team is used", f"{TOGETHER_SECONDS:.3g}", pair(woken)])
    print(f"{processor()}\n\n{markdown(lines)}")
    return 0


def pair(seconds: tuple[float, float]) -> str:
    return " and ".join(f"{s:.3g}" for s in seconds) + " (exp of 131,072 and of 4,096)"


def figures() -> Iterator[tuple[str, float, float]]:
    """Name, the compiler's value, the measured one."""
    flops = 2 * 32 * (1 << 12) / call(polynomial, vector(1 << 12))
    memory = 8 * (1 << 25) / call(lambda x: -x, vector(1 << 25))
    cache = 8 * (1 << 13) / call(lambda x: -x, vector(1 << 13))
    yield "operations a second of one core", costs.FLOPS_A_SECOND, flops
    yield "bytes a second from memory", costs.BYTES_A_SECOND, memory
    yield "bytes a cycle from memory", costs.BYTES_A_CYCLE, memory / CYCLES
    yield "bytes in the time of a multiply-add, in caches", costs.NEAR, 2 * cache / flops
    yield "bytes in the time of a multiply-add, in memory", costs.FAR, 2 * memory / flops
    few, many = (call(chain(n), vector(8)) for n in (1, 33))
    yield "seconds of a row of the table", costs.LAUNCH_SECONDS, (many - few) / 32
    short, long = (call(lambda x: np.sum(x, 1), vector(1 << 12, n)) for n in (64, 128))
    yield "cycles of a loop beside its work", costs.LOOP_CYCLES, CYCLES * (2 * short - long) / 4096
    yield "seconds of a call of the host", costs.HOST_SECONDS, call(on_host, vector(16))


def call(function: Callable[..., Any], *arrays: np.ndarray) -> float:
    """Seconds of one call, with fixed memory."""
    return timed(wl.jit(function).compile(*arrays).bind(*arrays), SECONDS)


def vector(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def polynomial(x: Any) -> Any:
    y = x
    for k in range(32):
        y = y * x + np.float32(1 / (k + 2))
    return y


def chain(length: int) -> Callable[[Any], Any]:
    """A program of so many rows: each sum is a kernel that waits for the one before."""

    def function(x: Any) -> Any:
        for _ in range(length):
            x = x + np.sum(np.cumsum(x))
        return x

    return function


def on_host(x: Any) -> Any:
    return wl.pure_callback(lambda x: x + 1, wl.ShapeDtypeStruct(x.shape, x.dtype), x)
