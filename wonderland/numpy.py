"""The names of wonderland.compiler.front.numpy."""

from .compiler.front.numpy import *  # noqa: F403
from .compiler.front.numpy import __getattr__  # noqa: F401  names what is near to a name that is not here
