"""Texts of GPU kernels to PTX, by LLVM's own back end for NVIDIA's GPUs.

The text is that of native/language.py, so a GPU needs neither another front end nor NVIDIA's
compiler: LLVM, which comes with llvmlite, writes PTX itself, in the version that architectures.py
names: the first that knows the architecture, and allows 32 KB of parameters.

Nothing is contracted, reassociated or flushed to zero: additions and products carry `.rn`, which
the assembler takes as they are. Cost: 10 to 100 ms a kernel, most of it in LLVM.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import llvmlite.binding as llvm
import llvmlite.ir as ir

from ..native import language as native
from ..native.language import Integer
from . import architectures

TRIPLE = "nvptx64-nvidia-cuda"


@dataclass(frozen=True)
class Assembly:
    """`ptx` defines the kernel `entry`; its `parameters`, each in a slot of 64 bits, are pointers,
    `i64`, or numbers of a dtype."""

    ptx: str
    entry: str
    parameters: tuple[str, ...]


def assembly(text: str, words: Mapping[str, Any], entry: str, architecture: str) -> Assembly:
    """The only function of `text` as the kernel `entry` for an architecture, e.g. `sm_90`."""
    machine = target(architecture)
    module = ir.Module(entry)
    module.triple, module.data_layout = TRIPLE, str(machine.target_data)
    kinds = native.emit_kernel(text, words, module, entry)
    parsed = llvm.parse_assembly(str(module))
    parsed.verify()
    tuning = llvm.create_pipeline_tuning_options(speed_level=2)
    passes = llvm.create_pass_builder(machine, tuning)
    passes.getModulePassManager().run(parsed, passes)
    parameters = tuple("i64" if k == Integer(64) else str(k) for k in kinds)
    return Assembly(machine.emit_assembly(parsed), entry, parameters)


@cache
def target(architecture: str) -> llvm.TargetMachine:
    """Errors: DeviceError for an architecture that is not known."""
    version = f"+ptx{architectures.architecture(architecture).ptx}"
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    made = llvm.Target.from_triple(TRIPLE)
    return made.create_target_machine(cpu=architecture, features=version, opt=3)
