"""Training of any model: epochs of compiled steps, watched, kept, and resumed to the bit."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from ...compiler.front import random
from ...compiler.ir.explain import explained
from ...compiler.jit.jit import jit
from ...compiler.jit.mesh import Mesh
from ...compiler.trace.operands import wrong
from ...compiler.trace.tracer import current
from ..optim import Optimizer
from .batches import row_count
from .checkpoints import check_place
from .layouts import layout_of
from .result import Epoch, Fit
from .run import Examples, TrainingRun
from .shares import Shares, shares_of
from .step import (
    first_state,
    heard_step,
    named_arguments,
    one_number,
    training_step,
    with_named,
)

EVALUATED_ROWS = 1024  # at once, at most, where no batch is larger


@explained
def evaluate(
    score: Callable[..., Any],
    model: Any,
    data: Any,
    *,
    state: Any = None,
    batch_size: int = 0,
    mesh: Mesh | None = None,
) -> float:
    """The mean of `score(model, batch)` over the rows of a tree of arrays.

    A score that names `key` gets None, one that names `state` the state. It is compiled for
    batches of one size where that is possible. The processes of a `mesh` share out the rows; all
    get the mean.
    """
    shares = shares_of(mesh)
    with shares.active():
        return _scorer(score, data, batch_size, shares)(model, state)


def _scorer(
    score: Callable[..., Any], data: Any, batch_size: int, shares: Shares
) -> Callable[[Any, Any], float]:
    program = jit(lambda model, state, batch: _first(score, model, batch, state))
    most = max(batch_size, EVALUATED_ROWS)
    return lambda model, state: shares.mean(lambda batch: program(model, state, batch), data, most)


def _first(score: Callable[..., Any], model: Any, batch: Any, state: Any) -> Any:
    found = with_named(score, model, batch, key=None, state=state)
    if isinstance(found, tuple) and len(found) == 2 and "state" in named_arguments(score):
        found = found[0]  # of a loss
    return one_number("score", found, "biuf")


@explained
def fit(
    loss: Callable[..., Any],
    model: Any,
    data: Any,
    optimizer: Optimizer,
    *,
    epochs: int = 1,
    batch_size: int | None = None,
    key: Any = None,
    state: Any = None,
    held_out: Any = None,
    score: Callable[..., Any] | None = None,
    higher: bool = True,
    accumulate: int = 1,
    clip: float | None = None,
    patience: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    resume: bool = False,
    progress: bool | Callable[[Epoch], None] | None = None,
    mesh: Mesh | None = None,
    shard_optimizer: bool = False,
) -> Fit:
    """Minimises the mean of `loss(model, batch)` over the rows of `data` by an optimizer.

    A loss that names `key` gets one for each step; one that names `state` gets that, and gives
    (value, state). `data` is a tree of arrays whose rows are examples, shuffled by the key in each
    epoch; or a function of a numpy Generator that gives the batches of an epoch. The model's floats
    are learned, its integers are not; the model that is given stays as it is.

    Batches have `batch_size` rows, by default all; `accumulate` parts of a batch are computed one
    after another, for less memory. `clip` bounds the norm of all gradients. `score(model, batch)`,
    by default the loss without a key, is measured on `held_out` after each epoch; training stops
    when it has not been better for `patience` epochs, with the best model.
    `checkpoint` is a file, .npz or .safetensors, that is written after each epoch, each minute and
    on Ctrl-C, which ends training after the step; `resume` goes on from it, with the same bits as
    without the break. `progress` is a bar on terminals; True prints lines elsewhere, False nothing;
    a function hears of each epoch.

    With a `mesh` every process calls this with the same arguments. They are all along one axis, and
    share out the rows of each batch in the order of their places; data, model and key
    must be the same in all, and so is what comes out, to the bit. That is what one process gets
    with `accumulate` as many times larger, each part with its own key of dropout: to the bit where
    a step does, else up to the rounding of sums; a state is not handed on between processes, but
    averaged. Scores are of all rows of `held_out`. The first process writes the checkpoint, which
    any number of processes can go on from, and alone shows progress; Ctrl-C in one process ends all
    after the same step. With `shard_optimizer` each process keeps its part of the optimizer's state
    alone (ZeRO 1), as `optimizer_state` of the result too; files have all of it.
    Example:
    >>> x = np.linspace(-1, 1, 64, dtype=np.float32)
    >>> line = {"slope": np.float32(0), "start": np.float32(0)}
    >>> def loss(line, batch):
    ...     x, y = batch
    ...     return np.mean((line["slope"] * x + line["start"] - y) ** 2)
    >>> import wonderland as wl
    >>> found = fit(loss, line, (x, 3 * x + 1), wl.optim.sgd(0.1), epochs=50, batch_size=16)
    >>> found.model["slope"].round(2), found.stopped
    (np.float32(3.0), 'finished')
    """
    if current() is not None:
        raise wrong("fit: a call outside of traced functions is required, got one inside")
    _checked_options(epochs, batch_size, accumulate, clip, patience, held_out, checkpoint, resume)
    shares, key = shares_of(mesh, alone=True), random.key(0) if key is None else key
    source = Examples(data, batch_size, key, accumulate, shares)
    if "state" in named_arguments(loss) and state is None:
        raise wrong("fit: a first state is required, for the loss names it", "state=")
    if shard_optimizer and mesh is None:
        raise wrong("fit: a mesh is required, for processes share the optimizer", "mesh=mesh")
    layout = layout_of(optimizer, clip, mesh if shard_optimizer else None, shares.axis)
    step = training_step(
        loss, layout.optimizer, accumulate, shares.axis, shares.count, not shard_optimizer
    )
    if mesh is not None:
        step = heard_step(step, tuple(name for name, _ in mesh.axes))
    run = TrainingRun(
        source,
        jit(step, donate_argnums=(0,)),
        first_state(model, layout.optimizer, state),
        _scorer(score or loss, held_out, batch_size or 0, shares) if held_out is not None else None,
        score is not None and higher,
        patience,
        checkpoint,
        layout,
    )
    if mesh is not None:
        run.agree({
            "epochs": epochs, "accumulate": accumulate, "clip": clip, "patience": patience,
            "higher": run.higher, "resume": resume, "checkpoint": checkpoint is not None,
            "shard_optimizer": shard_optimizer,
        })  # fmt: skip
    if resume:
        run.restore()
    with shares.active():
        return run.through(epochs, progress)


def _checked_options(
    epochs: int,
    batch_size: int | None,
    accumulate: int,
    clip: float | None,
    patience: int | None,
    held_out: Any,
    checkpoint: Any,
    resume: bool,
) -> None:
    for name, number in (
        ("epochs", epochs), ("batch_size", batch_size), ("accumulate", accumulate),
        ("patience", patience),
    ):  # fmt: skip
        if number is not None and number < 1:
            raise wrong(f"fit: {name} of 1 or more is required, got {number}")
    if clip is not None and not clip > 0:
        raise wrong(f"fit: clip above 0 is required, got {clip}")
    if held_out is not None:
        row_count("held_out", held_out)
    elif patience is not None:
        raise wrong("fit: held_out is required, for patience is measured on it", "held_out=(x, y)")
    if checkpoint is not None:
        check_place(checkpoint)
    if resume and checkpoint is None:
        raise wrong("fit: a checkpoint is required to resume", 'checkpoint="training.npz"')
