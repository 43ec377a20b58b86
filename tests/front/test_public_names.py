"""What users find: names, and for each of them a docstring and types."""

from __future__ import annotations

import inspect
import pydoc
import re
import typing
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland.compiler.trace.tracer import FUNCTIONS

MODULES: dict[str, ModuleType] = {
    "wl": wl,
    **{n: m for n in wl.__all__ if isinstance(m := getattr(wl, n), ModuleType)},
    "numpy.fft": wl.numpy.fft,
    "numpy.linalg": wl.numpy.linalg,
    "lax.linalg": wl.lax.linalg,
    "models.data": wl.models.data,
    "models.training": wl.models.training,
    "nn.initializers": wl.nn.initializers,
    "scipy.fft": wl.scipy.fft,
    "scipy.linalg": wl.scipy.linalg,
    "scipy.signal": wl.scipy.signal,
    "scipy.special": wl.scipy.special,
    "scipy.stats": wl.scipy.stats,
}
ROOMS = "wl", "checkpoint_policies", "models.data", "models.training"
FACADES = [n for n in MODULES if n not in ROOMS]
CALLED = {
    f"{place}.{name}": found
    for place, module in MODULES.items()
    for name in module.__all__
    if callable(found := getattr(module, name)) and typing.get_origin(found) is None
}
FUNCTIONS_CALLED = [n for n, x in CALLED.items() if not isinstance(x, type)]


def is_numpys(function: Any) -> bool:
    """Whether a function is NumPy's, or stands for it outside of a trace."""
    own = getattr(function, "__wrapped__", function)
    return any(
        getattr(space, own.__name__, None) is own for space in (np, np.linalg, np.fft)
    ) or not inspect.getmodule(own).__name__.startswith("wonderland")  # type: ignore[union-attr]


@pytest.mark.parametrize("place", MODULES)
def test_a_module_shows_its_public_names_alone(place: str) -> None:
    module = MODULES[place]
    names = [n for n in dir(module) if not re.fullmatch("__.*__", n)]
    assert names == sorted(n for n in module.__all__ if not re.fullmatch("__.*__", n))
    assert len(set(module.__all__)) == len(module.__all__)


@pytest.mark.parametrize("name", CALLED)
def test_a_public_name_has_a_docstring(name: str) -> None:
    doc = inspect.getdoc(CALLED[name])
    assert doc and doc.strip(), name


def test_no_public_function_shows_where_it_was_made() -> None:
    assert [n for n in FUNCTIONS_CALLED if "<locals>" in CALLED[n].__qualname__] == []


@pytest.mark.parametrize("name", FUNCTIONS_CALLED)
def test_parameters_and_results_of_public_functions_are_annotated(name: str) -> None:
    function = CALLED[name]
    if is_numpys(function):  # its signature is NumPy's; what it does in a trace is annotated
        function = FUNCTIONS.get(getattr(function, "__wrapped__", function))
        if function is None:
            return
    signature = inspect.signature(function)
    bare = [n for n, p in signature.parameters.items() if p.annotation is p.empty]
    assert not bare, f"{name}: {', '.join(bare)}"
    assert signature.return_annotation is not signature.empty, f"{name}: its result"


def test_the_front_door_says_what_is_behind_it() -> None:
    told = set(re.findall(r"\w+", wl.__doc__ or ""))
    assert [n for n in wl.__all__ if n not in told] == []


@pytest.mark.parametrize("place", FACADES)
def test_help_of_a_module_begins_with_an_example_and_says_what_is_in_it(place: str) -> None:
    module = MODULES[place]
    first, example, *rest = inspect.cleandoc(module.__doc__ or "").split("\n\n")
    assert first.endswith(".") and "\n" not in first
    assert example.startswith("    ") and rest
    if place not in ("lax", "numpy"):  # of these the docstring says the kinds
        told = set(re.findall(r"\w+", " ".join(rest)))
        assert [n for n in module.__all__ if n not in told] == []
    shown = pydoc.plain(pydoc.render_doc(module))
    assert [n for n in module.__all__ if n not in shown] == []
