"""Statements that compute: element by element, along axes, products, casts."""

from __future__ import annotations

import math

import numpy as np

from .writer import (
    Unfit,
    Writer,
    alike,
    filled,
    has_axes,
    is_bool,
    is_float,
    is_integer,
    is_number,
    is_real,
    kind,
    whole_fits,
)

SMOOTH = (
    "np.sin({})", "np.cos({})", "np.tanh({})", "np.exp(-np.square({}))", "np.arctan({})",
    "np.sqrt(np.square({}) + F(1))", "np.log1p(np.square({}))", "wl.nn.sigmoid({})",
    "np.square({})",
    "np.log(np.square({}) + F(0.5))", "F(1) / (np.square({}) + F(1))", "np.arcsinh({})", "-{}",
    "{} * F(0.5)", "{} + F(1.5)", "{} - 1", "2 * {}", "{} / 3", "np.expm1(np.tanh({}))",
    "np.exp(np.minimum({}, F(2)))", "{} ** 2", "{} ** 3 / F(20)", "np.cbrt({} + F(70))",
)  # fmt: skip
KINKED = (
    "np.abs({})", "np.maximum({}, F(0))", "np.clip({}, -1, F(1.25))", "np.sign({})", "np.floor({})",
    "np.rint({})", "np.trunc({})", "wl.nn.relu({})", "np.sqrt(np.abs({}))", "np.reciprocal({})",
    "np.log(np.abs({}))", "np.minimum({}, 1)", "np.ceil({})", "{} % F(1.5)", "{} // F(0.75)",
    "np.nan_to_num({})", "np.copysign(F(2), {})", "np.fmod({}, F(0.6875))",
    "np.heaviside({}, F(0.5))",
    "np.where({} > 0, {}, F(0.125) * {})", "np.round({}, 1)",
)  # fmt: skip
BINARY = ("{} + {}", "{} - {}", "{} * {}", "{} / (np.square({}) + F(1))", "np.hypot({}, {} + F(9))",
          "np.arctan2({}, np.square({}) + F(0.5))", "np.logaddexp({}, {})")  # fmt: skip
CHOOSING = ("np.maximum({}, {})", "np.minimum({}, {})", "np.where({a} > {b}, {a}, {b})",
            "np.fmax({}, {})", "np.copysign({}, {})", "{} / {}", "np.fmod({}, {})", "{} % {}",
            "np.abs({}) ** {}", "{} // {}")  # fmt: skip
WHOLE = ("{} + {}", "{} - {}", "{} * {}", "{} & {}", "{} | {}", "{} ^ {}", "np.maximum({}, {})",
         "np.minimum({}, {})", "{} // {}", "{} % {}", "np.where({a} > {b}, {a}, {b})",
         "{} // np.where({b} == 0, 1, {b})", "{} % np.maximum({}, 1)")  # fmt: skip
WHOLE_ONE = ("-{}", "~{}", "np.abs({})", "{} + 1", "{} * 3", "{} // 2", "{} % 7", "{} << 1",
             "{} >> 2", "np.square({})", "np.clip({}, 3, 50)", "np.sign({})", "{} - 100", "7 - {}",
             "np.bitwise_xor({}, 5)", "np.floor_divide({}, -3)")  # fmt: skip
COMPARE = ("{} > {}", "{} <= {}", "{} == {}", "{} != {}", "np.logical_xor({}, {})")
MOST = 1 << 22  # elements of a result: larger ones are refused when they have been computed
LOGICAL = ("{} & {}", "{} | {}", "{} ^ {}", "np.logical_and({}, {})", "~({} | {})")


def together(w: Writer, *tests) -> tuple[str, str]:
    """Two values whose shapes broadcast."""
    x = w.value(*tests)
    shape = np.shape(w.at(x))

    def fits(y) -> bool:
        try:
            both = np.broadcast_shapes(shape, np.shape(y))
            return len(both) < 6 and math.prod(both) <= MOST
        except ValueError:
            return False

    return x, w.value(*tests, fits)


@kind(8)
def one(w: Writer) -> None:
    x = w.float_()
    text = w.pick(SMOOTH if w.smooth or w.chance(0.7) else KINKED)
    w.give(text.format(*[x] * 3))


