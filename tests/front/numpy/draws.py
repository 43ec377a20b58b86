"""Arrays, numbers and options drawn from a seed: all dtypes and their edges, shapes, layouts."""

from __future__ import annotations

from typing import Any

import numpy as np

INTS = ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")
FLOATS = ("f2", "f4", "f8")
COMPLEX = ("c8", "c16")
REAL = ("?", *INTS, *FLOATS)
ANY = (*REAL, *COMPLEX)
SHAPES = ((), (0,), (1,), (4,), (7,), (2, 3), (3, 1), (1, 3), (0, 3), (2, 0), (2, 1, 3))
EDGES = (0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.0, np.nan, np.inf, -np.inf)


class Draw:
    """A generator of what calls are made with."""

    def __init__(self, *seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def pick(self, *options: Any) -> Any:
        return options[self.rng.integers(len(options))]

    def chance(self, p: float) -> bool:
        return bool(self.rng.random() < p)

    def some(self, **options: Any) -> dict[str, Any]:
        """Some of the options, where `...` means the function's own default."""
        found = {k: self.pick(*v) if isinstance(v, tuple) else v for k, v in options.items()}
        return {k: v for k, v in found.items() if v is not ...}

    def shape(self, least: int = 0, most: int = 3, empty: bool = True) -> tuple[int, ...]:
        fits = [s for s in SHAPES if least <= len(s) <= most and (empty or 0 not in s)]
        return fits[self.rng.integers(len(fits))]

    def axis(self, x: Any) -> int:
        n = np.ndim(x)
        return int(self.rng.integers(-n, n)) if n else 0

    def axes(self, x: Any) -> Any:
        """None, an axis, or several."""
        n = np.ndim(x)
        several = tuple(int(i) for i in self.rng.permutation(n)[: self.rng.integers(n + 1)])
        return self.pick(None, self.axis(x), several)

    # ---- arrays

    def array(
        self, of: tuple[str, ...] = ANY, shape: Any = None, wild: float = 0.5, low: float = -3.0
    ) -> np.ndarray:
        """An array of one of the dtypes, of its edges or of small numbers that add up exactly."""
        dtype = np.dtype(self.pick(*of))
        shape = self.shape() if shape is None else shape
        edges = self.chance(wild)
        if dtype.kind == "c":
            part = np.dtype(f"f{dtype.itemsize // 2}")
            re, im = (self.numbers(part, shape, edges, low) for _ in range(2))
            x = np.empty(shape, dtype)
            x.real, x.imag = re, im
        else:
            x = self.numbers(dtype, shape, edges, low)
        return self.laid_out(x)

    def numbers(self, dtype: Any, shape: Any, edges: bool, low: float) -> np.ndarray:
        if dtype.kind == "b":
            return self.rng.random(shape) < 0.5
        if dtype.kind in "iu":
            limits = np.iinfo(dtype)
            least = max(int(low), int(limits.min))
            found = self.rng.integers(least, 5, shape).astype(dtype)
            ends = np.array([limits.min, limits.min + 1, limits.max, limits.max - 1, 7, 9], dtype)
        else:
            limits = np.finfo(dtype)
            found = (self.rng.integers(int(low * 4), 13, shape) / 4).astype(dtype)
            most = [limits.max, -limits.max, limits.tiny, -limits.smallest_subnormal]
            ends = np.array([v for v in (*EDGES, *most, 7.3, -0.1) if v != v or v >= low], dtype)
        mixed = self.rng.choice(ends, shape)
        return np.where(self.rng.random(shape) < 0.6, mixed, found) if edges else found

    def laid_out(self, x: np.ndarray) -> np.ndarray:
        """The same numbers, perhaps behind other strides."""
        if not x.ndim:
            return x
        match self.pick("as is", "as is", "backwards", "columns", "steps", "repeated"):
            case "backwards":
                return np.ascontiguousarray(x[::-1])[::-1]
            case "columns":
                return np.asfortranarray(x)
            case "steps":
                wide = np.repeat(x, 2, axis=-1)
                return wide[..., ::2]
            case "repeated" if x.shape[0] > 1:
                return np.broadcast_to(x[:1], x.shape)
        return x

    def beside(self, x: np.ndarray, of: tuple[str, ...] = ANY, wild: float = 0.5) -> Any:
        """A second operand: of a shape that broadcasts, or a number."""
        if self.chance(0.25):
            numbers = [True, 0, 1, 2, -1, 300, 0.5, -2.0, float("nan"), float("inf")]
            numbers += [1 + 2j] * ("c8" in of)
            return self.pick(*numbers)
        dims = [self.pick(n, n, 1) for n in x.shape]
        shape = tuple(dims[self.pick(0, 0, len(dims) // 2) :])
        if self.chance(0.1):
            shape = (2, *x.shape)
        own = (x.dtype.str[1:].replace("b1", "?"),) if self.chance(0.5) else of
        own = own if own[0] in of else of
        return self.array(own, shape, wild)

    def mask(self, shape: Any) -> np.ndarray:
        return self.rng.random(shape) < 0.6

    def indices(self, n: int, shape: Any) -> np.ndarray:
        return self.rng.integers(-n, n, shape) if n else np.zeros((0,), np.int64)
