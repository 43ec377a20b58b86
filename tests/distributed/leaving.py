"""A process leaves in some way while the others are somewhere: `python leaving.py WAY PLACE RANK`.

The runtime is imported by itself: processes start sooner.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
import threading
import time

import numpy as np

from runtime.processes.world import World, initialize
from runtime.rows import Transfer

LONG = 1000  # seconds


def transfer(kind: str, count: int) -> Transfer:
    mesh = (("i", int(os.environ["PMI_SIZE"])),)
    return Transfer(kind, mesh, "i", np.dtype(np.float32), count)  # pyright: ignore[reportArgumentType]


def leave(way: str, world: World) -> None:
    match way:
        case "raise" | "mpi":
            raise ValueError("bad\nmore")
        case "exit":
            sys.exit(3)
        case "_exit":
            os._exit(5)
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "terminate":
            os.kill(os.getpid(), signal.SIGTERM)
        case "interrupt":
            signal.raise_signal(signal.SIGINT)
        case "thread":
            thread = threading.Thread(target=lambda: 1 / 0)
            thread.start()
            thread.join()
            sys.exit()
        case "sleep":
            threading.Thread(target=woken, args=(world,)).start()
            time.sleep(LONG)
        case "other":
            be("other", world)
        case "fork":
            fork(world)


def woken(world: World) -> None:
    """Interrupts the main thread when others have given it up."""
    while not world.news.broken:
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGINT)


def fork(world: World) -> None:
    if os.fork() == 0:
        try:
            be("sum", world)
        except RuntimeError as error:
            print("the child:", error)
        sys.exit()
    os.wait()


def be(place: str, world: World) -> None:
    x = np.ones(1000, np.float32)
    match place:
        case "sum":
            world.exchanged(transfer("sum", 1000), x)
        case "other":
            world.exchanged(transfer("max", 500), x[:500])
        case "large":
            large = np.ones(3_000_000, np.float32)
            for _ in range(3):
                world.exchanged(transfer("sum", large.size), large)
        case "started":
            y = np.empty_like(x)
            world.start(transfer("sum", 1000), x.ctypes.data, y.ctypes.data).wait()
        case "agree":
            world.agree("plan", "the same")
        case "barrier":
            world.barrier()
        case "computation":
            until = time.monotonic() + 0.5
            while time.monotonic() < until:
                pass
            world.barrier()
        case "interrupted":
            interrupted(world)


def interrupted(world: World) -> None:
    """Ctrl-C in a wait; afterwards nothing arrives, though the other one sends it."""
    x = np.ones(1 << 20, np.float32)
    y = np.zeros_like(x)
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    pending = world.start(transfer("sum", x.size), x.ctypes.data, y.ctypes.data)
    try:
        pending.wait()
    except KeyboardInterrupt:
        before = y.copy()
        time.sleep(0.2)
        print("touched" if (y != before).any() else "let go")
        world.barrier()


def main(way: str, place: str, rank: int) -> None:
    leaves = int(os.environ["PMI_RANK"]) == rank
    if way == "early" and leaves:
        raise ImportError("no such module")
    if way == "mpi":
        importlib.import_module("mpi4py.MPI")  # which will end MPI itself
    world = initialize()
    be("sum", world)
    if leaves or way == "all":
        leave("raise" if way == "all" else way, world)
    be(place, world)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
