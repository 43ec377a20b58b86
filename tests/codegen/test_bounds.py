"""No text touches memory outside of its buffers: proved, and what is planted is found."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.codegen.test_product import product, with_stores
from tests.kernel import samples
from tests.kernel.samples import CASES
from wonderland.compiler.codegen.cpu.lower import lower
from wonderland.compiler.codegen.cpu.product import lower_product
from wonderland.compiler.codegen.gpu.lower import lower_grid
from wonderland.compiler.codegen.lowered import Lowered, LoweredLaunch
from wonderland.compiler.codegen.proof.bounds import check_bounds
from wonderland.compiler.codegen.proof.linear import Facts, Form, Unknown, constant_form
from wonderland.compiler.codegen.target import DEVICES, Target
from wonderland.compiler.codegen.values import Values
from wonderland.compiler.kernel import Kernel, KernelError

TARGETS = {f"{bits} bits": Target(bits=bits) for bits in (128, 256, 512)}
SIZED: dict[str, Callable[..., Kernel]] = {
    "softmax": samples.softmax, "softmax of columns": samples.softmax_columns,
    "layer norm": samples.layer_norm, "column sums": samples.column_sums,
    "column sums by chunks": samples.column_sum_chunks, "transposed": samples.transposed,
    "broadcast": samples.elementwise, "flipped": samples.flipped, "padded": samples.padded,
    "ragged blocks": samples.ragged_blocks, "ragged stages": samples.ragged_stages,
    "gathered": samples.gathered, "segments": samples.segments,
}  # fmt: skip


def texts(k: Kernel) -> Iterator[Lowered | LoweredLaunch]:
    for target in TARGETS.values():
        yield lower(k, target)
    yield lower_grid(k, DEVICES["sm_80"])


@pytest.mark.parametrize("name", CASES)
def test_every_form_of_a_kernel_stays_inside_of_its_buffers(name: str) -> None:
    k = CASES[name]()
    for low in texts(k):
        check_bounds(low, k.buffers)


@pytest.mark.parametrize("name", SIZED)
def test_all_sizes_do(name: str) -> None:
    rng = np.random.default_rng(len(name))
    for _ in range(6):
        rows, n = (int(x) for x in rng.choice([1, 2, 3, 7, 8, 9, 31, 33, 63, 64, 65, 130], 2))
        k = SIZED[name](rows, n)
        for low in texts(k):
            check_bounds(low, k.buffers)


def test_products_do() -> None:
    rng = np.random.default_rng(0)
    shapes = [(1, 300, 90), (65, 1, 30), (9, 20, 900), (7, 2000, 10), (4, 5000, 3000)]
    shapes += [tuple(int(x) for x in rng.integers(1, 120, 3)) for _ in range(8)]
    for seed, (m, n, depth) in enumerate(shapes):
        p = product(m, n, depth, bool(seed & 1), bool(seed & 2), batch=seed % 3)
        for one in (p, with_stores(p)):
            for target in TARGETS.values():
                check_bounds(lower_product(one, target), one.buffers)


def test_tiles_of_a_block_that_the_last_row_cuts_do() -> None:
    p = with_stores(product(512, 512, 512, dtype="f64", batch=3))  # blocks of 258 rows, then 254
    check_bounds(lower_product(p, TARGETS["256 bits"]), p.buffers)


# ---------------------------------------------------------------- planted faults

ACCESS = re.compile(r"\b(load|store|gather)(_where|_strided|_strided_where)?\((\w+), ([^,]*), ")


def moved(text: str) -> Iterator[str]:
    """The text with one access an element further on, for every access of it."""
    head, doc, rest = text.partition('"""')
    doc, end, code = rest.partition('"""')
    for found in ACCESS.finditer(code):
        if found[3] != "address_pointer":
            at = found.end(4)
            yield f'{head}"""{doc}{end}{code[:at]} + 1{code[at:]}'


@pytest.mark.parametrize("name", CASES)
def test_an_access_that_is_one_element_too_far_is_found(name: str) -> None:
    """Of the last accesses at least one, as those before are followed by others of their buffer."""
    k = CASES[name]()
    low = lower(k, TARGETS["256 bits"])
    assert any(refused(replace(low, text=text), k) for text in list(moved(low.text))[::-1])


def refused(low: Any, k: Kernel) -> bool:
    try:
        check_bounds(low, k.buffers)
    except KernelError:
        return True
    return False


def test_lanes_that_take_a_short_block_for_a_whole_one_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cases = [CASES[n]() for n in CASES if n.startswith("ragged")]
    monkeypatch.setattr(Values, "ragged", lambda self, axis: False)
    for k in cases:
        for target in TARGETS.values():
            low = lower(k, target)
            with pytest.raises(KernelError, match=r"bounds: line \d+, .* of x at"):
                check_bounds(low, k.buffers)


def test_a_row_of_scratch_ends_where_the_next_begins() -> None:
    k = CASES["layer norm"]()
    low = lower(k, TARGETS["256 bits"])
    less = replace(low, scratch_bytes=low.scratch_bytes - 64)
    with pytest.raises(KernelError, match="of scratch from 0 on"):
        check_bounds(less, k.buffers)


# ---------------------------------------------------------------- linear forms


def test_what_is_proved_holds_for_all_values_of_small_variables() -> None:
    """Random forms of two variables and of what is made of them, against trying every value."""
    rng = np.random.default_rng(1)
    for _ in range(300):
        facts = Facts()
        size, n = (int(x) for x in rng.integers(1, 9, 2))
        x = facts.variable([(constant_form(0),)], [(constant_form(size),)])
        y = facts.variable([(x - 2,)], [(x + 1,), (constant_form(5),)])
        a, b, c = (int(k) for k in rng.integers(-3, 4, 3))
        e = x * a + y * b + c
        made = facts.quotient(e, n), facts.least_of(x, y), facts.greatest_of(x, e)
        goal = Form({})
        for form in made:
            goal = goal + form * int(rng.integers(-2, 3))
        every: list[int] = []
        for u in range(size + 1):
            for v in range(u - 2, min(u + 1, 5) + 1):
                at = a * u + b * v + c
                known = {x.newest(): u, y.newest(): v}
                for form, value in zip(made, (at // n, min(u, v), max(u, at)), strict=True):
                    settle(form, value, known)
                every.append(evaluated(goal, known))
        low, high = facts.extent(goal)
        assert low is None or low <= min(every)
        assert high is None or high >= max(every)
        assert not facts.at_most(goal, max(every) - 1)


def settle(form: Form, value: int, known: dict[Unknown, int]) -> None:
    """What the newest variable is, if the form has that value."""
    if form.terms and (v := form.newest()) not in known:
        known[v] = int((value - evaluated(form.without(v), known)) / form.terms[v])


def evaluated(form: Form, known: dict[Unknown, int]) -> int:
    return int(form.constant + sum(k * known[v] for v, k in form.terms.items()))


def test_indices_of_many_parallel_axes_belong_together() -> None:
    """A point of four axes is told apart and put together again."""
    k = samples.kernel("""
        def four(x: f32[1600], y: f32[200]):
            for a in parallel(2):
                for b in parallel(4):
                    for c in parallel(5):
                        for d in parallel(5):
                            for j in stage(8):
                                r = sum(x[800*a + 200*b + 40*c + 8*d + j] * x[8*a + 40*c + j])
                            if stage():
                                y[100*a + 25*b + 5*c + d] = r
    """)
    for low in texts(k):
        check_bounds(low, k.buffers)