@kind(8)
def two(w: Writer) -> None:
    x, y = together(w, is_float)
    text = w.pick(BINARY if w.smooth or w.chance(0.75) else CHOOSING)
    w.give(text.format(x, y, a=x, b=y))


@kind(3)
def two_kinds(w: Writer) -> None:
    """Operands of different dtypes."""
    x, y = together(w)
    if alike(w.at(x), w.at(y)):
        raise Unfit
    w.give(w.pick(("{} * {}", "{} + {}")).format(x, y))


@kind(3)
def whole(w: Writer) -> None:
    if w.chance(0.4):
        w.give(w.pick(WHOLE_ONE).format(w.value(is_integer)))
    else:
        x, y = together(w, is_integer)
        w.give(w.pick(WHOLE).format(x, y, a=x, b=y))


@kind(2)
def compare(w: Writer) -> None:
    if w.chance(0.3):
        w.give(w.pick(LOGICAL).format(*together(w, is_bool)))
    elif w.chance(0.4):
        sign, than = w.pick((">", "<", ">=", "<=" if w.derived else "==")), ("0", "1", "F(0.5)")
        w.give(f"{w.value(is_real)} {sign} {w.pick(than)}")
    else:
        texts = COMPARE[:2] if w.derived else COMPARE
        w.give(w.pick(texts).format(*together(w, is_real)))


@kind(3)
def choose(w: Writer) -> None:
    x, y = together(w, is_float)
    p = f"{w.float_()} > {w.pick(('0', 'F(0.25)'))}"
    if w.chance(0.5):
        p = w.value(is_bool)
    w.give(f"np.where({p}, {x}, {w.pick((y, 'F(0)', '1', f'-{y}'))})")


# ---------------------------------------------------------------- along axes


def axis_text(w: Writer, ndim: int) -> str:
    axes = w.axes(ndim)
    if w.chance(0.25):
        return "None"
    return str(axes[0]) if len(axes) == 1 and w.chance(0.7) else str(tuple(axes))


@kind(9)
def reduce(w: Writer) -> None:
    x = w.value(has_axes, filled)
    a = w.at(x)
    names = ["sum", "mean", "max", "min", "any", "all", "count_nonzero", "prod"]
    if is_float(a):
        names = ["sum", "sum", "mean", "mean", "std", "var"] + (
            [] if w.smooth else ["max", "min", "prod", "ptp", "any", "max"]
        )
    if a.dtype.kind == "c":
        names = ["sum", "mean"]
    name = w.pick(names)
    axis = axis_text(w, a.ndim)
    keep = ", keepdims=True" if w.chance(0.35) else ""
    text = f"np.{name}({x}, axis={axis}{keep})"
    if name in ("std", "var") and w.smooth:
        text = f"np.var({x}, axis={axis}{keep})"
    w.give(text)


@kind(2)
def place(w: Writer) -> None:
    x = w.value(has_axes, filled, is_real)
    axis = w.pick(("None", str(w.axes(w.at(x).ndim)[0])))
    keep = ", keepdims=True" if w.chance(0.3) else ""
    w.give(f"np.{w.pick(('argmax', 'argmin'))}({x}, axis={axis}{keep})")


@kind(3)
def prefixes(w: Writer) -> None:
    x = w.value(has_axes, filled, is_number)
    axis = w.axes(w.at(x).ndim)[0]
    texts = [f"np.cumsum({x}, axis={axis})", f"np.diff({x}, axis={axis})",
             f"np.cumprod({x}, axis={axis})"]  # fmt: skip
    if is_real(w.at(x)) and not w.smooth:
        texts.append(f"lax.cummax({x}, axis={axis % w.at(x).ndim})")
    w.give(w.pick(texts))


@kind(2)
def in_order(w: Writer) -> None:
    x = w.value(has_axes, filled, is_real)
    axis = w.axes(w.at(x).ndim)[0]
    if w.chance(0.6):
        w.give(f"np.sort({x}, axis={axis})")
    else:
        places = w.give(f"np.argsort({x}, axis={axis}, kind='stable')")
        w.give(f"np.take_along_axis({x}, {places}, axis={axis})")


