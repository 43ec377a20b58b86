"""Printers of kernels for a processor: loops over vectors, tiles, products, prefixes, sorts."""
