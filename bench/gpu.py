"""Speed on a GPU against JAX, torch.compile and Triton: `python -m bench gpu [--quick]`.

First the tests that are marked `gpu`, among them every transfer of NCCL, between as many GPUs as
there are; then every question. A figure is the median time of a call among calls that follow each
other, with the device waited for at the end: what a loop pays. Beside it stands the part of the
ceiling: bytes at the bandwidth of a copy, operations at the rate of a large product, both measured
here. Last the time that the host alone spends on an MLP step.

Without a GPU it says so, and what is missing.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import wonderland as wl
from wonderland.runtime.gpu import cuda

from . import mlp_step, peers
from .harness import Figure, spelled, table

PEERS = ("wonderland", "jax", "torch.compile", "triton")
COPY_BYTES = 1 << 30
PRODUCT = 8192

Call = Callable[[], object]


@dataclass(frozen=True)
class Peer:
    """A call that only asks for its work, and what waits for it."""

    call: Call
    wait: Call


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench gpu", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round, no tests")
    return report(parser.parse_args().quick)


def report(quick: bool) -> int:
    """Prints the answers; the status of the tests."""
    if not cuda.cuda_devices():
        print(f"no GPU: {cuda.missing()}")
        return 0
    device = cuda.cuda_devices()[0]
    print(f"{device!r}; {peers.versions()}", flush=True)
    failed = 0 if quick else tested()
    seconds = 0.05 if quick else 0.5
    bandwidth, rate = copy_bandwidth(device, seconds), product_rate(seconds)
    print(f"copy {bandwidth / 1e9:.0f} GB/s, f32 product {rate / 1e12:.1f} TFLOP/s", flush=True)
    figures = []
    for question in questions(device):
        values = {name: timed(peer, seconds) for name, peer in question.peers().items()}
        least = max(question.bytes / bandwidth, question.flops / rate if rate else 0.0)
        figures.append(Figure(question.name, question.size, values, least))
        print(f"measured {question.name}, {question.size}", file=sys.stderr, flush=True)
    print(table(figures, PEERS))
    for name, peer in steps(device, *mlp_step.SIZES[1]).items():
        print(f"host time of an MLP step, {name}: {spelled(host_time(peer))}")
    return failed


def tested() -> int:
    """Runs the tests that need a GPU."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-m", "gpu", "-rs"], check=False
    ).returncode


# ---------------------------------------------------------------- time


def timed(peer: Peer, seconds: float) -> float:
    """Median seconds of a call, of as many in a row as take a while."""
    for _ in range(3):  # compiles, and warms up
        peer.call()
    peer.wait()
    start = time.perf_counter()
    peer.call()
    peer.wait()
    count = max(1, int(seconds / 5 / max(time.perf_counter() - start, 1e-6)))
    found = []
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(count):
            peer.call()
        peer.wait()
        found.append((time.perf_counter() - start) / count)
    return statistics.median(found)


def host_time(peer: Peer, count: int = 200) -> float:
    """Median seconds until a call returns; the device is let catch up between rounds."""
    found = []
    for _ in range(7):
        start = time.perf_counter()
        for _ in range(count):
            peer.call()
        found.append((time.perf_counter() - start) / count)
        peer.wait()
    return statistics.median(found)


def copy_bandwidth(device: Any, seconds: float) -> float:
    """Bytes read and written per second by a copy in the device's memory."""
    one, other = device.allocate(COPY_BYTES), device.allocate(COPY_BYTES)
    device.fill(one.address, 0, COPY_BYTES)
    copy = Peer(lambda: device.copy(other.address, one.address, COPY_BYTES), device.synchronize)
    return 2 * COPY_BYTES / timed(copy, seconds)


def product_rate(seconds: float) -> float:
    """Operations per second of a large f32 product in the vendor's library, 0 without PyTorch."""
    torch = peers.torch
    if torch is None or not torch.cuda.is_available():
        return 0.0
    torch.backends.cuda.matmul.allow_tf32 = False
    a = torch.ones((PRODUCT, PRODUCT), device="cuda")
    return 2 * PRODUCT**3 / timed(Peer(lambda: a @ a, torch.cuda.synchronize), seconds)


# ---------------------------------------------------------------- questions


@dataclass(frozen=True)
class Question:
    """One function in several libraries, on the same arrays."""

    name: str
    size: str
    device: Any
    arrays: Sequence[np.ndarray]
    function: Callable[..., Any]  # in NumPy's names, for ours; in jnp's for JAX
    in_torch: Callable[..., Any] | None
    in_triton: Callable[..., Any] | None = None
    bytes: int = 0
    flops: int = 0

    def peers(self) -> dict[str, Peer]:
        found = {"wonderland": self.ours()}
        if peers.there("jax") and peers.jax.default_backend() == "gpu":
            found["jax"] = self.by_jax()
        torch = peers.torch
        if torch is not None and torch.cuda.is_available():
            args = [torch.from_numpy(a).cuda() for a in self.arrays]
            if self.in_torch is not None and peers.there("torch.compile"):
                compiled = peers.compiled_by_torch(self.in_torch)
                found["torch.compile"] = Peer(lambda: compiled(*args), torch.cuda.synchronize)
            if self.in_triton is not None and triton() is not None:
                function = self.in_triton
                found["triton"] = Peer(lambda: function(*args), torch.cuda.synchronize)
        return found

    def ours(self) -> Peer:
        function = wl.jit(lambda *a: self.function(np, *a))
        args = wl.device_put(tuple(self.arrays), self.device)
        return Peer(lambda: function(*args), self.device.synchronize)

    def by_jax(self) -> Peer:
        jax, jnp = peers.jax, peers.jnp
        function = jax.jit(lambda *a: self.function(jnp, *a))
        args = [jnp.asarray(a) for a in self.arrays]
        held: list[Any] = [None]

        def call() -> None:
            held[0] = function(*args)

        return Peer(call, lambda: jax.block_until_ready(held[0]))


