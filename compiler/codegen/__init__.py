"""From a kernel to the text of its machine code, for a processor or a GPU.

In: a kernel of stages, a product, a prefix, a sort, and a target. Out: a text that sizes are no
part of, and the numbers of one instance of it. `words/` is the vocabulary of the texts, `cpu/` and
`gpu/` print them, with what both do in the files of this folder: `loops` writes a point of a
kernel, `values` and `reductions` what is computed there. `proof/` shows that a text stays inside
its buffers. Begin with `printer`, then `loops` and `cpu/claim`.

Imports: ir, kernel, runtime.native, runtime.rows, runtime.gpu.
"""
