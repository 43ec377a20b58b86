"""What brings LLVM: imported when something is compiled or taken from the disk, not before."""

from __future__ import annotations

import functools
import importlib
from typing import Any

from ...runtime.native import making


@functools.cache
@making.locked  # so that no child of a fork begins with half of it
def back_end() -> Any:
    """The pipeline."""
    return import_alone("..pipeline")


@functools.cache
@making.locked
def records() -> Any:
    """Programs as data."""
    return import_alone("...runtime.cpu.record")


def import_alone(name: str) -> Any:
    """A module, which Ctrl-C does not leave half imported."""
    return making.on_new_thread(functools.partial(importlib.import_module, name, __package__))
