"""What training gives: the model, the losses and scores on the way, a curve, plain numbers."""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from ...compiler.front.trees import size as size_of
from ..data.split import MissingExtra


@dataclass(frozen=True)
class Epoch:
    """One pass over the data: mean loss of its steps, score on the held out part after it."""

    number: int
    loss: float
    score: float | None
    seconds: float
    steps: int

    def __str__(self) -> str:
        rate = self.steps / max(self.seconds, 1e-9)
        scored = "" if self.score is None else f", score {self.score:.4f}"
        return (
            f"epoch {self.number}: loss {self.loss:.4f}{scored}, {self.seconds:.1f} s, "
            f"{rate:.0f} steps/s"
        )


@dataclass(frozen=True)
class Fit:
    """A trained model, what the loss handed on beside it, and how training went."""

    model: Any
    state: Any
    optimizer_state: Any
    history: tuple[Epoch, ...]
    losses: np.ndarray = field(repr=False)  # f64, of every step
    stopped: str  # "finished", "patience", "interrupted" or "not finite"
    compile_seconds: float
    seconds: float
    chosen: int | None = None  # the number of the epoch whose model this is, where patience chose

    @property
    def score(self) -> float | None:
        """The last score on the held out part; the best one, where patience chose the model."""
        scores = [e.score for e in self.history[: self.chosen] if e.score is not None]
        return scores[-1] if scores else None

    def results(self) -> dict[str, Any]:
        """Plain numbers, for JSON."""
        return {
            "parameters": size_of(self.model), "steps": len(self.losses), "stopped": self.stopped,
            "compile_seconds": self.compile_seconds, "seconds": self.seconds,
            "history": [asdict(e) for e in self.history],
        }  # fmt: skip

    def save_results(self, path: str | os.PathLike[str], **more: Any) -> None:
        """Writes `results`, and more numbers, as JSON."""
        beside = f"{os.fspath(path)}.part"
        with open(beside, "w") as file:
            json.dump({**more, **self.results()}, file, indent=1)
            file.write("\n")
        os.replace(beside, path)

    def plot(self, path: str | os.PathLike[str] | None = None, title: str = "") -> Any:
        """The losses of steps and epochs, and the scores, as a figure of matplotlib, or a file."""
        try:
            from matplotlib.figure import Figure
        except ImportError:
            raise MissingExtra("matplotlib", "plot") from None
        figure = Figure(figsize=(7, 4), layout="constrained")
        axes: Any = figure.subplots()
        ends = np.cumsum([e.steps for e in self.history])
        axes.plot(np.arange(1, len(self.losses) + 1), self.losses, color="#c3d2e6", linewidth=0.8)
        axes.plot(ends, [e.loss for e in self.history], color="#3b6ea8", marker=".", label="loss")
        axes.set(xlabel="step", ylabel="loss", title=title)
        axes.spines[["top", "right"]].set_visible(False)
        if any(e.score is not None for e in self.history):
            other = axes.twinx()
            scores = [math.nan if e.score is None else e.score for e in self.history]
            other.plot(ends, scores, color="#d9a441", marker=".", label="score")
            other.set_ylabel("score")
            other.spines["top"].set_visible(False)
        figure.legend(loc="outside upper right", frameon=False, ncols=2)
        if path is not None:
            figure.savefig(path, dpi=150)
        return figure
