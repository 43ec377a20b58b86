"""NumPy whose calls depend on each other, or leave things behind: what tests port.

`KEEPING` makes functions of three numbers that give another result in the second call.
"""

# ruff: noqa: B006  it is code of others

import itertools

import numpy as np

TABLE = np.arange(3.0)
calls = 0
seen = []
last = None


class Adam:
    def __init__(self):
        self.w, self.m, self.v, self.t = np.array([1.0, 2.0]), np.zeros(2), np.zeros(2), 0

    def step(self, g):
        self.t += 1
        self.m = 0.9 * self.m + 0.1 * g
        self.v = 0.99 * self.v + 0.01 * g * g
        m, v = self.m / (1 - 0.9**self.t), self.v / (1 - 0.99**self.t)
        self.w -= 0.1 * m / (np.sqrt(v) + 1e-8)
        return self.w.sum()


class Counter:
    total = 0

    def __init__(self):
        self.t = 0

    def by_attribute(self, x):
        self.t += 1
        return x * self.t

    def by_class(self, x):
        Counter.total += 1
        return x * Counter.total


class Difference:
    def __init__(self, previous):
        self.previous = previous

    def __call__(self, x):
        y = x if self.previous is None else x - self.previous
        self.previous = x
        return y


class Unset:
    def __call__(self, x):
        y = x - getattr(self, "previous", 0)
        self.previous = x
        return y


class Buffer:
    def __init__(self):
        self.kept = []

    def __call__(self, x):
        self.kept.append(x)
        return sum(self.kept)


class Histogram:
    def __init__(self):
        self.n = np.zeros(3, int)

    def __call__(self, x):
        self.n[np.argmax(x)] += 1
        return x * self.n


class First:
    def __init__(self):
        self.first = True

    def __call__(self, x):
        if self.first:
            self.first = False
            return x
        return 2 * x


class Drawing:
    def __init__(self, values):
        self.values = values

    def __call__(self, x):
        return x * next(self.values)


def endless():
    k = 0.0
    while True:
        k += 1
        yield k


def closing():
    n = 0

    def count(x):
        nonlocal n
        n += 1
        return x * n

    return count


def counted(x):
    global calls
    calls += 1
    return x * calls


def gathered(x):
    seen.append(x)
    return sum(seen)


def by_default(x, kept=[]):
    kept.append(x)
    return x * len(kept)


def with_attribute(x):
    with_attribute.n = getattr(with_attribute, "n", 0) + 1  # type: ignore
    return x * with_attribute.n  # type: ignore


def elsewhere(function):
    """The function of another one's module, whose names are not the arguments of a port."""
    return type("Caller", (), {"__module__": __name__, "__call__": lambda self, x: function(x)})()


KEEPING = {
    "t": lambda: Counter().by_attribute,
    "total": lambda: Counter().by_class,
    "previous": lambda: Difference(None),
    "previous array": lambda: Difference(np.ones(3)),
    "previous unset": Unset,
    "kept": Buffer,
    "n of integers": Histogram,
    "first": First,
    "n closed over": closing,
    "calls": lambda: counted,
    "seen": lambda: gathered,
    "calls elsewhere": lambda: elsewhere(counted),
    "seen elsewhere": lambda: elsewhere(gathered),
    "defaults": lambda: by_default,
    "n of a function": lambda: with_attribute,
    "values": lambda: Drawing(iter([1.0, 2.0, 3.0])),
    "values generated": lambda: Drawing(endless()),
    "values counted": lambda: Drawing(itertools.count(1)),
}


def as_at_first():
    """What calls have left among the names, taken away."""
    global calls, last
    calls, last, Counter.total = 0, None, 0
    seen.clear()
    by_default.__defaults__[0].clear()  # type: ignore
    vars(with_attribute).clear()


class Layer:
    """It keeps what does not decide about a later call."""

    recent = None

    def __init__(self):
        self.w, self.x, self.calls, self.log = np.ones(3), None, 0, []

    def __call__(self, x):
        global last
        self.x, self.n = x, len(x)
        self.calls += 1
        self.log.append(x)
        last = Layer.recent = x
        return x * self.w


def scaled(x):
    y = np.zeros(3)
    y += TABLE
    return TABLE * x, TABLE[1:], TABLE.sum(), y


def called(function, x):
    return function(x)


class Tabled:
    scale = np.ones(3)

    def by_attribute(self, x):
        return x * self.scale

    @classmethod
    def by_class(cls, x):
        return x * cls.scale


class Views:
    def __init__(self):
        self.whole = np.zeros(4)
        self.part = self.whole[:2]

    def reset(self, x):
        self.whole[:] = x.sum()
        return self.part.sum()
