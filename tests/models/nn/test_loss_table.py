"""Losses by their formulas: values, derivatives by differences, dtypes, infinite logits."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland import nn
from wonderland.compiler.ir.errors import ProgramError

RNG = np.random.default_rng(7)
X, Y = RNG.normal(size=(2, 5, 4))
P = np.exp(X) / np.exp(X).sum(-1, keepdims=True)
Q = np.exp(Y) / np.exp(Y).sum(-1, keepdims=True)
LABELS = np.array([0, 3, 1, 1, 2])
ONE_HOT = np.eye(4)[LABELS]
BITS = (RNG.random((5, 4)) < 0.5).astype(np.int64)
MASK = RNG.random((5, 4)) < 0.7
NOTHING = MASK & (np.arange(5) != 2)[:, None]
VOXELS = RNG.normal(size=(2, 3, 3, 4))
SEGMENTS = np.eye(4)[RNG.integers(0, 4, (2, 3, 3))]
IDENTITIES = np.array([0, 0, 1, 1, 0])


def log_softmax(x: Any, where: Any = True) -> Any:
    x = np.where(where, x, -np.inf)
    with np.errstate(all="ignore"):
        return x - np.log(np.exp(x).sum(-1, keepdims=True))


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def simplex(s: np.ndarray) -> np.ndarray:
    """The point of the simplex that is next to s, by halving the level."""
    low, high, level = s.max() - 1, s.max(), s.max()
    for _ in range(100):
        level = (low + high) / 2
        low, high = (level, high) if np.maximum(s - level, 0).sum() > 1 else (low, level)
    return np.maximum(s - level, 0)


def sparsemax(scores: Any, labels: Any) -> Any:
    points = [simplex(s) for s in scores]
    return np.array(
        [p @ s - s[k] + (1 - p @ p) / 2 for p, s, k in zip(points, scores, labels, strict=True)]
    )


def two_classes(x: Any, t: Any) -> Any:
    """sparsemax of (0, 2x) halved: its margin is 1."""
    scores = np.stack([np.zeros(x.size), x.ravel()], axis=-1)
    return sparsemax(scores, t.ravel()).reshape(x.shape)


def focal(x: Any, t: Any, alpha: Any, gamma: float) -> Any:
    p = sigmoid(x)
    q = p * t + (1 - p) * (1 - t)
    weight = 1 if alpha is None else alpha * t + (1 - alpha) * (1 - t)
    return -weight * (1 - q) ** gamma * (t * np.log(p) + (1 - t) * np.log(1 - p))


def dice(
    x: Any, t: Any, weights: Any = 1.0, alpha: float = 0.5, beta: float = 0.5, first: int = 0
) -> Any:
    p = sigmoid(x) if x.shape[-1] == 1 else np.exp(log_softmax(x))
    both, p, t = ((a * b).sum((1, 2)) for a, b in ((p, t), (p, 1), (t, 1)))
    loss = 1 - (both + 1) / (both + alpha * (p - both) + beta * (t - both) + 1)
    return (loss * weights)[..., first:]


def generalized_dice(x: Any, t: Any) -> Any:
    weights = 1 / (t.sum((0, 1, 2)) ** 2 + 1e-7)
    return dice(x, t, weights / weights.sum() * 4).mean()


def contrast(x: Any, labels: Any, temperature: float) -> Any:
    unit = x / np.linalg.norm(x, axis=-1, keepdims=True)
    e, same, losses = np.exp(unit @ unit.T / temperature), labels[:, None] == labels, []
    for i, j in itertools.permutations(range(len(x)), 2):
        if same[i, j]:
            losses.append(-np.log(e[i, j] / (e[i, j] + e[i][~same[i]].sum())))
    return np.mean(losses)


def ranking(x: Any, labels: Any, where: Any) -> Any:
    logs = np.where(where, log_softmax(x, where), 0)
    return np.mean(-(labels * logs).sum(-1)[where.any(-1)])


def distance(x: Any, degree: int) -> Any:
    return ((np.abs(x) ** degree).sum(-1) + 1e-6) ** (1 / degree)


def cosine(x: Any, y: Any, where: Any = True) -> Any:
    xy, xx, yy = (np.where(where, a * b, 0).sum(-1) for a, b in ((x, y), (x, x), (y, y)))
    return xy / np.sqrt(xx * yy)


@dataclass(frozen=True)
class Loss:
    """A loss of NumPy's arrays, what it is by its formula, and keywords of ours."""

    name: str
    args: tuple[Any, ...]
    oracle: Callable[..., Any]
    options: dict[str, Any] = field(default_factory=dict)

    def __call__(self, *args: Any) -> Any:
        return getattr(nn, self.name)(*args, **self.options)


