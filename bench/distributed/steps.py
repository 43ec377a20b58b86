"""A training step, data parallel: every process has its own rows, gradients are means over all.

Three runs of each peer: the step, the same without transfers, and the means of the gradients alone.
They say what communication costs by itself, and how much of it work hides. PyTorch's step is that
of DistributedDataParallel, its transfer one sum of all gradients in a row. Every process has one
thread, on a core of its own while there are cores.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

import wonderland as wl

from .. import peers
from ..adam import B1, B2, EPS, RATE, updated, updated_in_jax
from ..harness import Run
from ..models import tokens
from ..models.model import (
    Model,
    cross_entropy,
    integers,
    linear,
    linear_weights,
    torch_linear,
)
from .group import AXIS, Group

PEERS = ("wonderland", "jax", "torch")
PARTS = ("step", "alone", "transfer")
AGREE = 1e-5  # of losses, by how much of them they may differ
STEPS = 3  # that are compared
LINKED = 2, 8  # processes over a link


def mlp(batch: int, sizes: Sequence[int] = (784, 512, 512, 10)) -> Model:
    """Six arrays, 2.7 MB of gradients."""
    parameters = [linear_weights(a, b, seed) for seed, (a, b) in enumerate(pairwise(sizes))]
    inputs = peers.random(batch, sizes[0]), integers(sizes[-1], batch)

    def function(m: Any, p: Any, x: Any, y: Any) -> Any:
        for one in p[:-1]:
            x = m.nn.relu(linear(m, x, one))
        return cross_entropy(m, linear(m, x, p[-1]), y)

    def module(p: Any) -> Any:
        torch = peers.torch

        class Layers(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.layers = torch.nn.ModuleList(torch_linear(**one) for one in p)

            def forward(self, x: Any, y: Any) -> Any:
                for layer in self.layers[:-1]:
                    x = torch.relu(layer(x))
                return torch.nn.functional.cross_entropy(self.layers[-1](x), y)

        return Layers()

    return Model(f"{batch} x {'-'.join(map(str, sizes))}", parameters, inputs, function, module)


MODELS: dict[str, tuple[Callable[..., Model], int]] = {
    "MLP": (mlp, 512),
    "transformer": (tokens.transformer, 2),
}
"""What makes a model of so many rows, and those of one process."""


def gradient_bytes(made: Model) -> int:
    return sum(x.nbytes for x in wl.tree.leaves(made.parameters))


class Place(NamedTuple):
    """A process of several."""

    rank: int
    size: int


def own(made: Model, group: Group | Place) -> tuple[np.ndarray, ...]:
    """The rows of a process."""
    return tuple(np.split(x, group.size)[group.rank] for x in made.inputs)


def runs(made: Model, group: Group) -> dict[tuple[str, str], Run]:
    """By part and peer; steps give the loss of the own rows, transfers the means."""
    makers = {"wonderland": ours, "jax": in_jax, "torch": in_torch}
    return {
        (part, peer): run
        for peer, make in makers.items()
        if group.has(peer)
        for part, run in make(made, group).items()
    }


def parts(m: Any, made: Model, update: Callable[..., Any]) -> dict[str, Callable[..., Any]]:
    """The programs of a library with JAX's names, of parameters, states and inputs."""

    def mean(tree: Any) -> Any:
        return m.lax.pmean(tree, AXIS)

    def step(parameters: Any, state: Any, *inputs: Any, over: Any = mean) -> Any:
        function = m.value_and_grad(lambda p: made.function(m, p, *inputs))
        value, slopes = function(parameters)
        return *update(over(slopes), state, parameters), m.numpy.reshape(value, (1,))

    alone = functools.partial(step, over=lambda slopes: slopes)
    return {"step": step, "alone": alone, "transfer": mean}


def going_on(compiled: Callable[..., Any], held: list[Any], inputs: Sequence[Any]) -> Run:
    """A run that keeps what it gives for the next one."""

    def run() -> Any:
        *held[:], loss = compiled(*held, *inputs)
        return loss

    return run


# ---------------------------------------------------------------- peers


