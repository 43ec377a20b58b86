"""Random programs of branches and loops in each other, for one element of a batch.

A program maps a state, (x, v), to another, with weights w that all elements share and a number of
the element for its effects. What a branch or a turn computes is defined where it is taken, and
nowhere else: the logarithm of x - c where x > c, say, where an element has x = c. `x` changes by
exact operations alone, so that elements stay at the edges. `note` gets what happens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import wonderland as wl
from wonderland import lax

State = tuple[Any, Any]
Note = Callable[[str, Any], None]
Step = Callable[[State, Any, Note], State]

EDGES = (-1.0, 0.0, 0.5)
ELEMENTS = np.array([0.0, 1.0, -1.0, 0.5, 2.0])
WEIGHTS = np.array([[0.3, -0.7], [0.8, 0.4]])


@dataclass(frozen=True)
class Program:
    """`turns`: whether a loop runs as often as its element says; `text` says what it is made of."""

    step: Step
    text: str
    turns: bool = False


def random_program(seed: int) -> Program:
    rng = np.random.default_rng(seed)
    outer = (branches, choices, repeated)[seed % 3]
    return outer(rng, 2)


# ---------------------------------------------------------------- what an element computes


def smooth(rng: np.random.Generator) -> Program:
    """Defined everywhere."""
    k = int(rng.integers(5))

    def step(state: State, w: Any, note: Note) -> State:
        x, v = state
        found = (
            lambda: np.sin(v * x),
            lambda: np.tanh(v @ w),
            lambda: v + w[0] * x,
            lambda: np.cos(v) * w[1, 0],
            lambda: w @ v - 0.25,
        )[k]()
        return x, found

    return Program(step, f"smooth{k}")


@wl.custom_jvp
def root(x: Any, w: Any) -> Any:
    return np.sqrt(x) * w


@root.defjvp
def root_jvp(primals: Any, tangents: Any) -> Any:
    (x, w), (dx, dw) = primals, tangents
    return np.sqrt(x) * w, dx * w / (2 * np.sqrt(x)) + np.sqrt(x) * dw


@wl.custom_vjp
def reciprocal(x: Any, w: Any) -> Any:
    return np.sum(w) / x


def reciprocal_fwd(x: Any, w: Any) -> Any:
    return reciprocal(x, w), (x, w)


def reciprocal_bwd(kept: Any, ct: Any) -> Any:
    x, w = kept
    return -ct * np.sum(w) / (x * x), np.ones_like(w) * (ct / x)


reciprocal.defvjp(reciprocal_fwd, reciprocal_bwd)


def hazard(rng: np.random.Generator, c: float) -> Program:
    """Defined where x > c."""
    k = int(rng.integers(9))

    def step(state: State, w: Any, note: Note) -> State:
        x, v = state
        d = x - c
        found = (
            lambda: v * np.log(d),
            lambda: v + np.sqrt(d),
            lambda: np.sin(v / d),
            lambda: np.stack([np.log(d), v[0]]) @ w,
            lambda: w[0] * np.log(d) + v,
            lambda: np.tanh(v) * d**0.3,
            lambda: v + root(d, w)[1],
            lambda: v * np.tanh(reciprocal(d, w)),
            lambda: wl.checkpoint(lambda d, w: w @ (v * np.log(d)))(d, w),
        )[k]()
        return x, np.tanh(found)

    return Program(step, f"hazard{k}")


def noted(program: Program, name: str, c: float | None = None) -> Program:
    """With an effect, of the element and of none, and a check that x > c."""

    def step(state: State, w: Any, note: Note) -> State:
        note(name, state[0])
        if c is not None:
            wl.check(state[0] > c, "x must be greater, got {}", state[0])
        return program.step(state, w, note)

    return Program(step, f"noted({program.text})", program.turns)


def then(*parts: Program) -> Program:
    def step(state: State, w: Any, note: Note) -> State:
        for p in parts:
            state = p.step(state, w, note)
        return state

    return Program(step, "; ".join(p.text for p in parts), any(p.turns for p in parts))


# ---------------------------------------------------------------- branches and loops


def random_part(rng: np.random.Generator, depth: int) -> Program:
    if not depth:
        return smooth(rng)
    kinds = branches, choices, repeated, scanned, lambda r, _: smooth(r)
    return kinds[int(rng.integers(len(kinds)))](rng, depth)


def branches(rng: np.random.Generator, depth: int) -> Program:
    c, name = float(rng.choice(EDGES)), f"branch{rng.integers(100)}"
    yes = noted(then(hazard(rng, c), random_part(rng, depth - 1)), name, c)
    no = noted(random_part(rng, depth - 1), f"no {name}")

    def step(state: State, w: Any, note: Note) -> State:
        return lax.cond(
            state[0] > c,
            lambda s, w: yes.step(s, w, note),
            lambda s, w: no.step(s, w, note),
            state, w,
        )  # fmt: skip

    return Program(step, f"cond(x > {c}: {yes.text}: {no.text})", yes.turns or no.turns)


def choices(rng: np.random.Generator, depth: int) -> Program:
    """Of three, by the two edges that x is beyond."""
    low, high = -1.0, float(rng.choice(EDGES[1:]))
    parts = (
        noted(random_part(rng, depth - 1), "low"),
        then(hazard(rng, low), random_part(rng, depth - 1)),
        noted(then(hazard(rng, high), smooth(rng)), "high", high),
    )

    def step(state: State, w: Any, note: Note) -> State:
        x = state[0]
        index = (x > low).astype(np.int32) + (x > high).astype(np.int32)
        # what the branches read of w they close over
        return lax.switch(index, [lambda s, p=p: p.step(s, w, note) for p in parts], state)

    text = f"switch({low}, {high}: {': '.join(p.text for p in parts)})"
    return Program(step, text, any(p.turns for p in parts))


def repeated(rng: np.random.Generator, depth: int) -> Program:
    """While x > c, which falls by 1/2."""
    c = float(rng.choice(EDGES))
    inner = noted(then(hazard(rng, c), random_part(rng, depth - 1)), "turn", c)

    def step(state: State, w: Any, note: Note) -> State:
        def more(state: State) -> Any:
            note("test", state[0])
            return state[0] > c

        def turn(state: State) -> State:
            x, v = inner.step(state, w, note)
            return x - 0.5, v

        (_, v) = lax.while_loop(more, turn, state, checkpoints=2)
        return state[0], v

    return Program(step, f"while(x > {c}: {inner.text})", True)


def scanned(rng: np.random.Generator, depth: int) -> Program:
    inner = random_part(rng, depth - 1)

    def step(state: State, w: Any, note: Note) -> State:
        def turn(state: State, y: Any) -> tuple[State, Any]:
            x, v = inner.step(state, w, note)
            return (x, v * y), v[0]

        (x, v), stacked = lax.scan(turn, state, np.array([0.5, -1.5]))
        return x, v + np.sum(stacked)

    return Program(step, f"scan({inner.text})", inner.turns)