@kind(1.5)
def normalised(w: Writer) -> None:
    x = w.float_(has_axes, filled)
    axis = w.axes(w.at(x).ndim)[0]
    w.give(w.pick((
        f"wl.nn.softmax({x}, axis={axis})", f"wl.nn.logsumexp({x}, axis={axis})",
        f"{x} - np.mean({x}, axis={axis}, keepdims=True)",
        f"{x} / np.sqrt(np.mean({x} * {x}, axis={axis}, keepdims=True) + F(1))",
        f"np.linalg.norm({x} + F(3), axis={axis})",
    )))  # fmt: skip


# ---------------------------------------------------------------- products


def affordable(w: Writer, steps: int) -> None:
    if steps > 30 * w.elements:
        raise Unfit


@kind(4)
def product(w: Writer) -> None:
    x = w.float_(has_axes) if w.chance(0.9) else w.value(is_number, has_axes)
    a = w.at(x)
    shared = int(w.integer(0, a.ndim - 1))
    size = a.shape[shared]
    y = w.value(has_axes, lambda b: b.dtype == a.dtype and size in b.shape)
    b = w.at(y)
    other = w.pick([d for d, n in enumerate(b.shape) if n == size])
    affordable(w, a.size * b.size // max(size, 1))
    if w.chance(0.3):
        w.give(f"np.tensordot({x}, {y}, axes=({shared}, {other}))")
        return
    if w.chance(0.3) and a.ndim > 1 and b.ndim > 1:
        w.give(f"np.swapaxes({x}, {shared}, -1) @ np.swapaxes({y}, {other}, -2)")
        return
    left = list("abcde"[: a.ndim])
    right = list("fghij"[: b.ndim])
    right[other] = left[shared]
    for k, c in enumerate(right):  # more axes in common, where sizes allow it
        alike_ = [d for d in range(a.ndim) if a.shape[d] == b.shape[k] and left[d] not in right]
        if k != other and alike_ and c in "fghij" and w.chance(0.3):
            right[k] = left[w.pick(alike_)]
    letters = list(dict.fromkeys(left + right))
    out = [c for c in letters if c != left[shared] or w.chance(0.2)]
    out = [out[k] for k in w.order(len(out))][: w.integer(0, 4)]
    w.give(f"np.einsum('{''.join(left)},{''.join(right)}->{''.join(out)}', {x}, {y})")


@kind(1)
def product_of_one(w: Writer) -> None:
    x = w.float_(lambda a: a.ndim == 2)
    affordable(w, w.at(x).size * max(w.at(x).shape, default=0))
    w.give(w.pick((
        f"{x} @ {x}.T", f"{x}.T @ {x}", f"np.einsum('ij,ij->i', {x}, {x})",
        f"np.outer({x}[0], {x}[:, -1])",
        f"np.einsum('ij->j', {x})", f"np.einsum('ij,kj->ik', {x}, np.sin({x}))",
        f"np.einsum('ij,j->', {x}, {x}[0])",
    )))  # fmt: skip


# ---------------------------------------------------------------- dtypes


@kind(3)
def cast(w: Writer) -> None:
    x = w.value()
    a = w.at(x)
    if a.dtype.kind == "c":
        w.give(w.pick(("np.real({})", "np.imag({})", "np.abs({})", "np.real({} * np.conj({}))",
                       "np.conj({})")).format(x, x))  # fmt: skip
        return
    to = ["F", "F", "F" if w.derived else "bool"]
    to += [] if w.smooth else ["G", "np.int32", "np.int8", "np.uint8"]
    d = w.pick(to)
    if d.startswith("np.") and not whole_fits(a):
        raise Unfit
    if is_float(a) and d == "np.uint8":
        x = f"np.abs({x})"
    w.give(f"{x}.astype({d})")


@kind(0.7)
def complex_(w: Writer) -> None:
    if not any(w.at(n).dtype.kind == "c" for n in w.pool) or w.chance(0.3):
        x, y = together(w, lambda a: a.dtype == np.dtype(w.dtypes["F"]))
        if w.dtypes["F"] == "float16":
            raise Unfit
        w.give(f"({x} + 1j * {y}).astype(C)")
        return
    x = w.value(lambda a: a.dtype.kind == "c")
    text = ("np.exp(1j * np.real({}))", "{} * np.conj({})", "np.abs({})", "np.angle({} + 2)",
            "{} / (np.abs({}) + 1)", "np.tanh({} / 50)", "np.square({})")  # fmt: skip
    w.give(w.pick(text).format(x, x))
