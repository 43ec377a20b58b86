"""Transfers alone: what n processes give each other, as a program, and as the engine does it.

A size is that of the larger of operand and result. Rates are bytes of that size over the time: the
same denominator for all, so that they compare with a copy of the same bytes. MPI and gloo write
where they are told; programs of Wonderland and JAX give a new array.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np

import wonderland as wl
from wonderland.runtime.processes import world as processes
from wonderland.runtime.rows import Transfer

from .. import peers
from ..harness import Run
from .group import AXIS, Group

SIZES = (1 << 10, 1 << 18, 1 << 22, 1 << 24, 1 << 26)  # bytes
PEERS = ("wonderland", "engine", "mpi", "jax", "torch", "memcpy")


def ring(n: int) -> list[tuple[int, int]]:
    """Each gives to the next."""
    return [(k, (k + 1) % n) for k in range(n)]


class Kind(NamedTuple):
    """A collective in a library with JAX's names, and what the engine calls it."""

    function: Callable[[Any, Any, int], Any]
    engine: Literal["sum", "gather", "scatter", "permute", "exchange"]
    gathers: bool = False  # the result is the larger


KINDS = {
    "psum": Kind(lambda m, x, n: m.lax.psum(x, AXIS), "sum"),
    "all_gather": Kind(lambda m, x, n: m.lax.all_gather(x, AXIS, tiled=True), "gather", True),
    "psum_scatter": Kind(lambda m, x, n: m.lax.psum_scatter(x, AXIS, tiled=True), "scatter"),
    "ppermute": Kind(lambda m, x, n: m.lax.ppermute(x, AXIS, ring(n)), "permute"),
    "all_to_all": Kind(lambda m, x, n: m.lax.all_to_all(x, AXIS, 0, 0, tiled=True), "exchange"),
}


def runs(name: str, size: int, group: Group) -> dict[str, Run]:
    """A run of each peer; it gives its result."""
    kind, n = KINDS[name], group.size
    count = size // 4 // (n if kind.gathers else 1)
    x = peers.random(count, seed=group.rank)
    like = {"all_gather": count * n, "psum_scatter": count // n}.get(name, count)
    made = {
        "mpi": lambda: in_mpi(name, x, np.empty(like, np.float32), group),
        "wonderland": lambda: ours(kind, x, n),
        "engine": lambda: by_engine(kind, x, np.empty(like, np.float32), n),
        "jax": lambda: in_jax(kind, x, group),
        "torch": lambda: in_torch(name, x, like, group),
    }
    return {peer: make() for peer, make in made.items() if group.has(peer)}


def copied(size: int) -> Run:
    """A copy of as many bytes, in every process at once."""
    x, y = peers.random(size // 4), np.zeros(size // 4, np.float32)
    return lambda: np.copyto(y, x)


# ---------------------------------------------------------------- peers


def ours(kind: Kind, x: np.ndarray, n: int) -> Run:
    program = wl.distributed.spmd(lambda x: kind.function(wl, x, n), wl.distributed.mesh({AXIS: n}))
    return lambda: program(x)


def by_engine(kind: Kind, x: np.ndarray, y: np.ndarray, n: int, apart: bool = False) -> Run:
    """Without a program: between two arrays, on the calling thread, or on the helper's."""
    world, mesh = processes.world(), ((AXIS, n),)
    world.join(mesh)
    pairs = tuple(ring(n)) if kind.engine == "permute" else ()
    transfer = Transfer(kind.engine, mesh, AXIS, x.dtype, x.size, pairs)

    def run() -> np.ndarray:
        if apart:
            world.start(transfer, x.ctypes.data, y.ctypes.data).wait()
        else:
            world.now(transfer, x.ctypes.data, y.ctypes.data)
        return y

    return run


def in_mpi(name: str, x: np.ndarray, y: np.ndarray, group: Group) -> Run:
    every, (next_, last) = group.everyone, group.neighbours
    call = {
        "psum": lambda: every.Allreduce(x, y),
        "all_gather": lambda: every.Allgather(x, y),
        "psum_scatter": lambda: every.Reduce_scatter_block(x, y),
        "ppermute": lambda: every.Sendrecv(x, next_, recvbuf=y, source=last),
        "all_to_all": lambda: every.Alltoall(x, y),
    }[name]

    def run() -> np.ndarray:
        call()
        return y

    return run


def in_jax(kind: Kind, x: np.ndarray, group: Group) -> Run:
    jax = peers.jax
    named = jax.sharding.PartitionSpec(AXIS)
    where = jax.sharding.NamedSharding(group.in_jax, named)
    whole = jax.make_array_from_process_local_data(where, x)
    compiled = jax.jit(
        jax.shard_map(
            lambda x: kind.function(jax, x, group.size), mesh=group.in_jax, in_specs=named,
            out_specs=named, check_vma=False,
        )
    )  # fmt: skip
    return lambda: jax.block_until_ready(compiled(whole)).addressable_data(0)


def in_torch(name: str, x: np.ndarray, like: int, group: Group) -> Run:
    """Sums are in place, as those of gradients: the first run's is the one to compare."""
    torch, every = peers.torch, group.in_torch
    x, y = torch.from_numpy(x.copy()), torch.empty(like)
    next_, last = group.neighbours

    def passed() -> None:
        sent = every.isend(x, next_)
        every.recv(y, last)
        sent.wait()

    call = {
        "psum": lambda: every.all_reduce(x),
        "all_gather": lambda: every.all_gather_into_tensor(y, x),
        "psum_scatter": lambda: every.reduce_scatter_tensor(y, x),
        "ppermute": passed,
        "all_to_all": lambda: every.all_to_all_single(y, x),
    }[name]

    def run() -> Any:
        call()
        return x if name == "psum" else y

    return run
