"""What a step makes of one part of the state before it, read from its graph.

    y' = coefficient * y + term        or the greater, the lesser, log-sum-exp of y and a term

where coefficient and term depend on anything but y, and act on each element alone. Those of halves
are f32, in which all states are combined: only results are rounded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from ...ir.graph import Graph, Node, Value, apply
from ...ir.symbolic import accumulate
from ...ir.types import COMPLEX, HALVES, INTEGERS, WIDE, Type
from ...transform.split import dependents
from ..cumulative import cumlogsumexp, cummax, cummin, cumprod, cumsum
from ..cumulative import linear_recurrence as recurrence
from ..elementwise import Add, And, Cast, Maximum, Minimum, Mul, Neg, Or, Sub, cast, mul, neg
from ..formula import Logaddexp
from ..source import full, python_type
from ..view import Broadcast, Permute, Reshape

RUNNING: dict[type, Callable[..., Value]] = {
    Maximum: cummax,
    Minimum: cummin,
    Logaddexp: cumlogsumexp,
    Or: cummax,
    And: cummin,
}
"""The prefixes by an op that combines the state with a term."""


@dataclass(frozen=True)
class Step:
    """coefficient * y + term, where None is 1 and 0; by `kind` that combination of y and the term.

    `free`: the term alone, y takes no part.
    """

    coefficient: Value | None = None
    term: Value | None = None
    kind: type | None = None
    free: bool = False

    def prefixes(self, coefficient: Value | None, term: Value, reverse: bool) -> Value:
        """The states along the leading axis, by the sequences of coefficients and terms.

        The term of the first element is the first state. Without a coefficient the terms are what
        is combined; if the step has one alone, these are the coefficients.
        """
        if self.free:
            return term
        if self.kind is not None:
            wide = cast(term, "u8") if term.dtype == "bool" else term
            return cast(RUNNING[self.kind](wide, 0, reverse), term.dtype)
        if coefficient is None:
            return (cumprod if self.term is None else cumsum)(term, 0, reverse)
        return recurrence(coefficient, term, 0, reverse)


def step_of(body: Graph, y: Value, out: Value) -> Step | None:
    """How `out` of a body follows from its input `y`, if it is a first-order recurrence."""
    waiting = dependents(body, [v is y for v in body.inputs])
    if out not in waiting:
        return Step(None, out, free=True)
    known: dict[Value, Step] = {y: Step()}
    for node in body.nodes:
        if waiting.isdisjoint(node.values):
            continue
        found = after(node, known, waiting)
        if found is not None:
            known[node.out] = found
    step = known.get(out)
    return step if step is not None and there_is_an_op(step, y.type) else None


def after(node: Node, known: dict[Value, Step], waiting: set[Value]) -> Step | None:
    """What a node makes of one or two recurrences."""
    if len(node.values) != 1 or any(a in waiting and a not in known for a in node.args):
        return None
    steps = [known.get(a) for a in node.args]
    first = next(s for s in steps if s is not None)
    if keeps_order(node):
        coefficient, term = (p and apply(node.op, p) for p in (first.coefficient, first.term))
        return replace(first, coefficient=coefficient, term=term)
    if isinstance(node.op, Cast):
        return first if {node.args[0].dtype, node.out.dtype} <= {"f32", *HALVES} else None
    if any(s is not None and s.kind is not None for s in steps):
        return None
    others = [widened(a) for a, s in zip(node.args, steps, strict=True) if s is None]
    coefficient, term = first.coefficient, first.term
    match node.op, steps:
        case Neg(), _:
            return Step(opposite(coefficient, node.out.type), term and neg(term))
        case ((Add() | Sub()), [Step() as one, Step() as two]):
            return both(node, one, two)
        case Add(), _:
            return replace(first, term=accumulate(term, *others))
        case Sub(), [Step(), None]:
            return replace(first, term=minus(term, *others))
        case Mul(), _ if others:
            factor = others[0] if coefficient is None else mul(coefficient, *others)
            return Step(factor, term and mul(term, *others))
        case op, _ if type(op) in RUNNING and others and first == Step():
            return Step(None, others[0], type(op))
    return None


def both(node: Node, one: Step, two: Step) -> Step:
    """The sum or difference of two recurrences in the same state."""
    every = [
        number(1, node.out.type) if s.coefficient is None else s.coefficient for s in (one, two)
    ]
    coefficient = apply(node.op, *every)
    if isinstance(node.op, Add):
        return Step(coefficient, accumulate(one.term, two.term))
    return Step(coefficient, one.term if two.term is None else minus(one.term, two.term))


def widened(x: Value) -> Value:
    return cast(x, "f32") if x.dtype in HALVES else x


def number(x: int, of: Type) -> Value:
    """One number in place of all elements of a type."""
    dtype = "f32" if of.dtype in HALVES else of.dtype
    return full(python_type(dtype)(x), Type(dtype, of.shape))


def minus(x: Value | None, y: Value) -> Value:
    return neg(y) if x is None else apply(Sub(), x, y)


def opposite(x: Value | None, of: Type) -> Value:
    return number(-1, of) if x is None else neg(x)


def keeps_order(node: Node) -> bool:
    """Whether the result has the elements of the operand, in the order in which they lie."""
    match node.op:
        case Reshape():
            return True
        case Broadcast():
            return node.args[0].type.size == node.out.type.size
        case Permute(axes=axes):
            long = [a for a in axes if node.args[0].shape[a] != 1]
            return long == sorted(long)
    return False


def unviewed(x: Value) -> Value:
    """The value of the same shape of which `x` is only another shape and back, perhaps widened."""
    found = x
    while found.node is not None and (keeps_order(found.node) or widens(found.node)):
        (found,) = found.node.args
    return found if found.shape == x.shape else x


def widens(node: Node) -> bool:
    return isinstance(node.op, Cast) and node.args[0].dtype in HALVES and node.out.dtype == "f32"


def there_is_an_op(step: Step, of: Type) -> bool:
    """Whether there is an op for it."""
    if step.kind in (Or, And):
        return of.dtype == "bool"
    if step.kind is Logaddexp:
        return of.dtype in (*WIDE, *HALVES)
    if step.coefficient is not None and step.term is not None:
        return of.dtype in (*HALVES, *WIDE, *COMPLEX)
    return of.dtype in (*INTEGERS, *HALVES, *WIDE, *COMPLEX)
