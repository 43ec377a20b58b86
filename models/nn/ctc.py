"""The loss of sequences whose labels are not aligned with time."""

from __future__ import annotations

from typing import Any

from ...compiler.front import numpy as np
from ...compiler.front.lax.control_flow import scan
from ...compiler.ir.errors import ProgramError
from ...compiler.ir.explain import explained
from ...compiler.ir.source import location, user_source
from ...compiler.trace.operands import cast_to
from .functions import log_softmax

__all__ = ["ctc_loss", "ctc_loss_with_forward_probs"]


@explained
def ctc_loss(
    logits: Any,
    logit_paddings: Any,
    labels: Any,
    label_paddings: Any,
    *,
    blank_id: int = 0,
    log_epsilon: float = -1e5,
) -> Any:
    """-log of the sum, over all paths that give the labels, of the product of their probabilities.

    A path names a class at every step; it gives what is left of it when of equal neighbours one
    stays and then blanks are dropped. Logits [batch, time, classes], their paddings [batch, time],
    labels [batch, length], their paddings alike: 1 at the end of what is shorter, 0 before.
    log_epsilon stands for the logarithm of 0. Cost: batch * time * length, in a loop over time.
    Source: Graves et al., Connectionist temporal classification, 2006.
    """
    return ctc_loss_with_forward_probs(
        logits, logit_paddings, labels, label_paddings, blank_id=blank_id, log_epsilon=log_epsilon
    )[0]


@explained
def ctc_loss_with_forward_probs(
    logits: Any,
    logit_paddings: Any,
    labels: Any,
    label_paddings: Any,
    *,
    blank_id: int = 0,
    log_epsilon: float = -1e5,
) -> tuple[Any, Any, Any]:
    """ctc_loss, and the logarithms of the probabilities that the first steps gave the first labels:
    [time, batch, length + 1] with a blank last, [time, batch, length] with the label last.

    Source: Graves et al., Connectionist temporal classification, 2006.
    """
    _check(logits, logit_paddings, labels, label_paddings)
    classes, (batch, length) = logits.shape[-1], labels.shape
    logs = log_softmax(logits)
    places = np.clip(labels, 0, classes - 1)[:, None, :]
    places = np.broadcast_to(places, (*logits.shape[:2], length))
    emitted = np.moveaxis(np.take_along_axis(logs, places, axis=-1), 1, 0)
    blanks = np.moveaxis(logs[:, :, blank_id : blank_id + 1], 1, 0)
    again = np.concatenate(
        [labels[:, :-1] == labels[:, 1:], np.zeros((batch, min(length, 1)), bool)], axis=1
    )
    # a label that repeats the one before needs a blank between: no step without it
    direct = cast_to(np.where(again, log_epsilon, 0.0), logs)
    around = cast_to(np.where(again, 0.0, log_epsilon), logs)

    def step(before: tuple[Any, Any], now: tuple[Any, Any, Any]) -> tuple[Any, Any]:
        blank, label = before
        log_label, log_blank, padding = now
        ready = _arrived(blank, label + direct)
        after_label = np.logaddexp(ready[:, :-1] + log_label, label + log_label)
        after_blank = _arrived(ready + log_blank, label + log_blank + around)
        over = padding[:, None] > 0
        after = np.where(over, blank, after_blank), np.where(over, label, after_label)
        return after, after

    nothing = np.full((batch, length), log_epsilon, dtype=logs.dtype)
    start = np.concatenate([np.zeros((batch, 1), logs.dtype), nothing], axis=1)
    paddings = np.moveaxis(np.asarray(logit_paddings), 1, 0)
    last, (by_blank, by_label) = scan(step, (start, nothing), (emitted, blanks, paddings))
    end = _arrived(*last)
    count = length - np.sum(np.asarray(label_paddings), axis=1).astype(np.int32)
    loss = -np.take_along_axis(end, count[:, None], axis=1)[:, 0]
    return loss, np.concatenate([by_blank[:-1], end[None]]), by_label


def _arrived(blank: Any, label: Any) -> Any:
    """With each label a path may end in a blank or in the label itself."""
    return np.concatenate([blank[:, :1], np.logaddexp(blank[:, 1:], label)], axis=1)


def _check(logits: Any, logit_paddings: Any, labels: Any, label_paddings: Any) -> None:
    shapes = [np.shape(x) for x in (logits, logit_paddings, labels, label_paddings)]
    first, second, third, fourth = shapes
    fits = len(first) == 3 and first[:2] == second and len(third) == 2 and third == fourth
    if not fits or first[0] != third[0] or first[1] == 0:
        raise ProgramError(
            "ctc_loss: logits [batch, time, classes], paddings [batch, time], labels and paddings "
            f"[batch, length] are required, got {', '.join(str(list(s)) for s in shapes)}",
            location(user_source()),
        )
