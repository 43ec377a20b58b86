"""einsum: sums of products by labels of axes, in an order of products that is cheap.

Up to eight operands the order has the fewest multiplications, and of those the smallest arrays in
between; beyond that the pair is taken next that shrinks the arrays most. Ties go to operands that
stand first, so the same subscripts give the same program.

Source: Lam, Sadayappan, Wenger, On optimizing a class of multi-dimensional loops with reduction for
parallel execution, 1997; Smith and Gray, opt_einsum, 2018 (the measure of the greedy choice).
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...trace.operands import (
    is_weak,
    new,
    operand,
    promoted,
    result_dtype,
    shape_of,
    tracer,
    unsupported,
    wrong,
)
from ...trace.table import ignored, implements
from ...trace.tracer import FUNCTIONS, Tracer
from .products import contract
from .reductions import sum as sum_
from .shapes import squeeze, transpose

__all__ = ["einsum", "einsum_path"]

Term = tuple[int, ...]
"""A label for each axis. Letters are their code points; axes of an ellipsis are negative."""
Path = list[tuple[int, ...]]
"""Places of operands that become one, which then stands last; as np.einsum_path gives it."""

EXHAUSTIVE = 8  # operands up to which every order is looked at, 3**n of them: 9 ms


# ---------------------------------------------------------------- subscripts


def spelled_terms(text: str, ndims: Sequence[int]) -> tuple[list[Term], Term | None]:
    """Terms of the operands, and of the result where it is given, from `ij,jk->ik`."""
    left, arrow, right = text.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(ndims):
        raise wrong(
            f"einsum: as many operands as terms are required, got {len(ndims)} for '{text}'"
        )
    count = widest([t.partition("...") for t in terms], ndims)
    found = [spelled_term(t, n, text, count) for t, n in zip(terms, ndims, strict=True)]
    return found, spelled_term(right, None, text, count) if arrow else None


def widest(parts: Sequence[tuple[Any, Any, Any]], ndims: Sequence[int]) -> int:
    """The number of axes that an ellipsis stands for, at most."""
    widths = (
        n - len(before) - len(after)
        for (before, dots, after), n in zip(parts, ndims, strict=True)
        if dots
    )
    return max((0, *widths))


def spelled_term(term: str, ndim: int | None, text: str, count: int) -> Term:
    """The labels of one term; those of an operand are as many as its axes."""
    before, dots, after = term.partition("...")
    if not (before + after).isalpha() and before + after:
        raise wrong(f"einsum: letters, ',', '...' and '->' are required, got '{text}'")
    return full_term(
        [ord(c) for c in before], bool(dots), [ord(c) for c in after], ndim, text, count
    )


def full_term(
    before: Sequence[int], dots: bool, after: Sequence[int], ndim: int | None, text: str, count: int
) -> Term:
    """The labels of a term with those of its ellipsis, which end with the last of the widest."""
    letters = len(before) + len(after)
    width = (count if ndim is None else ndim - letters) if dots else 0
    if ndim is not None and (width < 0 or letters + width != ndim):
        raise wrong(f"einsum: a label per axis is required, got {letters} of '{text}' for {ndim}")
    return (*before, *range(-width, 0), *after)


def listed_terms(arguments: Sequence[Any]) -> tuple[list[Any], list[Term], Term | None]:
    """Operands, terms and the term of the result from `a, [0, 1], b, [1, 2], [0, 2]`."""
    last = arguments[-1] if len(arguments) % 2 else None
    operands = [operand(x) for x in arguments[: len(arguments) // 2 * 2 : 2]]
    lists = list(arguments[1::2])
    text = ", ".join(map(str, [*lists, *([last] if last is not None else [])]))
    parts: list[tuple[list[Any], bool, list[Any]]] = []
    for labels in [*lists, *([] if last is None else [last])]:
        entries = list(labels) if isinstance(labels, list | tuple) else None
        if entries is None or any(
            k is not Ellipsis and not (isinstance(k, int) and 0 <= k < 52) for k in entries
        ):
            raise wrong(
                "einsum: lists of ints below 52 and ... after the operands are required, "
                f"got {labels!r:.40}",
                "np.einsum(a, [0, 1], b, [1, 2], [0, 2])",
            )
        at = entries.index(Ellipsis) if Ellipsis in entries else len(entries)
        parts.append((entries[:at], Ellipsis in entries, entries[at + 1 :]))
    ndims = [len(shape_of(x)) for x in operands]
    count = widest(parts[: len(operands)], ndims)
    sizes = [*ndims, *([] if last is None else [None])]
    terms = [full_term(*part, n, text, count) for part, n in zip(parts, sizes, strict=True)]
    return operands, terms[: len(operands)], None if last is None else terms[-1]


def implied(terms: Sequence[Term]) -> Term:
    """The result where none is given: an ellipsis, then the labels that occur once, sorted."""
    every = [c for t in terms for c in t]
    dots = sorted({c for c in every if c < 0})
    return (*dots, *sorted(c for c in set(every) if c >= 0 and every.count(c) == 1))


def label(c: int) -> str:
    """How messages spell a label."""
    return "..." if c < 0 else chr(c) if c > 52 else str(c)


# ---------------------------------------------------------------- order


def cheapest_path(terms: Sequence[Term], result: Term, sizes: Mapping[int, int]) -> Path:
    """Which two operands become one, step by step."""
    if len(terms) <= EXHAUSTIVE:
        return exhaustive_path(terms, result, sizes)
    return greedy_path(terms, result, sizes)


def volume(labels: Any, sizes: Mapping[int, int]) -> int:
    return math.prod(sizes[c] for c in labels)


def exhaustive_path(terms: Sequence[Term], result: Term, sizes: Mapping[int, int]) -> Path:
    """The order of fewest multiplications, then of least memory, by dynamic programming over sets
    of operands.
    """
    n = len(terms)
    every = (1 << n) - 1
    labels = [frozenset[int]().union(*(t for i, t in enumerate(terms) if s >> i & 1))
              for s in range(every + 1)]  # fmt: skip
    kept = [labels[s] & (labels[every - s] | frozenset(result)) for s in range(every + 1)]
    best: dict[int, tuple[int, int, int]] = {1 << i: (0, 0, 0) for i in range(n)}
    for s in sorted(range(1, every + 1), key=int.bit_count):
        if s in best:
            continue
        first, here = s & -s, []  # the part with the first operand stands for its split
        part = s
        while part := (part - 1) & s:
            if part & first:
                other = s - part
                work = volume(kept[part] | kept[other], sizes)
                (a, b, _), (c, d, _) = best[part], best[other]
                here.append((a + c + work, b + d + volume(kept[s], sizes), part))
        best[s] = min(here)
    path: Path = []
    standing = [1 << i for i in range(n)]

    def join(s: int) -> None:
        if s & (s - 1):
            part = best[s][2]
            join(part)
            join(s - part)
            places = tuple(sorted((standing.index(part), standing.index(s - part))))
            path.append(places)
            standing[:] = [p for i, p in enumerate(standing) if i not in places] + [s]

    join(every)
    return path


def greedy_path(terms: Sequence[Term], result: Term, sizes: Mapping[int, int]) -> Path:
    """The pair next whose product is smallest beside what it replaces."""
    standing = [frozenset(t) for t in terms]
    path: Path = []
    while len(standing) > 1:
        uses = Counter(itertools.chain(result, *standing))

        def measure(pair: tuple[int, int], at: Any = standing, uses: Any = uses) -> Any:
            a, b = at[pair[0]], at[pair[1]]
            shrinks = (
                volume(product_labels(a, b, uses), sizes) - volume(a, sizes) - volume(b, sizes)
            )
            return shrinks, volume(a | b, sizes), pair

        i, j = min(itertools.combinations(range(len(standing)), 2), key=measure)
        path.append((i, j))
        made = product_labels(standing[i], standing[j], uses)
        standing = [t for k, t in enumerate(standing) if k not in (i, j)] + [made]
    return path


def product_labels(a: frozenset[int], b: frozenset[int], uses: Mapping[int, int]) -> frozenset[int]:
    """The labels of a product: those that something else uses."""
    return frozenset(c for c in a | b if uses[c] > (c in a) + (c in b))


def given_path(optimize: Any, count: int) -> Path | None:
    """The path that the caller asks for, as np.einsum_path gives it."""
    if isinstance(optimize, bool | str | None) or not optimize:
        return None
    steps = list(optimize)
    if steps[0] == "einsum_path":
        steps = steps[1:]
    if steps and isinstance(steps[0], str):  # ('greedy', memory limit)
        return None
    path, left = [tuple(int(i) for i in step) for step in steps], count
    for step in path:
        if len(set(step)) < len(step) or any(not 0 <= i < left for i in step):
            raise wrong(f"einsum: a path of places below {left} is required, got {step}")
        left -= len(step) - 1
    return path + ([tuple(range(left))] if left > 1 else [])


# ---------------------------------------------------------------- products


def diagonals(x: Tracer, term: Term) -> tuple[Tracer, Term]:
    """Repeated labels of one operand as one."""
    for c in dict.fromkeys(term):
        while term.count(c) > 1:
            i, j = term.index(c), len(term) - 1 - term[::-1].index(c)
            if x.shape[i] != x.shape[j]:
                raise wrong(
                    f"einsum: one size for '{label(c)}' is required, "
                    f"got {x.shape[i]} and {x.shape[j]} of {x.type}"
                )
            x = FUNCTIONS[np.diagonal](x, 0, i, j)
            term = (*(d for k, d in enumerate(term) if k not in (i, j)), c)
    return x, term


def label_sizes(pairs: Sequence[tuple[Tracer, Term]]) -> dict[int, int]:
    """The size of each label; a size of 1 repeats."""
    found: dict[int, tuple[int, Tracer]] = {}
    for x, term in pairs:
        for c, n in zip(term, x.shape, strict=True):
            m, other = found.get(c, (1, x))
            if n not in (m, 1) and m != 1:
                raise wrong(
                    f"einsum: one size for '{label(c)}' is required, got {m} and {n} of "
                    f"{other.type} and {x.type}"
                )
            if n != 1 or c not in found:
                found[c] = n, x
    return {c: n for c, (n, _) in found.items()}


def without_ones(x: Tracer, term: Term, sizes: Mapping[int, int]) -> tuple[Tracer, Term]:
    """An operand without the axes of size 1 that repeat."""
    ones = tuple(i for i, c in enumerate(term) if x.shape[i] != sizes[c])
    return (squeeze(x, ones), tuple(c for i, c in enumerate(term) if i not in ones)) if ones else (
        x, term
    )  # fmt: skip


def summed(x: Tracer, term: Term, kept: set[int]) -> tuple[Tracer, Term]:
    """The labels that are not kept summed over."""
    axes = tuple(i for i, c in enumerate(term) if c not in kept)
    return (sum_(x, axes, x.dtype), tuple(c for c in term if c in kept)) if axes else (x, term)


def pair_product(x: Tracer, s: Term, y: Tracer, t: Term, kept: set[int]) -> tuple[Tracer, Term]:
    """The product of two operands, summed over what is not kept."""
    x, s = summed(x, s, kept | set(t))
    y, t = summed(y, t, kept | set(s))
    shared = [c for c in s if c in t]
    batch, inner = [c for c in shared if c in kept], [c for c in shared if c not in kept]
    places = [
        [tuple(term.index(c) for c in labels) for term in (s, t)] for labels in (inner, batch)
    ]
    found = new(contract(x.value, y.value, *((p[0], p[1]) for p in places)))
    return found, (*batch, *(c for term in (s, t) for c in term if c not in shared))


@implements(np.einsum, precise=True)
def einsum(
    subscripts: Any,
    /,
    *operands: Any,
    out: Any = None,
    dtype: Any = None,
    optimize: Any = False,
    **options: Any,
) -> Tracer:
    """Sums of products by labels of axes: `einsum('ij,jk->ik', x, y)`, or the labels as lists,
    `einsum(x, [0, 1], y, [1, 2], [0, 2])`.

    An ellipsis stands for the other axes, which broadcast. Without `->` the result has the labels
    that occur once, sorted. `optimize` may be a path of np.einsum_path; else the order is chosen.
    """
    unsupported("einsum", out=out)
    ignored("einsum", options)
    if isinstance(subscripts, str):
        xs = [operand(x) for x in operands]
        terms, result = spelled_terms(subscripts, [len(shape_of(x)) for x in xs])
    elif operands:
        xs, terms, result = listed_terms((subscripts, *operands))
    else:
        raise wrong(f"einsum: subscripts as text are required, got {type(subscripts).__name__}")
    result = implied(terms) if result is None else result
    for c in result:
        if result.count(c) > 1 or not any(c in t for t in terms):
            raise wrong(
                "einsum: a result of labels that occur, each once, is required, "
                f"got '{label(c)}' in it"
            )
    if any(c < 0 and c not in result for t in terms for c in t):
        raise wrong("einsum: ... in the result is required where an operand has it", "'...i->...'")
    common = result_dtype("einsum", dtype) if dtype else promoted("einsum", *xs)
    pairs = [diagonals(tracer(x, common), t) for x, t in zip(xs, terms, strict=True)]
    sizes = label_sizes(pairs)
    pairs = [without_ones(x, t, sizes) for x, t in pairs]
    for i, (x, t) in enumerate(pairs):
        others = {c for k, (_, u) in enumerate(pairs) if k != i for c in u}
        pairs[i] = summed(x, t, others | set(result))
    path = given_path(optimize, len(pairs))
    for step in path if path is not None else cheapest_path([t for _, t in pairs], result, sizes):
        chosen = [pairs[i] for i in sorted(step)]
        pairs = [p for i, p in enumerate(pairs) if i not in step]
        x, s = chosen[0]
        for k, (y, t) in enumerate(chosen[1:], start=2):
            later = [u for _, u in (*chosen[k:], *pairs)]
            x, s = pair_product(x, s, y, t, {*result, *(c for u in later for c in u)})
        pairs.append((x, s))
    ((found, term),) = pairs
    found = transpose(found, [term.index(c) for c in result])
    return new(found.value, all(is_weak(x) for x in xs))


@implements(np.einsum_path)
def einsum_path(
    subscripts: Any, /, *operands: Any, optimize: Any = "greedy", einsum_call: bool = False
) -> Any:
    """NumPy's path for the shapes of the operands, and what it costs; einsum chooses its own."""
    shapes: list[Any] = [
        np.broadcast_to(np.float64(0), x.shape) if isinstance(x, Tracer) else x
        for x in (subscripts, *operands)
    ]
    del einsum_call  # NumPy's own
    return np.einsum_path(*shapes, optimize=optimize)
