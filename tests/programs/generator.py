"""program(seed): a NumPy-level program as users write them, the same for the same seed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from . import control, values, views
from .plain import Kink
from .program import Argument, Program
from .writer import Unfit, Writer, is_float

FLOATS = ("float32",) * 7 + ("float64",) * 2 + ("float16",)
INTEGERS = ("int32", "int32", "int64", "int8", "uint8")
TALL = (65536, 65537, 70001, 40009, 33000, 4099, 100003)
MIDDLE = (64, 65, 66, 127, 128, 129, 257, 515, 1024, 1031)
FAMILIES = values, views, control


def program(seed: int) -> Program:
    """Written again with another stream where nothing came of the first."""
    for attempt in range(50):
        try:
            return written(seed, np.random.default_rng([seed, attempt]))
        except (Unfit, Kink):
            continue
    raise ValueError(f"no program for {seed}")


def written(seed: int, rng: np.random.Generator) -> Program:
    floats = FLOATS[int(rng.integers(len(FLOATS)))]
    other = {"float32": "float64", "float64": "float32", "float16": "float32"}[floats]
    dtypes = {"F": floats, "G": other, "C": "complex128" if floats == "float64" else "complex64"}
    drawn = rng.random()
    derived, large = drawn < 0.3, drawn > 0.88
    smooth = derived and bool(rng.random() < 0.5)
    w = Writer(rng, {}, dtypes, [], derived=derived, smooth=smooth)
    w.scope.update(Program(seed, dtypes, (), (), ()).scope(wide=False, ours=False))
    w.special = not derived and not large and w.chance(0.1)
    arguments = large_arguments(w) if large else small_arguments(w)
    for name, text in arguments.items():
        w.scope[name] = eval(text, w.scope)
        w.pool.append(name)
    if derived:
        w.leave = frozenset({"while_"})
    count = w.integer(2, 5) if large else w.integer(3, 11)
    if large:
        w.leave |= frozenset({"slopes", "vmapped", "guarded", "tangents", "fori", "of_sizes"})
    for _ in range(count):
        if not w.statement():
            break
    made = Program(
        seed,
        dtypes,
        tuple(Argument(n, t) for n, t in arguments.items()),
        tuple(w.statements),
        (),
        facts={"large": large, **({"divided": True} if not large and w.chance(0.4) else {})},
    )
    return derivative(w, made) if derived else results(w, made)


# ---------------------------------------------------------------- arguments


def array_text(w: Writer, shape: tuple[int, ...], dtype: str) -> str:
    seed, drawn = w.integer(0, 10**6), w.rng.random()
    rng = f"np.random.default_rng({seed})"
    if dtype == "bool":
        return f"({rng}.random({shape}) < 0.5)"
    if dtype in dict.fromkeys(INTEGERS):
        info = np.iinfo(dtype)
        low, high = (0, 5) if drawn < 0.4 else (-20, 50)
        if drawn > 0.85 and info.bits < 64:
            low, high = int(info.min), int(info.max)
        low, high = max(low, int(info.min)), min(high, int(info.max))
        return f"{rng}.integers({low}, {high}, {shape}, np.{dtype}, endpoint=True)"
    if dtype == "C":
        return f"({rng}.normal(size={shape}) + 1j * {rng}.random({shape})).astype(C)"
    if w.special and dtype == "F" and drawn > 0.3:
        odd = f"{rng}.choice([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -2.5, 3.0], {shape})"
        return f"np.where({rng}.random({shape}) < 0.2, {odd}, {rng}.normal(size={shape})).astype(F)"
    if drawn < 0.2:  # exact numbers, with ties
        return f"{rng}.integers(-3, 4, {shape}).astype({dtype})"
    return f"{rng}.normal(size={shape}).astype({dtype})"


def laid_out(w: Writer, text: str, shape: tuple[int, ...]) -> str:
    """The same values in another layout."""
    if not shape or w.chance(0.65):
        return text
    n = len(shape)
    back = tuple(range(n))[::-1]
    return w.pick((
        f"np.asfortranarray({text})", f"{text}[::-1]", f"np.repeat({text}, 2, axis=-1)[..., ::2]",
        f"np.repeat({text}, 3, axis=0)[1::3]", f"np.transpose({text}.copy(), {back}).T",
        f"np.pad({text}, 1)[{', '.join(['1:-1'] * n)}]", f"np.flip({text})",
    ))  # fmt: skip


def small_arguments(w: Writer) -> dict[str, str]:
    """Of shapes that fit each other."""
    a, b, c = (w.pick(w.sizes) for _ in range(3))
    shapes = [(a, b), (b,), (a,), (a, c), (b, c), (a, b, c), (c, a, b), (a, 1), (1, b), (b, b), ()]
    if w.chance(0.05):
        shapes += [(0, b), (a, 0)] * 3
    w.sizes = (a, b, c, a, b, c, 2, 3, 1)
    found: dict[str, str] = {}
    for k in range(w.integer(1, 4)):
        shape = w.pick([s for s in shapes if np.prod(s) <= 1200] or [(b,)])
        kinds = ["F"] * 8 + [*INTEGERS, "bool"] + ["C"] * (w.dtypes["F"] != "float16")
        dtype = "F" if k == 0 else w.pick(kinds)
        if k and w.chance(0.03):
            dtype = "G"
        text = array_text(w, shape, dtype)
        found[f"x{k}"] = laid_out(w, text, shape)
    if w.chance(0.15):
        found[f"x{len(found)}"] = w.pick(("np.bool_(True)", "np.bool_(False)", "np.int32(2)"))
    return found


def large_arguments(w: Writer) -> dict[str, str]:
    """Long enough to be divided: thousands of rows, few columns, and the other way round."""
    n, m, k = w.pick(TALL), w.pick(MIDDLE), w.pick((1, 1, 2, 3, 5, 8, 17, 33))
    shapes = [(n, k), (k, n), (n,), (n, 1), (m, k, 8, 33), (m, 257), (m, 8, 33, 8), (3, m, 129),
              (m, 1031), (n, 3)]  # fmt: skip
    shape = w.pick([s for s in shapes if np.prod(s) <= 600_000])
    w.elements, w.sizes, w.high = 700_000, (1, 2, 3, k), 1e6
    found = {"x0": array_text(w, shape, "F")}
    several = [shape, shape[:1], shape[-1:], (shape[0], 1), (shape[-1], 2), tuple(shape[::-1][:2])]
    for i in range(w.integer(0, 2)):
        dtype = w.pick(("F", "F", "F", "int32", "bool"))
        found[f"x{i + 1}"] = array_text(w, w.pick(several), dtype)
    if w.chance(0.5):
        found["x0"] = laid_out(w, found["x0"], shape)
    return found


# ---------------------------------------------------------------- what is asked for


def results(w: Writer, made: Program) -> Program:
    """Several values, the last among them; some twice, some views of others, some arguments."""
    names = [n for s in made.statements for n in s.made]
    if not names:
        raise Unfit
    out = [names[-1], *(w.pick(names) for _ in range(w.integer(0, 4)))]
    if w.chance(0.15):
        out.append(w.pick(made.names))
    if w.chance(0.2):
        x = w.pick(names)
        out += [x, f"{x}.T"] if np.ndim(w.at(x)) else [x]
    out = [out[k] for k in w.order(len(out))]
    donated = [k for k in range(len(made.names)) if w.chance(0.25)]
    facts: dict[str, Any] = dict(made.facts)
    if w.chance(0.15):
        facts["budget"] = True
    return pruned(replace(made, outputs=tuple(out), donated=tuple(donated), facts=facts))


def derivative(w: Writer, made: Program) -> Program:
    """A scalar of all that has derivatives, and a derivative of it."""
    first = w.at("x0")
    moving = [n for n in made.names if w.at(n).dtype == first.dtype and w.at(n).size]
    floats = [n for s in made.statements for n in s.made if is_float(w.at(n))]
    if not moving or not floats or w.dtypes["F"] == "float16":
        raise Unfit
    chosen = {floats[-1], *(w.pick(floats) for _ in range(w.integer(0, 2)))}
    terms = [
        w.pick(("np.sum({})", "np.mean({})", "np.sum(np.sin({}))", "np.mean({} ** 2)")).format(n)
        for n in sorted(chosen)
    ]
    loss = w.fresh()
    w.write(f"{loss} = " + " + ".join(terms), loss)
    taken = moving if w.chance(0.5) else [w.pick(moving)]
    numbers = tuple(made.names.index(n) for n in taken)
    x = taken[0]
    t = f"x{len(made.names)}"
    along = Argument(t, f"np.random.default_rng(1).normal(size={np.shape(w.at(x))}).astype(F)")
    given = ", ".join(made.names)
    single = f"lambda {x}: program({given})"
    base = replace(made, statements=tuple(w.statements), outputs=(loss,), scalar=True)
    asked = w.pick(("value_and_grad",) * 4 + ("grad", "jvp", "hvp", "hvp", "rows", "twice"))
    match asked:
        case "value_and_grad" | "grad":
            entry, more = f"wl.{asked}(program, {numbers})({given})", {"numbers": numbers}
            return pruned(replace(base, entry=entry, facts={**made.facts, "of": asked, **more}))
        case "rows":  # derivatives of a batch
            stacked = f"np.stack([{x}, {x} * F(0.5), -{x}])"
            entry = f"wl.grad(lambda b: np.sum(wl.vmap({single})(b)))({stacked})"
            return pruned(replace(base, entry=entry, facts={**made.facts, "of": "rows", "x": x}))
    entry = f"wl.{asked}({single}, ({x},), ({t},))"
    if asked == "twice":  # the same by reverse mode of reverse mode
        entry = f"wl.grad(lambda {x}: np.sum(wl.grad({single})({x}) * {t}))({x})"
    return pruned(
        replace(
            base, arguments=(*made.arguments, along), operands=made.names, entry=entry,
            facts={**made.facts, "of": asked, "x": x, "t": t},
        )
    )  # fmt: skip


def pruned(p: Program) -> Program:
    """Without statements that no output needs."""
    needed = set(" ".join(p.outputs).replace(".T", "").split())
    kept = []
    for s in reversed(p.statements):
        if needed & set(s.made):
            kept.append(s)
            needed |= s.reads
    return replace(p, statements=tuple(reversed(kept)))
