"""The names of wonderland.compiler.front.random and wonderland.compiler.front.rejection."""

from .compiler.front.random import *  # noqa: F403
from .compiler.front.rejection import *  # noqa: F403
