"""A row of slabs, in the native language: the steps of a body, walked for every unit.

This file is compiled from its source, together with walker.py. To the walker the row is a kernel
whose points are units, so the team takes chunks of it as of any other, beside other rows of its
phase. Each member has a copy of the steps inside, with argument blocks, loops and cells of its own;
which one follows from the scratch that it is called with. Inside there is one thread: no barrier,
no call of Python. Ctrl-C is seen between units and between turns of loops inside, by the caller,
while it has units of its own; then all of the team leave theirs, and the segment ends.

Cost: 15 ns a unit of one axis and three addresses, beside its kernels.
"""
# pyright: reportUndefinedVariable=false
# ruff: noqa: F821

# the argument block: before the addresses from which cells move
FIRST_SCRATCH = 0  # of the first member
SCRATCH_STRIDE = 8  # between that of two members
COPIES = 16  # address of the first member's copy
BLOCK_WORDS = 3

# the copy of a member
OWN_CONTEXT = 0  # address of a context: its scratch, and whose it is
FIRST_INSIDE = 8  # of the first step
AXES_BEGIN = 16
AXES_END = 24
UNIT_CELLS_BEGIN = 32
UNIT_CELLS_END = 40
UNIT_CHECK = 48  # units between two looks for Ctrl-C
UNITS_UNCHECKED = 56  # until the next
COPY_BYTES = 64

# an axis of the box, the last one first
AXIS_SIZE = 0
AXIS_PLACE = 8  # of the unit along it
AXIS_BYTES = 16

# a cell
FROM = 0  # where the address is from which it moves
STRIDES = 8  # address of a stride for each axis
UNIT_PATCHES = 16  # what is written for each unit, as for each turn
UNIT_PATCHES_END = 24
UNIT_CELL_BYTES = 32


def run_slabs(args, start, stop, scratch):
    """Units start to stop, as a kernel does points."""
    member = (scratch - read64(args + FIRST_SCRATCH)) // read64(args + SCRATCH_STRIDE)
    copy = read64(args + COPIES) + member * COPY_BYTES
    context = read64(copy + OWN_CONTEXT)
    for unit in range(start, stop):
        if read64(copy + UNITS_UNCHECKED) == 0:
            write64(copy + UNITS_UNCHECKED, read64(copy + UNIT_CHECK))
            interrupted(context)
        write64(copy + UNITS_UNCHECKED, read64(copy + UNITS_UNCHECKED) - 1)
        if load(read64(context + AROUND) + STOPPED) != 0:
            return 0
        place_unit(copy, unit)
        run_steps(context, read64(copy + FIRST_INSIDE))


def place_unit(copy, unit):
    """Writes the addresses of a unit into the argument blocks."""
    begin = read64(copy + AXES_BEGIN)
    end = read64(copy + AXES_END)
    rest = unit
    for axis in range(begin, end, AXIS_BYTES):
        write64(axis + AXIS_PLACE, rest % read64(axis + AXIS_SIZE))
        rest = rest // read64(axis + AXIS_SIZE)
    cells_end = read64(copy + UNIT_CELLS_END)
    for cell in range(read64(copy + UNIT_CELLS_BEGIN), cells_end, UNIT_CELL_BYTES):
        address = read64(read64(cell + FROM))
        stride = read64(cell + STRIDES)
        for axis in range(begin, end, AXIS_BYTES):
            address = address + read64(axis + AXIS_PLACE) * read64(stride)
            stride = stride + 8
        write_patches(read64(cell + UNIT_PATCHES), read64(cell + UNIT_PATCHES_END), address)
