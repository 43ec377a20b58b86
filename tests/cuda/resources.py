"""What kernels use as machine code: linked many at a time, for every architecture.

LLVM writes nearly the same PTX for all of them, so what was written for one is linked for the later
ones too, and PTX that was linked before is not linked again.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence

from tests.runtime.fake_device import Code
from wonderland.compiler.codegen.target import DEVICES, GpuTarget
from wonderland.compiler.pipeline import Compiled
from wonderland.runtime.gpu import architectures, cubins, ptx
from wonderland.runtime.gpu.cubins import Artifact

Written = Code | Artifact  # what has PTX of one kernel
TOGETHER = 64  # kernels of one module: half the time of a small one is the linker's start
HEAD = (".version", ".target", ".address_size")
CHECKED: set[tuple[str, str]] = set()  # architecture and PTX but for its head, for the whole run


@functools.cache
def missing_linker() -> str:
    """Why nothing is linked here; empty where nvJitLink is."""
    try:
        cubins.linker()
    except cubins.MissingLinker as missing:
        return str(missing)
    return ""


def keep_in_registers(programs: Iterable[Compiled]) -> None:
    """Asserts that every kernel of programs on fakes links and spills nothing.

    On the architecture it was made for, and on every later one.
    """
    if missing_linker():
        return
    made = [(architecture_of(c), code) for c in programs for code in c.artifacts.values()]
    for architecture in DEVICES:
        kernels = {(architecture, bare(code)): code for own, code in made if own <= architecture}
        new = {name: code for name, code in kernels.items() if name not in CHECKED}
        for found in linked(tuple(new.values()), architecture):
            keeps_in_registers(found)
        CHECKED.update(new)


def architecture_of(compiled: Compiled) -> str:
    assert isinstance(compiled.target, GpuTarget)
    return compiled.target.architecture


def keeps_in_registers(found: Artifact) -> None:
    assert (found.spill_bytes, found.stack_bytes) == (0, 0), f"{found}\n{found.ptx}"
    assert 0 < found.registers <= 255


def linked(codes: Sequence[Written], architecture: str) -> Iterator[Artifact]:
    """What each kernel uses, without its cubin."""
    for start in range(0, len(codes), TOGETHER):
        group = codes[start : start + TOGETHER]
        _, log = cubins.link(joined(group, architecture), architecture)
        for code in group:
            yield used(code, log, architecture)


def joined(codes: Iterable[Written], architecture: str) -> str:
    """One module of several kernels."""
    bodies = (line for code in codes for line in body(code))
    version = architectures.architecture(architecture).ptx
    head = f".version {version // 10}.{version % 10}", f".target {architecture}"
    return "\n".join((*head, ".address_size 64", *bodies))


def body(code: Written) -> Iterator[str]:
    return (line for line in code.ptx.splitlines() if not line.startswith(HEAD))


def bare(code: Written) -> str:
    """What does not depend on the name or the architecture."""
    return "\n".join(body(code)).replace(code.entry, "")


def used(code: Written, log: str, architecture: str) -> Artifact:
    """The part of the linker's log that is of a kernel."""
    _, found, after = log.partition(f"entry function '{code.entry}'")
    assert found, f"{code.entry} is not in the log\n{log}"
    assembly = ptx.Assembly(code.ptx, code.entry, ())
    return cubins.artifact(assembly, b"", after.partition("entry function")[0], architecture)
