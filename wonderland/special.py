"""The names of wonderland.compiler.special."""

from .compiler.special import *  # noqa: F403
