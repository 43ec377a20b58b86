"""Tests of the Array API standard's suite that fail on purpose, beside those that fail for NumPy.

Reason, to names of tests as pytest has them, in which * is anything.
"""

from __future__ import annotations

EAGER: dict[str, str] = {
    "NumPy's results, which are right or wrong by the numbers drawn": """
        test_unary[expm1(* test_unary[tanh(*
    """,
}
"""Of wonderland.numpy outside of a trace, where results are NumPy's."""

TRACED: dict[str, str] = {
    "shapes that depend on numbers need size=": """
        test_getitem_masking test_setitem_masking test_nonzero test_repeat
        test_unique_all test_unique_counts test_unique_inverse test_unique_values
    """,
    "a traced array of no axes is a number, and not written to": """
        test_setitem test_asarray_arrays
    """,
    "errors are ProgramErrors, and no IndexErrors": """
        TestExpandDims::test_expand_dims
    """,
}
"""Of wonderland.numpy in a trace, further ones."""
