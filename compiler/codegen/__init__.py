"""From a kernel to the text of its machine code, for a processor or a GPU.

In: a kernel of stages, a product, a prefix, a sort, and a target. Out: a text that sizes are no
part of, and the numbers of one instance of it. `words/` is the vocabulary of the texts, `cpu/` and
`gpu/` print them, `values` and `reductions` what both do, `proof/` shows that a text stays inside
its buffers. Begin with `printer`, then `cpu/loops`.

Imports: ir, kernel, runtime.native, runtime.rows, runtime.gpu.
"""
