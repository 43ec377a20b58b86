"""Whole models, written for every library as its users would: `python -m bench models`."""
