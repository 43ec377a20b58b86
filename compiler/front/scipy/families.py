"""What the distributions of scipy.stats share: parameters, supports, and the functions of each.

A family of numbers is written once for loc = 0 and scale = 1, on traced values within its support;
what lies outside of it has density 0 with derivatives 0, and parameters outside of their domain
give NaN. Whatever a density is where it is not looked at, no derivative of it is NaN.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ...trace.operands import tracer, wrong
from ...trace.tracer import Tracer
from ..lax.lax import bound_to, eager, stop_gradient
from ..numpy import elementwise as el

Rule = Callable[..., Any]
Ends = tuple[Any, Any]


def real(x: Any) -> Tracer:
    """A traced float: integers are floats of their values."""
    x = tracer(x)
    if x.type.is_complex:
        raise wrong(f"stats: real numbers are required, got {x.type}")
    return x if x.type.is_inexact else x + 0.0


def all_positive(*shapes: Any) -> Any:
    """Whether all are above 0."""
    good: Any = True
    for x in shapes:
        good = el.greater(x, 0) & good
    return good


def probability(p: Any) -> Any:
    """Whether p is one."""
    return el.greater_equal(p, 0) & el.less_equal(p, 1)


def log1p_square(x: Any) -> Any:
    """log(1 + x**2), of numbers whose square is beyond floats too."""
    far = el.greater(el.absolute(x), 1e8)
    near = el.where(far, 0.0, x)
    return el.where(far, 2 * el.log(el.absolute(el.where(far, x, 1.0))), el.log1p(near * near))


def density_function(
    name: str, doc: str, parameters: tuple[str, ...], rule: Rule, **defaults: Any
) -> Rule:
    """A function of those parameters, by place or by name, of arrays or of traced values."""
    kinds = inspect.Parameter.POSITIONAL_OR_KEYWORD
    signature = inspect.Signature(
        [
            inspect.Parameter(
                p, kinds, annotation=Any, default=defaults.get(p, inspect.Parameter.empty)
            )
            for p in parameters
        ],
        return_annotation=Any,
    )

    def function(*args: Any, **options: Any) -> Any:
        bound = bound_to(signature, args, options)
        return rule(*bound.arguments.values())

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    function.__signature__ = signature  # type: ignore[attr-defined]
    arrays = (p for p in parameters if defaults.get(p, 0) is not None)  # None says how, not of what
    return eager(*arrays)(function)


class Family:
    """Functions of one distribution; those it has not say which there are."""

    name: str

    def __getattr__(self, wanted: str) -> Any:
        if wanted.startswith("_"):
            raise AttributeError(wanted)
        names = ", ".join(n for n in FUNCTIONS_OF if n in vars(self))
        raise AttributeError(f"stats: {self.name} has {names}, got {wanted}", name=wanted)

    def __repr__(self) -> str:
        return f"<wonderland.scipy.stats.{self.name}>"

    def __dir__(self) -> list[str]:
        return [n for n in FUNCTIONS_OF if n in vars(self)]


FUNCTIONS_OF = {
    "pdf": "The density.",
    "logpdf": "The logarithm of the density.",
    "pmf": "The probability of a whole number.",
    "logpmf": "The logarithm of the probability of a whole number.",
    "cdf": "The probability of no more.",
    "logcdf": "The logarithm of the probability of no more.",
    "sf": "The probability of more, precise where it is small.",
    "logsf": "The logarithm of the probability of more.",
    "ppf": "The number of which the probability of no more is q.",
    "isf": "The number of which the probability of more is q, precise for small q.",
    "entropy": "The mean of -logpdf.",
}


@dataclass(frozen=True, eq=False, repr=False)
class Continuous(Family):
    """Densities over an interval, moved by `loc` and stretched by `scale`."""

    name: str
    shapes: tuple[str, ...]
    log_density: Rule
    """Of z within the support, and of the shapes; so are the others."""
    ends: Rule = lambda *shapes: (-math.inf, math.inf)
    """The support, ends and all."""
    inside: Rule = lambda *shapes: 0.0
    """A point of it, about which nothing is infinite."""
    domain: Rule = all_positive
    below: Rule | None = None
    """The probability of no more than z."""
    above: Rule | None = None
    log_below: Rule | None = None
    log_above: Rule | None = None
    quantile: Rule | None = None
    """z of which the probability of no more is q."""
    upper_quantile: Rule | None = None

    def __post_init__(self) -> None:
        made: dict[str, Rule] = {"logpdf": self._logpdf, "pdf": self._pdf}
        sides = {
            "cdf": (self.below, (0.0, 1.0)),
            "sf": (self.above, (1.0, 0.0)),
            "logcdf": (self.log_below or _log_of(self.below), (-math.inf, 0.0)),
            "logsf": (self.log_above or _log_of(self.above), (0.0, -math.inf)),
        }
        made |= {n: self._side(rule, beyond) for n, (rule, beyond) in sides.items() if rule}
        places = {"ppf": self.quantile, "isf": self.upper_quantile}
        made |= {n: self._place(rule) for n, rule in places.items() if rule}
        for name, rule in made.items():
            first = "q" if name in places else "x"
            parameters = (first, *self.shapes, "loc", "scale")
            whole = density_function(name, FUNCTIONS_OF[name], parameters, rule, loc=0, scale=1)
            object.__setattr__(self, name, whole)

    def _standard(self, x: Any, given: tuple[Any, ...]) -> tuple[Any, list[Any], Any, Any]:
        """z, shapes, the scale, and whether all parameters are of their domain."""
        *shapes, loc, scale = (real(g) for g in given)
        return (real(x) - loc) / scale, shapes, scale, el.greater(scale, 0) & self.domain(*shapes)

    def _outside(self, z: Any, shapes: list[Any]) -> Any:
        low, high = self.ends(*shapes)
        return el.less(z, low) | el.greater(z, high) | el.isinf(z)

    def _logpdf(self, x: Any, *given: Any) -> Any:
        z, shapes, scale, good = self._standard(x, given)
        outside = self._outside(z, shapes)
        found = self.log_density(el.where(outside, self.inside(*shapes), z), *shapes)
        return el.where(good, el.where(outside, -math.inf, found - el.log(scale)), math.nan)

    def _pdf(self, x: Any, *given: Any) -> Any:
        z, shapes, scale, good = self._standard(x, given)
        inside, outside = self.inside(*shapes), self._outside(z, shapes)
        first = stop_gradient(self.log_density(el.where(outside, inside, z), *shapes))
        end = el.where(outside | el.equal(first, -math.inf), 0.0, math.inf)
        # where the density is 0 or infinite, derivatives of its logarithm have no meaning
        none = outside | el.isinf(first)
        found = el.exp(self.log_density(el.where(none, inside, z), *shapes)) / scale
        return el.where(good, el.where(none, end, found), math.nan)

    def _side(self, rule: Rule, beyond: Ends) -> Rule:
        def of(x: Any, *given: Any) -> Any:
            z, shapes, _, good = self._standard(x, given)
            low, high = self.ends(*shapes)
            below, above = el.less_equal(z, low), el.greater_equal(z, high)
            found = rule(el.where(below | above, self.inside(*shapes), z), *shapes)
            found = el.where(above, beyond[1], found)
            return el.where(good, el.where(below, beyond[0], found), math.nan)

        return of

    def _place(self, rule: Rule) -> Rule:
        def of(q: Any, *given: Any) -> Any:
            *shapes, loc, scale = (real(g) for g in given)
            q = real(q)
            good = el.greater(scale, 0) & self.domain(*shapes) & probability(q)
            found = loc + scale * rule(el.where(good, q, 0.5), *shapes)
            return el.where(good, found, math.nan)

        return of


def _log_of(rule: Rule | None) -> Rule | None:
    def log_of(z: Any, *shapes: Any) -> Any:
        found = rule(z, *shapes)  # type: ignore[misc]
        none = el.equal(found, 0)
        return el.where(none, -math.inf, el.log(el.where(none, 1.0, found)))

    return log_of if rule else None


@dataclass(frozen=True, eq=False, repr=False)
class Discrete(Family):
    """Probabilities of whole numbers, moved by `loc`; those of other numbers are 0."""

    name: str
    shapes: tuple[str, ...]
    log_probability: Rule
    """Of a number k within the support, and of the shapes."""
    ends: Rule = lambda *shapes: (0, math.inf)
    domain: Rule = all_positive
    inside: Rule | None = None
    """A number of the support that has a probability above 0; its end where none is said."""
    below: Rule | None = None
    """The probability of no more than a whole number k."""
    quantile: Rule | None = None

    def __post_init__(self) -> None:
        made: dict[str, Rule] = {
            "logpmf": self._logpmf,
            "pmf": self._pmf,
        }
        made |= {"cdf": self._cdf} if self.below else {}
        made |= {"ppf": self._ppf} if self.quantile else {}
        for name, rule in made.items():
            parameters = ("q" if name == "ppf" else "k", *self.shapes, "loc")
            whole = density_function(name, FUNCTIONS_OF[name], parameters, rule, loc=0)
            object.__setattr__(self, name, whole)

    def _given(self, k: Any, given: tuple[Any, ...]) -> tuple[Any, Any, list[Any]]:
        """k, a number of the support where it is not, whether it is not, and the shapes."""
        *shapes, loc = (real(g) for g in given)
        k = real(k) - loc
        low, high = self.ends(*shapes)
        none = el.less(k, low) | el.greater(k, high) | el.isinf(k)
        none = none | (el.not_equal(k, el.floor(k)) & el.equal(k, k))
        return el.where(none, self._start(shapes), k), none, shapes

    def _start(self, shapes: list[Any]) -> Any:
        return self.inside(*shapes) if self.inside else self.ends(*shapes)[0]

    def _logpmf(self, k: Any, *given: Any) -> Any:
        k, none, shapes = self._given(k, given)
        found = el.where(none, -math.inf, self.log_probability(k, *shapes))
        return el.where(self.domain(*shapes), found, math.nan)

    def _pmf(self, k: Any, *given: Any) -> Any:
        k, none, shapes = self._given(k, given)
        none = none | el.equal(stop_gradient(self.log_probability(k, *shapes)), -math.inf)
        found = el.exp(self.log_probability(el.where(none, self._start(shapes), k), *shapes))
        return el.where(self.domain(*shapes), el.where(none, 0.0, found), math.nan)

    def _cdf(self, k: Any, *given: Any) -> Any:
        assert self.below is not None
        *shapes, loc = (real(g) for g in given)
        k = real(k) - loc
        low, high = self.ends(*shapes)
        below, above = el.less(k, low), el.greater_equal(k, high)
        found = self.below(el.floor(el.where(below | above, low, k)), *shapes)
        found = el.where(below, 0.0, el.where(above, 1.0, found))
        return el.where(self.domain(*shapes), found, math.nan)

    def _ppf(self, q: Any, *given: Any) -> Any:
        assert self.quantile is not None
        *shapes, loc = (real(g) for g in given)
        q = real(q)
        good = self.domain(*shapes) & probability(q)
        return el.where(good, loc + self.quantile(q, *shapes), math.nan)
