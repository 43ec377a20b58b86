"""One file a family of models, on the public front door alone, each with recipes that train it.

What families of classes and of texts share is in `classification` and `language`.
"""

from __future__ import annotations

import importlib
import pkgutil

from ..recipe import Recipe

__all__ = ["recipes"]


def recipes() -> dict[str, Recipe]:
    """All recipes by name, in the order of the chapters."""
    modules = [
        importlib.import_module(f"{__name__}.{found.name}")
        for found in pkgutil.iter_modules(__path__)
    ]
    every = [r for module in modules for r in getattr(module, "RECIPES", ())]
    return {r.name: r for r in sorted(every, key=lambda r: (not r.chapter.isdecimal(), _place(r)))}


def _place(recipe: Recipe) -> tuple[int, str]:
    chapter = recipe.chapter
    return (int(chapter) if chapter.isdecimal() else 0, chapter)
