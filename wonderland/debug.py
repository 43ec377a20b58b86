"""The names of wonderland.compiler.debug."""

from .compiler.debug import callback, print

__all__ = ["callback", "print"]
