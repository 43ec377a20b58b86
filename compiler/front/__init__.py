"""What users write in, by the names of NumPy and JAX.

In: tracers, arrays, numbers. Out: the same; inside of a trace, nodes. `numpy/` and `lax/` are the
functions of these names, `functions/` what takes functions: derivatives, vmap, custom rules,
checkpoints. Random numbers, special functions, segments and effects stand beside.
Begin with `numpy/elementwise`, or `functions/derivatives`.

Imports: ir, settings, kernel, transform, ops, trace, runtime.rows, runtime.processes.
"""
