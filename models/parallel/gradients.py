"""Loss and gradient over processes: one rule for data, tensor and pipeline parallel training.

What is differentiated is the mean over processes of their losses, whether these are of parts of a
batch or one loss that all of them have. Of each weight that a process has, its derivative by that
copy is found; a weight of which all have copies has the sum of theirs, and a part is its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...compiler.front.functions.derivatives import value_and_grad as derivative
from ...compiler.front.lax.collectives import axis_size, psum
from ...compiler.ir.explain import explained
from .specs import WHOLE, Names, PartitionSpec, by_spec, listed

__all__ = ["psum_whole", "value_and_grad"]

Tree = Any


@explained
def psum_whole(grads: Tree, axis_name: Names, specs: Tree = WHOLE) -> Tree:
    """Gradients summed over the named axes along which their weights are whole; parts stay."""

    def total(g: Any, spec: PartitionSpec) -> Any:
        names = tuple(n for n in listed(axis_name) if n not in spec.axes)
        return psum(g, names) if names else g

    return by_spec("psum_whole", total, grads, specs)


@explained
def value_and_grad(
    loss: Callable[..., Any], axis_name: Names, specs: Tree = WHOLE, *, has_aux: bool = False
) -> Callable[..., Any]:
    """(params, ...) -> the mean of `loss` over processes, and its gradient in the first argument.

    `specs` say what of the weights is split; by default nothing is, and it is data parallel. With
    `has_aux` the loss gives (value, aux), and each process's own aux is handed on.
    Cost: one psum for each weight that is whole, all of which are independent.
    Example:
    >>> import numpy as np
    >>> import wonderland as wl
    >>> x, y = np.arange(8.0).reshape(4, 2), np.ones(4)
    >>> def loss(w, x, y):
    ...     return np.mean((x @ w - y) ** 2)
    >>> step = wl.vmap(value_and_grad(loss, "data"), (None, 0, 0), None, axis_name="data")
    >>> value, grad = step(np.ones(2), x.reshape(2, 2, 2), y.reshape(2, 2))
    >>> float(value), grad, wl.grad(loss)(np.ones(2), x, y)
    (56.0, array([56., 68.]), array([56., 68.]))
    """

    def share(*args: Any, **options: Any) -> Any:
        found = loss(*args, **options)
        n = axis_size(axis_name)
        return (found[0] / n, found[1]) if has_aux else found / n

    def total(params: Tree, *args: Any, **options: Any) -> Any:
        found, grads = derivative(share, has_aux=has_aux)(params, *args, **options)
        value, *aux = found if has_aux else (found,)
        value = psum(value, axis_name)
        return (value, *aux) if has_aux else value, psum_whole(grads, axis_name, specs)

    return total
