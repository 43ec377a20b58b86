"""Transfers between processes, beside what NumPy makes of all operands at once.

The runtime is imported by itself: it knows of no graphs, and processes start sooner.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from functools import cache, reduce
from typing import Any

import ml_dtypes
import numpy as np

from runtime.processes import traffic
from runtime.processes.world import initialize
from runtime.rows import Transfer
from tests.distributed.answer import answer
from tests.distributed.meaning import received

WORLD = initialize()
MESH = (("i", WORLD.size),)
INLINE, WHOLE, PIECE = traffic.INLINE_BYTES, 1 << 13, 1 << 12
LARGE_WHOLE, LARGE_PIECE = traffic.WHOLE_BYTES, traffic.PIECE_BYTES
traffic.WHOLE_BYTES, traffic.PIECE_BYTES = WHOLE, PIECE  # in all processes: many pieces cost little
NUMBERS = "f4", "f8", "i4", "u1", "i8"
ADDED = "sum", "max", "min", "scatter"
MOVED = "gather", "exchange", "permute"


@cache
def operand(transfer: Transfer, place: int) -> np.ndarray:
    """What a process has: numbers that round where they are added, else any bits."""
    rng = np.random.default_rng([transfer.count, place])
    if transfer.kind in ADDED and transfer.dtype.kind == "f":
        return (rng.standard_normal(transfer.count) * 100).astype(transfer.dtype)
    nbytes = transfer.operand_bytes
    return np.frombuffer(rng.bytes(nbytes), np.uint8, nbytes).view(transfer.dtype)


def expected(transfer: Transfer, own: int) -> np.ndarray:
    """The result at a place, of the operands of all in the order of places."""
    operands = [operand(transfer, k) for k in range(transfer.size)]
    return received(transfer.kind, operands, transfer.pairs)[own]


def transfers(
    kinds: Iterable[str], dtypes: Iterable[Any], nbytes: Iterable[int], mesh: Any = MESH
) -> Iterator[Transfer]:
    for kind, dtype, size in itertools.product(kinds, map(np.dtype, dtypes), nbytes):
        for axis, n in mesh:
            parts = n if kind in ("scatter", "exchange") else 1
            count = int(-(-size // dtype.itemsize // parts) * parts)
            for pairs in permutations(n) if kind == "permute" else [()]:
                yield Transfer(kind, mesh, axis, dtype, count, pairs)  # pyright: ignore[reportArgumentType]


def permutations(n: int) -> list[tuple[tuple[int, int], ...]]:
    """A shift, a cycle, one that leaves some alone, and none."""
    shift = tuple((k, k + 1) for k in range(n - 1))
    return [shift, (*shift, (n - 1, 0)), ((0, 0), (1, n - 1)), ()]


def compared(transfer: Transfer, got: np.ndarray) -> None:
    own = WORLD.place(transfer.mesh, transfer.axis)
    assert got.tobytes() == expected(transfer, own).tobytes(), str(transfer)


def check(found: Iterable[Transfer]) -> None:
    for transfer in found:
        own = operand(transfer, WORLD.place(transfer.mesh, transfer.axis))
        compared(transfer, WORLD.exchanged(transfer, own))


def around(*sizes: int) -> list[int]:
    """0, and what is near some sizes on both sides, and divides by nothing."""
    return [0, 8, *(size + d for size in sizes for d in (-8, 0, 8, 24))]


def case_join() -> int:
    WORLD.join(MESH)
    return WORLD.place(MESH, "i")


def case_whole_numbers_and_floats() -> None:
    check(transfers(ADDED, NUMBERS, [0, 8, 248]))
    check(transfers(MOVED, (*NUMBERS, "f2", ml_dtypes.bfloat16, "?", "c16"), [0, 16, 208]))


def case_sizes_around_what_is_inline() -> None:
    check(transfers((*ADDED, *MOVED), ["f4"], around(INLINE, INLINE * WORLD.size)))


def case_sizes_around_what_everybody_adds() -> None:
    n = WORLD.size
    check(transfers(ADDED, ["f4", "f8"], around(WHOLE // (n - 1), WHOLE * n // (n - 1))))


def case_sizes_around_pieces() -> None:
    n = WORLD.size
    check(transfers(ADDED, ["f4", "i8"], around(n * PIECE, 2 * n * PIECE, 7 * n * PIECE)))


def case_sizes_as_they_are() -> None:
    n = WORLD.size
    traffic.WHOLE_BYTES, traffic.PIECE_BYTES = LARGE_WHOLE, LARGE_PIECE
    try:
        check(transfers(["sum"], ["f4"], [LARGE_WHOLE // (n - 1), n * LARGE_PIECE + 24]))
    finally:
        traffic.WHOLE_BYTES, traffic.PIECE_BYTES = WHOLE, PIECE


def case_axes_of_a_mesh() -> list[int]:
    if WORLD.size < 4:
        return []
    mesh = (("a", 2), ("b", WORLD.size // 2))
    WORLD.join(mesh)
    check(transfers((*ADDED, *MOVED), ["f4"], [64, 8000, 3 * WHOLE], mesh))
    return [WORLD.place(mesh, axis) for axis in "ab"]


def case_random_transfers_at_random_times() -> None:
    """All start in one order, and none in the same time; several are under way at once."""
    order = np.random.default_rng(7)
    own = np.random.default_rng([8, WORLD.rank])
    sizes = [4, 400, INLINE, WHOLE, 3 * WHOLE, WORLD.size * PIECE]
    under_way: list[Callable[[], None]] = []
    for _ in range(60):
        kind = order.choice((*ADDED, *MOVED))
        known = list(transfers([str(kind)], ["f4"], [order.choice(sizes)]))
        transfer = known[order.integers(len(known))]
        if own.random() < 0.3:
            time.sleep(own.random() * 0.004)
        if own.random() < 0.3:
            check([transfer])
        else:
            under_way.append(started(transfer))
        while len(under_way) > own.integers(5):
            under_way.pop(own.integers(len(under_way)))()
    for finish in under_way:
        finish()


def started(transfer: Transfer) -> Callable[[], None]:
    """What waits for a transfer and compares it."""
    place = WORLD.place(transfer.mesh, transfer.axis)
    x = operand(transfer, place).copy()
    y = np.empty(transfer.result_bytes // transfer.dtype.itemsize, transfer.dtype)
    pending = WORLD.start(transfer, x.ctypes.data, y.ctypes.data)

    def finish() -> None:
        pending.wait()
        assert x.tobytes() == operand(transfer, place).tobytes()  # and it lives as long
        compared(transfer, y)

    return finish


def case_broadcast() -> None:
    for source, size in itertools.product(range(WORLD.size), [0, 1, 5000, 3 * WHOLE]):
        data = np.random.default_rng(size).bytes(size)
        assert WORLD.broadcast(data if WORLD.rank == source else b"", source) == data


def case_agree() -> list[str]:
    """The second time not all give the same, after which they still exchange."""
    WORLD.agree("plan", "a\nb\nc")
    raised = ""
    try:
        WORLD.agree("plan", "a\nb\nc" if WORLD.rank != 1 else "a\nx")
    except RuntimeError as error:
        raised = str(error)
    WORLD.barrier()
    return raised.splitlines()


def case_the_machine() -> list[int]:
    from runtime.cpu.executor import thread_count

    return [WORLD.host_size, WORLD.sharers, thread_count()]


def case_numbers_that_round_in_one_order_only() -> None:
    """That a sum in another order has other bits, so that these tests can fail."""
    transfer = Transfer("sum", MESH, "i", np.dtype("f4"), 1000)
    operands = [operand(transfer, place) for place in range(WORLD.size)]
    backward = reduce(np.add, operands[::-1])
    assert WORLD.size == 2 or backward.tobytes() != expected(transfer, 0).tobytes()


if __name__ == "__main__":
    answer(globals())