CASES = [
    Loss("l2_loss", (X, Y), lambda p, t: (p - t) ** 2 / 2),
    Loss("l2_loss", (X,), lambda p: p**2 / 2),
    Loss("squared_error", (X,), lambda p: p**2),
    Loss("absolute_error", (X,), np.abs),
    Loss("huber_loss", (X,), lambda p: np.where(abs(p) < 1, p * p / 2, abs(p) - 0.5)),
    Loss("log_cosh", (3 * X, Y), lambda p, t: np.log(np.cosh(p - t))),
    Loss("cosine_similarity", (X, Y), cosine),
    Loss("cosine_similarity", (X, Y), lambda p, t: cosine(p, t, MASK), {"where": MASK}),
    Loss("cosine_distance", (X, Y), lambda p, t: 1 - cosine(p.T, t.T), {"axis": 0}),
    Loss("cosine_similarity", (X, Y), lambda p, t: (p * t).sum(-1) / 1e4, {"epsilon": 1e4}),
    Loss("perceptron_loss", (X, 2.0 * BITS - 1), lambda p, t: np.maximum(0, -p * t)),
    Loss("sparsemax_loss", (X, BITS), two_classes),
    Loss("sigmoid_focal_loss", (X, BITS), lambda x, t: focal(x, t, None, 2.0)),
    Loss("sigmoid_focal_loss", (X, P), lambda x, t: focal(x, t, 0.3, 0.5),
         {"alpha": 0.3, "gamma": 0.5}),
    Loss("multiclass_hinge_loss", (X, LABELS),
         lambda s, k: (s + 1 - np.eye(4)[k]).max(-1) - (s * np.eye(4)[k]).sum(-1)),
    Loss("multiclass_perceptron_loss", (X, LABELS),
         lambda s, k: s.max(-1) - (s * np.eye(4)[k]).sum(-1)),
    Loss("multiclass_sparsemax_loss", (X, LABELS), sparsemax),
    Loss("multiclass_sparsemax_loss", (0.1 * X, LABELS), sparsemax),
    Loss("safe_softmax_cross_entropy", (X, Q), lambda x, t: -(t * log_softmax(x)).sum(-1)),
    Loss("poly_loss_cross_entropy", (X, P),
         lambda x, t: (-t * log_softmax(x) - t * (1 - np.exp(log_softmax(x)))).sum(-1),
         {"epsilon": -1.0}),
    Loss("softmax_cross_entropy", (X, Q),
         lambda x, t: -(t * np.where(MASK, log_softmax(x, MASK), 0)).sum(-1), {"where": MASK}),
    Loss("softmax_cross_entropy_with_integer_labels", (X, LABELS),
         lambda x, k: np.where(NOTHING.any(-1), np.log(np.where(NOTHING, np.exp(x), 0).sum(-1)
                               + (np.arange(5) == 2)) - (x * np.eye(4)[k]).sum(-1), 0),
         {"where": NOTHING}),
    Loss("softmax_cross_entropy_with_integer_labels", (X, np.array(13)),
         lambda x, k: -log_softmax(x.ravel())[k], {"axis": (0, 1)}),
    Loss("smooth_labels", (ONE_HOT,), lambda t: 0.9 * t + 0.025, {"alpha": 0.1}),
    Loss("smooth_labels", (ONE_HOT,), lambda t: 0.9 * t + 0.1 / MASK.sum(-1, keepdims=True),
         {"alpha": 0.1, "where": MASK}),
    Loss("kl_divergence", (np.log(P), Q), lambda p, t: (t * (np.log(t) - p)).sum(-1)),
    Loss("kl_divergence", (np.log(P), ONE_HOT), lambda p, t: -(t * p).sum(-1)),
    Loss("kl_divergence_with_log_targets", (np.log(P), np.log(Q)),
         lambda p, t: (np.exp(t) * (t - p)).sum(0), {"axis": 0}),
    Loss("generalized_kl_divergence", (X, Q),
         lambda p, t: (t * (np.log(t) - p) + np.exp(p) - t).sum(-1)),
    Loss("dice_loss", (VOXELS, SEGMENTS), lambda x, t: dice(x, t).mean(-1)),
    Loss("dice_loss", (VOXELS, SEGMENTS),
         lambda x, t: dice(x, t, np.arange(4.0), 0.3, 0.8, 1).sum(-1),
         {"class_weights": np.arange(4.0, dtype=np.float32), "alpha": 0.3, "beta": 0.8,
          "reduction": "sum", "ignore_background": True}),
    Loss("binary_dice_loss", (VOXELS[..., 0], SEGMENTS[..., 0]),
         lambda x, t: dice(x[..., None], t[..., None])[..., 0]),
    Loss("multiclass_generalized_dice_loss", (VOXELS, SEGMENTS), generalized_dice),
    Loss("ranking_softmax_loss", (X, BITS), lambda x, t: ranking(x, t, NOTHING),
         {"where": NOTHING}),
    Loss("ntxent", (X, IDENTITIES), lambda x, k: contrast(x, k, 0.5), {"temperature": 0.5}),
    Loss("triplet_margin_loss", (X, Y, Y[::-1]),
         lambda a, p, n: np.maximum(distance(a - p, 2) - distance(a - n, 2) + 1, 0)),
    Loss("triplet_margin_loss", (X, Y, Y[::-1]),
         lambda a, p, n: np.maximum(distance(a - p, 3) - distance(a - n, 3) + 1, 0),
         {"norm_degree": 3}),
]  # fmt: skip


