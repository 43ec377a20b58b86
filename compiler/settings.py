"""The settings: each is at once an environment variable, a keyword of `jit` and a `with` form.

    with wl.check_nans():
        step(params, batch)

setting        environment               meaning                                           default
check_nans     WONDERLAND_CHECK_NANS     a NaN in a result raises, and names its line      off
disable_jit    WONDERLAND_DISABLE_JIT    compiled functions run in the interpreter         off
dump           WONDERLAND_DUMP           a folder: every stage of every program is written none
verify         WONDERLAND_VERIFY         every stage of every program is proved            off
memory_budget  WONDERLAND_MEMORY_BUDGET  the bytes that a call may take, "256MB"           no limit
device         WONDERLAND_DEVICE         where programs run: cpu, cuda, cuda:1             arguments
default_dtype  WONDERLAND_DEFAULT_DTYPE  of floats that nobody typed, alone: f32, f64      f64

default_matmul_precision, WONDERLAND_DEFAULT_MATMUL_PRECISION: how precise products of f32 are that
do not say so themselves, by the names of precision.py: highest. mesh, which no variable has: the
named axes over processes of `wl.distributed.mesh`; none.

The variables are read once, when the package is imported; flags are on where they are 1. A keyword
goes before the `with` form, that before the environment. A `with` form holds in its thread only.

The runtime reads variables of its own: WONDERLAND_NUM_THREADS (threads of a program, and the most
that compile it; all the processors of the process, its part of them where several processes of a
launcher share them), WONDERLAND_PROCESS_TIMEOUT (seconds that other processes are waited for; 300),
WONDERLAND_CACHE (the folder of programs and machine code, for other processes; `off`, or the user's
cache folder), WONDERLAND_CACHE_SIZE (the bytes it may have, used longest ago goes first; 1 GB),
WONDERLAND_PROGRESS (a line on stderr, where that is a terminal, when compiling takes more than two
seconds; on), WONDERLAND_POISON (memory holds NaN before it is written; off), WONDERLAND_GUARD
(`end` or `begin`: rows run between pages that may not be touched, see runtime/cpu/fenced.py; off).
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from ..runtime.rows import MeshAxes
from .ir.errors import ProgramError
from .ir.precision import factors_of
from .ir.types import WIDE, dtype_name

FLAGS = {"1": True, "true": True, "on": True, "": False, "0": False, "false": False, "off": False}


@dataclass(frozen=True)
class Settings:
    """What holds for a call."""

    check_nans: bool = False
    disable_jit: bool = False
    dump: str = ""
    verify: bool = False
    memory_budget: int = 0
    device: str = ""
    default_dtype: str = "f64"
    default_matmul_precision: str = "f32"
    mesh: MeshAxes = ()

    @property
    def native(self) -> bool:
        """Whether a call is no more than a run of its program."""
        return not (self.check_nans or self.disable_jit)


def from_environment(environment: Mapping[str, str]) -> Settings:
    """The settings of the environment variables."""
    found: dict[str, Any] = {}
    for field in fields(Settings):
        if field.name == "mesh":
            continue
        variable = f"WONDERLAND_{field.name.upper()}"
        text = environment.get(variable)
        if text is None:
            continue
        if field.name in READ:
            found[field.name] = READ[field.name](text)
        elif text.lower() in FLAGS:
            found[field.name] = FLAGS[text.lower()]
        else:
            raise ProgramError(f"{variable}: 0 or 1 is required, got {text!r}")
    return Settings(**found)


def bytes_of(text: int | str | None) -> int:
    """A number of bytes, or `"256MB"`, `"1.5 GiB"`; None and "none" are no limit, here 0."""
    said = str(text).strip().lower()
    if said in ("", "none"):
        return 0
    found = re.fullmatch(r"(\d+(?:\.\d*)?)\s*([kmgt]i?|)b?", said)
    if isinstance(text, bool | float) or found is None:
        raise ProgramError(
            f"memory_budget: a number of bytes is required, got {text!r}",
            repair='memory_budget="256MB", or "1.5GiB", or 1 << 28',
        )
    nbytes = int(float(found[1]) * UNITS[found[2]])
    if not nbytes:
        raise ProgramError(
            f"memory_budget: 1 byte or more is required, got {text!r}",
            repair='memory_budget="none" for no limit',
        )
    return nbytes


UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12,
         "ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30, "ti": 1 << 40}  # fmt: skip
READ: dict[str, Callable[[str], Any]] = {
    "dump": str, "memory_budget": bytes_of, "device": str,
    "default_dtype": lambda text: float_of(text),
    "default_matmul_precision": lambda text: factors_of(text, "default_matmul_precision"),
}  # fmt: skip
"""How settings that are no flags are read."""


DEFAULT = from_environment(os.environ)

_active: ContextVar[Settings] = ContextVar("settings", default=DEFAULT)
active = _active.get
"""The settings of this thread."""


@contextlib.contextmanager
def changed(**changes: Any) -> Iterator[None]:
    """Other settings inside of the block, in this thread."""
    token = _active.set(replace(active(), **changes))
    try:
        yield
    finally:
        _active.reset(token)


def check_nans(check: bool = True) -> contextlib.AbstractContextManager[None]:
    """Inside of the block, a NaN in the results of a compiled function that its arguments did not
    have raises a FloatingPointError that names the line it was born at, also in a derivative.

    Cost: a look at every result; where there is a NaN, a run in the interpreter.
    """
    return changed(check_nans=check)


def disable_jit(disable: bool = True) -> contextlib.AbstractContextManager[None]:
    """Inside of the block, compiled functions are traced at every call and their graphs run in the
    interpreter: NumPy alone, nothing is compiled."""
    return changed(disable_jit=disable)


def dump(folder: str | os.PathLike[str]) -> contextlib.AbstractContextManager[None]:
    """Inside of the block, all stages of the programs that are compiled are written as texts, in a
    folder of `folder` for each."""
    return changed(dump=str(Path(folder)))


def verify(verify: bool = True) -> contextlib.AbstractContextManager[None]:
    """Inside of the block, what is compiled is proved to follow the rules of every stage: graphs
    after each pass, kernels, and that no row of the program reads what was not written for it.

    Errors: a CompilerError with the text at fault. Cost: compiling takes up to twice as long, and
    no program is taken from the disk.
    """
    return changed(verify=verify)


def memory_budget(nbytes: int | str | None) -> contextlib.AbstractContextManager[None]:
    """Inside of the block, no call of a program that is compiled takes more memory than this, its
    arguments and constants aside: work is done again where its results cannot be kept (see jit).
    None is no limit, also inside of another block."""
    return changed(memory_budget=bytes_of(nbytes))


def device(device: Any) -> contextlib.AbstractContextManager[None]:
    """Inside of the block, compiled functions run on a device: "cpu", "cuda", "cuda:1", or one of
    `wl.devices()`."""
    return changed(device=str(device))


def default_dtype(dtype: Any) -> contextlib.AbstractContextManager[None]:
    """Inside of the block, what is float or complex and nobody typed is f32 or c64 where it stands
    alone: `"f32"`, as in JAX and PyTorch. `"f64"` is NumPy's, and the default.

    That is what `wonderland.numpy` makes without `dtype=` of no array of f64, traced or not: zeros,
    linspace, means of integers. Beside a typed float such numbers have its dtype anyway; a model
    of f64 then reads them as f32 holds them, 6e-8 off, so set it for models of f32.
    """
    return changed(default_dtype=float_of(dtype))


def float_of(dtype: Any) -> str:
    """f32 or f64."""
    name = dtype_name(dtype)
    if name not in WIDE:
        raise ProgramError(f"default_dtype: f32 or f64 is required, got {dtype!r:.40}")
    return name


def default_matmul_precision(precision: Any) -> contextlib.AbstractContextManager[None]:
    """Inside of the block, products of f32 that are traced are as precise as that, as in JAX:
    "highest", which is the default here, "tensorfloat32", "bfloat16", or another name of
    precision.py. On a GPU that takes them to the tensor cores; on the processor all are "highest".
    """
    name = "default_matmul_precision"
    return changed(**{name: Settings().default_matmul_precision if precision is None
                      else factors_of(precision, name)})  # fmt: skip
