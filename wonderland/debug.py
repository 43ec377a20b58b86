"""The names of wonderland.compiler.front.debug."""

from .compiler.front.debug import callback, print

__all__ = ["callback", "print"]
