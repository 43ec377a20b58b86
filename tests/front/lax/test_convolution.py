"""lax's convolutions against loops over canonical arrays, derivatives, batches, messages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest

import wonderland as wl
from wonderland import lax

CASES = 60


class Case(NamedTuple):
    """Arguments of a convolution, and what they mean."""

    x: np.ndarray  # as the user has it
    w: np.ndarray
    options: dict[str, Any]
    image: np.ndarray  # NCHW, OIHW
    kernel: np.ndarray
    out: tuple[int, ...]  # the axes of the result in NCHW
    pads: list[tuple[int, int]]
    steps: tuple[tuple[int, ...], ...]  # strides, apart in a window, between elements


def drawn(seed: int) -> Case:
    """One to three spatial dimensions, groups of either kind, any paddings and orders."""
    rng = np.random.default_rng([seed, 3])
    d = 1 + seed % 3

    def ints(low: int, high: int, count: int = d) -> tuple[int, ...]:
        return tuple(int(n) for n in rng.integers(low, high + 1, count))

    groups, batch_groups = ((1, 1), (2, 1), (3, 1), (1, 2))[seed % 4]
    n, c, k = (int(rng.integers(1, 3)) for _ in range(3))
    image = rng.standard_normal((n * batch_groups, c * groups, *ints(2, 6)))
    kernel = rng.standard_normal((k * groups * batch_groups, c, *ints(1, 4)))
    strides, apart, between = ints(1, 3), ints(1, 2), ints(1, 2)
    padding: Any = ("SAME", "SAME_LOWER", "VALID", "CAUSAL", "pairs", "pairs")[seed % 6]
    if padding == "pairs":
        pads = padding = list(zip(ints(-1, 3), ints(-1, 3), strict=True))
    else:
        between = (1,) * d
        pads = named(padding, image.shape[2:], kernel.shape[2:], strides, apart)
    orders = [tuple(int(a) for a in rng.permutation(d + 2)) for _ in range(3)]
    x, w = np.transpose(image, orders[0]), np.transpose(kernel, orders[1])
    numbers = tuple(
        "".join(letters[a] for a in order)
        for letters, order in zip(("NCHWD", "OIHWD", "NCHWD"), orders, strict=True)
    )
    spatial = [a - 2 for a in orders[1] if a > 1]  # strides go by the kernel's order
    by, rhs, lhs = ([of[a] for a in spatial] for of in (strides, apart, between))
    options = {
        "window_strides": tuple(by),
        "padding": padding if isinstance(padding, str) else [pads[a] for a in spatial],
        "lhs_dilation": tuple(lhs),
        "rhs_dilation": tuple(rhs),
        "dimension_numbers": numbers,
        "feature_group_count": groups,
        "batch_group_count": batch_groups,
    }
    out = tuple(orders[2].index(a) for a in range(d + 2))
    return Case(x, w, options, image, kernel, out, pads, (strides, apart, between))


def named(kind: str, sizes: Any, window: Any, strides: Any, apart: Any) -> list[tuple[int, int]]:
    """What a padding by name has to achieve: so many results, ends that differ by one at most."""
    found = []
    for n, m, step, between in zip(sizes, window, strides, apart, strict=True):
        reach = (m - 1) * between + 1
        if kind in ("VALID", "CAUSAL"):
            found.append((reach - 1 if kind == "CAUSAL" else 0, 0))
            continue
        count = len(range(0, n, step))
        total = next(p for p in range(99) if len(range(0, n + p - reach + 1, step)) >= count)
        less, more = total // 2, total - total // 2
        found.append((less, more) if kind == "SAME" else (more, less))
    return found


def looped(case: Case) -> np.ndarray:
    """The convolution of canonical arrays, a product of a group at a time."""
    strides, apart, between = case.steps
    image, kernel, d = case.image, case.kernel, case.image.ndim - 2
    for a in range(d):
        n, step = image.shape[2 + a], between[a]
        (low, high), wide = case.pads[a], list(image.shape)
        wide[2 + a] = max((n - 1) * step + 1 + low + high, 0)
        padded = np.zeros(wide)
        for i in range(n):
            if 0 <= (at := i * step + low) < wide[2 + a]:
                place = (slice(None),) * (2 + a)
                padded[(*place, at)] = image[(*place, i)]
        image = padded
    reach = [(m - 1) * s + 1 for m, s in zip(kernel.shape[2:], apart, strict=True)]
    counts = [
        len(range(0, n - r + 1, s)) for n, r, s in zip(image.shape[2:], reach, strides, strict=True)
    ]
    groups = case.options["feature_group_count"]
    parts = max(groups, case.options["batch_group_count"])
    images = np.split(image, parts, 1 if groups > 1 else 0)
    results, axes = [], list(range(1, d + 2))
    for part, weights in zip(images, np.split(kernel, parts, 0), strict=True):
        y = np.zeros((len(part), len(weights), *counts))
        for at in np.ndindex(*counts):
            window = tuple(
                slice(i * s, i * s + r, step)
                for i, s, r, step in zip(at, strides, reach, apart, strict=True)
            )
            y[(..., *at)] = np.tensordot(part[(..., *window)], weights, (axes, axes))
        results.append(y)
    return np.concatenate(results, 1)


def convolved(case: Case) -> Callable[[Any, Any], Any]:
    return lambda x, w: lax.conv_general_dilated(x, w, **case.options)


@pytest.fixture(autouse=True)
def interpreted() -> Iterator[None]:
    with wl.disable_jit():
        yield


@pytest.mark.parametrize("seed", range(CASES))
def test_a_convolution_is_its_loops(seed: int) -> None:
    case = drawn(seed)
    found = np.transpose(wl.jit(convolved(case))(case.x, case.w), case.out)
    np.testing.assert_allclose(found, looped(case), 1e-12, 1e-12)


@pytest.mark.parametrize("seed", range(12))
def test_derivatives_are_those_of_differences_and_modes_agree(seed: int) -> None:
    case = drawn(seed)
    wl.testing.check_gradients(convolved(case), case.x, case.w, order=2)
    rng, function = np.random.default_rng(seed), convolved(case)
    dx, dw = (rng.standard_normal(v.shape) for v in (case.x, case.w))
    y, dy = wl.jvp(function, (case.x, case.w), (dx, dw))
    ct = rng.standard_normal(y.shape)
    cts = wl.vjp(function, case.x, case.w)[1](ct)
    forward, reverse = np.sum(ct * dy), np.sum(cts[0] * dx) + np.sum(cts[1] * dw)
    assert abs(forward - reverse) <= 1e-12 * (1 + np.sum(np.abs(ct * dy)))


@pytest.mark.parametrize("seed", range(12))
def test_a_vmap_of_each_operand_is_a_loop(seed: int) -> None:
    case = drawn(seed)
    rng, function = np.random.default_rng(seed), convolved(case)
    xs, ws = (rng.standard_normal((3, *v.shape)) for v in (case.x, case.w))
    for axes in ((0, None), (None, 0), (0, 0)):
        args = xs if axes[0] == 0 else xs[0], ws if axes[1] == 0 else ws[0]
        rows = [
            function(xs[i if axes[0] == 0 else 0], ws[i if axes[1] == 0 else 0]) for i in range(3)
        ]
        np.testing.assert_allclose(wl.vmap(function, axes)(*args), np.stack(rows), 1e-12, 1e-12)


@pytest.mark.parametrize("padding", ["SAME", "VALID", ((1, 0), (1, 1)), ((0, 3), (3, -1))])
@pytest.mark.parametrize("strides", [(1, 1), (2, 3)])
@pytest.mark.parametrize("dilation", [None, (2, 1)])
def test_conv_transpose_is_the_transpose_of_conv(padding: Any, strides: Any, dilation: Any) -> None:
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 12, 12, 3)), rng.standard_normal((3, 2, 3, 4))
    numbers = "NHWC", "HWIO", "NHWC"

    def conv(x: Any) -> Any:
        return lax.conv_general_dilated(x, w, strides, padding, None, dilation, numbers)

    y = rng.standard_normal(conv(x).shape)
    options = {"transpose_kernel": True, "use_consistent_padding": True}
    back = lax.conv_transpose(y, w, strides, padding, dilation, **options)
    ends = [(0, n - m) for n, m in zip(x.shape, back.shape, strict=True)]  # windows leave them out
    np.testing.assert_allclose(np.sum(conv(x) * y), np.sum(x * np.pad(back, ends)), 1e-12)


def test_a_causal_convolution_reads_nothing_that_comes_later() -> None:
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((1, 2, 9)), rng.standard_normal((2, 2, 3))

    def causal(x: Any) -> Any:
        return lax.conv_general_dilated(x, w, (1,), "CAUSAL", rhs_dilation=(2,))

    assert causal(x).shape == (1, 2, 9)
    slope = wl.jacfwd(causal)(x).sum((0, 1, 3, 4))
    assert not np.triu(slope, 1).any() and np.diag(slope).all()


def test_numbers_of_dimensions_are_letters_places_or_both() -> None:
    shapes = (1, 8, 9, 3), (2, 5, 3, 4)
    letters = "NHWC", "WHIO", "CNWH"
    places = (0, 3, 2, 1), (3, 2, 0, 1), (1, 0, 2, 3)
    found = lax.conv_dimension_numbers(*shapes, letters)
    assert found == lax.ConvDimensionNumbers(*places)
    assert found == lax.conv_dimension_numbers(*shapes, places)
    assert found == lax.conv_dimension_numbers(*shapes, found)
    x, w = (np.random.default_rng(0).standard_normal(s) for s in shapes)
    every = [
        lax.conv_general_dilated(x, w, (1, 2), "SAME", dimension_numbers=n)
        for n in (letters, places, found)
    ]
    assert every[0].shape == (4, 1, 9, 4)
    assert all(np.array_equal(every[0], y) for y in every)


@pytest.mark.parametrize("seed", range(12))
def test_patches_are_what_the_kernel_meets(seed: int) -> None:
    case = drawn(seed)
    options = dict(case.options)
    groups = options.pop("feature_group_count"), options.pop("batch_group_count")
    image = np.where(case.x > 1.5, np.inf, case.x)  # products with 0 would make NaN of it
    spec = lax.conv_dimension_numbers(case.x.shape, case.w.shape, options["dimension_numbers"])
    sizes = tuple(case.w.shape[a] for a in spec.rhs_spec[2:])
    found = lax.conv_general_dilated_patches(image, sizes, **options)
    assert not np.isnan(found).any()
    if max(groups) == 1:
        found = lax.conv_general_dilated_patches(case.x, sizes, **options)
        kernel = np.transpose(case.w, spec.rhs_spec)
        patches = np.moveaxis(found, spec.out_spec[1], -1)
        y = np.moveaxis(patches @ kernel.reshape(len(kernel), -1).T, -1, spec.out_spec[1])
        np.testing.assert_allclose(y, convolved(case)(case.x, case.w), 1e-12, 1e-12)


def test_a_kernel_for_each_place_is_a_convolution_where_all_are_one() -> None:
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 7, 6, 3)), rng.standard_normal((3, 2, 3, 4))
    layout = {"dimension_numbers": ("NHWC", "HWIO", "NHWC"), "rhs_dilation": (1, 2)}
    y = lax.conv_general_dilated(x, w, (2, 1), "SAME", **layout)
    kernel = np.moveaxis(w, 2, 0).reshape(-1, 4)  # channel, window
    local = np.broadcast_to(kernel, (*y.shape[1:3], *kernel.shape))
    found = lax.conv_general_dilated_local(x, local, (2, 1), "SAME", (3, 2), **layout)
    np.testing.assert_allclose(found, y, 1e-12, 1e-12)


@pytest.mark.parametrize("dtype", ["i4", "f2", "f4", "c8"])
def test_dtypes_are_kept_or_preferred(dtype: str) -> None:
    x, w = np.ones((1, 2, 5), dtype), np.ones((3, 2, 3), dtype)
    assert lax.conv(x, w, (1,), "VALID").dtype == dtype
    wide = {"preferred_element_type": "c16" if dtype == "c8" else "f8"}
    assert lax.conv(x, w, (1,), "VALID", **wide).dtype == wide["preferred_element_type"]
    assert np.array_equal(lax.conv(x, w, (1,), "VALID"), np.full((1, 3, 3), 6))


# ---------------------------------------------------------------- messages

X, W = np.ones((2, 4, 6, 6)), np.ones((6, 4, 3, 3))
BY = 1, 1
loose: Any = lax  # wrong types are the point
general, transpose = loose.conv_general_dilated, loose.conv_transpose
WRONG: dict[str, tuple[Callable[[], Any], str, str]] = {
    "ranks": (lambda: general(X[0], W, BY, "SAME"), "equally many dimensions", "lhs[None]"),
    "kernel": (lambda: general(X, W[0], BY, "SAME"), "got f64[2, 4, 6, 6] and a kernel", ""),
    "one": (lambda: general(X[0, 0, 0], X[0, 0, 0], (), ()), "2 or more, are required", ""),
    "bool": (lambda: general(X > 0, W > 0, BY, "SAME"), "numbers are required, got bool", "astype"),
    "stride 0": (lambda: general(X, W, (1, 0), "SAME"), "2 positive ints are required, got (1", ""),
    "one stride": (
        lambda: general(X, W, 2, "SAME"),
        "window_strides of 2",
        "window_strides=(2, 2)",
    ),
    "strides": (lambda: general(X, W, (1,), "SAME"), "window_strides of 2", ""),
    "dilation": (
        lambda: general(X, W, BY, "VALID", None, (-1, 2)),
        "rhs_dilation of 2 positive ints are required, got (-1, 2)",
        "",
    ),
    "spread": (
        lambda: general(X, W, BY, "VALID", 2),
        "lhs_dilation of 2 positive ints are required, got 2",
        "lhs_dilation=(2, 2)",
    ),
    "padding": (lambda: general(X, W, BY, "same-ish"), "VALID, CAUSAL or 2 pairs of ints", ""),
    "one padding": (lambda: general(X, W, BY, 1), "got 1", "padding=((1, 1), (1, 1))"),
    "no pairs": (lambda: general(X, W, BY, (1, 2)), "got (1, 2)", "padding=((1, 1), (2, 2))"),
    "pairs": (lambda: general(X, W, BY, [(1, 1)]), "2 pairs of ints is required, got [(1, 1)]", ""),
    "names between": (
        lambda: general(X, W, BY, "SAME", (2, 2)),
        "2 pairs of ints is required with lhs_dilation, got 'SAME'",
        "conv_transpose",
    ),
    "channels": (
        lambda: general(X, W[:, :2], BY, "SAME"),
        "a kernel of 4 input channels is required for f64[2, 4, 6, 6], got f64[6, 2, 3, 3] with 2",
        "feature_group_count=2",
    ),
    "layout": (
        lambda: general(X.T, W.T, BY, "SAME"),
        "a kernel of 6 input channels is required",
        "",
    ),
    "last": (
        lambda: general(np.ones((2, 6, 6, 4)), np.ones((3, 3, 4, 5)), BY, "SAME"),
        "a kernel of 6 input channels is required",
        "dimension_numbers=('NHWC', 'HWIO', 'NHWC')",
    ),
    "groups": (
        lambda: general(X, W, BY, "SAME", feature_group_count=3),
        "a feature_group_count that divides the 4 channels of lhs is required, got 3",
        "",
    ),
    "no groups": (
        lambda: general(X, W, BY, "SAME", feature_group_count=0),
        "a positive feature_group_count is required, got 0",
        "",
    ),
    "groups of results": (
        lambda: general(X, W[:3, :2], BY, "SAME", feature_group_count=2),
        "divides the 3 output channels of rhs is required, got 2",
        "",
    ),
    "batch": (
        lambda: general(X, W, BY, "SAME", batch_group_count=3),
        "a batch_group_count that divides the 2 elements of the batch is required, got 3",
        "",
    ),
    "both": (
        lambda: general(X, W, BY, "SAME", feature_group_count=2, batch_group_count=2),
        "groups of channels or of the batch are required, got 2 and 2",
        "",
    ),
    "letters": (
        lambda: general(X, W, BY, "SAME", None, None, ("NCHW", "OIHH", "NCHW")),
        "4 different letters with O and I are required as dimension_numbers of rhs, got 'OIHH'",
        "",
    ),
    "other letters": (
        lambda: general(X, W, BY, "SAME", None, None, ("NCHW", "OIHD", "NCHW")),
        "the same spatial letters are required",
        "",
    ),
    "places": (
        lambda: general(X, W, BY, "SAME", None, None, ((0, 1, 2, 2), "OIHW", "NCHW")),
        "every dimension of lhs once, of 4, is required in dimension_numbers, got (0, 1, 2, 2)",
        "",
    ),
    "numbers": (
        lambda: general(X, W, BY, "SAME", None, None, "NCHW"),
        "dimension_numbers of lhs, rhs and the result are required, got 'NCHW'",
        "dimension_numbers=",
    ),
    "precision": (lambda: loose.conv(X, W, BY, "SAME", "rough"), "got 'rough'", ""),
    "conv": (
        lambda: loose.conv(X, W[:, :2], BY, "SAME"),
        "conv: a kernel of 4 input channels",
        "conv_general_dilated with feature_group_count=2",
    ),
    "transposed": (
        lambda: transpose(X, np.ones((3, 3, 4, 6)), BY, "SAME"),
        "conv_transpose: a kernel of 6 input channels is required",
        "transpose_kernel=True",
    ),
    "transposed by name": (
        lambda: transpose(X, np.ones((3, 3, 6, 4)), BY, "CAUSAL", use_consistent_padding=True),
        "a padding of SAME, VALID or pairs is required, got 'CAUSAL'",
        "",
    ),
    "transposed stride": (
        lambda: transpose(X, np.ones((3, 3, 6, 4)), 2, "SAME"),
        "conv_transpose: strides of 2 positive ints are required, got 2",
        "strides=(2, 2)",
    ),
    "window": (
        lambda: loose.conv_general_dilated_patches(X, (3,), BY, "SAME"),
        "filter_shape of 2 positive ints are required, got (3)",
        "",
    ),
    "vector": (
        lambda: loose.conv_general_dilated_patches(X[0, 0, 0], (), (), ()),
        "an array of 2 dimensions or more is required, got f64[6]",
        "",
    ),
    "local": (
        lambda: loose.conv_general_dilated_local(X, W, BY, "SAME", (3, 3)),
        "a kernel of places and window [6, 6, 36] is required",
        "",
    ),
    "shapes": (
        lambda: loose.conv_dimension_numbers((1, 2, 3), (1, 2), None),
        "shapes of equally many dimensions are required, got (1, 2, 3) and (1, 2)",
        "",
    ),
    "named": (
        lambda: loose.padtype_to_pads((3,), (2,), (1,), "WHOLE"),
        "a padding of SAME, SAME_LOWER, VALID, CAUSAL or 1 pairs",
        "",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said_with_a_line_and_a_repair(name: str) -> None:
    call, message, repair = WRONG[name]
    with pytest.raises(wl.ProgramError, match=re.escape(message)) as error:
        call()
    first, place, *rest = str(error.value).splitlines()
    assert message in first and re.match(r"\w+: ", first)
    assert "test_convolution.py" in place
    assert (rest[0].startswith("try: ") and repair in rest[0]) if repair else not rest


def test_repairs_work_when_followed() -> None:
    general(X, W, (2, 2), "SAME")
    general(X[0][None], W, BY, ((1, 1), (1, 1)))
    general(X, W[:, :2], BY, "SAME", feature_group_count=2)
    last = np.ones((2, 6, 6, 4)), np.ones((3, 3, 4, 5))
    general(*last, BY, "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    transpose(X, np.ones((3, 3, 4, 6)), (2, 2), "SAME", transpose_kernel=True)
    general((X > 0).astype(np.int32), W > 0, BY, "SAME")
