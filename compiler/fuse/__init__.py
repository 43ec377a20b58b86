"""From a graph to kernels: what is computed together, and what stands in memory between.

In: an optimised graph. Out: works, each one kernel over one domain, a call on the host, or a loop
of works. `straight` makes runs of tiny values one node each, `roots` says which values are in
memory, `groups` which nodes become one kernel, `saved` what a kernel reads and what it computes
again, `chunks` how long reductions are divided, `waves` how passes go through works and their
bodies; `emission/` writes the kernels. Begin with `fuse`.

Imports: ir, kernel, ops.
"""
