"""The names of wonderland.compiler.numpy."""

from .compiler.numpy import *  # noqa: F403
from .compiler.numpy import __getattr__  # noqa: F401  names what is near to a name that is not here
