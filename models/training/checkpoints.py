"""Checkpoints: all that training needs to go on to the bit, in one file that appears whole."""

from __future__ import annotations

import json
import os
from typing import Any, NamedTuple

import numpy as np

from ...compiler.front import shared_trees
from ...compiler.front.tree_files import SUFFIXES, check_package, load, save
from ...compiler.ir.types import type_of
from ...compiler.trace import tree as trees
from ...compiler.trace.containers import keystr
from ...compiler.trace.operands import wrong
from ...compiler.trace.trace import aval
from .result import Epoch
from .shares import ALONE, Shares
from .step import Training

Path = str | os.PathLike[str]


class SavedTraining(NamedTuple):
    """What is in the file: arrays, and a record of plain numbers."""

    training: Training
    best: Any  # the model of the best epoch so far, or None
    losses: np.ndarray  # f64, a step each
    record: dict[str, Any]


def check_place(path: Path) -> None:
    """Refuses, before anything is trained, a path where no checkpoint can be written."""
    text = os.fspath(path)
    if not str(text).endswith(SUFFIXES):
        ends = " or ".join(SUFFIXES)
        raise wrong(f"fit: a checkpoint that ends in {ends} is required, got {text!r:.80}")
    check_package(path)
    folder = os.path.dirname(text) or "."
    if not os.path.isdir(folder):
        raise wrong(f"fit: a folder for the checkpoint is required, got none at {folder}")
    if not os.access(folder, os.W_OK):
        raise wrong(f"fit: a folder that may be written is required for it, got {folder}")
    if os.path.isdir(text):
        raise wrong(f"fit: a file is required for the checkpoint, got the folder {text}")


def write_checkpoint(path: Path, checkpoint: SavedTraining) -> None:
    """Writes a checkpoint; a file of that name is replaced at once, or stays as it was."""
    text = np.frombuffer(json.dumps(checkpoint.record).encode(), np.uint8)
    save(path, checkpoint._replace(record={"text": text}))


def read_checkpoint(path: Path, training: Training, shares: Shares = ALONE) -> SavedTraining:
    """Reads what was written, in the containers of `training`, whose types must be there.

    Of many processes the first one reads.
    """
    try:
        found = load(path) if shares.mesh is None else shared_trees.load_once(path)
    except FileNotFoundError:
        raise wrong(
            f"fit: a checkpoint to resume is required at {os.fspath(path)}, got no file",
            "resume=False",
        ) from None
    missing = [n for n in ("training", "losses", "record") if n not in found]
    if missing:
        without = f"{os.fspath(path)} without {missing[0]}"
        raise wrong(f"fit: a checkpoint of fit is required, got {without}")
    try:
        record = _record(found["record"], found["losses"])
    except (AttributeError, LookupError, TypeError, ValueError):
        other = f"{os.fspath(path)} with another record"
        raise wrong(f"fit: a checkpoint of fit is required, got {other}") from None
    placed = _placed(found["training"], training, "training")
    best = _placed(found["best"], training.model, "best") if "best" in found else None
    return SavedTraining(placed, best, found["losses"], record)


def _record(saved: Any, losses: Any) -> dict[str, Any]:
    """The plain numbers, of which nothing is missing."""
    record = json.loads(saved["text"].tobytes())
    steps = sum(Epoch(**e).steps for e in record["history"])
    if losses.dtype != np.float64 or losses.ndim != 1 or len(losses) < steps:
        raise ValueError("losses")
    for name, kind in (("key", list), ("rows", int), ("batch_size", int)):
        if not isinstance(record["source"][name], kind):
            raise TypeError(name)
    float(record["epoch_seconds"])
    return record


def _placed(nested: Any, like: Any, what: str) -> Any:
    leaves, structure = trees.flatten(like)
    found = []
    for path, leaf in zip(trees.key_paths(structure), leaves, strict=True):
        inside = nested
        for step in filter(None, keystr(path, simple=True, separator=".").split(".")):
            inside = inside.get(step) if isinstance(inside, dict) else None
        of = aval(leaf, what)[0]
        if not isinstance(inside, np.ndarray) or type_of(inside) != of:
            got = type_of(inside) if isinstance(inside, np.ndarray) else "nothing"
            raise wrong(
                f"fit: a checkpoint of this model is required, with {of} at "
                f"{what}{keystr(path)}, got {got}",
                "the model, optimizer and state that it was written with, or resume=False",
            )
        found.append(inside)
    return trees.unflatten(structure, found)
