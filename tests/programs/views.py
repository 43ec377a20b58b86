"""Statements that move elements: views, views of views, pieces put together, gathers, writes."""

from __future__ import annotations

import numpy as np

from .writer import (
    Unfit,
    Writer,
    alike,
    factors,
    filled,
    has_axes,
    is_bool,
    is_float,
    is_integer,
    is_number,
    is_real,
    kind,
    product,
)


def slice_text(w: Writer, n: int) -> str:
    """A slice of an axis of n, with elements if n has some."""
    if n == 0 or w.chance(0.25):
        return ":"
    step = w.pick((1, 1, 1, 2, 3, -1, -1, -2))
    start, stop = sorted((w.integer(0, n - 1), w.integer(0, n - 1)))
    if step < 0:
        first, last = str(stop), str(start - n - 1)
        return f"{w.pick((first, ''))}:{w.pick((last, ''))}:{step}"
    stop += 1
    first, last = w.pick((start, start, start - n)), w.pick((stop, stop, stop - n or stop))
    return f"{w.pick((first, ''))}:{w.pick((last, ''))}" + (f":{step}" if step > 1 else "")


def index_text(w: Writer, x: np.ndarray) -> str:
    """An index of slices, now and then of a number, a new axis, an ellipsis."""
    parts = []
    for n in x.shape:
        if n and w.chance(0.15):
            parts.append(str(w.integer(-n, n - 1)))
        else:
            parts.append(slice_text(w, n))
        if w.chance(0.12):
            parts.append("None")
    if w.chance(0.2):
        k = w.integer(0, len(parts))
        kept = w.integer(0, len(parts) - k)
        parts = [*parts[:k], "...", *(parts[len(parts) - kept :] if kept else [])]
    return ", ".join(parts) or "..."


@kind(5)
def part(w: Writer) -> None:
    x = w.value(has_axes)
    w.give(f"{x}[{index_text(w, w.at(x))}]")


@kind(5)
def reshape(w: Writer) -> None:
    x = w.value(filled)
    a = w.at(x)
    shape, left = [], a.size
    for _ in range(w.integer(1, 3)):
        shape.append(w.pick(factors(left)))
        left //= shape[-1]
    if w.chance(0.4) and a.ndim > 1:  # two axes as one
        k = w.integer(0, a.ndim - 2)
        shape, left = [*a.shape[:k], a.shape[k] * a.shape[k + 1], *a.shape[k + 2 :]], 1
    if left > 1 or not shape:
        shape.insert(w.integer(0, len(shape)), left)
    if w.chance(0.3):
        shape[w.integer(0, len(shape) - 1)] = -1
    w.give(w.pick((f"np.reshape({x}, {tuple(shape)})", f"{x}.reshape({tuple(shape)})")))


@kind(5)
def turned(w: Writer) -> None:
    x = w.value(lambda a: np.ndim(a) > 1)
    n = w.at(x).ndim
    i, j = w.integer(-n, n - 1), w.integer(-n, n - 1)
    w.give(w.pick((
        f"{x}.T", f"np.transpose({x}, {tuple(w.order(n))})", f"np.swapaxes({x}, {i}, {j})",
        f"np.moveaxis({x}, {i}, {j})", f"np.flip({x}, axis={i})", f"np.flip({x})",
        f"np.rot90({x}, {w.integer(1, 3)})", f"{x}[::-1].T",
    )))  # fmt: skip


@kind(4)
def axes_more_or_less(w: Writer) -> None:
    x = w.value()
    a = np.asarray(w.at(x))
    k = w.integer(0, a.ndim)
    texts = [f"np.expand_dims({x}, {k})", f"{x}[..., None]"]
    if 1 in a.shape:
        texts += [f"np.squeeze({x})", f"np.squeeze({x}, axis={a.shape.index(1)})"] * 2
        wide = tuple(w.pick(w.sizes) if n == 1 else n for n in a.shape)
        texts.append(f"np.broadcast_to({x}, {wide})")
    texts.append(f"np.broadcast_to({x}, {(w.pick(w.sizes), *a.shape)})")
    w.give(w.pick(texts))


