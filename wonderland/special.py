"""The names of wonderland.compiler.front.special."""

from .compiler.front.special import *  # noqa: F403
