"""Checkpoints: all that training needs to go on to the bit, in one file that appears whole."""

from __future__ import annotations

import json
import os
from typing import Any, NamedTuple

import numpy as np

from ...compiler.front.tree_files import load, save
from ...compiler.ir.types import type_of
from ...compiler.trace import tree as trees
from ...compiler.trace.containers import keystr
from ...compiler.trace.operands import wrong
from .step import Training

Path = str | os.PathLike[str]


class SavedTraining(NamedTuple):
    """What is in the file: arrays, and a record of plain numbers."""

    training: Training
    best: Any  # the model of the best epoch so far, or None
    losses: np.ndarray  # f64, a step each
    record: dict[str, Any]


def write_checkpoint(path: Path, checkpoint: SavedTraining) -> None:
    """Writes a checkpoint; a file of that name is replaced at once, or stays as it was."""
    text = np.frombuffer(json.dumps(checkpoint.record).encode(), np.uint8)
    save(path, checkpoint._replace(record={"text": text}))


def read_checkpoint(path: Path, training: Training) -> SavedTraining:
    """Reads what was written, in the containers of `training`, whose types must be there."""
    try:
        found = load(path)
    except FileNotFoundError:
        raise wrong(
            f"fit: a checkpoint to resume is required at {os.fspath(path)}, got no file",
            "resume=False",
        ) from None
    missing = [n for n in ("training", "losses", "record") if n not in found]
    if missing:
        without = f"{os.fspath(path)} without {missing[0]}"
        raise wrong(f"fit: a checkpoint of fit is required, got {without}")
    record = json.loads(found["record"]["text"].tobytes())
    placed = _placed(found["training"], training, "training")
    best = _placed(found["best"], training.model, "best") if "best" in found else None
    return SavedTraining(placed, best, found["losses"], record)


def _placed(nested: Any, like: Any, what: str) -> Any:
    leaves, structure = trees.flatten(like)
    found = []
    for path, leaf in zip(trees.key_paths(structure), leaves, strict=True):
        inside = nested
        for step in filter(None, keystr(path, simple=True, separator=".").split(".")):
            inside = inside.get(step) if isinstance(inside, dict) else None
        if not isinstance(inside, np.ndarray) or type_of(inside) != type_of(leaf):
            got = type_of(inside) if isinstance(inside, np.ndarray) else "nothing"
            raise wrong(
                f"fit: a checkpoint of this model is required, with {type_of(leaf)} at "
                f"{what}{keystr(path)}, got {got}",
                "the model, optimizer and state that it was written with, or resume=False",
            )
        found.append(inside)
    return trees.unflatten(structure, found)
