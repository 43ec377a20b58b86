"""What runs a compiled program: it knows rows, memory and machine code, and nothing of graphs.

`rows` and `spec` are what the compiler hands over, `steps` how a program's rows are walked; `cpu/`
and `gpu/` walk them, `native/` makes machine code of printed text. Begin with `rows`.
"""
