"""A run of training: the batches of every epoch, the loop over them, the file it is kept in."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from ...compiler.ir.explain import shown
from ...compiler.trace import tree as trees
from ...compiler.trace.operands import wrong
from . import checkpoints
from .batches import batches, epoch_order, made_ahead, row_count, rows
from .layouts import StateLayout
from .progress import SHOWN_SECONDS, Shown, display, interruptible
from .result import Epoch, Fit
from .shares import ALONE, Shares
from .step import Training

CHECKPOINT_SECONDS = 60.0  # between checkpoints within an epoch


class OwnBatch(NamedTuple):
    """What a process has of a batch."""

    batch: Any
    rows: int  # of the whole batch, where that matters
    told: str = ""  # of the whole batch: what must be the same in all processes


class Examples:
    """The batches of every epoch: of rows in an order by the key, or of a user's function.

    Of each batch this process makes and reads its share of rows.
    """

    def __init__(
        self, data: Any, batch_size: int | None, key: Any, accumulate: int, shares: Shares = ALONE
    ) -> None:
        self.data, self.key, self.accumulate, self.shares = data, key, accumulate, shares
        self.function: Any = data if callable(data) else None
        self.rows = 0 if self.function else row_count("data", data)
        self.batch_size = batch_size or self.rows
        self.steps = None if self.function else self.rows // self.batch_size
        if self.steps == 0:
            raise wrong(
                f"fit: a batch_size of at most the rows is required, got {batch_size} and "
                f"{self.rows} rows"
            )
        if not self.function:
            shares.check_divisible(self.batch_size, accumulate)

    def epoch(self, number: int, first: int) -> Iterable[OwnBatch]:
        """The shares of the batches of an epoch from the `first` on."""
        if self.function is None:
            own = self.shares.of(self.batch_size)
            if self.batch_size == self.rows:  # which no order changes
                return [OwnBatch(rows(self.data, own), self.rows)][first:]
            order = epoch_order(self.key, number, self.rows)
            made = batches(self.data, order, self.batch_size, first, own)
            return (OwnBatch(batch, self.batch_size) for batch in made)
        words = [int(w) for w in np.asarray(self.key).ravel()]
        made = self.function(np.random.default_rng([*words, number]))
        if not isinstance(made, Iterable):
            raise wrong(f"fit: batches are required of the function data, got {shown(made)}")
        return (self.piece(b, not k) for k, b in enumerate(islice(made, first, None)))

    def piece(self, batch: Any, first: bool) -> OwnBatch:
        """The share of a batch of a user's function, which may fill it anew meanwhile."""
        number = row_count("a batch", batch) if self.shares.count * self.accumulate > 1 else 0
        told = self.shares.spelled(batch) if first else ""
        if number % self.shares.count == 0:
            batch = rows(batch, self.shares.of(number)) if self.shares.count > 1 else batch
        own = trees.map(lambda x: x.copy() if isinstance(x, np.ndarray) else x, batch)
        return OwnBatch(own, number, told)

    def check(self, piece: OwnBatch) -> None:
        """That a batch has a share for each process, and is the same in all."""
        self.shares.check_divisible(piece.rows, self.accumulate)
        if piece.told:
            self.shares.agree("the first batch of an epoch", piece.told)

    def agree(self) -> None:
        """That arrays are the same in all processes, as far as the first batch tells."""
        if self.function is None:
            order = epoch_order(self.key, 0, self.rows)[: self.batch_size]
            self.shares.agree("the first batch", self.shares.spelled(rows(self.data, order)))

    def told(self) -> dict[str, Any]:
        """What a run that goes on must have in common with the one before."""
        key = [int(w) for w in np.asarray(self.key).ravel()]
        return {"key": key, "rows": self.rows, "batch_size": self.batch_size}


class Heard(NamedTuple):
    """What all processes know after a step, since one of them said it."""

    interrupted: bool
    due: bool  # a checkpoint, by the clock of the first process
    strange: bool = False  # the loss is not finite


def said_numbers(*said: bool) -> np.ndarray:
    """What a process says, as the step of many processes takes it."""
    return np.array(said, np.float32)


