"""A compiler for differentiable programs: README.md follows one program through the rooms.

    a user's function --trace/--> graph --front/functions, transform/--> graph --optimise/--> graph
      --fuse/--> kernels --plan/schedule--> waves --codegen/--> texts --plan/--> places, rows

`ir/`, `kernel/` and `ops/` are what flows, `front/` is what users write in, `jit/` what they call,
`pipeline` the list of passes. tests/test_architecture.py says which room may import which.
"""
