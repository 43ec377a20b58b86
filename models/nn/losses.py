"""Losses by the names of optax, beside the common ones of `functions.py`.

Each keeps one value for an example, unless its docstring says otherwise. Labels that are integers
are in range; distributions and scores are along the last axis.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ...compiler.front import numpy as np
from ...compiler.front.functions.vmap import vmap
from ...compiler.ir.errors import ProgramError
from ...compiler.ir.explain import explained
from ...compiler.ir.source import location, user_source
from ...compiler.trace.operands import cast_to
from ...compiler.trace.trace import keeps_bf16
from .activations import sparse_plus
from .functions import (
    Axis,
    chosen,
    log_sigmoid,
    log_softmax,
    relu,
    sigmoid,
    sigmoid_binary_cross_entropy,
    softmax,
    softmax_cross_entropy,
    softplus,
    squared_error,
)

__all__ = [
    "binary_dice_loss",
    "convex_kl_divergence",
    "cosine_distance",
    "cosine_similarity",
    "dice_loss",
    "generalized_kl_divergence",
    "kl_divergence",
    "kl_divergence_with_log_targets",
    "l2_loss",
    "log_cosh",
    "make_fenchel_young_loss",
    "multiclass_generalized_dice_loss",
    "multiclass_hinge_loss",
    "multiclass_perceptron_loss",
    "multiclass_sparsemax_loss",
    "ntxent",
    "perceptron_loss",
    "poly_loss_cross_entropy",
    "ranking_softmax_loss",
    "safe_softmax_cross_entropy",
    "sigmoid_focal_loss",
    "smooth_labels",
    "sparsemax_loss",
    "triplet_margin_loss",
]


def _sum(x: Any, axis: Axis, where: Any, keepdims: bool = False) -> Any:
    return np.sum(x if where is None else np.where(where, x, 0), axis=axis, keepdims=keepdims)


# ---------------------------------------------------------------- of differences


@explained
@keeps_bf16
def l2_loss(predictions: Any, targets: Any = None) -> Any:
    """(p - t)^2 / 2"""
    return 0.5 * squared_error(predictions, targets)


@explained
@keeps_bf16
def log_cosh(predictions: Any, targets: Any = None) -> Any:
    """log(cosh(p - t)): half a square near 0, |p - t| - log(2) far away. Accuracy: relative.

    Source: Chen et al., Log hyperbolic cosine loss improves variational auto-encoder, 2019.
    """
    error = predictions if targets is None else predictions - targets
    near, size = np.abs(error) < 1, np.abs(error)
    half = np.sinh(np.where(near, error, 0) / 2)
    return np.where(near, np.log1p(2 * half * half), size + softplus(-2 * size) - math.log(2))


@explained
@keeps_bf16
def cosine_similarity(
    predictions: Any, targets: Any, *, epsilon: float = 0.0, axis: Axis = -1, where: Any = None
) -> Any:
    """<p, t> / (|p| |t|), with squared norms of at least epsilon."""
    unit = [
        x / np.sqrt(np.maximum(_sum(x * x, axis, where, True), epsilon))
        for x in (predictions, targets)
    ]
    return _sum(unit[0] * unit[1], axis, where)


@explained
@keeps_bf16
def cosine_distance(
    predictions: Any, targets: Any, *, epsilon: float = 0.0, axis: Axis = -1, where: Any = None
) -> Any:
    """1 - <p, t> / (|p| |t|), with squared norms of at least epsilon."""
    return 1 - cosine_similarity(predictions, targets, epsilon=epsilon, axis=axis, where=where)


# ---------------------------------------------------------------- of two classes


@explained
@keeps_bf16
def perceptron_loss(predictor_outputs: Any, targets: Any) -> Any:
    """max(0, -p * t) for targets -1 and 1.

    Source: Rosenblatt, The perceptron, 1958.
    """
    return relu(-predictor_outputs * targets)


@explained
@keeps_bf16
def sparsemax_loss(logits: Any, labels: Any) -> Any:
    """sparse_plus(logits), or sparse_plus(-logits) for labels that are true: a margin of 1.

    Source: Blondel, Martins, Niculae, Learning with Fenchel-Young losses, 2020.
    """
    return sparse_plus(np.where(labels, -logits, logits))


@explained
@keeps_bf16
def sigmoid_focal_loss(
    logits: Any, labels: Any, *, alpha: float | None = None, gamma: float = 2.0
) -> Any:
    """(1 - q)^gamma times sigmoid_binary_cross_entropy, q = p t + (1 - p) (1 - t), p = sigmoid.

    `alpha` weighs labels 1, and 1 - alpha labels 0.
    Source: Lin et al., Focal loss for dense object detection, 2017.
    """
    labels = cast_to(labels, logits) if hasattr(labels, "astype") else labels
    likely = labels >= 0.5
    # log(1 - q) = log(t' sigmoid(x') + (1 - t') sigmoid(-x')), t' the greater of t and 1 - t
    major, logit = np.where(likely, labels, 1 - labels), np.where(likely, -logits, logits)
    whole = major == 1
    odds = np.log(np.where(whole, 1, 1 - major) / major)
    rest = np.where(whole, 0, softplus(odds - logit))
    wrong = log_sigmoid(logit) + np.log(major) + rest
    loss = sigmoid_binary_cross_entropy(logits, labels) * np.exp(gamma * wrong)
    return loss if alpha is None else (alpha * labels + (1 - alpha) * (1 - labels)) * loss


# ---------------------------------------------------------------- of several classes


@explained
@keeps_bf16
def multiclass_hinge_loss(scores: Any, labels: Any) -> Any:
    """max over k of (s[k] + [k is not the label]) - s[label]

    Source: Crammer and Singer, Multiclass kernel-based vector machines, 2001.
    """
    mask = chosen(labels, scores.shape[-1], scores.ndim - 1)
    margin = np.max(np.where(mask, scores, scores + 1), axis=-1)
    return margin - _sum(scores, -1, mask)


@explained
@keeps_bf16
def multiclass_perceptron_loss(scores: Any, labels: Any) -> Any:
    """max over k of s[k] - s[label]

    Source: Collins, Discriminative training methods for hidden Markov models, 2002.
    """
    mask = chosen(labels, scores.shape[-1], scores.ndim - 1)
    return np.max(scores, axis=-1) - _sum(scores, -1, mask)


@explained
@keeps_bf16
def multiclass_sparsemax_loss(scores: Any, labels: Any) -> Any:
    """<p, s> - s[label] + (1 - |p|^2) / 2 with the point p of the simplex that is next to s.

    Its gradient is p less the label: sparse.
    Source: Martins and Astudillo, From softmax to sparsemax, 2016.
    """
    # p = max(s - level, 0): the k largest scores are above the level, which makes the sum 1
    ordered = -np.sort(-scores, axis=-1)
    counts = np.arange(1, scores.shape[-1] + 1)
    inside = counts * ordered > np.cumsum(ordered, axis=-1) - 1
    last = np.min(np.where(inside, ordered, math.inf), axis=-1, keepdims=True)
    support = scores >= last
    size = cast_to(np.sum(support, axis=-1, keepdims=True), scores)
    level = (_sum(scores, -1, support, True) - 1) / size
    p = np.where(support, scores - level, 0)
    right = _sum(scores, -1, chosen(labels, scores.shape[-1], scores.ndim - 1))
    return np.sum(p * scores, axis=-1) - right + 0.5 * (1 - np.sum(p * p, axis=-1))


@explained
@keeps_bf16
def safe_softmax_cross_entropy(logits: Any, labels: Any) -> Any:
    """softmax_cross_entropy, where labels that are 0 give 0 for logits of -inf too."""
    logs = log_softmax(logits)
    logs = np.where(np.logical_and(labels == 0, np.isinf(logs)), 0, logs)
    return -np.sum(labels * logs, axis=-1)


@explained
@keeps_bf16
def poly_loss_cross_entropy(
    logits: Any, labels: Any, *, epsilon: float = 2.0, axis: Axis = -1, where: Any = None
) -> Any:
    """softmax_cross_entropy + epsilon * (1 - p), p = sum(labels * softmax(logits)).

    Source: Leng et al., PolyLoss: a polynomial expansion perspective of losses, 2022.
    """
    missed = _sum(labels * (1 - softmax(logits, axis, where)), axis, where)
    return softmax_cross_entropy(logits, labels, axis, where) + epsilon * missed


@explained
@keeps_bf16
def smooth_labels(labels: Any, alpha: float, *, axis: Axis = -1, where: Any = None) -> Any:
    """(1 - alpha) * labels + alpha / n, of n classes, or of those in the mask `where`.

    Source: Müller, Kornblith, Hinton, When does label smoothing help, 2019.
    """
    if where is None:
        axes = range(np.ndim(labels)) if axis is None else axis
        sizes = [np.shape(labels)[k] for k in ((axes,) if isinstance(axes, int) else axes)]
        return (1 - alpha) * labels + alpha / math.prod(sizes)
    count = np.sum(where, axis=axis, keepdims=True)
    return (1 - alpha) * labels + alpha / cast_to(count, labels)


# ---------------------------------------------------------------- of distributions


@explained
@keeps_bf16
def kl_divergence(log_predictions: Any, targets: Any, axis: Axis = -1, where: Any = None) -> Any:
    """sum t * (log t - log p), of the logarithms of p; it is 0 where t is 0.

    Source: Kullback and Leibler, On information and sufficiency, 1951.
    """
    none = targets == 0
    logs = np.log(np.where(none, 1, targets))
    never = np.logical_and(none, np.isinf(log_predictions))
    return _sum(targets * (logs - np.where(never, 0, log_predictions)), axis, where)


@explained
@keeps_bf16
def kl_divergence_with_log_targets(
    log_predictions: Any, log_targets: Any, axis: Axis = -1, where: Any = None
) -> Any:
    """kl_divergence of the logarithms of t."""
    none = log_targets == -math.inf
    logs = np.where(none, 0, log_targets)
    other = np.where(none, 0, log_predictions)
    return _sum(np.where(none, 0, np.exp(logs) * (logs - other)), axis, where)


@explained
@keeps_bf16
def generalized_kl_divergence(
    log_predictions: Any, targets: Any, axis: Axis = -1, where: Any = None
) -> Any:
    """kl_divergence + sum(p - t): of positive measures, convex in both, at least 0."""
    excess = _sum(np.exp(log_predictions) - targets, axis, where)
    return kl_divergence(log_predictions, targets, axis, where) + excess


convex_kl_divergence = generalized_kl_divergence


@explained
def make_fenchel_young_loss(max_fun: Callable[..., Any]) -> Callable[..., Any]:
    """(scores, targets) -> max_fun(scores) - <targets, scores>, of the convex max_fun of a vector.

    Its gradient is that of max_fun less the targets.
    Source: Blondel, Martins, Niculae, Learning with Fenchel-Young losses, 2020.
    """

    def fenchel_young_loss(scores: Any, targets: Any, *args: Any, **options: Any) -> Any:
        rows = np.reshape(scores, (-1, scores.shape[-1]))
        found = vmap(lambda row: max_fun(row, *args, **options))(rows)
        return np.reshape(found, scores.shape[:-1]) - np.sum(targets * scores, axis=-1)

    return fenchel_young_loss


# ---------------------------------------------------------------- of overlaps


@explained
@keeps_bf16
def dice_loss(
    predictions: Any,
    targets: Any,
    *,
    class_weights: Any = None,
    smooth: float = 1.0,
    alpha: float = 0.5,
    beta: float = 0.5,
    apply_softmax: bool = True,
    reduction: str = "mean",
    ignore_background: bool = False,
    axis: Axis = None,
) -> Any:
    """1 - (i + smooth) / (i + alpha (p - i) + beta (t - i) + smooth), for each class, of the sums i
    of both, p of the predictions, t of the targets over `axis`: all but the first and the last,
    that of classes.

    Of one class probabilities are sigmoids. `reduction` over classes: "mean", "sum" or "none";
    `ignore_background` leaves out the first.
    Source: Salehi, Erdogmus, Gholipour, Tversky loss function, 2017.
    """
    predictions = predictions[..., None] if predictions.ndim == targets.ndim - 1 else predictions
    targets = targets[..., None] if targets.ndim == predictions.ndim - 1 else targets
    if reduction not in ("mean", "sum", "none") or predictions.shape != targets.shape:
        raise ProgramError(
            "dice_loss: targets of the shape of the predictions and a reduction 'mean', 'sum' or "
            f"'none' are required, got {list(predictions.shape)}, {list(targets.shape)}, "
            f"{reduction!r}",
            location(user_source()),
        )
    one = predictions.shape[-1] == 1
    p = (sigmoid if one else softmax)(predictions) if apply_softmax else predictions
    axes = tuple(range(1, p.ndim - 1)) if axis is None else axis
    both, all_p, all_t = (np.sum(x, axis=axes) for x in (p * targets, p, targets))
    whole = both + alpha * (all_p - both) + beta * (all_t - both)
    loss = 1 - (both + smooth) / (whole + smooth)
    loss = loss if class_weights is None else loss * class_weights
    loss = loss[..., 1:] if ignore_background and not one else loss
    kinds: dict[str, Callable[..., Any]] = {"mean": np.mean, "sum": np.sum}
    return loss if reduction == "none" else kinds[reduction](loss, axis=-1)


@explained
@keeps_bf16
def multiclass_generalized_dice_loss(
    predictions: Any,
    targets: Any,
    *,
    smooth: float = 1.0,
    apply_softmax: bool = True,
    ignore_background: bool = False,
) -> Any:
    """The mean of dice_loss over examples and classes, which weigh 1 / (their size)^2.

    Source: Sudre et al., Generalised Dice overlap as a deep learning loss function, 2017.
    """
    sizes = np.sum(targets, axis=tuple(range(targets.ndim - 1)))
    weights = 1 / (sizes * sizes + 1e-7)
    weights = weights / np.sum(weights) * weights.shape[0]
    return np.mean(
        dice_loss(
            predictions,
            targets,
            class_weights=weights,
            smooth=smooth,
            apply_softmax=apply_softmax,
            reduction="none",
            ignore_background=ignore_background,
        )
    )


@explained
@keeps_bf16
def binary_dice_loss(
    predictions: Any, targets: Any, *, smooth: float = 1.0, apply_sigmoid: bool = True
) -> Any:
    """dice_loss of one class, whose axis may be left out."""
    if predictions.ndim == targets.ndim and predictions.shape[-1] != 1:
        predictions, targets = predictions[..., None], targets[..., None]
    return dice_loss(predictions, targets, smooth=smooth, apply_softmax=apply_sigmoid)


# ---------------------------------------------------------------- of several examples


@explained
@keeps_bf16
def ranking_softmax_loss(
    logits: Any,
    labels: Any,
    *,
    where: Any = None,
    weights: Any = None,
    reduce_fn: Callable[..., Any] | None = np.mean,
) -> Any:
    """-sum(labels * weights * log_softmax(logits)) of lists of items along the last axis; then
    reduce_fn over lists, or none.

    Items outside of the mask `where` take no part, nor lists of which nothing is left.
    Source: Cao et al., Learning to rank: from pairwise approach to listwise approach, 2007.
    """
    labels = cast_to(labels, logits)
    labels = labels if weights is None else labels * weights
    if where is None:
        loss = -np.sum(labels * log_softmax(logits), axis=-1)
        return loss if reduce_fn is None else reduce_fn(loss)
    left = np.any(where, axis=-1)
    seen = np.logical_or(where, np.logical_not(left)[..., None])  # a list of nothing is not NaN
    logs = np.where(where, log_softmax(logits, where=seen), 0)
    loss = -np.sum(np.where(where, labels, 0) * logs, axis=-1)
    if reduce_fn is None:
        return np.where(left, loss, 0)
    if reduce_fn is not np.mean:
        return reduce_fn(loss, where=left)
    count = cast_to(np.maximum(np.sum(left), 1), loss)
    return np.sum(np.where(left, loss, 0)) / count


@explained
@keeps_bf16
def ntxent(embeddings: Any, labels: Any, temperature: Any = 0.07) -> Any:
    """The mean over pairs (i, j) of one label of -log(e_ij / (e_ij + sum of e_ik over k of other
    labels)), e = exp(cosine_similarity / temperature): one number for all examples.

    Source: Chen et al., A simple framework for contrastive learning of visual representations,
    2020.
    """
    epsilon = float(np.finfo(embeddings.dtype).eps)
    similar = cosine_similarity(embeddings[None], embeddings[:, None], epsilon=epsilon)
    logits = similar / temperature
    same = labels[:, None] == labels[None]
    pairs = np.logical_and(same, np.logical_not(np.eye(labels.shape[0], dtype=bool)))
    others = np.logical_not(same)
    top = np.max(np.where(others, logits, -math.inf), axis=1, keepdims=True)
    top = np.where(np.isfinite(top), top, 0)
    total = np.sum(np.where(others, np.exp(np.where(others, logits - top, 0)), 0), 1, keepdims=True)
    none = total == 0
    rest = np.where(none, -math.inf, top + np.log(np.where(none, 1, total)))
    terms = softplus(np.where(pairs, rest - logits, 0))
    return _sum(terms, None, pairs) / cast_to(np.sum(pairs), terms)


@explained
@keeps_bf16
def triplet_margin_loss(
    anchors: Any,
    positives: Any,
    negatives: Any,
    axis: int = -1,
    norm_degree: float = 2,
    margin: float = 1.0,
    eps: float = 1e-6,
) -> Any:
    """max(0, |a - p| - |a - n| + margin), |x| = (sum |x|^norm_degree + eps)^(1 / norm_degree).

    Source: Schroff, Kalenichenko, Philbin, FaceNet, 2015.
    """

    def distance(x: Any) -> Any:
        power = x * x if norm_degree == 2 else np.abs(x) ** norm_degree
        return (np.sum(power, axis=axis) + eps) ** (1 / norm_degree)

    return relu(distance(anchors - positives) - distance(anchors - negatives) + margin)
