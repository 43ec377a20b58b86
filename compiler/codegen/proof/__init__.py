"""Proves of a lowered text that it touches nothing outside of its buffers, for all points."""
