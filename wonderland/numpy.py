"""The names of wonderland.compiler.numpy."""

from .compiler.numpy import *  # noqa: F403
