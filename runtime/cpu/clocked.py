"""A kernel under a clock, in the native language: how long its chunks took, from when to when.

This file is compiled from its source; Python imports its constants. To the walker `clocked` is a
kernel like any other: its argument block says which one it calls, with what, and takes the times.
Programs that nobody profiles have none of it.
"""
# pyright: reportUndefinedVariable=false
# ruff: noqa: F821

# the argument block
CODE = 0  # the kernel
CODE_ARGS = 8  # and its own argument block
BEGUN = 16  # when the first chunk began, in nanoseconds
ENDED_AT = 24  # when the last one ended
SPENT = 32  # on all chunks, by whichever thread
CHUNKS_DONE = 40
POINTS_DONE = 48
CLOCKED_BYTES = 64


def clocked(args, start, stop, scratch):
    before = now()
    call(read64(args + CODE), read64(args + CODE_ARGS), start, stop, scratch)
    after = now()
    swap(args + BEGUN, 0, before)
    write64(args + ENDED_AT, after)
    add(args + SPENT, after - before)
    add(args + CHUNKS_DONE, 1)
    add(args + POINTS_DONE, stop - start)


def looks(count):
    """The nanoseconds that the clock is looked at so often."""
    before = now()
    after = before
    for _ in range(0, count):
        after = now()
    return after - before
