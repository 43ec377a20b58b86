"""From a Python function to a graph.

In: a function and arguments of certain types. Out: the graph of what it computes on them, and the
trees of its arguments and results. `tracer` stands for arrays while the function runs, `operands`
takes what is combined with it, `tree` flattens containers; `aliases`, `concrete` and `lint` say
what cannot be, or is hardly meant, `repairs` what to write instead. Begin with `tracer`.

Imports: ir, settings, kernel, transform, ops, runtime.rows, runtime.gpu.
"""
