"""The names of wonderland.compiler.tree."""

from .compiler.tree import *  # noqa: F403
