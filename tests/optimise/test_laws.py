"""Every law of the registry: both sides agree on random and special values, and the law fires."""

import inspect
import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest

from wonderland.compiler.ir.errors import ProgramError
from wonderland.compiler.ir.graph import Graph, Value
from wonderland.compiler.ir.types import FLOATS, REAL, Type
from wonderland.compiler.ops.source import full
from wonderland.compiler.optimise.law import Law, law_table
from wonderland.compiler.optimise.laws import LAWS
from wonderland.compiler.transform.interpreter import interpret

SPECIAL: dict[str, list[Any]] = {
    "bool": [False, True],
    "i32": [0, 1, -1, 2, 31, 2**31 - 1, -(2**31)],
    "i64": [0, 1, -1, 2, 63, 2**63 - 1, -(2**63)],
    "u32": [0, 1, 2, 31, 2**32 - 1],
    "i8": [0, 1, -1, 2, 7, 127, -128],
    "i16": [0, 1, -1, 2, 7, 2**15 - 1, -(2**15)],
    "u8": [0, 1, 2, 7, 255],
    "u16": [0, 1, 2, 7, 2**16 - 1],
    "u64": [0, 1, 2, 63, 2**64 - 1],
    "f16": [0.0, -0.0, 1.0, -1.5, np.inf, -np.inf, np.nan, 6e-8, -3e-5, 65504.0],
    "bf16": [0.0, -0.0, 1.0, -1.5, np.inf, -np.inf, np.nan, 1e-40, -1e-38, 3.38e38],
    "f32": [0.0, -0.0, 1.0, -1.5, np.inf, -np.inf, np.nan, 1e-45, -1e-38, 3.4e38],
    "f64": [0.0, -0.0, 1.0, -1.5, np.inf, -np.inf, np.nan, 5e-324, -2e-308, 1.7e308],
}
NUMBERS = {
    "bool": [True, False],
    **{d: [0.0, -0.0, 2.0, -0.5, 3.0, 2.0**-140, np.inf, np.nan] for d in FLOATS},
}


def read(text: str) -> Type:
    found = re.fullmatch(r"(\w+)(?:\[(.+)\])?", text)
    assert found
    return Type(found[1], tuple(map(int, found[2].split(", "))) if found[2] else ())


def cases(law: Law) -> Iterator[Mapping[str, Any]]:
    """What the variables stand for: types of values, numbers of constants, parameters."""
    if law.samples:
        for sample in law.samples:
            yield {
                k: read(v) if isinstance(v, str) and k in ("x", "y") else v
                for k, v in sample.items()
            }
        return
    names = inspect.signature(law.function).parameters
    numbers = [n for n, p in names.items() if "Number" in str(p.annotation)]
    for dtypes in itertools.product(REAL, repeat=len(names)):
        types = dict(zip(names, dtypes, strict=True))
        if len({d for d in dtypes if d != "bool"}) <= 1:  # no op mixes two dtypes but with bool
            for chosen in itertools.product(*(NUMBERS.get(types[n], [1]) for n in numbers)):
                yield {
                    n: (Type(d), chosen[numbers.index(n)]) if n in numbers else Type(d)
                    for n, d in types.items()
                }


def values_of(types: list[Type], rng: np.random.Generator, special: bool) -> list[np.ndarray]:
    """Arrays of the types: random ones, or every combination of special values for scalars."""
    if special:
        combinations = list(itertools.product(*(SPECIAL[t.dtype] for t in types)))
        return [np.array([c[i] for c in combinations], t.numpy) for i, t in enumerate(types)]
    found = []
    for t in types:
        likely = rng.permutation(np.array(SPECIAL[t.dtype], t.numpy))
        others = rng.integers(0, 5, t.size).astype(t.numpy)
        found.append(np.resize(np.concatenate([likely, others]), t.shape))
    return found


def both_sides(
    law: Law, case: Mapping[str, Any], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray] | None:
    """Both sides of the law on values; None where the case is ill-typed or the law declines."""
    special = not law.samples
    names = [n for n, t in case.items() if isinstance(t, Type)]
    arrays = values_of([case[n] for n in names], rng, special)
    shape = arrays[0].shape if special and arrays else ()
    inputs = {n: Value(Type(case[n].dtype, a.shape)) for n, a in zip(names, arrays, strict=True)}
    given = {n: inputs.get(n, t) for n, t in case.items()}
    try:
        given = {
            n: full(t[1], t[0][shape]) if special and isinstance(t, tuple) else t
            for n, t in given.items()
        }
        before, after = law.sides(**given)
    except ProgramError:
        return None
    if after is None or before.dtype not in law.on:
        return None
    assert after.type == before.type
    rewritten = law(before)
    assert rewritten is not None, f"{law.name} does not match its own left side"
    assert before.node and law in law_table(tuple(LAWS), law.exact).of(before.node)
    order = list(inputs.values())
    assert Graph.of("", order, [rewritten]) == Graph.of("", order, [after])
    with np.errstate(all="ignore"):
        x, y = interpret(Graph.of(law.name, order, [before, after]), *arrays)
        return x, y


def same(x: np.ndarray, y: np.ndarray) -> bool:
    """Whether all bits agree, where NaN is NaN."""
    return bool(
        np.all((x.view(f"u{x.itemsize}") == y.view(f"u{y.itemsize}")) | ((x != x) & (y != y)))
    )


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
def test_both_sides_of_a_law_agree(law: Law):
    rng = np.random.default_rng(0)
    compared = 0
    for case in cases(law):
        found = both_sides(law, case, rng)
        if found is None:
            continue
        compared += 1
        x, y = found
        if law.exact:
            assert same(np.ascontiguousarray(x), np.ascontiguousarray(y)), (law.name, case, x, y)
    assert compared, f"{law.name} never fired"


@pytest.mark.parametrize("law", [law for law in LAWS if not law.exact], ids=lambda law: law.name)
def test_an_inexact_law_holds_for_real_numbers(law: Law):
    rng = np.random.default_rng(1)
    names = [
        n
        for n, p in inspect.signature(law.function).parameters.items()
        if p.kind is not p.KEYWORD_ONLY
    ]
    sample = dict(law.samples[0]) if law.samples else {}
    types = {n: read(sample[n]) if n in sample else Type("f64", (9,)) for n in names}
    inputs = {n: Value(t) for n, t in types.items()}
    numbers = {
        n
        for n in names
        if "Number" in str(inspect.signature(law.function).parameters[n].annotation)
    }
    given = {**sample, **inputs, **{n: full(1.7, types[n]) for n in numbers}}
    before, after = law.sides(**given)
    assert after is not None
    x, y = interpret(
        Graph.of(law.name, list(inputs.values()), [before, after]),
        *(rng.uniform(0.5, 2, t.shape) for t in types.values()),
    )
    np.testing.assert_allclose(x, y, rtol=1e-12, atol=1e-12)  # a few roundings of f64


def test_zero_is_not_neutral_in_exact_addition():
    x = Value(Type("f32", (3,)))
    exact = [law for law in LAWS if law.exact]
    from wonderland.compiler.ops.elementwise import add, mul

    for value in (add(x, full(0.0, x.type)), mul(x, full(0.0, x.type))):
        assert all(law(value) is None for law in exact)
