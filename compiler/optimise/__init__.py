"""From a graph to a cheaper graph that computes the same bits.

In: a traced graph, differentiated and batched. Out: one without calls, complex values, dead or
equal nodes, whose products read memory in order. A pass is a function in a file of its name; local
algebra is a law (`laws`), and `simplify` applies them. Begin with `cse`, then `laws`.

Imports: ir, kernel, transform, ops.
"""
