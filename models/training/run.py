"""A run of training: the batches of every epoch, the loop over them, the file it is kept in."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from itertools import islice
from typing import Any

import numpy as np

from ...compiler.ir.explain import shown
from ...compiler.trace import tree as trees
from ...compiler.trace.operands import wrong
from . import checkpoints
from .batches import batches, epoch_order, made_ahead, row_count
from .progress import SHOWN_SECONDS, Shown, display, interruptible
from .result import Epoch, Fit
from .step import Training

CHECKPOINT_SECONDS = 60.0  # between checkpoints within an epoch


class Examples:
    """The batches of every epoch: of rows in an order by the key, or of a user's function."""

    def __init__(self, data: Any, batch_size: int | None, key: Any, accumulate: int) -> None:
        self.data, self.key, self.accumulate = data, key, accumulate
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
            self.check_divisible(self.batch_size)

    def epoch(self, number: int, first: int) -> Iterable[Any]:
        """The batches of an epoch from the `first` on."""
        if self.function is None:
            if self.batch_size == self.rows:  # which no order changes
                return [self.data][first:]
            order = epoch_order(self.key, number, self.rows)
            return batches(self.data, order, self.batch_size, first)
        words = [int(w) for w in np.asarray(self.key).ravel()]
        made = self.function(np.random.default_rng([*words, number]))
        if not isinstance(made, Iterable):
            raise wrong(f"fit: batches are required of the function data, got {shown(made)}")
        return map(_kept, islice(made, first, None))

    def check_divisible(self, number: int) -> None:
        if number % self.accumulate:
            raise wrong(
                f"fit: accumulate that divides the batch is required, got {self.accumulate} and "
                f"{number} rows"
            )

    def told(self) -> dict[str, Any]:
        """What a run that goes on must have in common with the one before."""
        key = [int(w) for w in np.asarray(self.key).ravel()]
        return {"key": key, "rows": self.rows, "batch_size": self.batch_size}


def _kept(batch: Any) -> Any:
    """A batch of its own: it waits for its step while a user's function fills the next one."""
    return trees.map(lambda x: x.copy() if isinstance(x, np.ndarray) else x, batch)


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
    ) -> None:
        self.source, self.step, self.training, self.scorer = source, step, training, scorer
        self.higher, self.patience, self.checkpoint = higher, patience, checkpoint
        self.losses: list[float] = []  # of whole epochs
        self.recent: list[Any] = []  # of this one
        self.history: list[Epoch] = []
        self.best: Any = None
        self.epoch_seconds = self.compile_seconds = 0.0
        self.compiled = False

    # ---- files

    def restore(self) -> None:
        found = checkpoints.read_checkpoint(self.checkpoint, self.training)
        self.training, self.best = found.training, found.best
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
        if self.checkpoint is None:
            return
        record = {
            "source": self.source.told(), "epoch_seconds": self.epoch_seconds,
            "history": [asdict(e) for e in self.history],
        }  # fmt: skip
        losses = np.array([*self.losses, *map(float, self.recent)], np.float64)
        found = checkpoints.SavedTraining(self.training, self.best, losses, record)
        checkpoints.write_checkpoint(self.checkpoint, found)

    # ---- the loop

    def through(self, epochs: int, progress: Any) -> Fit:
        """Trains to the end, or to what ends it before."""
        began, stopped = time.perf_counter(), self.ended()
        heard = progress if callable(progress) else None
        wanted: Any = False if heard else progress
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
            for batch in ready:
                if self.source.function and self.source.accumulate > 1:
                    self.source.check_divisible(row_count("a batch", batch))
                if not self.compiled:
                    self.compile(batch)
                    last = time.perf_counter()
                self.training, value = self.step(self.training, self.source.key, batch)
                self.recent.append(value)
                now = time.perf_counter()
                self.epoch_seconds += now - last
                last = now
                if interrupted():
                    return "interrupted"
                if now - seen > SHOWN_SECONDS:
                    seen = now
                    show.step(number, len(self.losses) + len(self.recent), value)
                    if not math.isfinite(value):
                        return "not finite"
                if now - saved > CHECKPOINT_SECONDS:
                    self.write()
                    saved = last = time.perf_counter()
        if not self.recent:
            raise wrong(f"fit: a batch is required in each epoch, got none in epoch {number + 1}")
        return ""

    def compile(self, batch: Any) -> None:
        began = time.perf_counter()
        compiled = self.step.compile(self.training, self.source.key, batch)
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
