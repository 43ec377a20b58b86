"""Statements with functions inside: loops, branches, batches, derivatives."""

from __future__ import annotations

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
    is_real,
    kind,
)

TURNS = (1, 2, 3, 4, 5, 7)


def condition(w: Writer) -> str:
    """An expression of one truth value."""
    texts = []
    for name in w.pool[-8:]:
        a = w.at(name)
        if is_bool(a):
            texts.append(name if not np.ndim(a) else f"np.{w.pick(('any', 'all'))}({name})")
        elif is_real(a) and np.size(a):
            texts.append(f"np.mean({name}) > {w.pick(('0', '1', '-0.5'))}")
            if not np.ndim(a):
                texts += [f"{name} > 0"] * 3
    if not texts:
        raise Unfit
    return w.pick(texts)


@kind(4)
def scan(w: Writer) -> None:
    xs = w.value(has_axes, filled, is_real, lambda a: len(a) < 40)
    first = w.float_(lambda a: a.size < 600)
    if w.chance(0.25):  # a carry of the rows' own
        first = f"{xs}[0]"
    carry = eval(first, dict(w.scope))
    if carry.dtype.kind != "f":
        raise Unfit
    c, x = w.fresh(), w.fresh()
    params = {c: carry, x: w.at(xs)[0]}
    child = w.body(params, w.integer(1, 3))
    name, last, ys = w.fresh(), w.fresh(), w.fresh()
    out = child.like(carry, c)
    y = w.pick((x, c, *(n for s in child.statements for n in s.made)))
    reverse = ", reverse=True" if w.chance(0.25) else ""
    lines = [f"def {name}({c}, {x}):", *child.lines(), f"    return {out}, {y}",
             f"{last}, {ys} = lax.scan({name}, {first}, {xs}{reverse})"]  # fmt: skip
    w.write("\n".join(lines), last, ys, like=carry)


@kind(2)
def scan_of_several(w: Writer) -> None:
    """Two carries, which may change places, and two sequences."""
    if w.depth:
        raise Unfit
    xs = w.value(has_axes, filled, is_real, lambda a: len(a) < 40)
    zs = w.value(has_axes, is_real, lambda a: len(a) == len(w.at(xs)))
    first = w.float_(lambda a: a.size < 600)
    others = [n for n in w.pool if alike(w.at(n), w.at(first))]
    second = w.pick(others)
    c, d, x, z = (w.fresh() for _ in range(4))
    child = w.body({c: w.at(first), d: w.at(second), x: w.at(xs)[0], z: w.at(zs)[0]}, 2)
    name, last, other, ys = (w.fresh() for _ in range(4))
    outs = [child.like(w.at(first), c), d]
    if w.chance(0.5):
        outs.reverse()
    lines = [f"def {name}({c}{d}, {x}{z}):", f"    {c}, {d} = {c}{d}", f"    {x}, {z} = {x}{z}",
             *child.lines(), f"    return ({', '.join(outs)}), {w.pick((x, c, d, z))}"]  # fmt: skip
    lines.append(f"({last}, {other}), {ys} = lax.scan({name}, ({first}, {second}), ({xs}, {zs}))")
    w.write("\n".join(lines), last, other, ys, like=w.at(first))


@kind(3)
def fori(w: Writer) -> None:
    first = w.float_(lambda a: a.size < 1500)
    c, i, name = w.fresh(), w.fresh(), w.fresh()
    child = w.body({c: w.at(first)}, w.integer(1, 2))
    out = child.like(w.at(first), c)
    if w.chance(0.3):
        out = f"({out}) + {w.dtype(w.at(first))}(0.125) * {i}"
    lines = [f"def {name}({i}, {c}):", *child.lines(), f"    return {out}"]
    result = w.fresh()
    lines.append(f"{result} = lax.fori_loop({w.pick((0, 0, 2))}, {w.pick(TURNS)}, {name}, {first})")
    w.write("\n".join(lines), result, like=w.at(first))


@kind(2)
def while_(w: Writer) -> None:
    """A count goes up to a number that is known, or that the data tells."""
    first = w.float_(lambda a: a.size < 600)
    c, i, name = w.fresh(), w.fresh(), w.fresh()
    child = w.body({c: w.at(first)}, w.integer(1, 2))
    out = child.like(w.at(first), c)
    until = str(w.pick(TURNS))
    counts = [n for n in w.pool if is_integer(w.at(n)) and not np.ndim(w.at(n))]
    if counts and w.chance(0.6):
        until = f"np.minimum({w.pick(counts)}, 7)"
    turns, result = w.fresh(), w.fresh()
    lines = [f"def {name}(state):", f"    {i}, {c} = state", *child.lines(),
             f"    return {i} + 1, {out}",
             f"{turns}, {result} = lax.while_loop("
             f"lambda s: s[0] < {until}, {name}, (np.int32(0), {first}))"]  # fmt: skip
    w.write("\n".join(lines), result, turns, like=w.at(first))


