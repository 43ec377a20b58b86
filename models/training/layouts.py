"""Where the state of an optimizer is while training: whole in every process, or a part in each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...compiler.jit.jit import eval_shape, jit
from ...compiler.jit.mesh import Mesh
from ..optim import Optimizer, chain, clip_by_global_norm
from ..parallel import zero
from .step import Training, parted


@dataclass(frozen=True)
class StateLayout:
    """`optimizer` is the one of steps; files have whole states."""

    optimizer: Optimizer

    def whole(self, training: Training) -> Training:
        """What a file has of it."""
        return training

    def like(self, training: Training) -> Training:
        """The types of what a file has."""
        return training

    def resumed(self, training: Training) -> Training:
        """What this process has of what a file has."""
        return training


@dataclass(frozen=True)
class Sharded(StateLayout):
    """Each process along an axis has a part of the state of `inner`."""

    inner: Optimizer
    mesh: Mesh
    axis: str

    def whole(self, training: Training) -> Training:
        gather = jit(lambda s, w: zero.unshard_state(self.inner, s, w, self.axis), mesh=self.mesh)
        return self.changed(training, gather)

    def like(self, training: Training) -> Training:
        types = eval_shape(self.inner.init, parted(training.model)[0])
        return training._replace(optimizer=types)

    def resumed(self, training: Training) -> Training:
        scatter = jit(lambda s, w: zero.shard_state(self.inner, s, w, self.axis), mesh=self.mesh)
        return self.changed(training, scatter)

    def changed(self, training: Training, program: Any) -> Training:
        weights = parted(training.model)[0]
        return training._replace(optimizer=program(training.optimizer, weights))


def layout_of(
    optimizer: Optimizer, clip: float | None, mesh: Mesh | None = None, axis: str = ""
) -> StateLayout:
    """That of an optimizer behind a bound for the norm of gradients; with a mesh, `Sharded`."""
    if mesh is None:
        return StateLayout(
            optimizer if clip is None else chain(clip_by_global_norm(clip), optimizer)
        )
    if clip is not None:
        optimizer = chain(zero.clip_by_global_norm(clip, axis), optimizer)
    steps = zero.sharded(optimizer, axis)
    first = jit(steps.init, mesh=mesh)
    return Sharded(Optimizer(first, steps.update), optimizer, mesh, axis)
