"""Families of models in the words of their field, and what training them needs.

    split = wl.models.data.digits()
    found = wl.fit(loss, params, batch, wl.optim.adam(1e-3), epochs=5, batch_size=2)

In: the front door. Out: layers and losses (`nn/`), optimisers and schedules (`optim/`), one file a
family (`families/`), each with a Recipe that trains it, real data (`data`), training
(`training`), many processes (`parallel`), models that others trained (`pretrained/`).
Begin with `families/mlp`.

Imports: compiler.ir, compiler.ops, compiler.trace, compiler.front, compiler.jit.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import data, families, pretrained, training
    from .recipe import Recipe

__all__ = ["Recipe", "data", "families", "pretrained", "training"]


if not TYPE_CHECKING:  # or checkers would take it for any name

    def __getattr__(name: str) -> Any:
        """A part, loaded when it is first read: the front door needs none of them."""
        if name == "Recipe":
            return importlib.import_module(f"{__name__}.recipe").Recipe
        if name in __all__:
            return importlib.import_module(f"{__name__}.{name}")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name)


def __dir__() -> list[str]:
    return __all__
