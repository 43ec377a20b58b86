"""The names of wonderland.compiler.trace.tree."""

from .compiler.trace.tree import *  # noqa: F403