def gelu(xp: Any, x: Any) -> Any:
    return 0.5 * x * (1 + xp.tanh(0.7978846 * (x + 0.044715 * x * x * x)))


def softmax(xp: Any, x: Any) -> Any:
    e = xp.exp(x - xp.max(x, axis=1, keepdims=True))
    return e / xp.sum(e, axis=1, keepdims=True)


def layer_norm(xp: Any, x: Any, scale: Any, shift: Any) -> Any:
    centred = x - xp.mean(x, axis=1, keepdims=True)
    variance = xp.mean(centred * centred, axis=1, keepdims=True)
    return centred / xp.sqrt(variance + 1e-5) * scale + shift


def questions(device: Any) -> Iterator[Question]:
    rows, columns = 16384, 4096
    x = peers.random(rows, columns)
    size = f"{rows} x {columns}"
    moved = 2 * x.nbytes
    torch = peers.torch
    by_torch = getattr(getattr(torch, "nn", None), "functional", None)
    yield Question(
        "gelu", size, device, [x], gelu,
        by_torch and (lambda x: by_torch.gelu(x, approximate="tanh")), triton_gelu, moved,
    )  # fmt: skip
    yield Question(
        "softmax of rows", size, device, [x], softmax,
        by_torch and (lambda x: by_torch.softmax(x, 1)), triton_softmax, moved,
    )  # fmt: skip
    scale, shift = peers.random(columns, seed=1), peers.random(columns, seed=2)
    yield Question(
        "layer norm", size, device, [x, scale, shift], layer_norm,
        by_torch and (lambda x, a, b: by_torch.layer_norm(x, (columns,), a, b)), None, moved,
    )  # fmt: skip
    yield Question(
        "sums of columns", size, device, [x], lambda xp, x: xp.sum(x, axis=0),
        torch and (lambda x: x.sum(0)), None, x.nbytes,
    )  # fmt: skip
    for n in (1024, 4096):
        a, b = peers.random(n, n), peers.random(n, n, seed=1)
        yield Question(
            "product f32", f"{n} x {n} x {n}", device, [a, b], lambda xp, a, b: xp.matmul(a, b),
            torch and (lambda a, b: a @ b), None, 3 * a.nbytes, 2 * n**3,
        )  # fmt: skip


# ---------------------------------------------------------------- the MLP step


def steps(device: Any, batch: int, sizes: Sequence[int]) -> dict[str, Peer]:
    """One training step in every library that runs on the GPU."""
    arrays, x, y = mlp_step.problem(batch, sizes)
    found = {"wonderland": our_step(device, arrays, x, y)}
    if peers.there("jax") and peers.jax.default_backend() == "gpu":
        # its run waits at every step
        found["jax"] = Peer(mlp_step.in_jax(arrays, x, y).run, lambda: None)
    torch = peers.torch
    if torch is not None and torch.cuda.is_available():
        run = mlp_step.in_torch(arrays, x, y, peers.there("torch.compile"), "cuda").run
        found["torch.compile" if peers.there("torch.compile") else "torch"] = Peer(
            run, torch.cuda.synchronize
        )
    for peer in found.values():
        timed(peer, 0.05)
    return found


def our_step(device: Any, arrays: list[np.ndarray], x: np.ndarray, y: np.ndarray) -> Peer:
    optimizer = wl.optim.adam(mlp_step.RATE, mlp_step.B1, mlp_step.B2, mlp_step.EPS)
    params = tuple(wl.nn.Linear(w, b) for w, b in zip(arrays[::2], arrays[1::2], strict=True))
    state = wl.device_put((params, optimizer.init(params)), device)
    x, y = wl.device_put((x, y), device)
    compiled = wl.jit(mlp_step.train_step(optimizer), donate_argnums=(0, 1))
    run = mlp_step.stateful(lambda p, s: compiled(p, s, x, y)[:2], *state)
    return Peer(run, device.synchronize)


# ---------------------------------------------------------------- Triton


def triton() -> Any:
    """The library, or None. Its kernels are made when they are first called."""
    return peers.installed("triton", "torch.compile")


def triton_gelu(x: Any) -> Any:
    from . import triton_kernels  # needs Triton

    return triton_kernels.gelu(x)


def triton_softmax(x: Any) -> Any:
    from . import triton_kernels  # needs Triton

    return triton_kernels.softmax(x)


if __name__ == "__main__":
    sys.exit(main())
