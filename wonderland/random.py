"""The names of wonderland.compiler.random and wonderland.compiler.rejection."""

from .compiler.random import *  # noqa: F403
from .compiler.rejection import *  # noqa: F403
