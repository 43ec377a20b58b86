"""The names of wonderland.compiler.front.segments, as jax.ops has them."""

from .compiler.front.segments import *  # noqa: F403