class TrainingRun:
    """Training under way."""

    def __init__(
        self,
        source: Examples,
        step: Any,
        training: Training,
        scorer: Callable[[Any, Any], float] | None,
        higher: bool,
        patience: int | None,
        checkpoint: Any,
        layout: StateLayout,
    ) -> None:
        self.source, self.step, self.training, self.scorer = source, step, training, scorer
        self.shares, self.layout = source.shares, layout
        self.higher, self.patience, self.checkpoint = higher, patience, checkpoint
        self.losses: list[float] = []  # of whole epochs
        self.recent: list[Any] = []  # of this one
        self.history: list[Epoch] = []
        self.best: Any = None
        self.epoch_seconds = self.compile_seconds = 0.0
        self.compiled = False

    def agree(self, options: dict[str, Any]) -> None:
        """Before the first step: all processes train the same model alike on the same data."""
        told = {**self.source.told(), **options}.items()
        self.shares.agree("arguments", "\n".join(f"{name} {said}" for name, said in told))
        self.source.agree()
        repair = "wl.distributed.broadcast({}), the first process's"
        for what, tree in (("model", self.training.model), ("state", self.training.state)):
            self.shares.agree_on_arrays(what, tree, repair.format(what))

    # ---- files

    def restore(self) -> None:
        like = self.layout.like(self.training)
        found = checkpoints.read_checkpoint(self.checkpoint, like, self.shares)
        self.training, self.best = self.layout.resumed(found.training), found.best
        for name, mine in self.source.told().items():
            if found.record["source"][name] != mine:
                raise wrong(
                    f"fit: the {name} of the checkpoint is required, "
                    f"{found.record['source'][name]}, got {mine}"
                )
        self.history = [Epoch(**e) for e in found.record["history"]]
        whole = sum(e.steps for e in self.history)
        losses = [float(x) for x in found.losses]
        self.losses, self.recent = losses[:whole], losses[whole:]
        self.epoch_seconds = found.record["epoch_seconds"]

    def write(self) -> None:
        """By the first process; the others go on meanwhile."""
        if self.checkpoint is None:
            return
        training = self.layout.whole(self.training)
        if not self.shares.first:
            return
        record = {
            "source": self.source.told(), "epoch_seconds": self.epoch_seconds,
            "history": [asdict(e) for e in self.history],
        }  # fmt: skip
        losses = np.array([*self.losses, *map(float, self.recent)], np.float64)
        found = checkpoints.SavedTraining(training, self.best, losses, record)
        checkpoints.write_checkpoint(self.checkpoint, found)

    # ---- the loop

    def through(self, epochs: int, progress: Any) -> Fit:
        """Trains to the end, or to what ends it before."""
        began, stopped = time.perf_counter(), self.ended()
        heard = progress if callable(progress) and self.shares.first else None
        wanted: Any = False if callable(progress) or not self.shares.first else progress
        done = len(self.losses) + len(self.recent)
        with (
            interruptible() as interrupted,
            display(wanted, epochs, self.source.steps, done) as show,
        ):
            while len(self.history) < epochs and not stopped:
                if stopped := self.steps(interrupted, show):
                    break
                self.end_epoch()
                show.epoch(str(self.history[-1]))
                if heard:
                    heard(self.history[-1])
                stopped = self.ended()
                self.write()
            if stopped == "interrupted":
                self.write()
        if self.checkpoint is not None:
            self.shares.wait()  # whoever reads it next finds it
        return Fit(
            self.training.model if self.best is None else self.best,
            self.training.state,
            self.training.optimizer,
            tuple(self.history),
            np.array([*self.losses, *map(float, self.recent)], np.float64),
            stopped or "finished",
            self.compile_seconds,
            time.perf_counter() - began - self.compile_seconds,
            None if self.best is None else len(self.history) - self.waited(),
        )

    def ended(self) -> str:
        """What ends training after the epochs so far, also those of a checkpoint."""
        if self.history and not math.isfinite(self.history[-1].loss):
            return "not finite"
        waited = self.patience is not None and self.history and self.waited() >= self.patience
        return "patience" if waited else ""

    def steps(self, interrupted: Callable[[], bool], show: Shown) -> str:
        """The rest of an epoch; says what ended it early."""
        number = len(self.history)
        seen = saved = last = time.perf_counter()
        with made_ahead(self.source.epoch(number, len(self.recent))) as ready:
            for piece in ready:
                self.source.check(piece)
                if not self.compiled:
                    self.compile(piece.batch)
                    last = time.perf_counter()
                value, heard = self.take(piece.batch, interrupted, last - saved)
                self.recent.append(value)
                now = time.perf_counter()
                self.epoch_seconds += now - last
                last = now
                if heard.interrupted:
                    return "interrupted"
                if heard.strange:
                    return "not finite"
                if now - seen > SHOWN_SECONDS:
                    seen = now
                    show.step(number, len(self.losses) + len(self.recent), value)
                    if not math.isfinite(value):
                        return "not finite"
                if heard.due:
                    self.write()
                    saved = last = time.perf_counter()
        if not self.recent:
            raise wrong(f"fit: a batch is required in each epoch, got none in epoch {number + 1}")
        return ""

    def take(
        self, batch: Any, interrupted: Callable[[], bool], unsaved_seconds: float
    ) -> tuple[Any, Heard]:
        """A step: its loss, and what any process said of the training."""
        due = unsaved_seconds > CHECKPOINT_SECONDS
        if self.shares.mesh is None:
            self.training, value = self.step(self.training, self.source.key, batch)
            return value, Heard(interrupted(), due)
        said = said_numbers(interrupted(), due and self.shares.first)
        self.training, value, heard = self.step(self.training, self.source.key, batch, said)
        return value, Heard(*(np.asarray(heard) > 0).tolist())

    def compile(self, batch: Any) -> None:
        began = time.perf_counter()
        said = () if self.shares.mesh is None else (said_numbers(False, False),)
        with self.shares.in_turn():
            compiled = self.step.compile(self.training, self.source.key, batch, *said)
            compiled.program  # noqa: B018 - makes the machine code, and runs nothing
        self.compile_seconds, self.compiled = time.perf_counter() - began, True

    def end_epoch(self) -> None:
        values = [float(x) for x in self.recent]
        scored = None
        if self.scorer is not None:
            scored = self.scorer(self.training.model, self.training.state)
        epoch = Epoch(
            len(self.history) + 1, float(np.mean(values)), scored, self.epoch_seconds, len(values)
        )
        if self.patience is not None and scored is not None and self.is_best(scored):
            self.best = trees.map(np.array, self.training.model)
        self.history.append(epoch)
        self.losses += values
        self.recent, self.epoch_seconds = [], 0.0

    def is_best(self, scored: float) -> bool:
        before = [self.merit(e.score) for e in self.history if e.score is not None]
        return not before or self.merit(scored) > max(before)

    def merit(self, score: float | None) -> float:
        """More is better, and nothing is worse than what is no number."""
        if score is None or math.isnan(score):
            return -math.inf
        return score if self.higher else -score

    def waited(self) -> int:
        """Epochs since the best."""
        return len(self.history) - 1 - int(np.argmax([self.merit(e.score) for e in self.history]))
