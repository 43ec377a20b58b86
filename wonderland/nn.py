"""The names of wonderland.models.nn.functions."""

from .models.nn.functions import *  # noqa: F403
