"""Lowered kernels: machine code and plain Python against the reference; bits, sizes and splits."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from tests.codegen.execution import machine, run_in_place, run_machine, run_twin
from tests.kernel import samples
from tests.kernel.samples import CASES, arrays_for
from wonderland.compiler.codegen.cpu.lower import lower
from wonderland.compiler.codegen.decisions import across_rows
from wonderland.compiler.codegen.target import Target, host
from wonderland.compiler.kernel import (
    OPS,
    Axis,
    Buffer,
    Const,
    Expr,
    Kernel,
    Load,
    Map,
    Stage,
    Store,
    reference,
    verify,
)
from wonderland.compiler.kernel.parse import parse_kernel

WIDE = Target(bits=256)
PAIRS: dict[str, tuple[Kernel, Kernel]] = {
    "softmax": (samples.softmax(5, 75), samples.softmax(9, 1000)),
    "softmax of columns": (samples.softmax_columns(17, 37), samples.softmax_columns(30, 64)),
    "cross entropy": (samples.cross_entropy(6, 43), samples.cross_entropy(64, 1000)),
    "layer norm": (samples.layer_norm(19, 45), samples.layer_norm(64, 96)),
    "column sums": (samples.column_sums(21, 50), samples.column_sums(32, 512)),
    "chain": (samples.chain(5, 23), samples.chain(64, 64)),
    "broadcast and transposed": (samples.elementwise(17, 45), samples.elementwise(128, 45)),
    "square": (samples.elementwise(45, 45), samples.elementwise(128, 45)),
    "padded": (samples.padded(4, 39), samples.padded(17, 80)),
    "gathered": (samples.gathered(6, 39), samples.gathered(100, 64)),
    "softmax of long rows": (samples.softmax(9, 5000), samples.softmax(5, 30_000)),
    "long column sums": (samples.column_sums(65, 50), samples.column_sums(1024, 512)),
    "sum by chunks": (samples.sum_chunks(1000), samples.sum_chunks(64000)),
}


@pytest.fixture(scope="module", autouse=True)
def compiled_together() -> None:
    """One module for all texts of these tests."""
    targets = (WIDE, Target(bits=128), host())
    machine({f"{n} {t}": lower(make(), t).text for n, make in CASES.items() for t in targets})


def close(got: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    """Sums run in another order, products enter them unrounded: a few ulp of the largest term."""
    for name, array in expected.items():
        if array.dtype.kind == "f":
            tolerance = 2e-5 if array.dtype == np.float32 else 1e-13
            np.testing.assert_allclose(
                got[name], array, rtol=tolerance, atol=tolerance / 10, err_msg=name
            )
        else:
            np.testing.assert_array_equal(got[name], array, err_msg=name)


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    for name, array in one.items():
        assert array.tobytes() == other[name].tobytes(), name


@pytest.mark.parametrize("make", CASES.values(), ids=CASES)
@pytest.mark.parametrize("target", [WIDE, Target(bits=128), host()], ids=["256", "128", "host"])
def test_machine_code_gives_what_the_reference_gives(
    make: Callable[[], Kernel], target: Target
) -> None:
    k = make()
    arrays = arrays_for(k)
    expected = {n: a.copy() for n, a in arrays.items()}
    reference(k, expected)
    close(run_machine(k, lower(k, target), arrays), expected)


@pytest.mark.parametrize("make", CASES.values(), ids=CASES)
def test_the_text_as_plain_python_gives_the_bits_of_machine_code(
    make: Callable[[], Kernel],
) -> None:
    k = make()
    lowered, arrays = lower(k, WIDE), arrays_for(k)
    same(run_twin(k, lowered, arrays), run_machine(k, lowered, arrays))


@pytest.mark.parametrize("make", CASES.values(), ids=CASES)
def test_any_split_of_the_points_gives_the_same_bits(make: Callable[[], Kernel]) -> None:
    k = make()
    lowered, arrays = lower(k, WIDE), arrays_for(k)
    whole = run_machine(k, lowered, arrays)
    for seed in range(3):
        rng = np.random.default_rng(seed)
        cuts = sorted({0, lowered.points, *rng.integers(0, lowered.points + 1, 3).tolist()})
        parts = list(pairwise(cuts))
        same(
            whole, run_machine(k, lowered, arrays, [parts[p] for p in rng.permutation(len(parts))])
        )


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_other_sizes_have_the_same_text(pair: tuple[Kernel, Kernel]) -> None:
    small, large = (lower(k, WIDE) for k in pair)
    assert small.text == large.text
    assert len(small.sizes) == len(large.sizes)
    assert small.sizes != large.sizes


def test_sizes_are_arguments_and_not_in_the_text() -> None:
    lowered = lower(samples.softmax(4096, 1234), WIDE)
    assert not any(n in lowered.text for n in ("1234", "4096"))
    assert lowered.sizes == (1234, 1234, 1234)
    assert (lowered.points, lowered.scratch_bytes) == (4096, 4992)


def test_a_number_is_an_argument_unless_it_is_plain() -> None:
    text = lower(samples.chain(5, 23), WIDE).text
    assert "0.3" not in text
    assert " < 0.0" in text


def test_a_chunk_is_some_tens_of_microseconds_whatever_the_number_of_points() -> None:
    long, short = lower(samples.softmax(4096, 1024), WIDE), lower(samples.softmax(4, 16), WIDE)
    assert 4 <= long.grain <= 128
    assert short.grain == short.points == 4


def test_a_value_is_computed_once_in_the_loop_that_has_all_its_axes() -> None:
    text = lower(samples.softmax(8, 1024), WIDE).text
    (line,) = (t for t in text.splitlines() if "1.0 / s" in t and "=" in t and "y[" not in t)
    assert line.startswith("        t")  # in the loop over rows
    assert text.count("= exp(") == 3  # the docstring, the full vectors, the tail


def test_of_literals_alone_one_is_a_vector() -> None:
    y, here = Buffer("y", "i32", 8), Map((("i", 1),))
    one, two, yes = Const(1, "i32"), Const(2, "i32"), Const(1, "bool")
    added, chosen = Expr("add", (one, two), "i32"), Expr("select", (yes, one, two), "i32")
    for e, expected in (
        (added, "full(1, i32, 1) + 2"),
        (chosen, "select(full(True, bool, 1), full(1, i32, 1), 2)"),
    ):
        stages = (Stage((), (Store(y, here, e),)),)
        k = Kernel("literals", (y,), (Axis("i", 8),), stages)
        assert f" = {expected}\n" in lower(k, WIDE).text


def test_a_product_that_is_added_is_one_operation() -> None:
    text = lower(samples.chain(5, 23), WIDE).text
    assert "fma(" in text
    assert " * " not in "".join(t for t in text.splitlines() if t.strip().startswith("t"))


def test_passes_over_rows_ask_for_the_next_row_and_strips_of_columns_for_rows_ahead() -> None:
    rows = lower(samples.softmax(8, 1024), WIDE).text
    assert "prefetch(x, at1 + j + x_i)" in rows
    columns = lower(samples.column_sums(32, 512), WIDE).text
    assert "prefetch(x, " in columns and "+ 16 * x_r)" in columns


def test_what_is_empty_has_the_identity() -> None:
    k = samples.whole_sum(0)
    got = run_machine(k, lower(k, WIDE), arrays_for(k))
    assert (got["y"].tolist(), got["z"].tolist()) == ([0.0], [1.0])
    assert lower(samples.softmax(0, 16), WIDE).points == 0


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_keep_their_meaning(value: float) -> None:
    for make in (
        CASES["softmax"],
        CASES["argmax"],
        CASES["argmax of columns"],
        CASES["any and all"],
        CASES["column sums"],
    ):
        k = make()
        arrays = arrays_for(k)
        arrays["x"][[3, 20, 77, 78]] = value
        expected = {n: a.copy() for n, a in arrays.items()}
        reference(k, expected)
        close(run_machine(k, lower(k, WIDE), arrays), expected)


def test_rows_of_one_value_and_of_infinity_have_their_first_place() -> None:
    k = samples.argmax(4, 77)
    arrays = arrays_for(k)
    arrays["x"][:77] = -np.inf
    arrays["x"][77:154] = np.inf
    arrays["x"][154:231] = 0.0
    arrays["x"][231 + 40] = np.nan
    got = run_machine(k, lower(k, WIDE), arrays)
    assert got["k"].tolist() == got["l"].tolist() == [0, 0, 0, 40]


def test_masked_lanes_touch_no_memory_outside_the_buffers() -> None:
    for make in CASES.values():
        k = make()
        arrays, guarded = arrays_for(k), {}
        for name, a in arrays.items():
            guarded[name] = np.full(a.size + 512, 77, a.dtype)
            guarded[name][256:-256] = a
        inner = {n: a[256:-256] for n, a in guarded.items()}
        lowered = lower(k, WIDE)
        out = run_in_place(k, lowered, inner)
        for name, a in guarded.items():
            assert (a[:256] == np.full(1, 77, a.dtype)).all() and (
                a[-256:] == np.full(1, 77, a.dtype)
            ).all(), (k.name, name)
        same(run_machine(k, lowered, arrays), out)


def operation_kernel(name: str, dtype: str, n: int = 37) -> Kernel:
    """y = op(x0, x1, ...)"""
    op, place = OPS[name], Map((("i", 1),))
    dtypes = ("bool", dtype, dtype) if name == "select" else (dtype,) * op.arity
    xs = tuple(Buffer(f"x{k}", d, n) for k, d in enumerate(dtypes))
    param = ("f64" if dtype == "f32" else "f32") if name == "cast" else None
    y = Buffer("y", op.result(dtypes, param), n)
    e = Expr(name, tuple(Load(x, place) for x in xs), y.dtype, param)
    store = Store(y, place, e)
    return verify(Kernel("operation", (*xs, y), (Axis("i", n),), (Stage((), (store,)),)))


OPERATIONS = [(n, d) for n, op in OPS.items() for d in sorted(op.accepts)]


@pytest.fixture(scope="module")
def operations_together() -> None:
    machine({f"{n} {d}": lower(operation_kernel(n, d), WIDE).text for n, d in OPERATIONS})


@pytest.mark.parametrize("name, dtype", OPERATIONS, ids=[" ".join(o) for o in OPERATIONS])
def test_every_operation_of_every_dtype(name: str, dtype: str, operations_together: None) -> None:
    k = operation_kernel(name, dtype)
    arrays = arrays_for(k)
    if dtype in ("f32", "f64"):  # halves and whole numbers among numbers below 1
        arrays[k.buffers[-2].name][:5] = [0.5, 0.0, 1.0, 1.5, 0.25]
    for a in arrays.values():
        if a.dtype.kind in "iu":
            a %= 5
    expected = {n: a.copy() for n, a in arrays.items()}
    reference(k, expected)
    close(run_machine(k, lower(k, WIDE), arrays), expected)


def test_names_of_a_kernel_hide_no_word() -> None:
    k = samples.kernel("""
        def exp(load: f32[12], first: f32[12]):
            for at in parallel(12):
                if stage():
                    first[at] = exp(load[at])
    """)
    arrays = arrays_for(k)
    got = run_machine(k, lower(k, WIDE), arrays)
    np.testing.assert_allclose(got["first"], np.exp(arrays["load"]), rtol=1e-6)


def test_a_number_beyond_its_dtype_is_infinite() -> None:
    k = samples.kernel("""
        def far(x: f32[12], y: f32[12]):
            for i in parallel(12):
                if stage():
                    y[i] = minimum(x[i] + 1.0, 1e+39)
    """)
    arrays = arrays_for(k)
    assert (run_machine(k, lower(k, WIDE), arrays)["y"] == arrays["x"] + 1).all()


def test_lanes_follow_rows_that_are_shorter_than_a_register() -> None:
    text = lower(samples.softmax(150, 7), WIDE).text
    assert "load_rows(" in text and "store_rows(" in text
    assert "largest(" not in text  # nothing is folded over lanes
    longer = lower(samples.softmax(150, 17), WIDE).text
    assert longer.count("transpose(") == 4 and "largest(" not in longer
    assert longer == lower(samples.softmax(90, 23), WIDE).text
    assert "transpose(" not in lower(samples.softmax(150, 24), WIDE).text


def test_elements_of_tiny_arrays_are_values_and_lanes_follow_the_long_axis() -> None:
    text = lower(samples.small_matrices(70, 3), WIDE).text
    assert "load_rows(x, " in text and "store_rows(y, " in text and "for i in" not in text
    text = lower(samples.crossed(70), WIDE).text
    assert "select(" not in text and "load_rows(v, " not in text  # v[4*k] is not read


def test_few_columns_are_met_along_the_rows() -> None:
    assert ", 3, 32)" in lower(samples.column_sums(150, 3), WIDE).text
    assert "load_strided(" not in lower(samples.column_sums(150, 5), WIDE).text


def test_rows_of_full_registers_are_turned_for_many_sums_alone() -> None:
    state = parse_kernel(
        "def step(x0: f32[32768], x1: f32[32768], y0: f32[32768], y1: f32[2048]):\n"
        "    for i0 in parallel(2048):\n"
        "        for j1 in stage(16):\n"
        "            t0 = x0[16*i0 + j1] * x1[16*i0 + j1]\n"
        "            y0[16*i0 + j1] = t0\n"
        "            r0 = sum(t0)\n"
        "        if stage():\n"
        "            y1[i0] = r0\n"
    )
    sums = parse_kernel(
        "def sums(x0: f32[32768], y0: f32[2048]):\n"
        "    for i0 in parallel(2048):\n"
        "        for j1 in stage(16):\n"
        "            r0 = sum(x0[16*i0 + j1])\n"
        "            r1 = max(x0[16*i0 + j1])\n"
        "        if stage():\n"
        "            y0[i0] = r0 * r1\n"
    )
    for target in (Target(bits=256), Target(bits=512)):
        assert across_rows(state, target) is None
        assert across_rows(sums, target) is sums.free[-1]