@kind(5)
def together(w: Writer) -> None:
    x = w.value(has_axes)
    a = w.at(x)
    others = [n for n in w.pool if alike(w.at(n), a)]
    parts = [x, *(w.pick(others) for _ in range(w.integer(1, 2)))]
    k = w.integer(-a.ndim, a.ndim - 1)
    fits = [n for n in w.pool if np.ndim(w.at(n)) == a.ndim and w.at(n).dtype == a.dtype
            and np.delete(w.at(n).shape, k).tolist() == np.delete(a.shape, k).tolist()]  # fmt: skip
    if fits and w.chance(0.5):
        parts[-1] = w.pick(fits)
    if w.chance(0.3):
        parts[0] = f"{parts[0]}[{slice_text(w, a.shape[0])}]" if k % a.ndim == 0 else parts[0]
    parts = [parts[i] for i in w.order(len(parts))]
    listed = f"[{', '.join(parts)}]"
    w.give(f"np.{w.pick(('concatenate', 'concatenate', 'stack'))}({listed}, axis={k})")


@kind(4)
def more(w: Writer) -> None:
    x = w.value(has_axes, filled)
    a = w.at(x)
    k = w.integer(0, a.ndim - 1)
    widths = tuple((w.integer(0, 2), w.integer(0, 2)) if w.chance(0.7) else (0, 0) for _ in a.shape)
    mirrors = ("reflect", "symmetric") if all(n > 2 for n in a.shape) else ()
    mode = w.pick(("constant", "constant", "edge", "wrap", *mirrors))
    texts = [
        f"np.pad({x}, {widths}" + (")" if mode == "constant" else f", mode='{mode}')"),
        f"np.roll({x}, {w.integer(-3, 3)}, axis={k})", f"np.roll({x}, {w.integer(-3, 7)})",
        f"np.repeat({x}, {w.integer(1, 3)}, axis={k})",
        f"np.tile({x}, {tuple(w.integer(1, 2) for _ in range(w.integer(1, a.ndim + 1)))})",
    ]  # fmt: skip
    if a.ndim > 1:
        texts += [f"np.tril({x}, {w.integer(-1, 1)})", f"np.triu({x})", f"np.diagonal({x})"]
    if a.ndim == 1 and a.size < 40:
        texts.append(f"np.diag({x})")
    w.give(w.pick(texts))


@kind(2)
def split(w: Writer) -> None:
    x = w.value(has_axes)
    k = w.integer(0, w.at(x).ndim - 1)
    n = w.at(x).shape[k]
    if n < 2:
        raise Unfit
    cuts = sorted(w.order(n - 1)[: w.integer(1, 2)])
    text = str([c + 1 for c in cuts])
    pieces = len(cuts) + 1
    if n % 2 == 0 and w.chance(0.4):
        text, pieces = "2", 2
    names = [w.fresh() for _ in range(pieces)]
    w.write(f"{', '.join(names)} = np.split({x}, {text}, axis={k})", *names)


# ---------------------------------------------------------------- gathers


def places(w: Writer, n: int, shape: tuple[int, ...] = (), *, negative: bool = True) -> str:
    """An expression for integers that are places of an axis of n."""
    found = [v for v in w.pool if is_integer(w.at(v)) and np.ndim(w.at(v)) > 0]
    fits = [v for v in found if not shape or w.at(v).shape == shape]
    fits = [v for v in fits if w.at(v).dtype.kind == "i" and w.at(v).size < 200]
    if n == 0:
        raise Unfit
    if fits and w.chance(0.6):
        return f"{w.pick(fits)} % {n}"
    shape = shape or (w.integer(1, 5),)
    low = -n if negative else 0
    return f"np.array({w.rng.integers(low, n, shape).tolist()})"


