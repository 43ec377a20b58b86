"""Numbers that are drawn while a function is traced: they are constants of its program."""

from __future__ import annotations

import inspect
import linecache
import random
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

FRESH = 624  # where a Mersenne twister stands that has given no number
_registries: dict[str, dict[Any, Any]] = {}  # of shown warnings per file: each function warns once


class FrozenRandomWarning(UserWarning):
    """A compiled function drew numbers of NumPy's or Python's: every call has the same ones."""


@contextmanager
def watched(function: Callable[..., Any]) -> Iterator[None]:
    """Warn where the function, traced inside of this, draws numbers of generators that it reads.

    What it seeds itself is the same in every call anyway. Cost: 20 us.
    """
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None or "seed" in code.co_names:
        yield
        return
    loaded = _numpys() is not None
    generators = list(_generators(inspect.unwrap(function), code.co_names))
    before = [_state(x) for _, x in generators]
    yield
    numpys = _numpys()
    if not loaded and numpys is not None:  # by the function, and fresh unless it drew
        own = numpys.mtrand._rand
        generators.append(("random", own))
        before.append((*_state(own)[:2], FRESH, *_state(own)[3:]))
    after = [_state(x) for _, x in generators]
    for (name, _), a, b in zip(generators, before, after, strict=True):
        if a != b:
            _warn(function, code, name)
            return


def _numpys() -> Any:
    """numpy.random, if it is loaded: nothing is imported while a function is traced, for a process
    that is forked meanwhile would wait for that import for ever."""
    found = sys.modules.get("numpy.random")
    return found if hasattr(found, "RandomState") else None  # else another thread is loading it


def _generators(function: Any, names: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """NumPy's and Python's own, and those of global and enclosing names."""
    numpys = _numpys()
    kinds: tuple[type, ...] = (random.Random,)
    if numpys is not None:
        yield "random", numpys.mtrand._rand
        kinds += numpys.Generator, numpys.RandomState
    yield "random", random
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    known = {n: function.__globals__.get(n) for n in names}
    known |= {n: c.cell_contents for n, c in cells if c != type(c)()}
    for name, x in known.items():
        if isinstance(x, kinds):
            yield name, x


def _state(generator: Any) -> Any:
    if hasattr(generator, "bit_generator"):
        return repr(generator.bit_generator.state)
    if hasattr(generator, "getstate"):
        return generator.getstate()
    kind, keys, *rest = generator.get_state()
    return kind, keys.tobytes(), *rest


def _warn(function: Callable[..., Any], code: Any, name: str) -> None:
    """At the first line of the function that draws, or its head."""
    path, line = code.co_filename, code.co_firstlineno
    last = max((n for _, _, n in code.co_lines() if n), default=line)
    draws = re.compile(rf"\b{re.escape(name)}\s*\.")
    found = (n for n in range(line, last + 1) if draws.search(linecache.getline(path, n)))
    warn_drawn(name, getattr(function, "__name__", "function"), path, next(found, line))


def warn_drawn(name: str, called: str, path: str, line: int) -> None:
    """A line draws numbers of the generator `name` while a function is traced."""
    text = (
        f"{name}: numbers drawn while {called} is traced are the same in every call\n"
        "try: wl.random.normal(key, shape) and its kin, with the key an argument"
    )
    registry = _registries.setdefault(path, {})
    warnings.warn_explicit(text, FrozenRandomWarning, path, line, registry=registry)
