"""Training in several processes: what `wl.fit` gives, what it refuses, files, trees for all."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import signal
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import wonderland as wl
from tests.distributed.answer import FOLDER, answer
from tests.models.training.noisy_net import DATA, Net, X, Y, loss, net, plain
from wonderland.compiler.front import tree_files
from wonderland.models.training import Fit

UNSCORED: dict[str, Any] = {"held_out": None, "patience": None}
README = Path(__file__).parent.parent.parent / "README.md"


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
    except (TypeError, RuntimeError, OSError) as wrong:
        return f"{type(wrong).__name__}: {wrong}"
    return "nothing"


# ---------------------------------------------------------------- cases


def here() -> tuple[Any, Path]:
    """All processes along one axis, and the folder of this run."""
    wl.distributed.initialize(timeout=100)
    mesh = wl.distributed.mesh({"data": wl.distributed.process_count()})
    return mesh, Path(os.environ[FOLDER])


def case_fits() -> dict[str, Any]:
    """Four parts of each batch, with keys of their own."""
    mesh, _ = here()
    return told(fitted(loss, mesh=mesh, accumulate=4 // mesh.size))


def case_resumes() -> dict[str, Any]:
    """An epoch by two processes, one more by four, each with its part of the optimizer's state."""
    mesh, folder = here()
    again = mesh.size > 2
    if again and mesh.place("data") == 0:
        shutil.copy(folder.parent / "training-2/resumes.npz", folder)
    options = {"mesh": mesh, "clip": 1.0, "shard_optimizer": True, "resume": again}
    found = fitted(epochs=mesh.size // 2, checkpoint=folder / "resumes.npz", **UNSCORED, **options)
    return {**told(found), "bits": checksum(found.model), "state": size(found.optimizer_state)}


def case_ways() -> dict[str, Any]:
    """Batches of a function, and of all rows; who hears of epochs."""
    mesh, _ = here()
    if mesh.size > 2:
        return {}
    heard: list[int] = []
    function = fitted(data=batches, mesh=mesh, progress=lambda e: heard.append(e.number))
    whole = fitted(mesh=mesh, batch_size=None, **UNSCORED)
    return {"function": told(function), "whole": told(whole), "heard": heard}


def case_interrupted() -> dict[str, Any]:
    """Ctrl-C in the last process, in its ninth step of six in an epoch."""
    mesh, folder = here()
    if mesh.size > 2:
        return {}
    taken: list[Any] = []

    def heard(x: Any) -> None:
        taken.append(x)
        if len(taken) == 9 and mesh.place("data") == mesh.size - 1:
            os.kill(os.getpid(), signal.SIGINT)

    def noted(model: Net, batch: Any) -> Any:
        wl.io_callback(heard, None, batch["y"][0])
        return plain(model, batch)

    signal.signal(signal.SIGINT, signal.default_int_handler)
    return told(fitted(noted, mesh=mesh, checkpoint=folder / "interrupted.npz", **UNSCORED))


def case_refusals() -> dict[str, str]:
    """Of what is not alike in all processes, of rows that they cannot share, of files."""
    mesh, folder = here()
    if mesh.size > 2:
        return {}
    split = wl.distributed.mesh({"data": mesh.size // 2, "model": 2})
    place = mesh.place("data")
    other = {"x": X, "y": Y + place}
    return {
        "model": error(lambda: fitted(model=net(place), mesh=mesh)),
        "data": error(lambda: fitted(data=other, mesh=mesh)),
        "function": error(lambda: fitted(data=lambda _: [other], mesh=mesh)),
        "options": error(lambda: fitted(epochs=3 + place, mesh=mesh)),
        "rows": error(lambda: fitted(batch_size=15, mesh=mesh)),
        "loss": error(lambda: fitted(lambda model, batch: batch["x"], mesh=mesh, **UNSCORED)),
        "axes": error(lambda: fitted(mesh=split)),
        "absent": error(lambda: fitted(mesh=mesh, checkpoint=folder / "no.npz", resume=True)),
        "unread": error(lambda: wl.distributed.load(folder / "no.npz")),
        "unwritten": error(lambda: wl.distributed.save(folder / "no/no.npz", Y)),
        "local": error(lambda: wl.distributed.local_rows(X[:95], mesh=mesh)),
    }


def case_trees() -> dict[str, Any]:
    """Given to all, shared out, written once and read by one."""
    mesh, folder = here()
    if mesh.size > 2:
        return {}
    place, file = mesh.place("data"), folder / "tree.npz"
    mine = {"a": np.full(3, place, "i4"), "b": [float(place), np.zeros((0, 2))], "c": np.ones(2)}
    first, last = (wl.distributed.broadcast(mine, k) for k in (0, mesh.size - 1))
    wl.distributed.save(file, {"k": place, "m": {"n": np.ones(2)}})
    with mesh:
        rows = wl.distributed.local_rows({"x": np.arange(12)})
    read = wl.distributed.load(file)
    like = wl.distributed.load(file, {"k": 7, "m": {"n": np.zeros(2)}})
    return {
        "first": first["a"].tolist(), "last": [last["a"].tolist(), last["b"][0]],
        "empty": list(last["b"][1].shape), "rows": rows["x"].tolist(),
        "aligned": first["c"].flags.aligned,
        "read": [int(read["k"]), read["m"]["n"].tolist(), like["k"]],
    }  # fmt: skip


def case_readme() -> dict[str, Any]:
    """What the README says of many processes, after the programs that it speaks of."""
    mesh, _ = here()
    if mesh.size > 2:
        return {}
    names: dict[str, Any] = {"__name__": __name__}
    text = README.read_text().partition("\n## Read every")[0]
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        if any(word in block for word in ("def loss(", "def error(", "mesh = ")):
            short = block.replace("epochs=200", "epochs=2").replace("range(500)", "range(2)")
            with contextlib.redirect_stdout(io.StringIO()):
                exec(short, names)
    return {"w": checksum(names["w"]), "shared": told(names["shared"])}


def killed(folder: Path) -> None:
    """The first process ends while it writes the second checkpoint."""
    mesh = wl.distributed.mesh({"data": wl.distributed.process_count()})
    write, written = tree_files._write_npz, []

    def half(file: Any, arrays: Any) -> None:
        written.append(1)
        write(file, dict(list(arrays.items())[: 3 if len(written) > 1 else None]))
        if len(written) > 1:
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)

    tree_files._write_npz = half
    fitted(mesh=mesh, checkpoint=folder / "killed.npz", **UNSCORED)


if __name__ == "__main__":
    if sys.argv[1:]:
        killed(Path(sys.argv[1]))
    else:
        answer(globals())
