"""PTX for the tests: one instruction over arrays, and LLVM's text for IR."""

from __future__ import annotations

import llvmlite.binding as llvm  # pyright: ignore[reportMissingImports]
import numpy as np

from . import launch

HEAD = ".version 8.0\n.target sm_90\n.address_size 64\n"
BLOCK = 128


def entry(body: str, parameters: int = 1, before: str = "", registers: str = "") -> str:
    """An entry `k` over pointers p0, p1, ..., which are loaded into %p0, %p1, ...; %t is the
    thread of the block, %i that of the grid.
    """
    formals = ", ".join(f".param .u64 p{k}" for k in range(parameters))
    loads = "\n".join(f"ld.param.u64 %p{k}, [p{k}];" for k in range(parameters))
    return f"""{HEAD}{before}
.visible .entry k({formals})
{{
.reg .pred %q<10>;
.reg .b16 %h<20>;
.reg .b32 %r<40>;
.reg .b64 %d<40>;
.reg .b32 %t, %i, %n;
.reg .b64 %p<8>;
{registers}
{loads}
mov.u32 %t, %tid.x;
mov.u32 %i, %ctaid.x;
mov.u32 %n, %ntid.x;
mad.lo.u32 %i, %i, %n, %t;
{body}
ret;
}}
"""


def evaluate(code: str, *inputs: np.ndarray, out: object) -> np.ndarray:
    """`code` with the registers %x0, %x1, ... of the inputs and %y of the result, elementwise.

    A bool result is the predicate %y.
    """
    dtype = np.dtype(out)  # type: ignore[call-overload]
    n = inputs[0].size
    declared, loads = [], []
    for k, x in enumerate(inputs):
        size = x.itemsize
        width = max(8 * size, 16)
        declared.append(f".reg .b{width} %x{k};")
        loads.append(f"mad.wide.u32 %d0, %i, {size}, %p{k};")
        loads.append(f"ld.global.{'u8' if size == 1 else f'b{8 * size}'} %x{k}, [%d0];")
    size = dtype.itemsize
    if dtype == np.bool_:
        declared.append(".reg .pred %y;")
        store = ["selp.u16 %h19, 1, 0, %y;", "st.global.u8 [%d0], %h19;"]
    else:
        declared.append(f".reg .b{max(8 * size, 16)} %y;")
        store = [f"st.global.{'u8' if size == 1 else f'b{8 * size}'} [%d0], %y;"]
    body = "\n".join(
        [
            f"setp.ge.u32 %q0, %i, {n};",
            "@%q0 ret;",
            *loads,
            code,
            f"mad.wide.u32 %d0, %i, {size}, %p{len(inputs)};",
            *store,
        ]
    )
    result = np.zeros(n, dtype)
    text = entry(body, len(inputs) + 1, registers="\n".join(declared))
    launch(text, "k", -(-n // BLOCK), BLOCK, [*inputs, result])
    return result


def compiled(ir: str, level: int = 3, cpu: str = "sm_90") -> str:
    """LLVM's PTX for a module."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    target = llvm.Target.from_triple("nvptx64-nvidia-cuda")
    machine = target.create_target_machine(cpu=cpu, features="+ptx80", opt=level)
    head = f'target triple="nvptx64-nvidia-cuda"\ntarget datalayout="{machine.target_data}"\n'
    module = llvm.parse_assembly(head + ir)
    module.verify()
    if level:
        options = llvm.create_pipeline_tuning_options(speed_level=level)
        builder = llvm.create_pass_builder(machine, options)
        builder.getModulePassManager().run(module, builder)
    return machine.emit_assembly(module)
