"""The names of wonderland.models.optim.optimisers."""

from .models.optim.optimisers import *  # noqa: F403
