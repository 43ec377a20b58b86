"""Generated products against NumPy: shapes, layouts, stores, splits, texts without sizes."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from tests.codegen.execution import Arrays, run_machine, run_twin
from wonderland.compiler.codegen.cpu.blocks import blocking_of
from wonderland.compiler.codegen.cpu.product import lower_product, product_sizes
from wonderland.compiler.codegen.proof.bounds import check_bounds
from wonderland.compiler.codegen.target import Target, host
from wonderland.compiler.kernel import Axis, Buffer, KernelError, Load, Map, Store, apply
from wonderland.compiler.kernel import product as level2
from wonderland.compiler.kernel.product import Product, as_kernel, normal_form, reference, result

NUMPY = {"f32": np.float32, "f64": np.float64, "i32": np.int32}
TOLERANCE = {
    "f32": 2e-5,
    "f64": 1e-13,
    "i32": 0,
}  # of the sum of magnitudes: chains of at most a thousand roundings


def product(
    m: int, n: int, k: int, lhs_turned=False, rhs_turned=False, dtype="f32", batch=0, shared=False
) -> Product:
    """c = a @ b; `batch` matrices, the right one the same for all if `shared`."""
    axes = (Axis("h", batch),) if batch else ()
    each = max(batch, 1)
    a, b = Buffer("a", dtype, each * m * k), Buffer("b", dtype, (1 if shared else each) * k * n)
    c = Buffer("c", dtype, each * m * n)
    lhs = Map(
        (
            ("h", m * k * bool(batch)),
            *((("i", 1), ("k", m)) if lhs_turned else (("i", k), ("k", 1))),
        )
    )
    rhs = Map(
        (
            ("h", k * n * (batch > 0 and not shared)),
            *((("k", 1), ("j", k)) if rhs_turned else (("k", n), ("j", 1))),
        )
    )
    stored = Map((("h", m * n * bool(batch)), ("i", n), ("j", 1)))
    i, j, depth = Axis("i", m), Axis("j", n), Axis("k", k)
    return Product(
        "dense",
        (a, b, c),
        axes,
        i,
        j,
        depth,
        Load(a, lhs),
        Load(b, rhs),
        (Store(c, stored, result(dtype)),),
    )


def with_stores(p: Product) -> Product:
    """y = gelu(acc + bias) + residual and z = acc * scale, a scale per row."""
    dtype, m, n = p.dtype, p.rows.size, p.columns.size
    place = p.stores[0].map
    bias, scale = Buffer("bias", dtype, n), Buffer("scale", dtype, m)
    residual, z = (
        Buffer("residual", dtype, p.buffers[2].size),
        Buffer("z", dtype, p.buffers[2].size),
    )
    acc = result(dtype)
    x = acc + Load(bias, Map((("j", 1),)))
    y = x * apply("sigmoid", x * 1.702) + Load(residual, place)
    stores = (Store(p.buffers[2], place, y), Store(z, place, acc * Load(scale, Map((("i", 1),)))))
    return replace(p, buffers=(*p.buffers, bias, scale, residual, z), stores=stores)


def arrays_for(p: Product, seed: int) -> Arrays:
    rng = np.random.default_rng(seed)
    return {b.name: (rng.standard_normal(b.size) * 3).astype(NUMPY[b.dtype]) for b in p.buffers}


def run(p: Product, arrays: Arrays, target: Target | None = None, pieces: int = 1) -> Arrays:
    """The arrays after the machine code of a product ran over its points, in pieces, last first."""
    lowered = lower_product(p, target or host())
    borders = [int(x) for x in np.linspace(0, lowered.points, min(pieces, lowered.points) + 1)]
    splits = list(pairwise(borders))
    return run_machine(as_kernel(p), lowered, arrays, splits[::-1])


def check(p: Product, seed: int, target: Target | None = None) -> None:
    want = arrays_for(p, seed)
    got = run(p, want, target)
    reference(p, want)
    bound = 9 * (p.depth.size + 10) * TOLERANCE[p.dtype]
    for s in p.stores:
        np.testing.assert_allclose(got[s.buffer.name], want[s.buffer.name], rtol=1e-5, atol=bound)
    for b in p.buffers:
        if all(s.buffer is not b for s in p.stores):
            np.testing.assert_array_equal(got[b.name], want[b.name])


@pytest.mark.parametrize("layout", range(4))
def test_ragged_sizes_agree_with_the_reference(layout: int) -> None:
    rng = np.random.default_rng(layout)
    for seed in range(12):
        m, n, k = (int(x) for x in rng.integers(1, 71, 3))
        check(product(m, n, k, bool(layout & 1), bool(layout & 2)), seed)


@pytest.mark.parametrize("dtype", ["f64", "i32"])
def test_other_dtypes_agree_with_the_reference(dtype: str) -> None:
    for seed, (m, n, k) in enumerate([(1, 1, 1), (13, 7, 40), (33, 50, 21)]):
        check(product(m, n, k, rhs_turned=bool(seed & 1), dtype=dtype), seed)


def test_thin_shapes_agree_with_the_reference() -> None:
    for seed, (m, n, k) in enumerate(
        [
            (1, 65, 30),
            (1, 300, 90),
            (65, 1, 30),
            (3, 200, 100),
            (200, 2, 3),
            (5, 5, 0),
            (3, 5, 0),
            (16, 40, 200),
            (70, 64, 1),
        ]
    ):
        for turned in (False, True):
            check(product(m, n, k, rhs_turned=turned), seed)


def test_depth_beyond_a_block_continues_the_sums() -> None:
    for seed, turned in enumerate([False, True]):
        check(product(9, 20, 900, lhs_turned=turned, rhs_turned=not turned), seed)
        check(with_stores(product(9, 20, 900, lhs_turned=turned)), seed)
    check(with_stores(product(3, 70, 900)), 2)
    check(product(7, 50, 500), 3)
    check(product(7, 20, 400), 4, Target(bits=128))


def test_batches_agree_with_the_reference_and_shared_factors_merge() -> None:
    for shared in (False, True):
        p = product(5, 20, 11, batch=4, shared=shared)
        assert len(normal_form(p).batch) == (0 if shared else 1)
        check(p, 3)
    vectors = product(1, 20, 11, batch=6, shared=True)
    assert normal_form(vectors).rows.size == 6
    check(vectors, 4)


def test_a_matrix_applied_to_a_batch_of_vectors_is_one_product() -> None:
    p = product(20, 1, 11, batch=6)
    lhs = Load(Buffer("a", "f32", 220), Map((("i", 11), ("k", 1))))
    p = replace(p, buffers=(lhs.buffer, *p.buffers[1:]), lhs=lhs)
    assert not normal_form(p).batch and normal_form(p).rows.size == 6
    check(p, 4)


def test_transposed_and_strided_results_are_written_in_place() -> None:
    p = product(17, 23, 9)
    turned = replace(p, stores=(Store(p.buffers[2], Map((("i", 1), ("j", 17))), result("f32")),))
    assert normal_form(turned).rows.size == 23
    check(turned, 1)
    wide = Buffer("c", "f32", 2 * 17 * 23 + 3)
    strided = Store(wide, Map((("i", 2 * 23), ("j", 2)), 3), result("f32"))
    check(replace(p, buffers=(*p.buffers[:2], wide), stores=(strided,)), 2)


def test_strided_and_broadcast_factors_are_read_in_place() -> None:
    p = product(14, 19, 10)
    a, b = Buffer("a", "f32", 14 * 60 + 5), Buffer("b", "f32", 10 * 57)
    lhs, rhs = Load(a, Map((("i", 60), ("k", -6)), 59)), Load(b, Map((("k", 57), ("j", 3))))
    check(replace(p, buffers=(a, b, p.buffers[2]), lhs=lhs, rhs=rhs), 5)
    check(replace(p, rhs=Load(p.buffers[1], Map((("k", 1),)))), 6)


def test_one_buffer_may_be_both_factors() -> None:
    p = product(12, 12, 30)
    rhs = Load(p.buffers[0], Map((("k", 1), ("j", 30))))
    check(replace(p, buffers=(p.buffers[0], p.buffers[2]), rhs=rhs), 7)


@pytest.mark.parametrize("size", [(1, 9, 5), (6, 16, 8), (37, 61, 33), (64, 10, 70)])
def test_stores_compute_bias_activation_residual_and_a_second_output(
    size: tuple[int, int, int],
) -> None:
    check(with_stores(product(*size)), 8)
    check(with_stores(product(*size, batch=3)), 9)


def test_a_store_of_another_dtype_reads_indices_and_guards() -> None:
    p = product(11, 30, 8)
    mask, c = Buffer("mask", "bool", 11 * 30), Buffer("c", "bool", 11 * 30)
    place = p.stores[0].map
    below = Load(p.buffers[0], Map((("j", 1),)), ((Map((("j", 1),)), 0, 20),))
    stored = Store(c, place, apply("and_", Load(mask, place), result("f32") < below))
    p = replace(p, buffers=(p.buffers[0], p.buffers[1], mask, c), stores=(stored,))
    arrays = arrays_for(replace(p, buffers=p.buffers[:2]), 10)
    arrays |= {"mask": np.arange(330) % 3 > 0, "c": np.zeros(330, bool)}
    got = run(p, arrays)
    reference(p, arrays)
    np.testing.assert_array_equal(got["c"], arrays["c"])


@pytest.mark.parametrize("fused", [False, True])
def test_any_split_of_the_points_gives_the_same_bits(fused: bool) -> None:
    p = product(140, 310, 530, batch=2)
    p = with_stores(p) if fused else p
    assert lower_product(p, host()).points > 2
    found = [run(p, arrays_for(p, 11), pieces=pieces) for pieces in (1, 2, 3, 1000)]
    for other in found[1:]:
        for name, x in found[0].items():
            np.testing.assert_array_equal(x.view(np.int32), other[name].view(np.int32))


@pytest.mark.parametrize("turned", [False, True])
def test_the_text_runs_as_plain_python_with_the_same_bits(turned: bool) -> None:
    for seed, size in enumerate([(7, 18, 5), (2, 9, 11)]):
        p = product(*size, rhs_turned=turned)
        for q in (p, with_stores(p)):
            lowered, arrays = lower_product(q, host()), arrays_for(q, seed)
            got, want = run(q, arrays), run_twin(as_kernel(q), lowered, arrays)
            for name, x in want.items():
                np.testing.assert_array_equal(got[name], x)


def test_an_element_has_the_same_bits_in_every_shape_and_width() -> None:
    """Where its depth is one block: longer ones are cut by shape and target."""
    full = run(product(50, 60, 250), arrays_for(product(50, 60, 250), 12))
    part = product(7, 20, 250)
    rows = {
        "a": full["a"][: 7 * 250],
        "b": full["b"].reshape(250, 60)[:, :20].ravel(),
        "c": np.zeros(140, np.float32),
    }
    for target in (host(), Target(bits=128)):
        got = run(part, rows, target)
        np.testing.assert_array_equal(got["c"].reshape(7, 20), full["c"].reshape(50, 60)[:7, :20])


@pytest.mark.parametrize("target", [Target(bits=128), Target(bits=512, registers=32)], ids=str)
def test_other_targets_agree_with_the_reference(target: Target) -> None:
    for seed, size in enumerate([(13, 21, 34), (1, 30, 20), (40, 40, 40)]):
        for turned in (False, True):
            check(product(*size, rhs_turned=turned), seed, target)
    check(with_stores(product(13, 50, 20)), 3, target)


@pytest.mark.parametrize("target", [host(), Target(bits=128), Target(bits=512, registers=32)])
def test_a_panel_is_read_in_place(target: Target) -> None:
    for seed, (m, vecs, k) in enumerate([(13, 2, 700), (4, 4, 2000), (33, 2, 530), (2, 8, 90)]):
        p = product(m, vecs * target.lanes("f32"), k, batch=3)
        assert blocking_of(product_sizes(p), target).packed == p.columns.size
        check(with_stores(p) if seed == 2 else p, seed, target)


def test_nan_and_infinity_reach_their_row_and_column_only() -> None:
    for turned in (False, True):
        p = product(9, 35, 21, rhs_turned=turned)
        arrays = arrays_for(p, 13)
        arrays["a"].reshape(9, 21)[4, 20] = np.nan
        b = arrays["b"].reshape(35, 21).T if turned else arrays["b"].reshape(21, 35)
        b[3, 34] = np.inf
        got = run(p, arrays)
        reference(p, arrays)
        np.testing.assert_array_equal(np.isnan(got["c"]), np.isnan(arrays["c"]))
        np.testing.assert_array_equal(np.isinf(got["c"]), np.isinf(arrays["c"]))


def test_nothing_outside_the_matrices_is_touched() -> None:
    """The borders of longer buffers are NaN: read, they would show; written, they would change."""
    inner = product(10, 33, 20)
    a, b, c = (Buffer(x.name, "f32", x.size + 128) for x in inner.buffers)
    moved = [replace(m, offset=64) for m in (inner.lhs.map, inner.rhs.map, inner.stores[0].map)]
    stored = Store(c, moved[2], result("f32"))
    p = replace(
        inner, buffers=(a, b, c), lhs=Load(a, moved[0]), rhs=Load(b, moved[1]), stores=(stored,)
    )
    arrays = arrays_for(p, 14)
    for x in arrays.values():
        x[:64] = x[-64:] = np.nan
    got = run(p, arrays)["c"]
    assert (
        np.isnan(got[:64]).all() and np.isnan(got[-64:]).all() and not np.isnan(got[64:-64]).any()
    )


def test_rows_whole_pages_apart_fit_the_ways_of_the_nearest_cache() -> None:
    target = Target(bits=512, registers=32, l1_bytes=32 << 10)
    for turned in (False, True):
        crowded, free = (
            blocking_of(product_sizes(product(96, n, k, lhs_turned=turned)), target)
            for n, k in ((1024, 100 if turned else 1024), (1023, 1023))
        )
        assert crowded.rows <= 8 and free.rows == 12
    check(product(20, 40, 1024), 1)


@pytest.mark.parametrize("dtype", ["f32", "f64", "i32"])
def test_few_rows_of_a_large_factor_let_it_pass_by_once(dtype: str) -> None:
    target = replace(host(), l2_bytes=1 << 12)
    for seed, (m, n, k) in enumerate([(1, 600, 19), (2, 1031, 8), (3, 530, 33), (4, 513, 7)]):
        p = product(m, n, k, lhs_turned=bool(seed & 1), dtype=dtype)
        assert "tile_of_streams" in lower_product(p, target).text
        check(p, seed, target)
        check(with_stores(p) if dtype != "i32" else p, seed, target)
    p = product(2, 530, 11, batch=2, dtype=dtype)
    low, arrays = lower_product(p, target), arrays_for(p, 1)
    check_bounds(low, p.buffers)
    got, want = run(p, arrays, target), run_twin(as_kernel(p), low, arrays)
    np.testing.assert_array_equal(got["c"], want["c"])
    np.testing.assert_array_equal(run(p, arrays, target, pieces=4)["c"], want["c"])


def test_a_matrix_as_wide_as_a_tile_of_one_row_has_another_tile() -> None:
    target = Target(bits=512, registers=32)
    for m, n in ((16, 256), (1000, 256), (1000, 128)):
        assert blocking_of(product_sizes(product(m, n, 256)), target).rows >= 6
    panel = blocking_of(product_sizes(product(1000, 64, 256)), target)
    assert panel.width == 64 == panel.packed


def test_few_columns_of_a_long_depth_are_dots() -> None:
    for seed, (m, n, k) in enumerate([(40, 2, 256), (33, 3, 401), (9, 4, 1003)]):
        p = product(m, n, k, batch=2 * (seed > 0))
        assert "dots_of_windows" in lower_product(p, host()).text
        check(p, seed)
        check(with_stores(p), seed)
        check(product(m, n, k, rhs_turned=True), seed)
    assert "dots_of_windows" not in lower_product(product(40, 5, 256), host()).text
    assert "dots_of_windows" not in lower_product(product(40, 2, 256, lhs_turned=True), host()).text


def test_the_fewer_rows_the_longer_runs_of_what_comes_from_far() -> None:
    depths = [blocking_of(product_sizes(product(m, 4096, 2048)), host()).block_depth
              for m in (5, 8, 9, 32, 33)]  # fmt: skip
    assert depths == [16, 16, 64, 64, 256]
    near = replace(host(), l2_bytes=1 << 12)
    for seed, (m, n, k) in enumerate([(5, 50, 130), (8, 70, 33), (9, 40, 200), (32, 33, 70)]):
        check(product(m, n, k), seed, near)
        check(with_stores(product(m, n, k)), seed, near)


def test_what_some_rows_read_is_not_packed() -> None:
    cuts = [blocking_of(product_sizes(product(m, 1000, 500)), host()) for m in (128, 129)]
    in_place, packed = cuts
    assert in_place.packed >= 1000 - in_place.width and in_place.ahead
    assert packed.packed == packed.ahead == 0
    check(product(30, 100, 300), 2)


def test_the_text_knows_no_sizes() -> None:
    for make in (
        lambda s: product(*s),
        lambda s: with_stores(product(*s)),
        lambda s: product(*s, batch=s[0] // 40),
    ):
        texts = {
            lower_product(make(size), host()).text
            for size in ((120, 96, 70), (240, 192, 333), (600, 1920, 999))
        }
        assert len(texts) == 1


def test_a_product_reads_as_a_kernel_of_two_stages() -> None:
    assert str(product(2, 3, 4)) == str(as_kernel(product(2, 3, 4)))
    assert "acc = sum(a[4*i + k] * b[3*k + j])" in str(product(2, 3, 4))


def test_a_factor_that_varies_along_the_wrong_axis_is_refused() -> None:
    p = product(2, 3, 4)
    with pytest.raises(KernelError, match="dense: the lhs varies along j"):
        level2.verify(replace(p, lhs=Load(p.buffers[0], Map((("i", 1), ("j", 1))))))
