"""How long until a program first runs: in a first process, in a second one, and for another size.

Every figure is of fresh processes, `python -m bench.first_calls PEER PROGRAM`. The clock runs from
before the library is imported, but for what both import, NumPy; caches on disk are empty for the
first process and the first one's for the second. Both libraries are there as bytecode, as they are
once installed.

`python -m bench first_calls [PROGRAM ...]`; peers are Wonderland and JAX, its persistent cache on.
"""

from __future__ import annotations

import atexit
import functools
import importlib
import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

PEERS = ("wonderland", "jax")
KINDS = ("trace", "cold", "warm", "another size", "a third size")
JAX_CACHE = {
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "0",
}


class Program(NamedTuple):
    """A function of arrays, and its arguments of a size; of two more sizes, if it has them."""

    function: Callable[..., Any]
    arguments: Callable[[int], tuple[Any, ...]]
    sizes: tuple[int, ...]


PROGRAMS: dict[str, Callable[[Any], Program]] = {}
"""By name; of a library with JAX's names."""


def program(make: Callable[[Any], Program]) -> Callable[[Any], Program]:
    PROGRAMS[make.__name__.rstrip("_")] = make
    return make


def normal(*shape: int, scale: float = 0.1, dtype: str = "float32") -> np.ndarray:
    return (np.random.default_rng(sum(shape)).normal(size=shape) * scale).astype(dtype)


def sgd(m: Any, loss: Callable[..., Any]) -> Callable[..., Any]:
    """A step of training: the loss, and parameters moved along its gradient."""

    def step(parameters: Any, *batch: Any) -> Any:
        value, slopes = m.value_and_grad(loss)(parameters, *batch)
        moved = m.tree_util.tree_map(lambda p, g: p - 0.01 * g, parameters, slopes)
        return value, moved

    return step


def cross_entropy(m: Any, logits: Any, labels: Any) -> Any:
    at = m.numpy.take_along_axis(m.nn.log_softmax(logits), labels[..., None], axis=-1)
    return -at.mean()


# ---------------------------------------------------------------- models


@program
def mlp(m: Any) -> Program:
    """Three layers, on a batch."""
    sizes = 64, 256, 128, 10
    layers = [(normal(a, b), normal(b)) for a, b in itertools.pairwise(sizes)]

    def loss(layers: Any, x: Any, y: Any) -> Any:
        *hidden, (w, b) = layers
        for u, c in hidden:
            x = m.numpy.tanh(x @ u + c)
        return cross_entropy(m, x @ w + b, y)

    return Program(sgd(m, loss), lambda n: (layers, normal(n, 64), np.arange(n) % 10), (64, 96, 40))


@program
def mlp_of_60(m: Any) -> Program:
    layers = [(normal(64, 64), normal(64)) for _ in range(60)]

    def loss(layers: Any, x: Any) -> Any:
        for w, b in layers:
            x = m.numpy.tanh(x @ w + b)
        return (x * x).mean()

    return Program(sgd(m, loss), lambda n: (layers, normal(n, 64)), (32, 48, 80))