def ours(made: Model, group: Group | Place) -> dict[str, Run]:
    optimizer = wl.optim.adam(RATE, B1, B2, EPS)
    mesh = wl.distributed.mesh({AXIS: group.size})

    found = {}
    for part, function in parts(wl, made, functools.partial(updated, optimizer)).items():
        parameters = wl.tree.map(np.array, made.parameters)
        if part == "transfer":
            compiled = wl.distributed.spmd(function, mesh)
            found[part] = functools.partial(compiled, parameters)
            continue
        compiled = wl.distributed.spmd(function, mesh, donate_argnums=(0, 1))
        held = [parameters, optimizer.init(parameters)]
        found[part] = going_on(compiled, held, own(made, group))
    return found


def in_jax(made: Model, group: Group) -> dict[str, Run]:
    jax = peers.jax
    tree_map, named = jax.tree_util.tree_map, jax.sharding.PartitionSpec
    mesh = group.in_jax

    def put(x: Any, spec: Any) -> Any:
        return jax.make_array_from_process_local_data(jax.sharding.NamedSharding(mesh, spec), x)

    def shared(function: Any, given: Any, out: Any, donated: Any = ()) -> Any:
        mapped = jax.shard_map(function, mesh=mesh, in_specs=given, out_specs=out, check_vma=False)
        return jax.jit(mapped, donate_argnums=donated)

    inputs = [put(x, named(AXIS)) for x in own(made, group)]
    found = {}
    for part, function in parts(jax, made, updated_in_jax).items():
        parameters = tree_map(lambda x: put(x, named()), made.parameters)
        if part == "transfer":
            compiled = shared(function, named(), named())
            found[part] = lambda c=compiled, p=parameters: jax.block_until_ready(c(p))
            continue
        zeros = [tree_map(lambda x: put(np.zeros_like(x), named()), made.parameters) for _ in "mv"]
        held = [parameters, (put(np.zeros((), np.int32), named()), *zeros)]
        rows = [named(AXIS)] * len(inputs)
        outputs = named(), named(), named(AXIS)
        compiled = shared(function, (named(), named(), *rows), outputs, (0, 1))
        run = going_on(compiled, held, inputs)
        found[part] = lambda r=run, h=held: (jax.block_until_ready((r(), h))[0]).addressable_data(0)
    return found


def in_torch(made: Model, group: Group) -> dict[str, Run]:
    torch, every = peers.torch, group.in_torch
    parallel = importlib.import_module("torch.nn.parallel").DistributedDataParallel
    # its losses take labels as int64 only
    wide = [x.astype(np.int64) if x.dtype.kind == "i" else x for x in own(made, group)]
    inputs = [torch.from_numpy(x.copy()) for x in wide]

    def step_of(module: Any) -> Run:
        optimizer = torch.optim.Adam(module.parameters(), RATE, (B1, B2), EPS, fused=True)

        def run() -> Any:
            optimizer.zero_grad(set_to_none=True)
            loss = module(*inputs)
            loss.backward()
            optimizer.step()
            return loss.detach().reshape(1)

        return run

    gradients = torch.zeros(gradient_bytes(made) // 4)

    def transfer() -> Any:
        every.all_reduce(gradients)
        gradients.div_(group.size)

    alone, together = made.module(made.parameters), parallel(made.module(made.parameters))
    return {"step": step_of(together), "alone": step_of(alone), "transfer": transfer}


# ---------------------------------------------------------------- what they say


def apart(found: Mapping[tuple[str, str], Run], group: Group) -> float:
    """The largest difference of the first losses of all peers, their means over all processes."""
    most = 0.0
    for _ in range(STEPS):
        losses = [float(np.asarray(run())[0]) for (part, _), run in found.items() if part == "step"]
        means = np.array(group.everyone.allreduce(np.array(losses))) / group.size
        most = max(most, float(np.ptp(means) / np.max(np.abs(means))))
    return most


def hidden(step: float, alone: float, transfer: float) -> float:
    """The share of the shorter of work and transfer that runs beside the other: 1 is all of it."""
    return (alone + transfer - step) / min(alone, transfer)
