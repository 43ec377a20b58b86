"""Calls of a program by machine code of others, in the native language.

This file is compiled from its source, together with walker.py and border.py. A *desk* holds
contexts of one program, each for one call at a time; a call takes a free one, or sleeps until one
is, and needs nothing of Python: it neither holds Python's lock nor asks for it, so what waits here
waits for machine code alone.

Cost: 20 ns a call beside the program.
"""
# pyright: reportUndefinedVariable=false
# ruff: noqa: F821

# a desk; words that members write often stand on cache lines of their own
SEATS_BEGIN = 0
SEATS_END = 8
ADDRESSES = 16  # of arguments and results, bytes
WAITERS = 64
LEFT = 128  # goes up where somebody waits and a seat is left
DESK_BYTES = 192

# a seat
TAKEN = 0
SEATED = 8  # the address of its context
SEAT_BYTES = 64


def free_seat(desk):
    """Takes a seat; 0 where there is none."""
    for seat in range(read64(desk + SEATS_BEGIN), read64(desk + SEATS_END), SEAT_BYTES):
        if load(seat + TAKEN) == 0:  # noqa: SIM102 - both sides of an `and` are computed
            if swap(seat + TAKEN, 0, 1) == 0:
                return seat
    return 0


def awaited_seat(desk):
    """Takes a seat.

    Whoever waits says so before it looks again, so no seat is left unseen.
    """
    add(desk + WAITERS, 1)
    seat = 0
    while seat == 0:
        seen = load(desk + LEFT)
        seat = free_seat(desk)
        if seat == 0:
            wait(desk + LEFT, seen)
    add(desk + WAITERS, -1)
    return seat


def call_program(desk, addresses):
    """A call on arguments and results, by their addresses; 0, or 1 + the check that fails."""
    seat = free_seat(desk)
    if seat == 0:
        seat = awaited_seat(desk)
    context = read64(seat + SEATED)
    pointers = read64(context + POINTERS)
    for k in range(0, read64(desk + ADDRESSES), 8):
        write64(pointers + k, read64(addresses + k))
    patch(context)
    found = run_steps(context, read64(context + FIRST_STEP))
    store(seat + TAKEN, 0)
    if load(desk + WAITERS) > 0:
        add(desk + LEFT, 1)
        wake(desk + LEFT, SEQUENCES)
    return FINISHED - found
