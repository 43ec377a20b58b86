"""Graph to graph by the rules of ops: tangents, transposes, batches, pairs, and the meaning.

In: a graph. Out: a graph of its derivative (`jvp`, `linearize`, `transpose`), of many applications
at once (`batch`), of real values only (`pairs`), in two halves (`split`), or arrays (`interpreter`,
the oracle of every test; `node_reference` is one node so). No op is named here: what an op is asked
stands in `ir.graph.Op`. Ops that hold graphs apply these to them. Begin with `transpose`.

Imports: ir.
"""
