"""Products of windows: machine code does what the kernel means, however axes are merged."""

from __future__ import annotations

import math

import numpy as np
import pytest

from wonderland.compiler.kernel import Axis, Buffer, Load, Map, Store
from wonderland.compiler.kernel.product import (
    Product,
    as_kernel,
    normal_form,
    reference,
    result,
    verify,
)
from wonderland.compiler.kernel.scalar import KernelError

from .test_product import arrays_for, check, run


def strides(names: list[str], sizes: list[int]) -> dict[str, int]:
    """Of axes in C order."""
    return {n: math.prod(sizes[k + 1 :]) for k, n in enumerate(names)}


def convolution(
    rng: np.random.Generator, dtype: str = "f32", channels_first: bool = False
) -> Product:
    """out[n, o1, o2, k] = sum of x[n, o1*s + f1, o2 + f2*d, c] * w[f1, f2, c, k], any layout."""
    n, o1, o2, f1, f2, c, k = (int(v) for v in rng.integers(1, (4, 7, 20, 4, 4, 40, 40)))
    s, d = (int(v) for v in rng.integers(1, 3, 2))
    height, width = (o1 - 1) * s + f1, (o2 - 1) + (f2 - 1) * d + 1
    sizes = {"n": n, "h": height, "w": width, "c": c}
    order = ["n", "c", "h", "w"] if channels_first else ["n", "h", "w", "c"]
    x = strides(order, [sizes[a] for a in order])
    sizes = {"n": n, "i": o1, "j": o2, "k": k}
    order = ["n", "k", "i", "j"] if channels_first else ["n", "i", "j", "k"]
    y = strides(order, [sizes[a] for a in order])
    order = [str(a) for a in rng.permutation(["f", "g", "c"])]
    of = {"f": f1, "g": f2, "c": c, "k": k}
    order = ["k", *order] if rng.random() < 0.5 else [*order, "k"]
    w = strides(order, [of[a] for a in order])
    place = {"n": x["n"], "i": x["h"] * s, "j": x["w"], "f": x["h"], "g": x["w"] * d, "c": x["c"]}
    alive = {"n": n, "i": o1, "j": o2, "f": f1, "g": f2, "c": c, "k": k}

    def along(m: dict[str, int]) -> Map:
        return Map(tuple((a, v) for a, v in m.items() if alive[a] > 1))

    buffers = (
        Buffer("x", dtype, n * height * width * c),
        Buffer("w", dtype, f1 * f2 * c * k),
        Buffer("y", dtype, n * o1 * o2 * k),
    )
    return Product(
        "windows", buffers, (Axis("n", n), Axis("i", o1)), Axis("j", o2), Axis("k", k),
        Axis("depth", f1 * f2 * c), Load(buffers[0], along(place)), Load(buffers[1], along(w)),
        (Store(buffers[2], along(y), result(dtype)),),
        depth_axes=(Axis("f", f1), Axis("g", f2), Axis("c", c)),
    )  # fmt: skip


@pytest.mark.parametrize("channels_first", [False, True])
def test_windows_agree_with_the_reference(channels_first: bool) -> None:
    rng = np.random.default_rng(channels_first)
    for seed in range(24):
        dtype = ("f32", "f64", "i32")[seed % 3]
        p = convolution(rng, dtype, channels_first)
        plain = arrays_for(p, seed)
        normal = normal_form(p)
        reference(p, plain)
        again = arrays_for(p, seed)
        reference(verify(normal), again)
        tolerance = {"f32": 1e-4, "f64": 1e-10, "i32": 0}[dtype]
        np.testing.assert_allclose(again["y"], plain["y"], tolerance, tolerance)
        check(normal, seed)


@pytest.mark.parametrize("each", [(1, 1), (1, 4), (2, 2), (3, 4), (8, 8), (5, 1)])
def test_groups_agree_with_the_reference(each: tuple[int, int]) -> None:
    """out[o, g, k] = sum of x[o + f, g, c] * w[f, c, g, k] of c and k elements a group."""
    c, k = each
    for seed, (o, f, g) in enumerate([(5, 3, 7), (20, 2, 16), (1, 4, 33), (40, 1, 2)]):
        names = {"x": g * c, "y": g * k}
        buffers = (
            Buffer("x", "f32", (o + f - 1) * names["x"]),
            Buffer("w", "f32", f * c * names["y"]),
            Buffer("y", "f32", o * names["y"]),
        )
        x = Map((("o", names["x"]), ("f", names["x"]), ("g", c), ("c", int(c > 1))))
        w = Map((("f", c * names["y"]), ("c", names["y"]), ("g", k), ("k", int(k > 1))))
        y = Map((("o", names["y"]), ("g", k), ("k", int(k > 1))))
        p = Product(
            "groups", buffers, (Axis("g", g),), Axis("o", o), Axis("k", k), Axis("d", f * c),
            Load(buffers[0], x), Load(buffers[1], w), (Store(buffers[2], y, result("f32")),),
            depth_axes=(Axis("f", f), Axis("c", c)),
        )  # fmt: skip
        normal = normal_form(p)
        assert normal.channels == (c <= k or k == c == 1)
        check(normal, seed)


def test_rows_run_through_all_axes_that_the_stores_continue() -> None:
    p = normal_form(convolution(np.random.default_rng(5)))
    assert p.row_axes and not p.batch
    assert p.rows.size == math.prod(a.size for a in p.row_axes)
    assert normal_form(p) == p


def test_units_of_windows_give_the_same_bits_in_any_pieces() -> None:
    p = normal_form(convolution(np.random.default_rng(7)))
    arrays = arrays_for(p, 0)
    once, again = (run(p, dict(arrays), pieces=n)["y"].copy() for n in (1, 7))
    np.testing.assert_array_equal(once, again)


def test_axes_that_are_not_the_rows_are_refused() -> None:
    p = normal_form(convolution(np.random.default_rng(5)))
    wrong = Product(**{**vars(p), "row_axes": (Axis("n", 99),)})
    with pytest.raises(KernelError, match="are not"):
        verify(wrong)
    assert "stage" in str(as_kernel(p))
