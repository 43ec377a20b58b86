"""The names of wonderland.models.nn."""

from .models.nn import *  # noqa: F403
