"""What other libraries' names of attributes are here."""

from __future__ import annotations

import re

import numpy as np
import pytest

import wonderland as wl
from wonderland.compiler.ir.errors import ProgramError
from wonderland.compiler.trace.peers import TABLE, patterns
from wonderland.compiler.trace.tracer import Tracer

X = np.array([1.0, 4.0, 2.0])


def test_the_table_names_functions_that_there_are() -> None:
    for line in TABLE.splitlines():
        right = line.split(" --> ")[1]
        for name in re.findall(r"\b(?:np|wl|wonderland)(?:\.[A-Za-z_]\w*)+", right):
            found = {"np": np, "wl": wl, "wonderland": wl}[name.split(".")[0]]
            for part in name.split(".")[1:]:
                found = getattr(found, part, None)
            assert found is not None, line
        for attribute in re.findall(r"\bx\.(\w+)", right):
            assert hasattr(Tracer, attribute), line


def test_what_there_is_stands_in_no_table() -> None:
    assert [n for n in patterns() if hasattr(Tracer, n) and n not in ("size", "type")] == []


def refusal(text: str) -> str:
    with pytest.raises((AttributeError, ProgramError)) as caught, wl.disable_jit():
        wl.jit(eval(text, {"np": np, "wl": wl}))(X)
    return str(caught.value)


def test_an_attribute_of_none_says_the_nearest() -> None:
    text = "lambda x: x.resahpe(3, 1)"
    assert refusal(text).startswith("resahpe: no attribute of traced arrays, got f64[3]")


def test_asking_for_attributes_stays_possible() -> None:
    found = wl.jit(lambda x: x * (1 + hasattr(x, "unsqueeze") + getattr(x, "nosuch", 1)))(X)
    np.testing.assert_array_equal(found, 2 * X)