@pytest.mark.parametrize("loss", CASES, ids=lambda c: c.name)
def test_a_loss_is_its_formula_traced_or_not_and_keeps_f32(loss: Loss) -> None:
    want = loss.oracle(*loss.args)
    compiled = wl.jit(loss, disable_jit=True)
    for found in (loss(*loss.args), compiled(*loss.args)):
        np.testing.assert_allclose(found, want, rtol=1e-12, atol=1e-14)
    narrow = [a.astype(np.float32) if a.dtype == np.float64 else a for a in loss.args]
    for found in (loss(*narrow), compiled(*narrow)):
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, want, rtol=2e-5, atol=1e-5)


@pytest.mark.parametrize("loss", CASES, ids=lambda c: c.name)
def test_the_gradient_of_a_loss_is_that_of_differences(loss: Loss) -> None:
    x, rest = loss.args[0], loss.args[1:]
    direction = np.cos(np.arange(x.size)).reshape(x.shape)
    found = wl.grad(lambda v: np.sum(loss(v, *rest)))(x)
    ahead, behind = (np.sum(loss.oracle(x + h * direction, *rest)) for h in (1e-6, -1e-6))
    assert math.isclose(np.sum(found * direction), (ahead - behind) / 2e-6, rel_tol=1e-7)


def test_what_has_probability_0_and_no_target_costs_nothing() -> None:
    """Not even in derivatives, where the logarithm is -inf."""
    logs = np.array([[0.0, -np.inf], [-np.inf, 0.0]])
    targets = np.array([[1.0, 0.0], [0.0, 1.0]])
    for loss in (nn.kl_divergence, nn.generalized_kl_divergence, nn.safe_softmax_cross_entropy):
        np.testing.assert_array_equal(loss(logs, targets), [0, 0])
        slope = wl.grad(lambda p, loss=loss: np.sum(loss(p, targets)))(logs)
        assert np.isfinite(slope).all()
    np.testing.assert_array_equal(nn.kl_divergence_with_log_targets(logs, logs), [0, 0])


