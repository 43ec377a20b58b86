"""Lines of a user: where a node comes from, and whose a file is."""

from __future__ import annotations

import contextlib
import functools
import linecache
import os
import re
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType

import numpy as np

PACKAGE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OWN = (
    *(os.path.join(PACKAGE, part, "") for part in ("compiler", "runtime")),
    *(
        os.path.join(PACKAGE, "models", part, "")
        for part in ("nn", "optim", "distributions", "parallel", "training")
    ),
    os.path.join(PACKAGE, "models", "recipe.py"),
    *(
        os.path.join(os.path.dirname(np.__path__[0]), name, "")
        for name in ("numpy", "scipy", "numba")
    ),
    contextlib.__file__,
    functools.__file__,
    "<string>",
    "<frozen ",
    "<__array_function__",
)
"""How paths of files begin that are the compiler's or NumPy's, and names of what no file holds."""


@functools.cache
def libraries() -> tuple[str, ...]:
    """How paths of files begin that are Python's, or of installed packages."""
    import sysconfig  # only errors need it

    wanted = ("stdlib", "platstdlib", "purelib", "platlib")
    return tuple(os.path.join(p, "") for n, p in sysconfig.get_paths().items() if n in wanted)


@dataclass(frozen=True, eq=False)
class Source:
    """The user's line behind a node. Takes no part in equality of nodes."""

    path: str
    line: int

    @property
    def file(self) -> str:
        return os.path.basename(self.path)

    @property
    def text(self) -> str:
        return linecache.getline(self.path, self.line).strip()

    @property
    def variable(self) -> str:
        """The name that the line assigns, if it assigns one."""
        found = re.match(r"([A-Za-z_]\w*)(?:\s*:[^=]+)?\s*[-+*/@]?=(?!=)", self.text)
        return found[1] if found else ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.variable}".rstrip()


source_at = functools.cache(Source)


@functools.cache
def is_own(path: str) -> bool:
    """Whether a file is the compiler's own, or NumPy's or SciPy's, rather than the user's."""
    return path.startswith(OWN) or os.path.dirname(path) == PACKAGE


@functools.cache
def is_library(path: str) -> bool:
    """Whether a file is Python's, or of an installed package: nobody's own line."""
    return path.startswith(libraries())


def user_frame() -> FrameType | None:
    """The innermost frame outside the compiler."""
    frame = sys._getframe(1)
    while frame is not None and is_own(frame.f_code.co_filename):
        frame = frame.f_back
    return frame


def user_source() -> Source | None:
    """The innermost line outside the compiler."""
    frame = user_frame()
    return source_at(frame.f_code.co_filename, frame.f_lineno) if frame else None


class _Sources(threading.local):
    """What is inherited, of each thread."""

    def __init__(self) -> None:
        self.stack: list[Source | None] = []


_sources = _Sources()


def source() -> Source | None:
    """Of a node that is made now."""
    stack = _sources.stack
    return stack[-1] if stack else user_source()


@contextlib.contextmanager
def sourced(source: Source | None) -> Iterator[list[Source | None]]:
    """Nodes made inside inherit `source`, that of the node which they come from.

    The last of the list is what they inherit: who walks over many nodes changes it there.
    """
    stack = _sources.stack
    stack.append(source)
    try:
        yield stack
    finally:
        stack.pop()


def location(source: Source | None) -> str:
    """The user's file, line and text, for messages; of a line in an installed package also the
    nearest one outside of those that called it, first."""
    if source is None:
        return ""
    here = f"  {source.file}:{source.line}: {source.text}"
    return f"{caller}{here}" if is_library(source.path) and (caller := _caller()) else here


def _caller() -> str:
    """The innermost line that is of no library, if there is one."""
    frame = user_frame()
    while frame is not None and (
        is_own(frame.f_code.co_filename) or is_library(frame.f_code.co_filename)
    ):
        frame = frame.f_back
    if frame is None:
        return ""
    found = Source(frame.f_code.co_filename, frame.f_lineno)
    return f"  {found.file}:{found.line}: {found.text}, which calls\n"
