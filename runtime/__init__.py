"""What runs a compiled program: it knows rows, memory and machine code, and nothing of graphs.

`rows` and `spec` are what the compiler hands over, `steps` these rows laid out flat, `machine` what
a walk through them means, `program` what all programs have in common; `cpu/` and `gpu/` walk them,
`native/` makes machine code of printed text, `processes/` exchanges memory with other processes.
`errors` is what the runtime and the compiler raise when they are wrong themselves. Begin with
`rows`, and read `machine` before the native walker.
"""