def test_the_focal_loss_of_confident_logits_is_finite_to_the_slope() -> None:
    x = np.array([-300.0, 300.0], np.float32)
    for labels in (np.array([0, 1]), np.array([1, 0])):
        value, slope = wl.value_and_grad(
            lambda v, t=labels: np.sum(nn.sigmoid_focal_loss(v, t, gamma=0.5))
        )(x)
        assert np.isfinite(value)
        assert np.isfinite(slope).all()


def test_a_fenchel_young_loss_of_logsumexp_is_cross_entropy() -> None:
    loss = nn.make_fenchel_young_loss(nn.logsumexp)
    np.testing.assert_allclose(
        loss(X, ONE_HOT), nn.softmax_cross_entropy_with_integer_labels(X, LABELS), rtol=1e-12
    )
    np.testing.assert_allclose(
        wl.grad(lambda x: np.sum(loss(x, Q)))(X), np.exp(log_softmax(X)) - Q, rtol=1e-12
    )


# ---------------------------------------------------------------- sequences


def enumerated(logits: np.ndarray, labels: list[int], blank: int) -> float:
    """-log of the probability of the labels, from all paths."""
    p, total = np.exp(log_softmax(logits)), 0.0
    for path in itertools.product(range(logits.shape[1]), repeat=len(logits)):
        if [k for k, _ in itertools.groupby(path) if k != blank] == labels:
            total += math.prod(p[t, k] for t, k in enumerate(path))
    return -math.log(total)


SEQUENCES = [[1, 2], [1, 1], [2], [], [1, 2, 1]]
LENGTHS = [5, 4, 3, 2, 5]


def padded(blank: int) -> tuple[Any, ...]:
    logits = np.random.default_rng(3).normal(size=(5, 5, 3))
    names = [[k if blank == 0 else k - 1 for k in s] for s in SEQUENCES]
    labels = np.array([[*s, 0, 0, 0][:3] for s in names])
    label_paddings = np.array([[k >= len(s) for k in range(3)] for s in names], float)
    logit_paddings = np.array([[t >= n for t in range(5)] for n in LENGTHS], float)
    return names, (logits, logit_paddings, labels, label_paddings)


@pytest.mark.parametrize("blank", [0, 2])
def test_ctc_is_the_sum_over_all_paths_and_so_is_its_gradient(blank: int) -> None:
    """Of labels that repeat, of none, of sequences and labels that are padded."""
    names, args = padded(blank)

    def oracle(logits: np.ndarray) -> np.ndarray:
        cut = (x[:n] for x, n in zip(logits, LENGTHS, strict=True))
        return np.array([enumerated(x, s, blank) for x, s in zip(cut, names, strict=True)])

    logits, rest = args[0], args[1:]
    found = wl.jit(nn.ctc_loss, static_argnames="blank_id", disable_jit=True)(*args, blank_id=blank)
    np.testing.assert_allclose(found, oracle(logits), rtol=1e-12)
    slope = wl.grad(lambda x: np.sum(nn.ctc_loss(x, *rest, blank_id=blank)))(logits)
    direction = np.cos(np.arange(logits.size)).reshape(logits.shape)
    ahead, behind = (oracle(logits + h * direction).sum() for h in (1e-6, -1e-6))
    assert math.isclose(np.sum(slope * direction), (ahead - behind) / 2e-6, rel_tol=1e-7)
    assert not slope[3, 2:].any()  # padding
    narrow = nn.ctc_loss(logits.astype(np.float32), *rest, blank_id=blank)
    assert narrow.dtype == np.float32


def test_labels_that_do_not_fit_cost_about_the_logarithm_of_nothing() -> None:
    logits, none = np.zeros((1, 2, 3)), np.zeros((1, 2))
    assert nn.ctc_loss(logits, none, np.array([[1, 1]]), none)[0] > 9e4


def test_shapes_of_sequences_are_explained() -> None:
    none = np.zeros((1, 2))
    with pytest.raises(ProgramError, match=r"ctc_loss: logits \[batch, time, classes\]"):
        nn.ctc_loss(np.zeros((2, 3)), none, none.astype(int), none)
