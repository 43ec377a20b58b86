"""The names of wonderland.compiler.front.functions.extend."""

from .compiler.front.functions.extend import *  # noqa: F403