@program
def transformer(m: Any) -> Program:
    """Four layers, of 4 heads each, on sequences of 64 tokens."""
    d, heads, words, length = 128, 4, 256, 64
    np_ = m.numpy

    def block() -> dict[str, Any]:
        return {
            "g1": np.ones(d, "f"), "b1": np.zeros(d, "f"), "qkv": normal(d, 3 * d),
            "out": normal(d, d), "g2": np.ones(d, "f"), "b2": np.zeros(d, "f"),
            "up": normal(d, 4 * d), "c": normal(4 * d), "down": normal(4 * d, d), "e": normal(d),
        }  # fmt: skip

    parameters = {"embed": normal(words, d), "place": normal(length, d),
                  "blocks": [block() for _ in range(4)], "head": normal(d, words)}  # fmt: skip

    def norm(x: Any, g: Any, b: Any) -> Any:
        return (x - x.mean(-1, keepdims=True)) / np_.sqrt(x.var(-1, keepdims=True) + 1e-5) * g + b

    def loss(p: Any, tokens: Any, wanted: Any) -> Any:
        batch, time_ = tokens.shape
        x = p["embed"][tokens] + p["place"][:time_]
        mask = np_.where(np_.tri(time_, dtype=bool), np.float32(0), np.float32(-1e9))
        for k in p["blocks"]:
            h = norm(x, k["g1"], k["b1"]) @ k["qkv"]
            parts = h.reshape(batch, time_, 3, heads, d // heads).transpose(2, 0, 3, 1, 4)
            q, key, v = parts[0], parts[1], parts[2]
            a = m.nn.softmax(q @ key.swapaxes(-1, -2) * np.float32((d // heads) ** -0.5) + mask)
            x = x + (a @ v).transpose(0, 2, 1, 3).reshape(batch, time_, d) @ k["out"]
            h = m.nn.gelu(norm(x, k["g2"], k["b2"]) @ k["up"] + k["c"])
            x = x + h @ k["down"] + k["e"]
        return cross_entropy(m, x @ p["head"], wanted)

    def arguments(n: int) -> tuple[Any, ...]:
        tokens = np.arange(n * length).reshape(n, length) % words
        return parameters, tokens, tokens

    return Program(sgd(m, loss), arguments, (8, 12, 5))


@program
def cnn(m: Any) -> Program:
    parameters = {"a": normal(3, 3, 1, 16), "b": normal(3, 3, 16, 32), "w": normal(1568, 10)}

    def conv(x: Any, w: Any) -> Any:
        names = ("NHWC", "HWIO", "NHWC")
        return m.lax.conv_general_dilated(x, w, (2, 2), "SAME", dimension_numbers=names)

    def loss(p: Any, x: Any, y: Any) -> Any:
        x = m.nn.relu(conv(m.nn.relu(conv(x, p["a"])), p["b"]))
        return cross_entropy(m, x.reshape(len(x), -1) @ p["w"], y)

    def arguments(n: int) -> tuple[Any, ...]:
        return parameters, normal(n, 28, 28, 1), np.arange(n) % 10

    return Program(sgd(m, loss), arguments, (32, 48, 20))


def lstm_parts(m: Any, hidden: int) -> tuple[Any, Callable[..., Any]]:
    parameters = {"w": normal(2 * hidden, 4 * hidden), "b": normal(4 * hidden)}

    def cell(p: Any, h: Any, c: Any, x: Any) -> Any:
        gates = m.numpy.concatenate([x, h], -1) @ p["w"] + p["b"]
        i, f, g, o = m.numpy.split(gates, 4, axis=-1)
        c = m.nn.sigmoid(f) * c + m.nn.sigmoid(i) * m.numpy.tanh(g)
        return m.nn.sigmoid(o) * m.numpy.tanh(c), c

    return parameters, cell


@program
def lstm(m: Any) -> Program:
    """A scan over 32 steps."""
    parameters, cell = lstm_parts(m, 64)

    def loss(p: Any, xs: Any) -> Any:
        start = m.numpy.zeros(xs.shape[1:], xs.dtype)

        def step(state: Any, x: Any) -> Any:
            h, c = cell(p, *state, x)
            return (h, c), h

        _, hs = m.lax.scan(step, (start, start), xs)
        return (hs * hs).mean()

    return Program(sgd(m, loss), lambda n: (parameters, normal(32, n, 64)), (16, 24, 10))


def unrolled(m: Any, steps: int) -> Program:
    """ADBench's LSTM: two layers of 14, without a batch, unrolled."""
    parameters, cell = lstm_parts(m, 14)

    def loss(p: Any, xs: Any) -> Any:
        states = [(m.numpy.zeros(14, xs.dtype),) * 2 for _ in range(2)]
        total = 0.0
        for t in range(steps):
            x = xs[t]
            for layer in range(2):
                states[layer] = cell(p[layer], *states[layer], x)
                x = states[layer][0]
            logits = x * p[2] + p[3]
            total = total + (m.nn.log_softmax(logits) * xs[t + 1]).sum()
        return -total / steps

    second = {k: v * np.float32(0.9) for k, v in parameters.items()}
    full = [parameters, second, normal(14), normal(14)]
    return Program(sgd(m, loss), lambda n: (full, normal(steps + 1, 14)), (1,))


@program
def lstm_unrolled_8(m: Any) -> Program:
    return unrolled(m, 8)


@program
def lstm_unrolled_63(m: Any) -> Program:
    return unrolled(m, 63)


# ---------------------------------------------------------------- scans


def affine_scan(m: Any, length: int) -> Program:
    def both(one: Any, two: Any) -> Any:
        return one[0] * two[0], one[1] * two[0] + two[1]

    def loss(a: Any, b: Any) -> Any:
        return m.lax.associative_scan(both, (a, b))[1].sum()

    arrays = normal(length, 4) + np.float32(0.5), normal(length, 4)
    return Program(m.value_and_grad(loss, (0, 1)), lambda n: arrays, (length,))


@program
def associative_scan_2048(m: Any) -> Program:
    return affine_scan(m, 2048)


@program
def associative_scan_65536(m: Any) -> Program:
    return affine_scan(m, 65536)


@program
def associative_scan_of_matrices(m: Any) -> Program:
    def loss(x: Any) -> Any:
        return (m.lax.associative_scan(lambda a, b: a @ b, x) ** 2).sum()

    x = normal(256, 3, 3, scale=0.3) + np.eye(3, dtype="f")
    return Program(m.value_and_grad(loss), lambda n: (x,), (256,))


# ---------------------------------------------------------------- small matrices of scalars


def rotation(m: Any, x: Any, y: Any, z: Any) -> Any:
    np_ = m.numpy
    one, zero = np_.ones_like(x), np_.zeros_like(x)
    a, b, c, d, e, f = np_.cos(x), np_.sin(x), np_.cos(y), np_.sin(y), np_.cos(z), np_.sin(z)
    rx = np_.array([[one, zero, zero], [zero, a, -b], [zero, b, a]])
    ry = np_.array([[c, zero, d], [zero, one, zero], [-d, zero, c]])
    rz = np_.array([[e, -f, zero], [f, e, zero], [zero, zero, one]])
    return rz @ ry @ rx


@program
def rotations_32(m: Any) -> Program:
    """The gradient of a product of 32 rotations, of three angles each."""

    def loss(angles: Any) -> Any:
        out = m.numpy.eye(3, dtype=angles.dtype)
        for k in range(32):
            out = out @ rotation(m, angles[k, 0], angles[k, 1], angles[k, 2])
        return (out * out[0]).sum()

    return Program(m.value_and_grad(loss), lambda n: (normal(32, 3),), (1,))


PARENTS = (-1, 0, 1, 2, 3, 0, 5, 6, 7, 0, 9, 10, 11, 0, 13, 14, 15, 0, 17, 18, 19, 0)


def hand_parts(m: Any) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """ADBench's hand: 22 bones, posed by 26 angles, move 544 points."""
    np_, bones, points = m.numpy, len(PARENTS), 544
    rng = np.random.default_rng(0)
    base = rng.normal(size=(bones, 4, 4)) * 0.1 + np.eye(4)
    inverse = rng.normal(size=(bones, 4, 4)) * 0.1 + np.eye(4)
    vertices = np.concatenate([rng.normal(size=(4 - 1, points)), np.ones((1, points))])
    weights = rng.random((bones, points)) / bones
    measured = rng.normal(size=(3, 100))
    matched = rng.integers(0, points, 100)

    def angles_of(theta: Any) -> list[list[Any]]:
        zero = np_.zeros_like(theta[0])
        rows = [[theta[0], theta[1], theta[2]], [zero, zero, zero]]
        k = 6
        for _ in range(5):
            rows += [[theta[k], theta[k + 1], zero], [theta[k + 2], zero, zero],
                     [theta[k + 3], zero, zero], [zero, zero, zero]]  # fmt: skip
            k += 4
        return rows

    def residuals(theta: Any) -> Any:
        globals_: list[Any] = []
        for k, (x, y, z) in enumerate(angles_of(theta)):
            turned = rotation(m, x, y, z)
            one = np_.concatenate([turned, np_.zeros((3, 1), theta.dtype)], 1)
            local = base[k] @ np_.concatenate([one, np.array([[0.0, 0, 0, 1]])], 0)
            globals_.append(local if PARENTS[k] < 0 else globals_[PARENTS[k]] @ local)
        transforms = np_.stack([g @ inverse[k] for k, g in enumerate(globals_)])
        moved = np_.einsum("kij,jn,kn->in", transforms[:, :3], vertices, weights)
        return (measured - moved[:, matched] - theta[3:6, None]).reshape(-1)

    return residuals, (rng.normal(size=26) * 0.3,)


@program
def hand(m: Any) -> Program:
    residuals, arrays = hand_parts(m)
    return Program(residuals, lambda n: arrays, (1,))


@program
def hand_jacobian(m: Any) -> Program:
    residuals, arrays = hand_parts(m)
    return Program(m.jacfwd(residuals), lambda n: arrays, (1,))


# ---------------------------------------------------------------- measuring


def timed(action: Callable[[], Any]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def main(peer: str, name: str, alone: str = "") -> None:
    """Prints the seconds of a process; of tracing `alone`, or of the first calls."""
    started = time.perf_counter()
    if peer == "jax":
        m = importlib.import_module("jax")
        importlib.import_module("jax.numpy")
        m.config.update("jax_enable_x64", True)
        run = lambda f, a: m.block_until_ready(f(*a))  # noqa: E731
    else:
        m = importlib.import_module("wonderland")
        run = lambda f, a: f(*a)  # noqa: E731
    imported = time.perf_counter() - started
    made = PROGRAMS[name](m)
    function, first = m.jit(made.function), made.arguments(made.sizes[0])
    if alone:
        print(json.dumps({"trace": imported + timed(lambda: m.eval_shape(made.function, *first))}))
        return
    found = {"import": imported, "cold": imported + timed(lambda: run(function, first))}
    for kind, n in zip(KINDS[3:], made.sizes[1:], strict=False):
        other = made.arguments(n)
        found[kind] = timed(lambda other=other: run(function, other))
    print(json.dumps(found))


@functools.cache
def bytecode(peer: str) -> dict[str, str]:
    """Settings under which an import compiles no source: a first process has left its bytecode."""
    folder = tempfile.mkdtemp(prefix="first_calls_")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    settings = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": folder}
    with tempfile.TemporaryDirectory() as programs:
        in_process(peer, programs, "mlp", settings=settings)
    return settings


def in_process(
    peer: str, folder: str, *name: str, settings: dict[str, str] | None = None
) -> dict[str, float]:
    settings = bytecode(peer) if settings is None else settings
    if peer == "jax":
        own = JAX_CACHE | {"JAX_COMPILATION_CACHE_DIR": folder, "JAX_PLATFORMS": "cpu"}
    else:
        own = {"WONDERLAND_CACHE": folder}
    command = [sys.executable, "-m", "bench.first_calls", peer, *name]
    done = subprocess.run(
        command, env=os.environ | settings | own, stdout=subprocess.PIPE, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def seconds_of(name: str, peers: Sequence[str] = PEERS, rounds: int = 1) -> dict[str, Any]:
    """Medians of a program by peer and kind; peers take turns."""
    found: dict[str, dict[str, list[float]]] = {peer: {} for peer in peers}
    for _ in range(rounds):
        for peer in peers:
            with tempfile.TemporaryDirectory() as folder:
                first = in_process(peer, folder, name)
                first["warm"] = in_process(peer, folder, name)["cold"]
                first |= in_process(peer, folder, name, "trace")
            for kind, value in first.items():
                found[peer].setdefault(kind, []).append(value)
    return {p: {k: statistics.median(v) for k, v in of.items()} for p, of in found.items()}


def report(names: Sequence[str] = (), rounds: int = 1) -> int:
    """Prints a line for each program: seconds of Wonderland, and of JAX."""
    print(f"{'':30}" + "".join(f"{kind:>20}" for kind in KINDS))
    for name in names or PROGRAMS:
        found = seconds_of(name, rounds=rounds)
        words = ("/".join(f"{found[p][k]:.3f}" for p in PEERS if k in found[p]) for k in KINDS)
        print(f"{name:30}" + "".join(f"{word:>20}" for word in words), flush=True)
    return 0


if __name__ == "__main__":
    main(*sys.argv[1:])
