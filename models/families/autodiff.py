"""Derivatives of a function of n numbers: by differences, by symbols, forward and in reverse.

    (f(x + h e_i) - f(x)) / h            error O(h) + O(eps / h), n + 1 values of f
    (f(x + h e_i) - f(x - h e_i)) / 2h   error O(h**2) + O(eps / h), 2 n values
    Im f(x + i h e_i) / h                exact for analytic f and tiny h, n complex values
    forward mode                         exact, n products of the Jacobian with a vector
    reverse mode                         exact, one product of a vector with it: at most 4 values

    wonderland train autodiff

Source: Griewank, Walther, Evaluating derivatives, 2008; Squire, Trapp, Using complex variables to
estimate derivatives of real functions, 1998; Scardapane, Alice's adventures in a differentiable
wonderland, chapters 2 and 6.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy

import wonderland as wl
import wonderland.numpy as np
from wonderland import lax, optim
from wonderland.models import Recipe, data
from wonderland.models.families.classification import majority

Function = Callable[[Any], Any]

# ---------------------------------------------------------------- derivatives


def along(x: Any) -> Any:
    """The n unit vectors of x [n]."""
    return np.eye(len(x), dtype=x.dtype)


def by_forward_difference(f: Function, x: Any, h: float = 1e-8) -> Any:
    """The slope of a secant, to one side."""
    return (wl.vmap(f)(x + h * along(x)) - f(x)) / h


def by_central_difference(f: Function, x: Any, h: float = 6e-6) -> Any:
    """The slope of a secant, to both sides."""
    return (wl.vmap(f)(x + h * along(x)) - wl.vmap(f)(x - h * along(x))) / (2 * h)


def by_complex_step(f: Function, x: Any, h: float = 1e-20) -> Any:
    """The imaginary part a step of i h away, where nothing is subtracted."""
    return np.imag(wl.vmap(f)(x + 1j * h * along(x))) / h


def by_forward_mode(f: Function, x: Any) -> Any:
    """A tangent for each direction."""
    return wl.vmap(lambda e: wl.jvp(f, (x,), (e,))[1])(along(x))


def by_reverse_mode(f: Function, x: Any) -> Any:
    """One cotangent back through the program."""
    return wl.grad(f)(x)


METHODS: dict[str, Callable[..., Any]] = {
    "forward difference": by_forward_difference,
    "central difference": by_central_difference,
    "complex step": by_complex_step,
    "forward mode": by_forward_mode,
    "reverse mode": by_reverse_mode,
}


def product(x: Any) -> Any:
    """Speelpenning's product, of 1 + sin(x_i) / 2: its gradient has n products of n factors."""
    return np.prod(1 + np.sin(x) / 2)


def symbolic(n: int) -> tuple[Callable[..., Any], int]:
    """The gradient of `product` by sympy, as a function of n numbers, and its operations."""
    import sympy  # pyright: ignore[reportMissingImports]

    symbols = sympy.symbols(f"x:{n}")
    f = sympy.prod([1 + sympy.sin(s) / 2 for s in symbols])
    slopes = [sympy.diff(f, s) for s in symbols]
    return sympy.lambdify(symbols, slopes), int(sum(sympy.count_ops(d) for d in slopes))


def differentiated_by(method: Callable[[Function, Any], Any], f: Function) -> Function:
    """f with a derivative of its own: `wl.grad` of it is `method(f, x)`."""
    ruled = wl.custom_vjp(f)
    ruled.defvjp(lambda x: (f(x), method(f, x)), lambda slope, cotangent: (cotangent * slope,))
    return ruled


# ---------------------------------------------------------------- what it costs


def cost(f: Callable[..., Any], *args: Any) -> tuple[int, float]:
    """Operations and seconds of a compiled call."""
    profile = wl.jit(f).compile(*args).profile(*args)
    return sum(row.flops for row in profile.rows), profile.seconds


def deep(weights: Any, x: Any, every: int = 0) -> Any:
    """Layers tanh(x w), one after the other; where `every` is not 0, a derivative keeps only what
    stands between as many layers, and computes the others again."""

    def layers(x: Any, chosen: Any) -> Any:
        for w in chosen:
            x = np.tanh(x @ w)
        return x

    if not every:
        return np.sum(layers(x, weights))
    for start in range(0, len(weights), every):
        x = wl.checkpoint(layers)(x, weights[start : start + every])
    return np.sum(x)


def peak_bytes(f: Callable[..., Any], *args: Any) -> int:
    """The memory that a compiled call needs beside its arguments, at its worst moment."""
    return max(wl.jit(f).inspect(*args).compiled.memory.live)


