"""Activations, losses and initial weights: the names of wonderland.nn."""
