"""Whether a thread traces foreign NumPy code, which may write to views and read x[mask]."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any


class _Foreign(threading.local):
    depth = 0


_foreign = _Foreign()


ATTRIBUTES: dict[str, Callable[[Any], Any]] = {}
"""Attributes of ndarrays that traced values have in foreign code alone."""


def traces_foreign() -> bool:
    """Whether this thread does."""
    return _foreign.depth > 0


@contextlib.contextmanager
def tracing_foreign() -> Iterator[None]:
    """This thread does, within."""
    _foreign.depth += 1
    try:
        yield
    finally:
        _foreign.depth -= 1
