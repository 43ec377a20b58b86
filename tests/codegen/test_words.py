"""Machine code and the NumPy twin agree on every word, dtype and combination of edge cases."""

from __future__ import annotations

import ast

import numpy as np
import pytest

from wonderland.compiler.codegen.words.words import ELEMENTARY
from wonderland.compiler.ir.types import HALVES, INTEGERS, SIGNED, UNSIGNED
from wonderland.compiler.ir.types import WIDE as FLOATS
from wonderland.runtime.native.language import FUNCTION, parsed

from .kernels import Case, both, combinations, compiled, same

ALL = ("bool", *INTEGERS, *FLOATS)


def cases() -> list[Case]:
    made: list[Case] = []

    def add(arity: int, dtypes: tuple[str, ...], expressions: str, result: str = "") -> None:
        made.extend(
            Case(e, (d,) * arity, result or d) for e in expressions.split("; ") for d in dtypes
        )

    add(2, (*INTEGERS, *FLOATS), "a + b; a - b; a * b; maximum(a, b); minimum(a, b)")
    add(2, INTEGERS, "a // b; a % b; remainder(a, b); a << b; a >> b; a & b; a | b; a ^ b")
    add(2, FLOATS, "a / b; copysign(a, b); pow_(a, b); remainder(a, b); floordiv(a, b)")
    add(2, FLOATS, "atan2(a, b); hypot(a, b); nextafter(a, b)")
    add(2, INTEGERS, "pow_(a, b)")
    add(2, ("bool",), "a & b; a | b; a ^ b; maximum(a, b); minimum(a, b)")
    add(2, ALL, "a < b; a <= b; a > b; a >= b; a == b; a != b", result="bool")
    add(2, ALL, "select(a == b, a, b)")
    add(3, FLOATS, "fma(a, b, c)")
    add(1, (*SIGNED, *FLOATS), "-a; abs_(a); sign(a)")
    add(1, UNSIGNED, "abs_(a); sign(a); -a")
    add(1, (*INTEGERS, "bool"), "invert(a)")
    add(
        1,
        FLOATS,
        "floor(a); ceil(a); rint(a); trunc(a); sqrt(a); rsqrt(a); polynomial(a, 2.0, 3.0, 4.0)",
    )
    add(
        1, FLOATS, "exp(a); expm1(a); log(a); log1p(a); tanh(a); sigmoid(a); sin(a); cos(a); erf(a)"
    )
    add(1, FLOATS, "tan(a); asin(a); acos(a); atan(a); sinh(a); cosh(a); asinh(a); acosh(a)")
    add(1, FLOATS, "atanh(a); exp2(a); log2(a); log10(a); cbrt(a)")
    add(1, FLOATS, "erfc(a); erfinv(a); lgamma(a); digamma(a)")
    add(1, ("f64",), "gamma(a); erfcx(a); erfcinv(a); i0e(a); i1e(a)")
    add(
        1,
        FLOATS,
        "1.5 - a; a * 2; select(a < 1, 0.0, a); widened(lane(a, 3), 32); full(i, DTYPE, 32) + a",
    )
    add(1, INTEGERS, "full(i, DTYPE, 32) + a; iota(i, DTYPE, 32) + a; a + 1; 3 - a")
    add(1, FLOATS, "iota(i, DTYPE, 32)")
    add(
        1,
        ALL,
        "select(first(i - 16, 32), a, lane(a, 0)); widened(largest(a), 32); "
        "widened(smallest(a), 32)",
    )
    add(1, (*INTEGERS, *FLOATS), "widened(total(a), 32); widened(product(a), 32)")
    add(1, ("bool",), "widened(any_(a), 32); widened(all_(a), 32)")
    for d in (*ALL, *HALVES):
        add(1, (*ALL, *HALVES), f"cast(a, {d})", result=d)
    add(2, HALVES, "select(cast(a, f32) < cast(b, f32), a, b); select(cast(a, f32) < 1.0, 0.1, b)")
    add(1, HALVES, "load_where(pointer(args, 0, DTYPE), i, first(i - 16, 32), 1.5)")
    add(1, HALVES, "gather(pointer(args, 0, DTYPE), iota(i, i64, 32)); full(-2.5, DTYPE, 32)")
    add(1, ("f32",), "reinterpret(a, i32)", result="i32")
    add(1, ("f64",), "reinterpret(a, i64)", result="i64")
    add(
        1,
        INTEGERS,
        "gather(pointer(args, 0, DTYPE), iota(i, i64, 32)); full(scalar(lane(a, 5)), DTYPE, 32)",
    )
    return [Case(c.expression.replace("DTYPE", c.operands[0]), c.operands, c.result) for c in made]


CASES = {str(c): c for c in cases()}


@pytest.fixture(scope="module")
def machine():
    return compiled([c.text for c in CASES.values()])


@pytest.mark.parametrize("name", CASES)
def test_machine_code_and_twin_agree(name, machine):
    case = CASES[name]
    operands = combinations(*case.operands)
    ours, twins = both(case, machine[case.text], *operands)
    wrong = np.flatnonzero(~same(ours, twins))
    assert not wrong.size, [(*(x[k] for x in operands), ours[k], twins[k]) for k in wrong[:5]]


def test_functions_of_a_text_are_those_that_python_reads_there():
    whole, constants = parsed(ELEMENTARY)
    apart = {found[1]: parsed(found[0])[0] for found in FUNCTION.finditer(ELEMENTARY)}
    assert {n: list(map(ast.dump, d)) for n, d in apart.items()} == {
        d.name: [ast.dump(d)] for d in whole
    }
    assert parsed(FUNCTION.sub("", ELEMENTARY)) == ([], constants)
