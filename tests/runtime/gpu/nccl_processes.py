"""Every kind of transfer between GPUs by NCCL itself, against NumPy: what a first GPU is asked.

    python -m tests.runtime.gpu.nccl_processes                  one GPU: a communicator of one
    mpiexec -n 2 python -m tests.runtime.gpu.nccl_processes     a GPU for each process

It prints what NCCL is, a line for each kind, whether runs give the same bits, what a sum of 64 MB
takes alone and beside products, and fails with the first difference.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np

import wonderland as wl
from wonderland.runtime.gpu import cuda, devices, nccl
from wonderland.runtime.processes.world import World, initialize
from wonderland.runtime.rows import Transfer

KINDS = "sum", "max", "min", "gather", "scatter", "exchange", "permute"
COUNTS = 0, 1, 7, 1000, 300_001
DTYPES = "f4", "f8", "i4", "i8", "u1"
LARGE = 16 << 20


def main() -> int:
    world = initialize()
    device = devices.accelerator("cuda")
    assert isinstance(device, cuda.CudaDevice)
    mesh = (("gpus", world.size),)
    over = carrier(device, world)
    say(world, f"{device!r} and {world.size - 1} others; {nccl.modules()[0].get_version()}")
    for kind in KINDS:
        for dtype, count in ((d, n) for d in DTYPES for n in COUNTS):
            size = count * world.size
            what = Transfer(kind, mesh, "gpus", np.dtype(dtype), size, pairs(kind, world))
            if nccl.carries(what):
                checked(device, over, world, what)
        say(world, f"{kind}: as NumPy")
    say(world, f"the same bits on {repeated(device, over, world)} runs")
    for line in timed(device, over, world):
        say(world, line)
    assert isinstance(device.watch, nccl.TransferWatch)
    device.watch.close()
    say(world, "done")
    return 0


def say(world: World, text: str) -> None:
    if world.rank == 0:
        print(text, flush=True)


def carrier(device: Any, world: World) -> Any:
    """NCCL also where there is one process, for which programs copy."""
    mesh = (("gpus", world.size),)
    device.watch = device.watch or nccl.TransferWatch(device, world)
    found = nccl.nccl_over(device.watch, mesh, "gpus")
    assert isinstance(found, nccl.Nccl), found
    device.carriers[mesh, "gpus"] = found
    return found


def pairs(kind: str, world: World) -> tuple[tuple[int, int], ...]:
    """A ring with a gap, where there are several."""
    n = world.size
    return tuple((k, (k + 1) % n) for k in range(max(n - 1, 1))) if kind == "permute" else ()


def operand(what: Transfer, rank: int) -> np.ndarray:
    """Small integers, so that sums have no order."""
    rng = np.random.default_rng((what.count, rank))
    return rng.integers(0, 5, what.count).astype(what.dtype)


def checked(device: Any, over: Any, world: World, what: Transfer) -> None:
    xs = [operand(what, rank) for rank in range(world.size)]
    source, result = device.allocate(what.operand_bytes), device.allocate(what.result_bytes)
    device.fill(result.address, 0xA5, what.result_bytes)
    device.upload(source.address, xs[world.rank])
    over.start(what, source.address, result.address)()
    found = np.empty(what.result_bytes // what.dtype.itemsize, what.dtype)
    device.download(found, result.address)
    np.testing.assert_array_equal(found, expected(what, xs, world.rank), str(what))


def expected(what: Transfer, xs: list[np.ndarray], rank: int) -> np.ndarray:
    """In the order of places."""
    match what.kind:
        case "sum":
            return sum(xs[1:], xs[0])
        case "max":
            return np.max(xs, 0)
        case "min":
            return np.min(xs, 0)
        case "gather":
            return np.concatenate(xs)
        case "scatter":
            return np.split(sum(xs[1:], xs[0]), len(xs))[rank]
        case "exchange":
            return np.concatenate([np.split(x, len(xs))[rank] for x in xs])
        case "permute":
            return next((xs[a] for a, b in what.pairs if b == rank), np.zeros_like(xs[0]))


def repeated(device: Any, over: Any, world: World, times: int = 5) -> int:
    """How often a sum of floats of all sizes is the same as at first."""
    what = Transfer("sum", (("gpus", world.size),), "gpus", np.dtype("f4"), 1_000_003)
    x = np.random.default_rng(world.rank).standard_normal(what.count).astype("f4")
    source, result = device.allocate(x.nbytes), device.allocate(x.nbytes)
    device.upload(source.address, x)
    found = np.empty((times, what.count), "f4")
    for row in found:
        over.start(what, source.address, result.address)()
        device.download(row, result.address)
    assert (found.view(np.uint32) == found[0].view(np.uint32)).all(), "a sum has other bits"
    return times


def timed(device: Any, over: Any, world: World) -> list[str]:
    """A large sum, products, and both at a time."""
    what = Transfer("sum", (("gpus", world.size),), "gpus", np.dtype("f4"), LARGE)
    source, result = device.allocate(what.operand_bytes), device.allocate(what.operand_bytes)
    device.fill(source.address, 0, what.operand_bytes)
    x = wl.device_put(np.ones((4096, 4096), np.float32), str(device))
    product = wl.jit(lambda x: x @ x, device=str(device))

    def seconds(transfers: bool, products: bool) -> float:
        device.synchronize()
        world.barrier()
        begin = time.perf_counter()
        for _ in range(10):
            wait = over.start(what, source.address, result.address) if transfers else bool
            if products:
                product(x)
            wait()
        device.synchronize()
        return (time.perf_counter() - begin) / 10

    kinds = {"a sum of 64 MB": (True, False), "a product": (False, True), "both": (True, True)}
    for kind in kinds.values():
        seconds(*kind)
    return [f"{name}: {1e3 * seconds(*kind):.3f} ms" for name, kind in kinds.items()]


if __name__ == "__main__":
    sys.exit(main() if cuda.cuda_devices() else print(cuda.missing()))
