"""A failing program made small: fewer outputs, statements, lines, and sizes, while it fails alike.

A statement goes when its value becomes an argument of the same type, or one of its operands; a size
changes everywhere in the text at once. What NumPy does not run is no candidate.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from .generator import pruned
from .plain import leaves
from .program import NAME, Argument, Program, Statement

Fails = Callable[[Program], bool]
LINE = re.compile(r"^( *)(v\d+) = (.*)$")


def shrunk(p: Program, fails: Fails, most: int = 150) -> Program:
    """The least of what `fails`, by trying `most` candidates at most."""
    tried = 0
    found = True
    while found:
        found = False
        for candidate in candidates(p):
            if tried >= most:
                return p
            if not runs(candidate):
                continue
            tried += 1
            if fails(candidate):
                p, found = candidate, True
                break
    return p


def runs(p: Program) -> bool:
    try:
        with np.errstate(all="ignore"):
            name = "program" if p.entry else "run"
            count = len(p.operands or p.names)
            found = p.function(ours=False, name=name)(*p.values()[:count])
        return all(np.asarray(y).dtype != object for y in leaves(found))
    except Exception:
        return False


def candidates(p: Program) -> Iterator[Program]:
    yield from fewer_outputs(p)
    yield from plainer(p)
    yield from cut(p)
    yield from shorter_lines(p)
    yield from smaller(p)


def fewer_outputs(p: Program) -> Iterator[Program]:
    if p.scalar or len(p.outputs) < 2:
        return
    for k in range(len(p.outputs)):
        yield pruned(replace(p, outputs=(p.outputs[k],)))
    for k in range(len(p.outputs)):
        yield pruned(replace(p, outputs=p.outputs[:k] + p.outputs[k + 1 :]))


def plainer(p: Program) -> Iterator[Program]:
    """Without donation, a budget, arguments that nothing reads, small divisions."""
    if p.donated:
        yield replace(p, donated=())
    if p.facts.get("budget"):
        yield replace(p, facts={k: v for k, v in p.facts.items() if k != "budget"})
    if p.facts.get("divided"):
        yield replace(p, facts={k: v for k, v in p.facts.items() if k != "divided"})
    if not p.entry:
        read = set(NAME.findall(p.text().split("def run")[0].split("\n", 1)[1]))
        kept = tuple(a for a in p.arguments if a.name in read)
        if 0 < len(kept) < len(p.arguments):
            yield replace(p, arguments=kept, donated=())


def cut(p: Program) -> Iterator[Program]:
    """A statement's values given as arguments; the last statements first."""
    if p.entry:
        return
    scope = p.scope(wide=False, ours=False)
    scope.update(zip(p.names, p.values(), strict=True))
    try:
        with np.errstate(all="ignore"):
            for s in p.statements:
                exec(s.text, scope)
    except Exception:
        return
    for k in reversed(range(len(p.statements))):
        s = p.statements[k]
        made = tuple(Argument(n, like_text(p, scope[n])) for n in s.made)
        rest = p.statements[:k] + p.statements[k + 1 :]
        yield pruned(replace(p, arguments=(*p.arguments, *made), statements=rest, donated=()))


def like_text(p: Program, x: Any) -> str:
    """An argument of the same type."""
    x = np.asarray(x)
    rng, name = "np.random.default_rng(0)", f"np.{x.dtype}"
    for n, d in p.dtypes.items():
        name = n if x.dtype == np.dtype(d) else name
    if x.dtype == bool:
        return f"({rng}.random({x.shape}) < 0.5)" if x.ndim else f"np.bool_({bool(x)})"
    if x.dtype.kind in "iu":
        if not x.ndim:
            return f"{name}({int(x)})"
        low, high = (int(np.min(x)), int(np.max(x))) if x.size else (0, 1)
        return f"{rng}.integers({low}, {high}, {x.shape}, {name}, endpoint=True)"
    return f"{rng}.normal(size={x.shape}).astype({name})"


def shorter_lines(p: Program) -> Iterator[Program]:
    """A line that gives one of its operands."""
    for k in reversed(range(len(p.statements))):
        lines = p.statements[k].text.split("\n")
        for i in reversed(range(len(lines))):
            match = LINE.match(lines[i])
            if not match or "lambda" in lines[i]:
                continue
            for name in dict.fromkeys(NAME.findall(match[3])):
                yield renamed(with_statement(p, k, lines[:i] + lines[i + 1 :]), match[2], name)
        for i in reversed(range(len(lines))):
            if len(lines) > 1 and lines[i].startswith(("    v", "v")):
                yield pruned(with_statement(p, k, lines[:i] + lines[i + 1 :]))


def with_statement(p: Program, k: int, lines: list[str]) -> Program:
    s = [Statement("\n".join(lines), p.statements[k].made)] if lines else []
    return replace(p, statements=(*p.statements[:k], *s, *p.statements[k + 1 :]))


def renamed(p: Program, old: str, new: str) -> Program:
    """With another value in its place, everywhere."""

    def changed(text: str) -> str:
        return re.sub(rf"\b{old}\b", new, text)

    statements = tuple(
        Statement(changed(s.text), tuple(n for n in s.made if n != old)) for s in p.statements
    )
    return pruned(replace(p, statements=statements, outputs=tuple(map(changed, p.outputs))))


def smaller(p: Program) -> Iterator[Program]:
    """A size replaced everywhere."""
    text = " ".join(a.text for a in p.arguments)
    shapes = re.findall(r"\(((?:\d+, ?)*\d+,?)\)", re.sub(r"default_rng\(\d+\)", "", text))
    sizes = {int(n) for s in shapes for n in re.findall(r"\d+", s)}
    for n in sorted(sizes, reverse=True):
        for m in sorted({1, 2, 3, n // 2, n - n // 4, n - 1} - {n}):
            if 0 < m < n:
                yield with_size(p, n, m)


def with_size(p: Program, n: int, m: int) -> Program:
    def changed(text: str) -> str:
        seeds = re.sub(r"default_rng\((\d+)\)", lambda x: f"default_rng(s{x[1]})", text)
        done = re.sub(rf"(?<![\w.]){n}(?![\w.])", str(m), seeds)
        return re.sub(r"default_rng\(s(\d+)\)", r"default_rng(\1)", done)

    return replace(
        p,
        arguments=tuple(Argument(a.name, changed(a.text)) for a in p.arguments),
        statements=tuple(Statement(changed(s.text), s.made) for s in p.statements),
    )
