"""NumPy in double precision that feels every rounding of a shorter one: how far results may be off.

A text runs on arrays of a subclass of ndarray. What it computes is computed in float64; what an
arithmetic of the dtype `low` could not hold exactly is then moved at random, by some units in the
last place of `low`. Where runs differ, the program is that sensitive to rounding: ties and
comparisons of exact numbers stay as they are, and a sum that cancels is known to.
Source: the CESTAC method: Vignes, A stochastic arithmetic for reliable scientific computation,
1993.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

KEEPS = {
    np.maximum, np.minimum, np.fmax, np.fmin, np.absolute, np.fabs, np.negative, np.positive,
    np.conjugate, np.sign, np.floor, np.ceil, np.trunc, np.rint, np.copysign, np.heaviside,
}  # fmt: skip
"""Their results are operands or whole numbers."""
ROUNDED_ONCE = {np.add, np.subtract, np.multiply, np.true_divide, np.sqrt, np.square}
FUNCTION_UNITS = 4  # of other functions
SUMS = {np.einsum, np.dot, np.inner, np.vdot, np.tensordot, np.outer, np.cumsum, np.trace}
"""These reach no ufunc, and err by what they add up, those of FUNCTIONS by what they give."""
FUNCTIONS = {np.cumprod, np.linalg.norm}
WIDE = {"f": np.dtype(np.float64), "c": np.dtype(np.complex128)}


class Rounded(np.ndarray):
    """Arrays of float64; a run makes a subclass of its own with `low`, `rng` and `units`."""

    low = np.dtype(np.float64)
    units = 0.0  # 0: exact
    rng = np.random.default_rng(0)

    @classmethod
    def run(cls, low: Any, units: float, seed: int) -> type[Rounded]:
        members = {"low": np.dtype(low), "units": units, "rng": np.random.default_rng(seed)}
        return type("RoundedRun", (cls,), members)

    @classmethod
    @contextlib.contextmanager
    def exact(cls) -> Iterator[None]:
        """Inside of the block nothing is moved: where differences are taken."""
        units, cls.units = cls.units, 0.0
        try:
            yield
        finally:
            cls.units = units

    @classmethod
    def of(cls, x: Any) -> Any:
        """A result as an array of this run; wide, if it has a fraction."""
        x = plain(x)
        if not isinstance(x, np.ndarray | np.generic):
            return x
        wide = WIDE.get(x.dtype.kind, x.dtype)
        return np.asarray(x, wide).view(cls)

    @classmethod
    def moved(cls, x: np.ndarray, scale: Any, floor: float = 0.0, added: bool = False) -> Any:
        """x, moved by up to `scale` units in the last place of `low`, but for what that holds; by
        up to `floor` at least. What is `added` up of numbers of that scale must be as coarse."""
        if not cls.units or x.dtype.kind not in "fc" or not x.size:
            return cls.of(x)
        parts = (np.real(x), np.imag(x)) if x.dtype.kind == "c" else (x,)
        unit = cls.units * float(np.finfo(cls.low).eps)
        found = []
        for part in parts:
            with np.errstate(all="ignore"):
                held = held_by(cls.low, part) if not floor else np.zeros(part.shape, bool)
                if added:  # chance holds a sum that cancels
                    whole = 2 * np.exp2(np.ceil(np.log2(np.maximum(plain(scale), 1e-30))))
                    held &= held_by(cls.low, part + whole) | (part == 0)
            step = cls.rng.uniform(-1, 1, part.shape) * np.maximum(unit * plain(scale), floor)
            found.append(np.where(held | ~np.isfinite(part), part, part + step))
        return cls.of(found[0] if len(found) == 1 else found[0] + 1j * found[1])

    @classmethod
    def of_sum(cls, *operands: Any) -> float:
        """Units of a sum. What is better than a chain is held to it; double precision is not: it is
        what sums are compared to."""
        terms = max((np.size(x) for x in operands if not isinstance(x, str)), default=1)
        return 1 + math.sqrt(terms) / 8 if cls.low == np.float64 else 1.0

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        given = [plain(x) for x in inputs]
        out = options.pop("out", None)
        if np.dtype(options.get("dtype") or bool).kind in "fc":
            options["dtype"] = WIDE[np.dtype(options["dtype"]).kind]
        if out is not None:
            options["out"] = tuple(plain(o) for o in out)
        found = getattr(ufunc, method)(*given, **options)
        several = found if isinstance(found, tuple) else (found,)
        if any(short(x) for x in several):  # of integers: their functions are of a narrow dtype
            given = [np.asarray(x, np.float64) if np.size(x) else x for x in given]
            found = getattr(ufunc, method)(*given, **options)
            several = found if isinstance(found, tuple) else (found,)
        if found is None:  # ufunc.at
            return None
        moved = [self._after(ufunc, method, given, options, np.asarray(x)) for x in several]
        if out is not None:
            for place, x in zip(out, moved, strict=True):
                plain(place)[...] = plain(x)
            moved = list(out)
        return tuple(moved) if isinstance(found, tuple) else moved[0]

    def _after(
        self, ufunc: Any, method: str, given: list[Any], options: Any, found: np.ndarray
    ) -> Any:
        cls = type(self)
        if not cls.units or found.dtype.kind not in "fc" or ufunc in KEEPS:
            return cls.of(found)
        size = np.abs(found)
        added = ufunc is np.matmul or (ufunc is np.add and method != "__call__")
        if method in ("reduce", "accumulate", "reduceat"):
            if ufunc is np.add:
                plainly = {k: v for k, v in options.items() if k != "out"}
                size = getattr(np.add, method)(np.abs(given[0]), *given[1:], **plainly)
                size = size * cls.of_sum(given[0])
            else:
                size = size * math.sqrt(max(np.size(given[0]), 1))
        elif ufunc is np.matmul:
            size = np.matmul(np.abs(given[0]), np.abs(given[1])) * cls.of_sum(given[0])
        elif ufunc not in ROUNDED_ONCE:
            size = size * FUNCTION_UNITS
        return cls.moved(found, size, added=added)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        cls = type(self)
        found = super().__array_function__(func, types, args, kwargs)
        if cls.units and func in SUMS:
            size = func(*(magnitude(a) for a in args), **{k: plain(v) for k, v in kwargs.items()})
            return cls.moved(plain(found), size * cls.of_sum(*args), added=True)
        if cls.units and func in FUNCTIONS:
            return cls.moved(plain(found), np.abs(plain(found)) * 4 * FUNCTION_UNITS)
        return wrapped(cls, found)

    def __getitem__(self, at: Any) -> Any:
        return type(self).of(super().__getitem__(at))


def held_by(low: np.dtype, x: np.ndarray) -> np.ndarray:
    """What an arithmetic of `low` holds exactly; of double precision, short binary fractions."""
    if low == np.float64:
        scaled = x * 2.0**20
        return (np.rint(scaled) == scaled) & (np.abs(x) < 2.0**20)
    return x.astype(low).astype(np.float64) == x


def wrapped(cls: type[Rounded], x: Any) -> Any:
    if isinstance(x, tuple | list):
        return type(x)(wrapped(cls, y) for y in x)
    return cls.of(x) if isinstance(x, np.ndarray | np.generic) and x.dtype.kind != "U" else x


def magnitude(x: Any) -> Any:
    x = plain(x)
    return np.abs(x) if isinstance(x, np.ndarray | np.generic) else x


def plain(x: Any) -> Any:
    return x.view(np.ndarray) if isinstance(x, np.ndarray) else x


def short(x: Any) -> bool:
    """Whether it has a fraction, in less than double precision."""
    dtype = getattr(x, "dtype", np.dtype(bool))
    return dtype.kind in "fc" and dtype != WIDE[dtype.kind]