@kind(4)
def gathered(w: Writer) -> None:
    x = w.value(has_axes, filled)
    a = w.at(x)
    k = w.integer(0, a.ndim - 1)
    at = places(w, a.shape[k])
    before = ":, " * k
    texts = [f"np.take({x}, {at}, axis={k})", f"{x}[{before}{at}]"]
    if w.chance(0.3):
        rows = (2, *a.shape[1:])
        texts = [f"np.take_along_axis({x}, {places(w, a.shape[0], rows)}, axis=0)"]
    elif a.ndim > 1 and w.chance(0.3):
        texts = [f"{x}[{places(w, a.shape[0], (3,))}, {places(w, a.shape[1], (3,))}]"]
    elif w.chance(0.2) and a.ndim == 1:
        texts = [f"{x}[{places(w, a.size, (2, 3))}]"]
    w.give(w.pick(texts))


@kind(1)
def looked_up(w: Writer) -> None:
    x = w.float_(lambda a: np.ndim(a) == 1, filled)
    y = w.float_(lambda a: a.dtype == w.at(x).dtype)
    side = w.pick(("left", "right"))
    w.give(f"np.searchsorted(np.sort({x}), {y}, side='{side}')")


# ---------------------------------------------------------------- writes


def given(w: Writer, x: str, shape: tuple[int, ...]) -> str:
    """An expression of the dtype of `x` that broadcasts to `shape`."""
    a = w.at(x)
    fits = [n for n in w.pool if w.at(n).dtype == a.dtype and np.shape(w.at(n)) == shape]
    if fits and w.chance(0.7):
        return w.pick(fits)
    if is_bool(a):
        return w.pick(("True", "False"))
    return w.pick(("0", "1", "3", "7"))


def shape_at(w: Writer, a: np.ndarray, at: str, **more: np.ndarray) -> tuple[int, ...]:
    return np.shape(eval(f"array_[{at}]", {**w.scope, **more, "array_": a}))


@kind(4)
def written(w: Writer) -> None:
    """x[i] = v on a copy: slices, masks, places; several in a row."""
    x = w.value(has_axes, filled)
    a = w.at(x)
    name = w.fresh()
    lines = [f"{name} = {x}.copy()" if w.chance(0.6) else f"{name} = np.copy({x})"]
    if is_number(a) and w.chance(0.3):
        lines = [f"{name} = {x} * 1"]
    for _ in range(w.integer(1, 3)):
        at = index_text(w, a).replace("None, ", "").replace(", None", "")
        if w.chance(0.3) and is_real(a):
            at = f"{w.pick((name, x))} > 0"
        elif w.chance(0.2):
            at = places(w, a.shape[0])
        try:
            shape = shape_at(w, a, at, **{name: a})
        except Exception as error:
            raise Unfit from error
        value = given(w, x, () if ">" in at else shape)
        if ">" in at and not value.isdigit():
            value = "0"
        plain = is_bool(a) or ">" in at or w.chance(0.6)
        sign = "=" if plain else w.pick(("+=", "*=", "-="))
        lines.append(f"{name}[{at}] {sign} {value}")
    w.write("\n".join(lines), name)


@kind(3)
def updated(w: Writer) -> None:
    x = w.value(has_axes, filled, is_real)
    a = w.at(x)
    method = w.pick(("set", "add", "add", "max", "min", "multiply"))
    at = index_text(w, a)
    if w.chance(0.6):  # the same place may come several times: set then gives the last
        at = places(w, a.shape[0])
    if "None" in at or (is_bool(a) and method != "set"):
        raise Unfit
    shape = shape_at(w, a, at)
    value = given(w, x, shape)
    if is_float(a) and w.chance(0.5):
        value = f"np.sin({value})" if value.startswith("v") else value
    w.give(f"wl.numpy.at({x})[{at}].{method}({value})")


@kind(0.8)
def of_sizes(w: Writer) -> None:
    """Values of nothing but sizes."""
    n, m = w.pick(w.sizes), w.pick(w.sizes)
    text = w.pick((
        f"arange({n}).astype(F)", f"eye({n}, {m}, dtype=F)", f"arange({n}) % {m}",
        f"linspace(-1, 1, {n}).astype(F)", f"zeros(({n}, {m}), F)", f"ones(({n}, 1), F)",
        f"full(({m},), F(0.5))",
    ))  # fmt: skip
    if product((n, m)) > w.elements:
        raise Unfit
    w.give(f"wl.numpy.{text}")
