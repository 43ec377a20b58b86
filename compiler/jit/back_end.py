"""The pipeline, which brings LLVM: imported when something is compiled, not before."""

from __future__ import annotations

import functools
import importlib
from typing import Any

from ...runtime.native import making


@functools.cache
@making.locked  # so that no child of a fork begins with half of it
def back_end() -> Any:
    """The pipeline."""
    return making.on_new_thread(
        functools.partial(importlib.import_module, "..pipeline", __package__)
    )
