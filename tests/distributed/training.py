"""Training in the processes that a launcher starts: `python training.py FOLDER CASE ...`.

Every process writes FOLDER/CASE.RANK.json, what came out there.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import wonderland as wl
from wonderland import nn
from wonderland.compiler.front import tree_files
from wonderland.models.training import Fit

rng = np.random.default_rng(0)
X = rng.normal(size=(96, 3)).astype(np.float32)
Y = (np.tanh(X @ np.array([1, -2, 0.5])) + 0.1 * rng.normal(size=96)).astype(np.float32)
DATA = {"x": X, "y": Y}
README = Path(__file__).parent.parent.parent / "README.md"


@nn.layer
class Net:
    first: nn.Linear
    last: nn.Linear
    rate: float = 0.2

    def __call__(self, x: Any, key: Any) -> Any:
        return self.last(nn.dropout(key, np.tanh(self.first(x)), self.rate, key is not None))[:, 0]


def net(seed: int = 0) -> Net:
    keys = wl.random.split(wl.random.key(seed))
    return Net(nn.Linear.init(keys[0], 3, 8), nn.Linear.init(keys[1], 8, 1))


def plain(model: Net, batch: Any) -> Any:
    return np.mean((model(batch["x"], None) - batch["y"]) ** 2)


def dropped(model: Net, batch: Any, key: Any) -> Any:
    return np.mean((model(batch["x"], key) - batch["y"]) ** 2)


def fitted(loss: Any = plain, model: Any = None, data: Any = None, **options: Any) -> Fit:
    given: dict[str, Any] = {
        "epochs": 3, "batch_size": 16, "key": wl.random.key(3), "held_out": DATA, "patience": 9,
    }  # fmt: skip
    return wl.fit(
        loss, net() if model is None else model, DATA if data is None else data,
        wl.optim.adam(1e-2), **{**given, **options},
    )  # fmt: skip


def batches(generator: np.random.Generator) -> Iterator[Any]:
    for _ in range(4):
        at = generator.integers(0, 96, 12)
        yield {"x": X[at], "y": Y[at]}


def checksum(tree: Any) -> int:
    found = 0
    for x in wl.tree.leaves(tree):
        found = zlib.crc32(np.asarray(x).tobytes(), found)
    return found


def size(tree: Any) -> int:
    return sum(np.size(x) for x in wl.tree.leaves(tree))


def told(found: Fit) -> dict[str, Any]:
    return {
        "bits": checksum((found.model, found.optimizer_state)), "losses": found.losses.tolist(),
        "model": [np.asarray(x).ravel().tolist() for x in wl.tree.leaves(found.model)],
        "scores": [e.score for e in found.history], "stopped": found.stopped,
    }  # fmt: skip


def error(call: Callable[[], Any]) -> str:
    """What is said of what is wrong."""
    try:
        call()
    except (TypeError, RuntimeError) as wrong:
        return f"{type(wrong).__name__}: {wrong}"
    return "nothing"


# ---------------------------------------------------------------- cases


def fits(mesh: Any, folder: Path) -> dict[str, Any]:
    """Four parts of each batch, with keys of their own."""
    return told(fitted(dropped, mesh=mesh, accumulate=4 // mesh.size))


def ways(mesh: Any, folder: Path) -> dict[str, Any]:
    """Batches of a function, and of all rows."""
    heard: list[int] = []
    options = {"held_out": None, "patience": None}
    return {
        "function": told(fitted(data=batches, mesh=mesh, **options)),
        "whole": told(
            fitted(mesh=mesh, batch_size=None, progress=lambda e: heard.append(e.number))
        ),
        "heard": heard,
    }


def resumes(mesh: Any, folder: Path) -> dict[str, Any]:
    """An epoch by two processes, one more by four, each with its part of the optimizer's state."""
    file, again = folder / "resumes.npz", mesh.size > 2
    options = {"mesh": mesh, "clip": 1.0, "shard_optimizer": True}
    found = fitted(epochs=mesh.size // 2, checkpoint=file, resume=again, **options)
    return {**told(found), "bits": checksum(found.model), "state": size(found.optimizer_state)}


def interrupted(mesh: Any, folder: Path) -> dict[str, Any]:
    """Ctrl-C in the last process, in its ninth step of six in an epoch."""
    taken: list[Any] = []

    def heard(x: Any) -> None:
        taken.append(x)
        if len(taken) == 9 and mesh.place("data") == mesh.size - 1:
            os.kill(os.getpid(), signal.SIGINT)

    def noted(model: Net, batch: Any) -> Any:
        wl.io_callback(heard, None, batch["y"][0])
        return plain(model, batch)

    signal.signal(signal.SIGINT, signal.default_int_handler)
    options = {"checkpoint": folder / "interrupted.npz", "held_out": None, "patience": None}
    return told(fitted(noted, mesh=mesh, **options))


def refusals(mesh: Any, folder: Path) -> dict[str, str]:
    """Of what is not alike in all processes, and of rows that they cannot share."""
    place = mesh.place("data")
    other = {"x": X, "y": Y + place}
    return {
        "model": error(lambda: fitted(model=net(place), mesh=mesh)),
        "data": error(lambda: fitted(data=other, mesh=mesh)),
        "function": error(lambda: fitted(data=lambda _: [other], mesh=mesh)),
        "options": error(lambda: fitted(epochs=3 + place, mesh=mesh)),
        "rows": error(lambda: fitted(batch_size=15, mesh=mesh)),
        "local": error(lambda: wl.distributed.local_rows(X[:95], mesh=mesh)),
    }


def trees(mesh: Any, folder: Path) -> dict[str, Any]:
    """Given to all, shared out, written once and read by one."""
    place, file = mesh.place("data"), folder / "tree.npz"
    mine = {"a": np.full(3, place, "i4"), "b": [np.float32(place), np.zeros((0, 2))]}
    first, last = (wl.distributed.broadcast(mine, k) for k in (0, mesh.size - 1))
    wl.distributed.save(file, {"k": place, "m": {"n": np.ones(2)}})
    with mesh:
        rows = wl.distributed.local_rows({"x": np.arange(12)})
    return {
        "first": first["a"].tolist(), "last": [last["a"].tolist(), float(last["b"][0])],
        "empty": list(last["b"][1].shape), "rows": rows["x"].tolist(),
        "saved": int(wl.distributed.load(file)["k"]),
        "like": wl.distributed.load(file, {"k": 7, "m": {"n": np.zeros(2)}})["k"],
    }  # fmt: skip


def readme(mesh: Any, folder: Path) -> dict[str, Any]:
    """The programs of the README down to that of many processes."""
    names: dict[str, Any] = {"__name__": __name__}
    text = README.read_text().partition("\n## Read every")[0]
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(block, names)
    return {"w": checksum(names["w"]), "shared": told(names["shared"])}


def killed(mesh: Any, folder: Path) -> dict[str, Any]:
    """The first process ends while it writes the second checkpoint."""
    write, written = tree_files._write_npz, []

    def half(file: Any, arrays: Any) -> None:
        written.append(1)
        write(file, dict(list(arrays.items())[: 3 if len(written) > 1 else None]))
        if len(written) > 1:
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)

    tree_files._write_npz = half
    return told(fitted(mesh=mesh, checkpoint=folder / "killed.npz"))


def failed(mesh: Any, folder: Path) -> dict[str, Any]:
    """A callback of the last process fails in a step."""

    def heard(x: Any) -> None:
        if mesh.place("data") == mesh.size - 1:
            raise ValueError("this process is unwell")

    def noted(model: Net, batch: Any) -> Any:
        wl.io_callback(heard, None, batch["y"][0])
        return plain(model, batch)

    return told(fitted(noted, mesh=mesh))


CASES = fits, ways, resumes, interrupted, refusals, trees, readme, killed, failed

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    wl.distributed.initialize(timeout=60)
    processes = wl.distributed.mesh({"data": wl.distributed.process_count()})
    for case in CASES:
        if case.__name__ in sys.argv[2:]:
            name = f"{case.__name__}.{wl.distributed.process_index()}.json"
            (folder / name).write_text(json.dumps(case(processes, folder)))