def branch_text(
    w: Writer, params: list[str], operands: list[str], like: np.ndarray | None
) -> tuple[Writer, str, np.ndarray]:
    """A function of the operands, and the array that it gives."""
    values = {p: w.at(n) for p, n in zip(params, operands, strict=True)}
    child = w.body(values, w.integer(0, 2))
    made = [n for s in child.statements for n in s.made]
    if like is None:
        out = w.pick((*params, *made))
        return child, out, child.at(out)
    base = next((p for p in params if alike(values[p], like)), "")
    if base:
        return child, child.like(like, base), like
    same = [n for n in made if alike(child.at(n), like)]
    if same:
        return child, same[-1], like
    if like.dtype.kind != "f":
        raise Unfit
    d = w.dtype(like)
    return child, f"np.zeros({np.shape(like)}, {d}) + np.mean({params[0]}).astype({d})", like


@kind(4)
def branch(w: Writer) -> None:
    operands = [w.float_(filled)] + ([w.value(is_real)] if w.chance(0.4) else [])
    params = [w.fresh() for _ in operands]
    p, yes, no, result = condition(w), w.fresh(), w.fresh(), w.fresh()
    first, out, like = branch_text(w, params, operands, None)
    second, other, _ = branch_text(w, params, operands, like)
    lines = [f"def {yes}({', '.join(params)}):", *first.lines(), f"    return {out}",
             f"def {no}({', '.join(params)}):", *second.lines(), f"    return {other}"]  # fmt: skip
    if w.chance(0.5):
        yes, no = no, yes
    lines.append(f"{result} = lax.cond({p}, {yes}, {no}, {', '.join(operands)})")
    w.write("\n".join(lines), result)


@kind(1.5)
def switch_(w: Writer) -> None:
    x = w.float_(filled)
    count = w.integer(2, 3)
    ints = [n for n in w.pool if is_integer(w.at(n)) and not np.ndim(w.at(n))]
    index = f"{w.pick(ints)} % {count}" if ints else f"(np.mean({x}) > 0).astype(np.int32)"
    twice = f"{{z}} * {w.dtype(w.at(x))}(2)"
    texts = [w.pick(("{z}", twice, "np.sin({z})", "-{z}", "{z}[::-1]", "np.cos({z})"))
             for _ in range(count)]  # fmt: skip
    if not np.ndim(w.at(x)):
        texts = [t.replace("[::-1]", "") for t in texts]
    z, result = w.fresh(), w.fresh()
    listed = ", ".join(f"lambda {z}: {t.format(z=z)}" for t in texts)
    w.write(f"{result} = lax.switch({index}, [{listed}], {x})", result)


@kind(1.5)
def guarded(w: Writer) -> None:
    """A branch that must not be taken for all: its function has no value there."""
    x = w.float_(has_axes, filled, lambda a: a.size < 80 and w.dtype(a) == "F")
    z, r, result = w.fresh(), w.fresh(), w.fresh()
    safe = w.pick(("np.sqrt({z})", "np.log({z})", "F(1) / {z}", "{z} ** F(0.5)", "np.log1p({z})"))
    text = safe.format(z=f"({z} * F(4))")
    if w.chance(0.3):
        text = f"np.sin({text})"
    rows = ".reshape(-1)" if np.ndim(w.at(x)) > 1 else ""
    branch = f"lax.cond({z} > F(0.25), lambda {z}: {text}, lambda {z}: {z} * F(0.5), {z})"
    if w.chance(0.3):
        branch = (f"lax.switch(({z} > F(0.25)).astype(np.int32) + ({z} > 1), "
                  f"[lambda {z}: {z} * {z}, lambda {z}: {text}, "
                  f"lambda {z}: -{z}], {z})")  # fmt: skip
    elif w.chance(0.3):
        branch = (f"lax.fori_loop(0, 3, lambda {r}, {z}: lax.cond({z} > F(0.25), "
                  f"lambda {z}: {text}, lambda {z}: {z} * F(0.5), {z}), {z})")  # fmt: skip
    over = "lax.map({f}, {x})" if w.chance(0.2) else "wl.vmap({f})({x})"
    w.write(f"{result} = {over.format(f=f'lambda {z}: {branch}', x=x + rows)}", result)


