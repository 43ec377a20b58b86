"""Rows of trees: their order in an epoch, batches of them, made while something else runs."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any, TypeVar

import numpy as np

from ...compiler.ir.types import Type, dtype_name
from ...compiler.trace import tree as trees
from ...compiler.trace.containers import keystr
from ...compiler.trace.operands import wrong

T = TypeVar("T")
AHEAD_BYTES = 1 << 20  # of batches that are handed over at once: small ones cost less so


def row_count(what: str, tree: Any) -> int:
    """How many examples there are; all arrays must have as many rows."""
    leaves, structure = trees.flatten(tree)
    paths = [f"{what}{keystr(p)}" for p in trees.key_paths(structure)]
    if not leaves:
        raise wrong(f"fit: a tree of arrays is required for {what}, got none in it")
    for path, leaf in zip(paths, leaves, strict=True):
        if not getattr(leaf, "shape", ()):
            raise wrong(
                f"fit: arrays whose rows are examples are required, got {_kind(leaf)} at {path}"
            )
        if len(leaf) != len(leaves[0]):
            raise wrong(
                f"fit: one number of rows is required, got {len(leaves[0])} at {paths[0]} "
                f"and {len(leaf)} at {path}"
            )
    if not len(leaves[0]):
        raise wrong(f"fit: an example is required, got no rows in {what}")
    return len(leaves[0])


def _kind(leaf: Any) -> str:
    if hasattr(leaf, "dtype"):
        return str(Type(dtype_name(leaf.dtype), ()))
    return type(leaf).__name__


def rows(tree: Any, chosen: Any) -> Any:
    """Some rows of every array."""
    return trees.map(lambda a: a[chosen], tree)


def epoch_order(key: Any, epoch: int, number: int) -> np.ndarray:
    """The order of an epoch, by the key and the number of the epoch alone."""
    words = [int(w) for w in np.asarray(key).ravel()]
    return np.random.default_rng([*words, epoch]).permutation(number)


def batches(
    tree: Any, order: np.ndarray, size: int, first: int = 0, own: slice = slice(None)
) -> Iterator[Any]:
    """Of batches of `size` rows in order, from the batch `first` on, the `own` rows.

    Rows that do not fill a batch wait for another epoch: one compiled program serves all batches.
    """
    for start in range(first * size, len(order) - size + 1, size):
        yield rows(tree, order[start : start + size][own])


@contextlib.contextmanager
def made_ahead(made: Iterable[T]) -> Iterator[Iterator[T]]:
    """The same, made by another thread a little ahead of who takes them."""
    waiting: queue.Queue[tuple[list[T], BaseException | None] | None] = queue.Queue(maxsize=1)
    stopped = threading.Event()

    def put(portion: Any) -> None:
        while not stopped.is_set():
            with contextlib.suppress(queue.Full):
                return waiting.put(portion, timeout=0.1)

    def make() -> None:
        portion: list[T] = []
        error: BaseException | None = None
        try:
            ready = 0
            for one in made:
                portion.append(one)
                ready += sum(getattr(x, "nbytes", 0) for x in trees.leaves(one))
                if ready >= AHEAD_BYTES:
                    put((portion, None))
                    portion, ready = [], 0
                if stopped.is_set():
                    return
        except BaseException as raised:
            error = raised
        put((portion, error))
        put(None)

    def taken() -> Iterator[T]:
        while (found := waiting.get()) is not None:
            portion, error = found
            yield from portion
            if error is not None:
                raise error

    thread = threading.Thread(target=make, name="wonderland batches", daemon=True)
    thread.start()
    try:
        yield taken()
    finally:
        stopped.set()
        thread.join()


def equal_parts(number: int, most: int) -> list[int]:
    """`number` rows in parts of at most `most`, of one size where one divides it, else two."""
    if number <= most:
        return [number]
    for size in range(most, most // 2, -1):
        if number % size == 0:
            return [size] * (number // size)
    return [most] * (number // most) + [number % most] * (number % most > 0)


def row_parts(tree: Any, most: int) -> list[slice]:
    """The rows of a tree in parts of at most `most` of them."""
    sizes = equal_parts(row_count("data", tree), most)
    return [slice(end - size, end) for size, end in zip(sizes, accumulate(sizes), strict=True)]


def mean_over(score: Callable[[Any], Any], tree: Any, most: int) -> float:
    """The mean of a score over all rows, of parts of at most `most` of them."""
    parts = row_parts(tree, most)
    return mean_of_parts([float(score(rows(tree, part))) for part in parts], parts)


def mean_of_parts(scores: Sequence[float], parts: Sequence[slice]) -> float:
    """The mean of the scores of parts over their rows."""
    total = sum((part.stop - part.start) * x for part, x in zip(parts, scores, strict=True))
    return total / parts[-1].stop
