"""The names of wonderland.models.optim."""

from .models.optim import *  # noqa: F403
