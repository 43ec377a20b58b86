"""The stubs of wonderland.numpy, written from the functions themselves.

What NumPy has is NumPy's own, overloads and all; what takes keywords of ours beside, or is ours
alone, has the parameters of its form in a trace. WONDERLAND_UPDATE=1 writes them.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

import wonderland as wl
from wonderland.compiler.trace.tracer import FUNCTIONS

FOLDER = Path(__file__).parents[2] / "wonderland" / "numpy"
SPACES: dict[str, tuple[ModuleType, ModuleType]] = {
    "__init__": (wl.numpy, np),
    "fft": (wl.numpy.fft, np.fft),
    "linalg": (wl.numpy.linalg, np.linalg),
}
"""By file the module and NumPy's."""
KNOWN = r"(int|bool|str|float|None|Any|NDArray|tuple|Sequence|\W|\.\.\.)*"
"""Annotations that a stub may repeat."""
UNUSED = ("options", "args", "kwargs", "rest")
NUMPYS = ("a", "start", "subscripts", "initial", "constant_values")
"""Parameters of forms in a trace that NumPy has by place, in other reductions, or in no name."""
HEAD = '''"""Written from the functions of wonderland.{name} by tests/front/stubs.py."""

# ruff: noqa
'''


def stub(file: str) -> str:
    """The text of a stub."""
    module, numpys = SPACES[file]
    place = "numpy" if file == "__init__" else f"numpy.{file}"
    parts, defined = {f"from {place} import ": list[str]()}, []
    for name in sorted(module.__all__):
        own = getattr(module, name)
        function: Any = getattr(numpys, name, None)
        if isinstance(own, ModuleType):
            parts.setdefault("from . import ", []).append(name)
        elif not hasattr(numpys, name):
            parts.setdefault(f"from {origin(own)} import ", []).append(f"{own.__name__} as {name}")
        elif not (extra := extras(own, function)):
            parts[f"from {place} import "].append(name)
        else:
            traced = FUNCTIONS[function]
            sized = any(p.kind is p.VAR_POSITIONAL and p.name == "args" for p in parameters(traced))
            defined.append(definition(name, function if sized else traced, extra))
    imports = [
        start + (n if " as " in n else f"{n} as {n}")
        for start, names in parts.items()
        for n in names
    ]
    needed = [
        line
        for word, line in (
            ("Sequence[", "from collections.abc import Sequence"),
            ("Any", "from typing import Any"),
            ("builtins.", "import builtins"),
            ("NDArray", "from numpy.typing import NDArray"),
        )
        if word in "".join(defined)
    ]
    listed = ", ".join(f'"{n}"' for n in sorted(module.__all__))
    return "\n".join(
        (HEAD.format(name=place), *needed, *imports, "", f"__all__ = [{listed}]", "", *defined, "")
    )


def origin(own: Any) -> str:
    """The module that a name which NumPy has not is from, as a stub imports it."""
    found = own.__module__
    return found.replace("wonderland.", "..", 1) if found.startswith("wonderland.") else found


def extras(own: Any, numpys: Any) -> list[inspect.Parameter]:
    """The parameters of ours that NumPy's function has not."""
    implementation = FUNCTIONS.get(numpys) if callable(numpys) else None
    if own is numpys or implementation is None or isinstance(own, type):
        return []
    direct = inspect.signature(own, follow_wrapped=False).parameters
    outer = inspect.signature(own).parameters if "public" not in own.__code__.co_name else direct
    inner = inspect.signature(implementation).parameters
    try:
        known = set(inspect.signature(numpys).parameters)
    except ValueError:  # known to take what a ufunc takes
        known = set(inner)
    every = {**inner, **outer, **direct}
    kinds = inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD
    return [
        p
        for n, p in every.items()
        if n not in known and n not in (*NUMPYS, *UNUSED) and p.kind not in kinds
    ]


def parameters(function: Any) -> list[inspect.Parameter]:
    return list(inspect.signature(function).parameters.values())


def definition(name: str, function: Any, extra: list[inspect.Parameter]) -> str:
    """A function as a stub has it: its parameters, then those of `extra` by name."""
    signature = inspect.signature(function)
    named = {p.name for p in extra}
    own = [p for p in parameters(function) if p.name not in named | set(UNUSED)]
    known = [p for p in parameters(function) if p.name in named]
    by_name = inspect.Parameter.KEYWORD_ONLY
    there = [p.name for p in known]
    further = [p.replace(kind=by_name, default=None) for p in extra if p.name not in there]
    kinds = sorted((*own, *known, *further), key=lambda p: p.kind)
    spelled = [
        p.replace(
            annotation=annotation(p.annotation),
            default=p.empty if p.default is p.empty else ...,
        )
        for p in kinds
    ]
    text = str(inspect.Signature(spelled)).replace("'", "").replace("Ellipsis", "...")
    return f"def {name}{text} -> {annotation(signature.return_annotation)}: ..."


def annotation(told: Any) -> str:
    """An annotation as a user sees it: traced values are arrays."""
    text = told if isinstance(told, str) else "Any"
    text = re.sub(r"\bTracer\b", "NDArray[Any]", text)
    text = text if re.fullmatch(KNOWN, text) else "Any"
    return re.sub(r"\bbool\b", "builtins.bool", text)  # for bool is NumPy's there


def update() -> None:
    for file in SPACES:
        (FOLDER / f"{file}.pyi").write_text(stub(file))
