"""The vocabulary of printed kernels: vectors, memory, elementary functions, tiles.

The twins of words in NumPy are how tests run a text as Python.
"""
