"""Explicit graphs: nodes after nodes, made executable, changed in place."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, field
from typing import Any

from .driver import (
    INVALID_VALUE,
    NOT_SUPPORTED,
    Driver,
    Refused,
    entry,
    i32,
    place,
    size,
    to,
    u32,
    u64,
)
from .kernels import Run, asked
from .order import stream_of

KERNEL, EMPTY = 0, 5  # of CUgraphNodeType
MOVE = 1  # a graph takes over the reference of who gives it one


@dataclass
class UserObject:
    """What a graph keeps alive for its user."""

    pointer: int
    destroy: int
    references: int


@dataclass
class Node:
    graph: int
    after: tuple[int, ...]
    run: Run | None


@dataclass
class Graph:
    nodes: dict[int, Node] = field(default_factory=dict)
    kept: list[int] = field(default_factory=list)


class Parameters(ctypes.Structure):
    """CUDA_KERNEL_NODE_PARAMS_v2"""

    _fields_ = (
        ("function", place),
        *((n, u32) for n in ("gx", "gy", "gz", "bx", "by", "bz", "shared")),
        ("arguments", to(place)), ("extra", place), ("kernel", place), ("context", place),
    )  # fmt: skip


class AnyNode(ctypes.Structure):
    """CUgraphNodeParams"""

    _fields_ = (("kind", u32), ("reserved", i32 * 3), ("of", Parameters))


class Instantiation(ctypes.Structure):
    """CUDA_GRAPH_INSTANTIATE_PARAMS"""

    _fields_ = (("flags", u64), ("stream", place), ("error_node", place), ("result", i32))


def kernel_of(driver: Driver, x: Any) -> Run:
    if x.extra:
        raise Refused(NOT_SUPPORTED, "packed arguments")
    return asked(driver, x.kernel or x.function, x, x.arguments)


def added(driver: Driver, graph: int | None, after: Any, count: int, run: Run | None) -> int:
    of = driver.of(graph, Graph)
    before = tuple(after[k] for k in range(count))
    if missing := [n for n in before if n not in of.nodes]:
        raise Refused(INVALID_VALUE, f"{missing[0]:#x} is no node of the graph")
    node = Node(graph or 0, before, run)
    handle = driver.add(node)
    of.nodes[handle] = node
    return handle


@entry(to(place), u32)
def cuGraphCreate(driver: Driver, out: Any, flags: int) -> None:
    out[0] = driver.add(Graph())


@entry(place)
def cuGraphDestroy(driver: Driver, graph: int | None) -> None:
    found = driver.forget(graph, Graph)
    for handle in found.nodes:
        driver.forget(handle, Node)
    for kept in found.kept:
        released(driver, kept)


@entry(to(place), place, to(place), size, to(Parameters))
def cuGraphAddKernelNode(
    driver: Driver, out: Any, graph: int | None, after: Any, count: int, x: Any
) -> None:
    out[0] = added(driver, graph, after, count, kernel_of(driver, x.contents))


@entry(to(place), place, to(place), size)
def cuGraphAddEmptyNode(
    driver: Driver, out: Any, graph: int | None, after: Any, count: int
) -> None:
    out[0] = added(driver, graph, after, count, None)


@entry(to(place), place, to(place), place, size, to(AnyNode))
def cuGraphAddNode(
    driver: Driver, out: Any, graph: int | None, after: Any, edges: Any, count: int, x: Any
) -> None:
    if x.contents.kind not in (KERNEL, EMPTY):
        raise Refused(NOT_SUPPORTED, f"nodes of kind {x.contents.kind}")
    run = kernel_of(driver, x.contents.of) if x.contents.kind == KERNEL else None
    out[0] = added(driver, graph, after, count, run)


@entry(place, to(i32))
def cuGraphNodeGetType(driver: Driver, node: int | None, out: Any) -> None:
    out[0] = EMPTY if driver.of(node, Node).run is None else KERNEL


# ------------------------------------------------------------------ executable graphs


@dataclass
class Executable:
    """What a graph was when it was made executable."""

    nodes: dict[int, Node]
    kept: list[int]

    def order(self) -> list[Run]:
        """Nodes one by one; of those that may run at the same time the latest first."""
        left, found = dict(self.nodes), []
        while left:
            handle = next(h for h in reversed(left) if not any(n in left for n in left[h].after))
            if (run := left.pop(handle).run) is not None:
                found.append(run)
        return found


def executable(driver: Driver, graph: int | None) -> int:
    of = driver.of(graph, Graph)
    for kept in of.kept:
        driver.of(kept, UserObject).references += 1
    nodes = {handle: Node(n.graph, n.after, n.run) for handle, n in of.nodes.items()}
    return driver.add(Executable(nodes, list(of.kept)))


@entry(to(place), place, to(Instantiation))
def cuGraphInstantiateWithParams(driver: Driver, out: Any, graph: int | None, x: Any) -> None:
    out[0] = executable(driver, graph)
    x.contents.result = 0


@entry(place)
def cuGraphExecDestroy(driver: Driver, handle: int | None) -> None:
    for kept in driver.forget(handle, Executable).kept:
        released(driver, kept)


@entry(place, place)
def cuGraphUpload(driver: Driver, handle: int | None, stream: int | None) -> None:
    driver.of(handle, Executable)
    stream_of(driver, stream)


@entry(place, place)
def cuGraphLaunch(driver: Driver, handle: int | None, stream: int | None) -> None:
    """What is asked for now; changes after it are for the next launch."""
    runs = driver.of(handle, Executable).order()
    of = stream_of(driver, stream)
    for run in runs:
        of.ask(lambda run=run: run(driver))


def change(driver: Driver, handle: int | None, node: int | None, x: Any) -> None:
    nodes = driver.of(handle, Executable).nodes
    if node not in nodes or nodes[node].run is None:
        raise Refused(INVALID_VALUE, "no kernel of this graph")
    nodes[node].run = kernel_of(driver, x)


@entry(place, place, to(Parameters))
def cuGraphExecKernelNodeSetParams(
    driver: Driver, handle: int | None, node: int | None, x: Any
) -> None:
    change(driver, handle, node, x.contents)


@entry(place, place, to(AnyNode))
def cuGraphExecNodeSetParams(driver: Driver, handle: int | None, node: int | None, x: Any) -> None:
    if x.contents.kind != KERNEL:
        raise Refused(NOT_SUPPORTED, f"nodes of kind {x.contents.kind}")
    change(driver, handle, node, x.contents.of)


# ------------------------------------------------------------------ what graphs keep alive


@entry(to(place), place, place, u32, u32)
def cuUserObjectCreate(
    driver: Driver, out: Any, pointer: int | None, destroy: int, count: int, flags: int
) -> None:
    out[0] = driver.add(UserObject(pointer or 0, destroy, count))


@entry(place, u32)
def cuUserObjectRelease(driver: Driver, handle: int | None, count: int) -> None:
    released(driver, handle, count)


def released(driver: Driver, handle: int | None, count: int = 1) -> None:
    found = driver.of(handle, UserObject, INVALID_VALUE)
    found.references -= count
    if found.references <= 0:
        driver.forget(handle, UserObject)
        ctypes.CFUNCTYPE(None, place)(found.destroy)(found.pointer)


@entry(place, place, u32, u32)
def cuGraphRetainUserObject(
    driver: Driver, graph: int | None, handle: int | None, count: int, flags: int
) -> None:
    kept = driver.of(handle, UserObject, INVALID_VALUE)
    kept.references += 0 if flags & MOVE else count
    driver.of(graph, Graph).kept.extend([handle or 0] * count)


@entry(place, place, u32)
def cuGraphReleaseUserObject(
    driver: Driver, graph: int | None, handle: int | None, count: int
) -> None:
    kept = driver.of(graph, Graph).kept
    for _ in range(count):
        if handle not in kept:
            raise Refused(INVALID_VALUE, "the graph keeps no such object")
        kept.remove(handle)
        released(driver, handle)
