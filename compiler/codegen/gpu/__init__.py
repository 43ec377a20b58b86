"""Printers of kernels for a GPU: grids of threads and teams, products, prefixes, sorts."""
