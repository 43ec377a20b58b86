"""The names of wonderland.compiler.front.lax.lax, primitives and collectives: jax.lax's."""

from .compiler.front.lax.collectives import *  # noqa: F403
from .compiler.front.lax.dimension_numbers import *  # noqa: F403
from .compiler.front.lax.lax import *  # noqa: F403
from .compiler.front.lax.primitives import *  # noqa: F403