def memory_and_operations(layers: int = 16, size: int = 32) -> dict[str, tuple[int, int]]:
    """Of the gradient of a deep function: as it is, with checkpoints, and within a budget."""
    rng = numpy.random.default_rng(0)
    weights = list((rng.normal(size=(layers, size, size)) / size**0.5).astype(numpy.float32))
    x = rng.normal(size=(8 * size, size)).astype(numpy.float32)
    slope = {
        f"every {k}" if k else "all kept": wl.grad(partial(deep, every=k)) for k in (0, 2, 4, 8)
    }
    found = {name: (peak_bytes(f, weights, x), cost(f, weights, x)[0]) for name, f in slope.items()}
    whole = found["all kept"][0]
    with wl.memory_budget(round(0.7 * whole)):
        f = slope["all kept"]
        found["budget of 70%"] = peak_bytes(f, weights, x), cost(f, weights, x)[0]
    return found


# ---------------------------------------------------------------- descent


def valley(x: Any) -> Any:
    """A quadratic function that is 20 times as steep one way as the other."""
    return 0.5 * (x[0] ** 2 + 20 * x[1] ** 2)


def descent(f: Function, x: Any, rate: float, momentum: float, steps: int) -> Any:
    """The path [steps + 1, n] of x <- x + v, v <- momentum v - rate grad f(x)."""

    def step(state: Any, _: Any) -> Any:
        x, v = state
        v = momentum * v - rate * wl.grad(f)(x)
        return (x + v, v), x + v

    _, path = lax.scan(step, (x, np.zeros_like(x)), None, length=steps)
    return np.concatenate([x[None], path])


# ---------------------------------------------------------------- a model without a rule


def logistic_loss(w: Any, batch: Any) -> Any:
    """Mean negative log-likelihood of labels 0 and 1, analytic in w [features + 1]."""
    x, y = batch
    margin = (x @ w[:-1] + w[-1]) * (2 * y - 1)
    return np.mean(np.log(1 + np.exp(-margin)))


def loss_by(method: Callable[[Function, Any], Any], w: Any, batch: Any) -> Any:
    """The loss, whose derivative is the method's."""
    return differentiated_by(method, lambda w: logistic_loss(w, batch))(w)


def accuracy(w: Any, batch: Any) -> Any:
    """The part of the labels 0 and 1 that are predicted."""
    x, y = batch
    return np.mean((x @ w[:-1] + w[-1] > 0) == (y > 0.5))


def drawn(w: Any, split: data.Split) -> Any:
    """Errors by the step, costs by n, memory against operations, and a path down a valley."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 8), layout="constrained")
    (steps, costs), (memory, path) = figure.subplots(2, 2)  # type: ignore[misc]
    x = numpy.linspace(0.1, 2.0, 16)
    exact, sizes = by_reverse_mode(product, x), 10.0 ** numpy.arange(-16, 0.5)
    for name in list(METHODS)[:3]:
        errors = [numpy.max(numpy.abs(METHODS[name](product, x, h) / exact - 1)) for h in sizes]
        steps.loglog(sizes, numpy.maximum(errors, 1e-17), marker=".", label=name)
    steps.set(xlabel="h", ylabel="largest relative error", title="differences")
    counts = (4, 16, 64, 256)
    for name, method in METHODS.items():
        flops = [cost(partial(method, product), numpy.linspace(0.1, 2, n))[0] for n in counts]
        costs.loglog(counts, flops, marker=".", label=name)
    with contextlib.suppress(ImportError):  # of sympy
        costs.loglog(counts[:3], [symbolic(n)[1] for n in counts[:3]], "x", label="symbolic")
    costs.set(xlabel="n", ylabel="operations", title="a gradient of n numbers")
    for name, (peak, flops) in memory_and_operations().items():
        memory.plot(flops / 1e6, peak / 1e6, "o", label=name)
    memory.set(xlabel="million operations", ylabel="MB", title="checkpoints of a deep gradient")
    grid = numpy.meshgrid(numpy.linspace(-4, 4, 100), numpy.linspace(-1.2, 1.2, 100))
    path.contour(*grid, valley(numpy.stack(grid)), 12, colors="lightgray")
    for momentum in (0.0, 0.8):
        points = descent(valley, numpy.array([-3.5, 1.0]), 0.04, momentum, 60)
        path.plot(*points.T, marker=".", linewidth=0.8, label=f"momentum {momentum:g}")
    path.set(xlabel="$x_0$", ylabel="$x_1$", title="gradient descent")
    for axes in (steps, costs, memory, path):
        axes.legend(frameon=False, fontsize=8)
    return figure


RECIPES = (
    Recipe(
        name="autodiff",
        chapter="6",
        about="logistic regression by complex steps: no derivative of anything is known",
        data=data.breast_cancer,
        init=lambda key, split: np.zeros(split.train[0].shape[1] + 1, np.float32),
        loss=partial(loss_by, by_complex_step),
        score=accuracy,
        measure="accuracy",
        baseline=majority,
        stated=0.991,
        rate=0.3,
        optimizer=lambda schedule: optim.sgd(schedule, momentum=0.9),
        epochs=100,
        picture=drawn,
    ),
)
