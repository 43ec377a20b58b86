"""From kernels to a program in memory: order, places, a budget of bytes, rows for the runtime.

In: works. Out: waves of works (`schedule`), a place for every value (`buffers`), what is computed
again to need less memory (`recompute`, by the search of `rematerialise`), and the runtime's table
(`rows`). `verify` proves of a plan that every byte read is what was written for it.
Begin with `plan`.

Imports: ir, kernel, transform, ops, fuse, codegen, runtime.rows.
"""
