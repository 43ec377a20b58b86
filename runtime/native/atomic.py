"""Words of the native language for threads: atomic integers, waiting, calls, processors.

Every atomic is sequentially consistent where it writes: the sleep protocol of the team (announce,
look again, sleep) needs the total order, and on x86 it costs the same as less.
"""

from __future__ import annotations

import platform
import sys
import time
from typing import Any

from llvmlite import ir

from .language import BOOL, I64, LLVM_I64, MEMORY, Emitter, NativeValue, Word

FUTEX = {"x86_64": 202, "aarch64": 98}  # the number of the system call
FUTEX_WAIT, FUTEX_WAKE = 128, 129  # private to the process
SLEEP_MICROSECONDS = 100  # between two looks, where there is no futex


def i64_pointer(e: Emitter, address: Any) -> Any:
    return e.builder.inttoptr(e.i64(address), LLVM_I64.as_pointer())


def load(e: Emitter, address: Any) -> NativeValue:
    """The integer at `address`; what its writer wrote before is visible."""
    return NativeValue(I64, e.builder.load_atomic(i64_pointer(e, address), "acquire", 8))


def store(e: Emitter, address: Any, value: Any) -> None:
    e.builder.atomic_rmw("xchg", i64_pointer(e, address), e.i64(value), "seq_cst")


def add(e: Emitter, address: Any, value: Any) -> NativeValue:
    """Adds; gives the value before."""
    return NativeValue(
        I64, e.builder.atomic_rmw("add", i64_pointer(e, address), e.i64(value), "seq_cst")
    )


def swap(e: Emitter, address: Any, old: Any, new: Any) -> NativeValue:
    """Writes `new` where `old` stands; gives the value before."""
    pair = e.builder.cmpxchg(i64_pointer(e, address), e.i64(old), e.i64(new), "seq_cst", "acquire")
    return NativeValue(I64, e.builder.extract_value(pair, 0))


def pause(e: Emitter) -> None:
    """Tells the processor that this is a spinning loop."""
    if platform.machine() in ("x86_64", "AMD64"):
        e.builder.call(e.declare("llvm.x86.sse2.pause", ir.VoidType(), []), [])
    elif platform.machine() in ("aarch64", "arm64"):
        hint = ir.IntType(32)
        e.builder.call(e.declare("llvm.aarch64.hint", ir.VoidType(), [hint]), [hint(1)])


def has(e: Emitter, flags: Any, mask: Any) -> NativeValue:
    """Whether all bits of `mask` are in `flags`."""
    m = e.i64(mask)
    return NativeValue(BOOL, e.builder.icmp_signed("==", e.builder.and_(e.i64(flags), m), m))


def external(name: str) -> Word:
    """A C function of integers and pointers."""

    def word(e: Emitter, *args: Any) -> NativeValue:
        function = e.declare(name, LLVM_I64, [LLVM_I64] * len(args))
        return NativeValue(I64, e.builder.call(function, [e.i64(a) for a in args]))

    return word


def system_call(e: Emitter, *args: Any) -> None:
    kind = ir.FunctionType(LLVM_I64, [LLVM_I64], var_arg=True)
    function = e.module.globals.get("syscall") or ir.Function(e.module, kind, "syscall")
    e.builder.call(function, [e.i64(a) for a in args])


def wait(e: Emitter, address: Any, value: Any) -> None:
    """Sleeps while the 32 bits at `address` are `value`; may return early."""
    if sys.platform == "linux" and platform.machine() in FUTEX:
        system_call(e, FUTEX[platform.machine()], address, FUTEX_WAIT, value, 0)
    else:
        external("usleep")(e, SLEEP_MICROSECONDS)


def wake(e: Emitter, address: Any, count: Any) -> None:
    """Wakes up to `count` threads that sleep at `address`."""
    if sys.platform == "linux" and platform.machine() in FUTEX:
        system_call(e, FUTEX[platform.machine()], address, FUTEX_WAKE, count)


def processor(e: Emitter) -> NativeValue:
    """The number of the processor this thread runs on; -1 where the system does not say."""
    if sys.platform != "linux":
        return NativeValue(I64, ir.Constant(LLVM_I64, -1))
    function = e.declare("sched_getcpu", ir.IntType(32), [])
    return NativeValue(I64, e.builder.sext(e.builder.call(function, []), LLVM_I64))


def place_thread(e: Emitter, thread: Any, nbytes: Any, places: Any) -> None:
    """Lets a thread run on the processors of a set of bits."""
    if sys.platform == "linux":
        external("sched_setaffinity")(e, thread, nbytes, places)


def signals(e: Emitter) -> NativeValue:
    """Lets Python handle its signals; not 0 where that set an error."""
    function = e.declare("PyErr_CheckSignals", ir.IntType(32), [])
    return NativeValue(I64, e.builder.sext(e.builder.call(function, []), LLVM_I64))


def now(e: Emitter) -> NativeValue:
    """Nanoseconds of the clock that never goes back, time.monotonic()'s."""
    seconds = e.builder.alloca(LLVM_I64, 2)
    address = NativeValue(I64, e.builder.ptrtoint(seconds, LLVM_I64))
    external("clock_gettime")(e, time.CLOCK_MONOTONIC, address)
    more = e.builder.load(e.builder.gep(seconds, [LLVM_I64(1)]))
    whole = e.builder.mul(e.builder.load(seconds), LLVM_I64(1_000_000_000))
    return NativeValue(I64, e.builder.add(whole, more))


def call(e: Emitter, address: Any, *args: Any) -> NativeValue:
    """Calls the function at `address`."""
    kind = ir.FunctionType(LLVM_I64, [LLVM_I64] * len(args))
    function = e.builder.inttoptr(e.i64(address), kind.as_pointer())
    return NativeValue(I64, e.builder.call(function, [e.i64(a) for a in args]))


PYTHON = ("PyLong_AsLongLong", "PyLong_FromLongLong", "PyEval_SaveThread", "PyEval_RestoreThread")
WORDS = (
    load, store, add, swap, has, pause, wait, wake, processor, place_thread, signals, now, call,
)  # fmt: skip

ATOMIC: dict[str, Any] = {
    **MEMORY,
    **{word.__name__: word for word in WORDS},
    **{name: external(name) for name in (*PYTHON, "memcpy")},
}