@kind(3)
def vmapped(w: Writer) -> None:
    x = w.value(has_axes, filled, is_real, lambda a: a.size < 1500)
    a = w.at(x)
    k = w.integer(0, a.ndim - 1)
    z, r, name, result = w.fresh(), w.fresh(), w.fresh(), w.fresh()
    others = [n for n in w.pool if np.ndim(w.at(n)) and len(w.at(n)) == a.shape[k]]
    y = w.pick(others) if others and w.chance(0.6) else w.pick(w.pool)
    batched = y in others and w.chance(0.7)
    params = {z: np.moveaxis(a, k, 0)[0], r: w.at(y)[0] if batched else w.at(y)}
    child = w.body(params, w.integer(1, 3))
    if not child.statements:
        raise Unfit
    out = child.statements[-1].made[-1]
    ndim = np.ndim(child.at(out))
    to = f", out_axes={w.integer(0, ndim)}" if w.chance(0.3) else ""
    axes = f"in_axes=({k}, {0 if batched else None}){to}"
    lines = [f"def {name}({z}, {r}):", *child.lines(), f"    return {out}",
             f"{result} = wl.vmap({name}, {axes})({x}, {y})"]  # fmt: skip
    w.write("\n".join(lines), result)


@kind(1.5)
def unrolled(w: Writer) -> None:
    """A loop of Python's."""
    first = w.float_(filled, lambda a: a.size < 1500)
    a = w.at(first)
    d, z, k = w.dtype(a), w.fresh(), w.fresh()
    texts = [f"{z} * {d}(0.75) + np.roll({z}, {k})", f"np.sin({z}) + {d}(0.5) * {k}",
             f"{z} - {d}(0.125) * np.mean({z}) * {k}"]  # fmt: skip
    if np.ndim(a):
        texts += [f"np.concatenate([{z}[1:], {z}[:1]]) * {d}(0.5)", f"{z} + {z}[{k}:{k} + 1]",
                  f"wl.numpy.at({z})[{k}].add({d}(0.5) * {z}[0])"]  # fmt: skip
    turns = w.integer(2, min(4, max(2, len(a) if np.ndim(a) else 4)))
    lines = [f"{z} = {first}", f"for {k} in range({turns}):", f"    {z} = {w.pick(texts)}"]
    w.write("\n".join(lines), z, like=a)


# ---------------------------------------------------------------- derivatives


def double(w: Writer) -> None:
    if w.dtypes["F"] == "float16":
        raise Unfit


@kind(1.5)
def slopes(w: Writer) -> None:
    """The gradient of a sum, of few elements."""
    double(w)
    x = w.float_(filled, lambda a: a.size <= 40 and a.dtype == np.dtype(w.dtypes["F"]))
    z, name, result = w.fresh(), w.fresh(), w.fresh()
    child = w.body({z: w.at(x)}, w.integer(1, 3), leave=("while_",))
    floats = [n for s in child.statements for n in s.made if is_float(child.at(n))]
    if not floats:
        raise Unfit
    loss = w.pick(("np.sum({y} * {y})", "np.mean(np.sin({y}))", "np.sum({y})")).format(y=floats[-1])
    lines = [f"def {name}({z}):", *child.lines(), f"    return {loss}"]
    if w.chance(0.5):
        lines.append(f"{result} = wl.grad({name})({x})")
        w.write("\n".join(lines), result)
    else:
        value = w.fresh()
        lines.append(f"{value}, {result} = wl.value_and_grad({name})({x})")
        w.write("\n".join(lines), value, result)


@kind(1.5)
def tangents(w: Writer) -> None:
    double(w)
    x = w.float_(filled, lambda a: a.dtype == np.dtype(w.dtypes["F"]) and a.size < 600)
    t = w.value(lambda a: alike(a, w.at(x)))
    z, name, value, slope = (w.fresh() for _ in range(4))
    child = w.body({z: w.at(x)}, w.integer(1, 3))
    floats = [n for s in child.statements for n in s.made if is_float(child.at(n))]
    if not floats:
        raise Unfit
    lines = [f"def {name}({z}):", *child.lines(), f"    return {floats[-1]}",
             f"{value}, {slope} = wl.jvp({name}, ({x},), ({t},))"]  # fmt: skip
    w.write("\n".join(lines), value, slope)


@kind(1)
def kept(w: Writer) -> None:
    """A region that reverse mode runs again."""
    x = w.float_(filled)
    z, name, result = w.fresh(), w.fresh(), w.fresh()
    child = w.body({z: w.at(x)}, w.integer(1, 3))
    if not child.statements:
        raise Unfit
    out = child.statements[-1].made[-1]
    lines = [f"def {name}({z}):", *child.lines(), f"    return {out}",
             f"{result} = wl.checkpoint({name})({x})"]  # fmt: skip
    w.write("\n".join(lines), result)
