"""The names of wonderland.compiler.testing."""

from .compiler.testing import *  # noqa: F403
