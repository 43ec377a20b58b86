"""Whatever is wrong with an argument, the error is of the user's program and names the line.

Every public function is called in a trace with each of its parameters replaced by what it cannot
take, without arguments, with too many, with one that it does not have. NumPy is the judge of what
passes in silence: where it refuses, so do we, but for what means nothing to traced arrays.
"""

from __future__ import annotations

import inspect
import warnings
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland.compiler.ir.errors import ProgramError
from wonderland.compiler.trace.trace import trace

X = np.arange(6, dtype=np.float32).reshape(2, 3)
USUAL: dict[str, Any] = {
    "key": np.zeros(2, np.uint32), "shape": (2, 3), "new_sizes": (3, 2), "sizes": (2,), "axis": 0,
    "f": lambda carry, x: (carry, x), "fun": np.sin, "function": np.sin,
}  # fmt: skip
"""What parameters of these names are usually given; all others are given an array."""
WRONG: dict[str, Any] = {
    "None": None, "a string": "x", "1.5": 1.5, "nan": np.nan, "99": 99, "-99": -99, "a list": [],
    "a tuple": (), "a dict": {}, "an object": object(), "True": True, "0 twice": [0, 0],
    "nothing": np.ones((2, 0, 3), np.float32), "five axes": np.ones((1, 2, 1, 3, 1)),
    "a function": np.sin, "ints": np.arange(3), "complex": 1j, "strings": np.array(["a"]),
    "objects": np.array([object()]),
}  # fmt: skip
UNTRACED = (
    "broadcast_shapes", "diag_indices", "from_dlpack", "isdtype", "issubdtype", "promote_types",
    "tril_indices", "triu_indices", "Schedule", "axes_of", "tracer", "unsupported", "wrong", "root",
    "implements", "Static", "KeyEntry", "KeyPath", "array_repr", "array_str", "fromstring",
    "get_printoptions", "load",
    "mask_indices", "printoptions", "save", "savez", "set_printoptions", "trim_zeros",
)  # fmt: skip
"""NumPy's own functions of static values, types, and what a module imports."""
MEANINGLESS = (
    "casting", "copy", "device", "dtype", "kind", "like", "ndmax", "order", "out",
    "overwrite_input", "requirements", "signature", "stable", "subok",
)  # fmt: skip
"""Parameters that mean nothing to traced arrays, or where ours allows more (an empty `out`)."""
MORE = (
    "a", "a_max", "a_min", "append", "arrays", "ary", "axis", "bins", "choicelist", "condition",
    "condlist", "correction", "default", "from_", "keepdims", "kth", "many", "nan", "neginf",
    "posinf", "prepend", "q", "range", "weights", "where", "x", "x1", "x2",
)  # fmt: skip
"""Parameters for which ours takes more than NumPy: a list of axes, numbers for bools, scalars."""
SPACES = (
    "numpy", "numpy.linalg", "lax", "lax.linalg", "nn", "special", "random", "optim", "ops",
    "tree", "tree_util",
)  # fmt: skip


def public() -> Iterator[tuple[str, Callable[..., Any]]]:
    for space in SPACES:
        module: Any = wl
        for part in space.split("."):
            module = getattr(module, part)
        for name in dir(module):
            f = getattr(module, name)
            hidden = name.startswith("_") or name in UNTRACED
            if callable(f) and not inspect.isclass(f) and not hidden:
                yield f"{space}.{name}", f


FUNCTIONS = dict(public())


def parameters(f: Callable[..., Any]) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(f).parameters.values())
    except ValueError:  # a ufunc
        kind = inspect.Parameter.POSITIONAL_ONLY
        return [inspect.Parameter(f"x{i}", kind) for i in range(inspect.unwrap(f).nin)]  # pyright: ignore[reportFunctionMemberAccess]


Call = Callable[[Callable[..., Any], Any], Any]


def calls(f: Callable[..., Any]) -> Iterator[tuple[str, Call]]:
    """A label, and a call of the function (or of NumPy's) of an array, with something wrong."""
    every = parameters(f)
    several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    required = [p for p in every if p.default is p.empty and p.kind not in several]

    def call(f: Any, x: Any, wrong: inspect.Parameter, w: Any) -> Any:
        args: list[Any] = []
        options: dict[str, Any] = {}
        for p in required if wrong in required else [*required, wrong]:
            given = w if p is wrong else USUAL.get(p.name, x)
            if p.kind in (p.POSITIONAL_ONLY, p.VAR_POSITIONAL) or p in required[:1]:
                args.append(given)
            elif p.kind is not p.VAR_KEYWORD:
                options[p.name] = given
        return f(*args, **options)

    for p in every:
        for label, w in WRONG.items():
            yield f"{p.name} {label}", lambda f, x, p=p, w=w: call(f, x, p, w)
    usual = [p for p in required if p.kind is not p.KEYWORD_ONLY]
    yield "unknown", lambda f, x: f(*(USUAL.get(p.name, x) for p in usual), nonsense=1)
    yield "none", lambda f, x: f()
    yield "many", lambda f, x: f(*(x,) * 20)


def outcome(f: Callable[..., Any], call: Call) -> str:
    """What is wrong with the error of a call in a trace; "" is nothing, "silent" is no error."""

    def program(x: Any) -> Any:
        call(f, x)
        return x

    try:
        trace(program, X)
    except ProgramError as error:
        return "" if "test_wrong_arguments.py:" in error.where else f"no line: {error}"
    except Exception as error:
        return f"a bare {type(error).__name__}: {error}"
    return "silent"


def refused_by_numpy(f: Callable[..., Any], call: Call) -> bool:
    try:
        call(f, X.copy())
    except Exception:
        return True
    return False


def keywords_of_jax(f: Callable[..., Any], numpys: Callable[..., Any]) -> set[str]:
    """What NumPy's function does not take, whatever it is given."""
    try:
        return set(inspect.signature(f).parameters) - set(inspect.signature(numpys).parameters)
    except ValueError:
        return set()


def faults(name: str, part: int) -> list[str]:
    """What is wrong with one in `part` of the calls with a wrong value, and with the others."""
    f, found = FUNCTIONS[name], []
    with warnings.catch_warnings(action="ignore"):
        for label, call in calls(f):
            if " " in label and zlib.crc32(f"{name} {label}".encode()) % part:
                continue
            got = outcome(f, call)
            if got == "silent":
                numpys = inspect.unwrap(f) if name.startswith("numpy.") else None
                parameter = label.split()[0]
                if numpys is f or numpys is None or parameter in MEANINGLESS + MORE:
                    continue
                if parameter in keywords_of_jax(f, numpys):
                    continue
                got = "passes in silence" if refused_by_numpy(numpys, call) else ""
            if got:
                found.append(f"{name}, {label}: {got}")
    return found


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_wrong_argument_is_an_error_of_the_users_program(name: str) -> None:
    assert not faults(name, 6)


@pytest.mark.sweep
@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_wrong_argument_is_an_error_of_the_users_program(name: str) -> None:
    assert not faults(name, 1)
