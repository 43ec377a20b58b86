"""What runs a compiled program: it knows rows, memory and machine code, and nothing of graphs.

`rows` and `spec` are what the compiler hands over, `steps` these rows laid out flat, `machine` what
a walk through them means; `cpu/` and `gpu/` walk them, `native/` makes machine code of printed
text. Begin with `rows`, and read `machine` before the native walker.
"""
