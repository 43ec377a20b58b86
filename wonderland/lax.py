"""The names of wonderland.compiler.lax."""

from .compiler.lax import *  # noqa: F403
