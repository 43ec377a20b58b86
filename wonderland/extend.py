"""The names of wonderland.compiler.extend."""

from .compiler.extend import *  # noqa: F403
