"""The names of wonderland.compiler.lax."""

from .compiler.dimension_numbers import *  # noqa: F403
from .compiler.lax import *  # noqa: F403
