"""The names of wonderland.compiler.segments, as jax.ops has them."""

from .compiler.segments import *  # noqa: F403
