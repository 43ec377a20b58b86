"""Python's arguments at the native border, in the native language.

This file is compiled from its source, together with walker.py. `start` has Python's own calling
convention: one call reads the arrays, checks them, writes their addresses where the kernels look
for them, and walks the program. The offsets of NumPy's and Python's structures are verified
by guard.py before this is used; nothing here changes a Python object.

Cost: 70 ns a call, 10 ns more an argument.
"""
# pyright: reportUndefinedVariable=false
# ruff: noqa: F821

# the head of a context goes on
POINTERS = 40  # address of one address per input, then one per output
INPUTS = 48  # how many
SPECS = 56
OUTPUTS = 64
DONORS = 72  # per output: the input whose memory it takes, or -1
PATCHES = 80
PATCH_COUNT = 88
ORDER = 96  # inputs by address; 0 where nothing is donated
TUPLE_TYPE = 104
ARRAY_TYPE = 112
CONTEXT_WORDS = 20

# what is required of an input
DTYPE = 0  # address of the dtype object
NDIM = 8
FLAGS = 16
SIZES = 24  # address
NBYTES = 32
DONATED = 40
SPEC_BYTES = 48

# an address in an argument block
SOURCE = 0  # index into the pointers
OFFSET = 8
DESTINATION = 16
PATCH_BYTES = 24

# structures of Python and NumPy
OBJECT_TYPE = 8
TUPLE_SIZE = 16
TUPLE_ITEMS = 24
ARRAY_DATA = 16
ARRAY_NDIM = 24
ARRAY_SIZES = 32
ARRAY_DTYPE = 56
ARRAY_FLAGS = 64

ACCEPTED = -1  # what `refused` gives when all is well, and a walk that is done


def refused(context, leaves):
    """Writes the addresses of the inputs; gives the index of the first that is refused, or -1."""
    count = read64(context + INPUTS)
    pointers = read64(context + POINTERS)
    if read64(leaves + OBJECT_TYPE) != read64(context + TUPLE_TYPE):
        return count
    if read64(leaves + TUPLE_SIZE) != count:
        return count
    for i in range(count):
        leaf = read64(leaves + TUPLE_ITEMS + 8 * i)
        spec = read64(context + SPECS) + i * SPEC_BYTES
        if read64(leaf + OBJECT_TYPE) != read64(context + ARRAY_TYPE):
            return i
        if read64(leaf + ARRAY_DTYPE) != read64(spec + DTYPE):
            return i
        if read32(leaf + ARRAY_NDIM) != read64(spec + NDIM):
            return i
        if not has(read32(leaf + ARRAY_FLAGS), read64(spec + FLAGS)):
            return i
        sizes = read64(leaf + ARRAY_SIZES)
        required = read64(spec + SIZES)
        for axis in range(read64(spec + NDIM)):
            if read64(sizes + 8 * axis) != read64(required + 8 * axis):
                return i
        write64(pointers + 8 * i, read64(leaf + ARRAY_DATA))
    if read64(context + ORDER) != 0:
        insertion_sort(read64(context + ORDER), pointers, count)
        return overlap(context, count)
    return ACCEPTED


def insertion_sort(order, keys, count):
    """By insertion: the order of the last call is nearly always right."""
    for k in range(1, count):
        moved = read64(order + 8 * k)
        key = read64(keys + 8 * moved)
        to = k
        while to > 0:
            before = read64(order + 8 * to - 8)
            if read64(keys + 8 * before) <= key:
                break
            write64(order + 8 * to, before)
            to = to - 1
        write64(order + 8 * to, moved)


def overlap(context, count):
    """An input that shares memory with a donated one, or -1."""
    order = read64(context + ORDER)
    end = 0
    end_donated = 0
    for k in range(count):
        i = read64(order + 8 * k)
        spec = read64(context + SPECS) + i * SPEC_BYTES
        begin = read64(read64(context + POINTERS) + 8 * i)
        nbytes = read64(spec + NBYTES)
        donated = read64(spec + DONATED)
        if nbytes > 0 and (begin < end_donated or (donated != 0 and begin < end)):
            return i
        end = max(end, begin + nbytes)
        end_donated = max(end_donated, (begin + nbytes) * donated)
    return ACCEPTED


def give(context, outputs):
    """Writes the addresses of the outputs, a tuple of arrays that Python has just made."""
    pointers = read64(context + POINTERS)
    inputs = read64(context + INPUTS)
    for k in range(read64(context + OUTPUTS)):
        donor = read64(read64(context + DONORS) + 8 * k)
        if donor < 0:
            array = read64(outputs + TUPLE_ITEMS + 8 * k)
            write64(pointers + 8 * (inputs + k), read64(array + ARRAY_DATA))
        else:
            write64(pointers + 8 * (inputs + k), read64(pointers + 8 * donor))


def patch(context):
    """Writes the addresses into the argument blocks."""
    begin = read64(context + PATCHES)
    pointers = read64(context + POINTERS)
    for p in range(begin, begin + read64(context + PATCH_COUNT) * PATCH_BYTES, PATCH_BYTES):
        address = read64(pointers + 8 * read64(p + SOURCE)) + read64(p + OFFSET)
        write64(read64(p + DESTINATION), address)


def start(method, args, count):
    """start(leaves, outputs): what `refused` gives where a leaf is refused, else the walk's end."""
    context = PyLong_AsLongLong(method)
    found = refused(context, read64(args))
    if found == ACCEPTED:
        give(context, read64(args + 8))
        patch(context)
        found = run(context, read64(context + FIRST_STEP))
        if found == INTERRUPTED:
            return 0
    return PyLong_FromLongLong(found)


def proceed(method, args, count):
    """proceed(): the walk, with the addresses that Python wrote, or as they are."""
    context = PyLong_AsLongLong(method)
    patch(context)
    found = run(context, read64(context + FIRST_STEP))
    if found == INTERRUPTED:
        return 0
    return PyLong_FromLongLong(found)


def resume(method, args, count):
    """resume(index): the walk from a step on, in the same call."""
    context = PyLong_AsLongLong(method)
    step = read64(context + FIRST_STEP) + PyLong_AsLongLong(read64(args)) * STEP_BYTES
    found = run(context, step)
    if found == INTERRUPTED:
        return 0
    return PyLong_FromLongLong(found)
