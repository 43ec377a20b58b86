"""The code generator: the text of a module of LLVM in, an object file for this processor out.

Processor, features and options are those of Numba's generator, settings by its variables included
(NUMBA_CPU_NAME, NUMBA_CPU_FEATURES, NUMBA_ENABLE_AVX), and so is the code, to the byte; but Numba
is not imported, which takes a quarter of a second, nor its lock asked for, which a thread holds
while it compiles code that calls a program.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import weakref
from collections.abc import Callable
from functools import cache
from typing import Any

import llvmlite.binding as llvm
from llvmlite.binding import ffi

OPTIMISATION = 3  # of instructions: their selection, order and registers
MOST_THREADS = 8


@cache
def processor_features() -> tuple[str, str]:
    """Name and features of the processor that code is for."""
    name, features = os.environ.get("NUMBA_CPU_NAME"), os.environ.get("NUMBA_CPU_FEATURES")
    if features is None and (name or "").lower() == "generic":
        features = ""
    if features is None:
        host = llvm.get_host_cpu_features()
        if os.environ.get("NUMBA_ENABLE_AVX", "1") == "0":
            host = type(host)({f: on and not f.startswith("avx") for f, on in host.items()})
        features = host.flatten()
    return name or llvm.get_host_cpu_name(), features


def target_machine() -> llvm.TargetMachine:
    """One of its own for each thread."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_triple(llvm.get_process_triple())
    relocation = {"x86": "static", "ppc": "pic"}.get(target.name[:3], "default")
    name, features = processor_features()
    return target.create_target_machine(name, features, OPTIMISATION, relocation, jit=True)


def thread_limit() -> int:
    """How many threads make machine code at once."""
    affinity = getattr(os, "sched_getaffinity", None)
    count = len(affinity(0)) if affinity else os.cpu_count() or 1
    said = os.environ.get("WONDERLAND_NUM_THREADS", "")
    return max(1, min(count, MOST_THREADS, int(said) if said.isdecimal() else count))


def object_file(text: str) -> Callable[[], bytes]:
    """What makes the object file of a module. Errors: RuntimeError where LLVM refuses it.

    Threads may do that at once, each with one: all of LLVM's that it touches is its own. What is
    done first keeps the lock of the interpreter; the rest, nearly all of the time, is two calls
    without it, and past the lock of llvmlite.
    """
    with contextlib.ExitStack() as stack:
        place = llvm.create_context()  # it keeps all types and constants that it ever saw
        stack.callback(place.close)
        module = stack.enter_context(llvm.parse_assembly(text, place))
        machine = target_machine()
        module.data_layout, module.triple = str(machine.target_data), llvm.get_process_triple()
        module.verify()
        passes, builder = optimisation(machine)

        def made() -> bytes:
            unlocked("LLVMPY_RunNewModulePassManager")(passes, module, builder)
            return emitted(module, machine)

        # in this order, also where cycles are collected: the module before its context; but not at
        # exit, when a daemon's thread may be at work on it
        weakref.finalize(made, stack.pop_all().close).atexit = False
        return made


def optimisation(machine: llvm.TargetMachine) -> tuple[Any, llvm.PassBuilder]:
    """Variables to registers, equal expressions, simple loops; vectors are written as meant, and
    what else there is to combine, the selection of instructions does."""
    passes = llvm.create_new_module_pass_manager()
    passes.add_sroa_pass()
    passes.add_simplify_cfg_pass()
    passes.add_loop_rotate_pass()
    passes.add_new_gvn_pass()
    passes.add_simplify_cfg_pass()
    options = llvm.PipelineTuningOptions(speed_level=2)
    return passes, llvm.create_pass_builder(machine, options)  # it knows the module's parts


def emitted(module: llvm.ModuleRef, machine: llvm.TargetMachine) -> bytes:
    """The instructions of a module, as an object file."""
    with ffi.OutputString() as error:
        found = unlocked("LLVMPY_TargetMachineEmitToMemory")(machine, module, 1, error)
        if not found:
            raise RuntimeError(str(error))
    try:
        start = ffi.lib.LLVMPY_GetBufferStart(found)
        return ctypes.string_at(start, ffi.lib.LLVMPY_GetBufferSize(found))
    finally:
        ffi.lib.LLVMPY_DisposeMemoryBuffer(found)


@cache
def unlocked(name: str) -> Any:
    """A function of LLVM's that does not wait for those that other threads call."""
    locked = getattr(ffi.lib, name)
    made = getattr(ctypes.CDLL(None, handle=ffi.lib._handle), name)
    made.argtypes, made.restype = locked.argtypes, locked.restype
    return made
