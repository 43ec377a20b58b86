"""Roots and linear equations by solvers of the user's, with the derivatives of what they solve.

What the equations close over is what the solutions have derivatives in, by the implicit function
theorem: no derivative of a solver is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ...ir.explain import explained
from ...trace import tree
from ...trace.standing import name_of
from ...trace.trace import Traced, call, trace_tree
from ..functions.custom import custom_jvp, custom_vjp
from ..functions.derivatives import jvp, linear_transpose, stop_gradient, vjp

__all__ = ["custom_linear_solve", "custom_root"]

Function = Callable[..., Any]


def _opened(traced: Traced, closed: tuple[Any, ...]) -> Function:
    """The function, of other values for those it closes over."""
    return lambda x: call(replace(traced, captured=tuple(closed)), x)


@explained
def custom_root(
    f: Function,
    initial_guess: Any,
    solve: Callable[[Function, Any], Any],
    tangent_solve: Callable[[Function, Any], Any],
    has_aux: bool = False,
) -> Any:
    """solve(f, initial_guess), an x of f(x) = 0, with derivatives in what `f` closes over.

    `tangent_solve(g, y)` gives the x of g(x) = y for a linear g, as `lambda g, y: y / g(1.0)` for
    numbers; it is linear in y. With `has_aux` solve gives (x, aux), and aux has no derivatives.
    Example:
    >>> def root(a):
    ...     def newton(f, x):
    ...         return wl.lax.fori_loop(0, 20, lambda _, x: x - f(x) / wl.grad(f)(x), x)
    ...     return custom_root(lambda x: x * x - a, 1.0, newton, lambda g, y: y / g(1.0))
    >>> wl.grad(root)(4.0)
    array(0.25)
    """
    traced = trace_tree(f, (initial_guess,), name_of(f))

    @custom_jvp
    def root(guess: Any, *closed: Any) -> Any:
        found = solve(_opened(traced, closed), guess)
        return found if has_aux else (found, None)

    @root.defjvp
    def _(primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> Any:
        _, *closed = primals
        x, aux = root(*primals)
        at = _opened(traced, tuple(closed))
        change = jvp(lambda *c: _opened(traced, c)(x), tuple(closed), tuple(tangents[1:]))[1]
        slope = tangent_solve(lambda y: jvp(at, (x,), (y,))[1], change)
        return (x, aux), (tree.map(lambda s: -s, slope), tree.map(lambda a: 0 * a, aux))

    guess = tree.map(stop_gradient, initial_guess)
    x, aux = root(guess, *traced.captured)
    return (x, aux) if has_aux else x


@explained
def custom_linear_solve(
    matvec: Function,
    b: Any,
    solve: Callable[[Function, Any], Any],
    transpose_solve: Callable[[Function, Any], Any] | None = None,
    symmetric: bool = False,
    has_aux: bool = False,
) -> Any:
    """solve(matvec, b), the x of matvec(x) = b for a linear `matvec`, with derivatives in b and in
    what `matvec` closes over.

    Reverse mode solves the transposed equations: by `transpose_solve(vecmat, b)`, by `solve` where
    they are `symmetric`, else by `solve` of the transposed function. Forward mode transposes that
    solver, and derivatives of higher order go through it. With `has_aux` solvers give (x, aux), and
    aux has no derivatives.
    """
    traced = trace_tree(matvec, (b,), name_of(matvec))

    def back(closed: tuple[Any, ...], ct: Any) -> Any:
        """The solution of the transposed equations."""
        at = _opened(traced, closed)
        if symmetric:
            return solve(at, ct)
        return (transpose_solve or solve)(lambda y: linear_transpose(at, b)(y)[0], ct)

    @custom_vjp
    def solution(right: Any, *closed: Any) -> Any:
        found = solve(_opened(traced, closed), right)
        return found if has_aux else (found, None)

    def forward(right: Any, *closed: Any) -> Any:
        x, aux = solution(right, *closed)
        return (x, aux), (x, closed)

    def backward(kept: Any, cts: Any) -> Any:
        x, closed = kept
        slope = back(closed, cts[0])
        slope = slope[0] if has_aux else slope
        _, pull = vjp(lambda *c: _opened(traced, c)(x), *closed)
        return slope, *(tree.map(lambda s: -s, c) for c in pull(slope))

    solution.defvjp(forward, backward)
    x, aux = solution(b, *traced.captured)
    return (x, aux) if has_aux else x
