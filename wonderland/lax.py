"""The names of wonderland.compiler.lax, primitives and collectives: jax.lax's."""

from .compiler.collectives import *  # noqa: F403
from .compiler.dimension_numbers import *  # noqa: F403
from .compiler.lax import *  # noqa: F403
from .compiler.primitives import *  # noqa: F403
