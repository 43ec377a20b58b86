"""The code generator: a module of LLVM in, an object file for this processor out.

Processor, features and options are those of Numba's generator, settings by its variables included
(NUMBA_CPU_NAME, NUMBA_CPU_FEATURES, NUMBA_ENABLE_AVX), and so is the code, to the byte; but Numba
is not imported, which takes a quarter of a second, nor its lock asked for, which a thread holds
while it compiles code that calls a program.
"""

from __future__ import annotations

import os
from functools import cache

import llvmlite.binding as llvm
import llvmlite.ir as ir

OPTIMISATION = 3  # of instructions: their selection, order and registers


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


@cache
def target_machine() -> llvm.TargetMachine:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_triple(llvm.get_process_triple())
    relocation = {"x86": "static", "ppc": "pic"}.get(target.name[:3], "default")
    name, features = processor_features()
    return target.create_target_machine(name, features, OPTIMISATION, relocation, jit=True)


def object_file(module: ir.Module) -> bytes:
    """The object file of a module. Errors: RuntimeError where LLVM refuses it."""
    machine = target_machine()
    # one of its own, since a context keeps all types and constants that it ever saw
    place = llvm.create_context()
    try:
        with llvm.parse_assembly(str(module), place) as parsed:
            parsed.data_layout = str(machine.target_data)
            parsed.triple = llvm.get_process_triple()
            parsed.verify()
            optimize(parsed, machine)
            return machine.emit_object(parsed)
    finally:
        place.close()


def optimize(module: llvm.ModuleRef, machine: llvm.TargetMachine) -> None:
    """Variables to registers, equal expressions, simple loops; vectors are written as meant."""
    options = llvm.PipelineTuningOptions(speed_level=2)
    with llvm.create_pass_builder(machine, options) as builder:  # it knows the module's parts
        passes = llvm.create_new_module_pass_manager()
        passes.add_sroa_pass()
        passes.add_simplify_cfg_pass()
        passes.add_instruction_combine_pass()
        passes.add_loop_rotate_pass()
        passes.add_new_gvn_pass()
        passes.add_simplify_cfg_pass()
        passes.run(module, builder)
