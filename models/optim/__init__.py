"""Optimisers and schedules of their rates: the names of wonderland.optim."""
