"""How long until the MLP step first runs? Traced, cold, and with a filled cache.

Every figure is of a fresh process, `python -m bench.compile_time PEER`; imports are not counted.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence

from .harness import Figure

BATCH, SIZES = 64, (64, 256, 128, 10)

CACHES = {
    "wonderland": {"WONDERLAND_CACHE": ""},
    "jax": {
        "JAX_COMPILATION_CACHE_DIR": "",
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "0",
    },
    "torch.compile": {"TORCHINDUCTOR_CACHE_DIR": ""},
}
"""What sets the folder of each cache; an empty value is replaced by the folder."""


def figures(rounds: int, names: Sequence[str]) -> Iterator[Figure]:
    """Rows for trace, cold and warm: the best of `rounds` processes, as other load only adds."""
    found: dict[str, dict[str, float]] = {"trace": {}, "cold": {}, "warm": {}}
    for peer in (name for name in CACHES if name in names):
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as folder:
                cold, warm = (in_process(peer, folder) for _ in range(2))
            for kind, seconds in (
                ("trace", cold["trace"]),
                ("cold", cold["run"]),
                ("warm", warm["run"]),
            ):
                best = found[kind].get(peer, seconds)
                found[kind][peer] = min(best, seconds)
    found["trace"].pop("torch.compile", None)  # it traces while it compiles
    size = f"{BATCH} x {'-'.join(map(str, SIZES))}"
    for kind, of_peers in found.items():
        yield Figure(
            f"MLP step, {kind}" + (" first run" if kind != "trace" else ""), size, of_peers
        )


def in_process(peer: str, folder: str) -> dict[str, float]:
    """Seconds of tracing and of the whole first run, in a process whose cache is `folder`."""
    settings = {name: value or folder for name, value in CACHES[peer].items()}
    settings["BENCH_PEERS"] = peer
    command = [sys.executable, "-m", "bench.compile_time", peer]
    done = subprocess.run(command, env=os.environ | settings, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def main(peer: str) -> None:
    importlib.import_module("wonderland.compiler.pipeline")  # the back end, else imported when used
    from . import mlp_step

    step = mlp_step.MAKERS[peer](*mlp_step.problem(BATCH, SIZES))
    print(json.dumps({"trace": seconds(step.trace), "run": seconds(step.run)}))


if __name__ == "__main__":
    main(sys.argv[1])
