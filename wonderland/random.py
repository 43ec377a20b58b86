"""The names of wonderland.compiler.random."""

from .compiler.random import *  # noqa: F403
