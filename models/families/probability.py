"""Learning as inference: densities, networks of tables, and weights that are distributions.

    log p(data) = sum_n log p(x_n)                    maximum likelihood
    p(x) = prod_i p(x_i | parents of x_i)             a Bayesian network
    log p(y | x) >= E_q log p(y | x, w) - KL(q | p)   Bayes by backprop, w = mean + spread * noise

    wonderland train mixture
    wonderland train bayesian_network
    wonderland train variational

Source: Scardapane, Alice's adventures in a differentiable wonderland, chapter 3, appendix A; Chow,
Liu, Approximating discrete probability distributions with dependence trees, 1968; Blundell and
others, Weight uncertainty in neural networks, 2015.
"""

from __future__ import annotations

import math
from typing import Any

import numpy

import wonderland as wl
import wonderland.numpy as np
from wonderland import distributions, nn, random
from wonderland.distributions import Categorical, Mixture, MultivariateNormal, Normal, kl
from wonderland.models import Recipe, data

# ---------------------------------------------------------------- sampling


def monte_carlo(key: Any, p: distributions.Distribution, f: Any, draws: int) -> tuple[Any, Any]:
    """The mean of f(x) over draws of p, and its standard error, which falls as 1 / sqrt(draws)."""
    values = f(p.sample(key, (draws,)))
    return np.mean(values, axis=0), np.std(values, axis=0) / math.sqrt(draws)


def negative_log_likelihood(p: distributions.Distribution, x: Any) -> Any:
    """-log p(x), the mean over examples: what maximum likelihood minimises, in nats."""
    return -np.mean(p.log_prob(x))


# ---------------------------------------------------------------- mixtures


@nn.layer
class GaussianMixture:
    """sum_k softmax(logits)_k N(x | mean_k, L_k L_k^T), L_k a Cholesky factor"""

    logits: Any
    mean: Any
    factor: Any

    @classmethod
    def init(cls, key: Any, components: int, size: int) -> GaussianMixture:
        factor = np.broadcast_to(np.zeros((size, size), np.float32), (components, size, size))
        return cls(np.zeros(components, np.float32), random.normal(key, (components, size)), factor)

    def __call__(self) -> Mixture:
        size = self.mean.shape[-1]
        diagonal = np.exp(np.diagonal(self.factor, axis1=-2, axis2=-1))
        lower = np.tril(self.factor, -1) + diagonal[..., None] * np.eye(size, dtype=diagonal.dtype)
        components = MultivariateNormal(self.mean, scale_tril=lower)
        return Mixture(Categorical(logits=self.logits), components)


MEASURED = [0, 1, 4, 7, 8]  # radius, texture, smoothness, concave points, symmetry


def nuclei(seed: int = 0) -> data.Split:
    """Five measurements of each tumour of `data.breast_cancer`."""
    (train, _), (test, _), _ = data.breast_cancer(seed)
    return data.Split(train[:, MEASURED], test[:, MEASURED])


def one_gaussian(split: data.Split) -> float:
    """The test part under the normal distribution of the training part's mean and covariance."""
    fitted = MultivariateNormal(split.train.mean(0), numpy.cov(split.train.T, bias=True))
    return float(negative_log_likelihood(fitted, split.test))


# ---------------------------------------------------------------- networks of tables


@nn.layer
class Network:
    """p(x) = prod_i table_i[x_parent(i), x_i] of binary variables, each of one parent at most

    `order` has parents before children; tables are logits [nodes, value of the parent] of a 1, and
    a node without a parent (-1) reads the row 0.
    """

    tables: Any
    parents: tuple[int, ...]
    order: tuple[int, ...]

    @classmethod
    def init(cls, x: Any) -> Network:
        """The tree of the greatest mutual information between neighbours in the examples x, which
        is the most likely one; the tables say nothing yet."""
        parents, order = spanning_tree(mutual_information(x))
        return cls(np.zeros((len(parents), 2), np.float32), parents, order)

    def log_prob(self, x: Any) -> Any:
        """Of examples x [..., nodes] of 0 and 1."""
        parents = numpy.array(self.parents)
        values = np.where(parents >= 0, np.take(x, numpy.maximum(parents, 0), axis=-1), 0)
        logits = np.where(values > 0, self.tables[:, 1], self.tables[:, 0])
        return np.sum(distributions.Bernoulli(logits=logits).log_prob(x), axis=-1)

    def sample(self, key: Any, draws: int) -> Any:
        """Ancestral sampling: each node after its parent."""
        keys, drawn = random.split(key, len(self.order)), {-1: np.zeros(draws, np.int32)}
        for node in self.order:
            logits = self.tables[node][drawn[self.parents[node]]]
            drawn[node] = distributions.Bernoulli(logits=logits).sample(keys[node])
        return np.stack([drawn[i] for i in range(len(self.parents))], axis=-1)

    def posterior(self, node: int, evidence: dict[int, int]) -> Any:
        """p(x_node = 1 | evidence), summed over the other nodes: for small networks."""
        count = len(self.parents)
        worlds = numpy.indices((2,) * count).reshape(count, -1).T
        seen = numpy.all([worlds[:, i] == v for i, v in evidence.items()], axis=0)
        p = np.exp(self.log_prob(worlds)) * numpy.broadcast_to(seen, len(worlds))
        return np.sum(p * worlds[:, node]) / np.sum(p)


def mutual_information(x: numpy.ndarray) -> numpy.ndarray:
    """Of every pair of binary columns, in nats, with one example more of each of the four cases."""
    sides = numpy.stack([1 - x, x]).astype(float)
    joint = (numpy.einsum("ani,bnj->abij", sides, sides) + 1) / (len(x) + 4)
    rows, columns = joint.sum(1, keepdims=True), joint.sum(0, keepdims=True)
    return (joint * numpy.log(joint / (rows * columns))).sum((0, 1))


def spanning_tree(weights: numpy.ndarray) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Parents, and nodes in an order that has parents first: Prim's algorithm from node 0."""
    best, parents, order = weights[0].copy(), [0] * len(weights), [0]
    parents[0] = -1
    best[0] = -math.inf
    while len(order) < len(weights):
        node = int(numpy.argmax(best))
        order.append(node)
        closer = weights[node] > best
        closer[order] = False
        parents = [node if c else p for c, p in zip(closer, parents, strict=True)]
        best = numpy.where(closer, weights[node], best)
        best[node] = -math.inf
    return tuple(parents), tuple(order)


def binary_digits(seed: int = 0) -> data.Split:
    """`data.digits`: whether each pixel is darker than the mean of all."""
    (train, _), (test, _), _ = data.digits(seed)
    return data.Split((train > 0).astype(numpy.int32), (test > 0).astype(numpy.int32))


def independent_pixels(split: data.Split) -> float:
    """The test part where each pixel is dark as often as in the training part, on its own."""
    p = (split.train.sum(0) + 1) / (len(split.train) + 2)
    return -float(numpy.mean(distributions.Bernoulli(p).log_prob(split.test).sum(-1)))


# ---------------------------------------------------------------- weights that are distributions


def log_posterior(w: Any, x: Any, y: Any, noise: float, spread: float) -> Any:
    """log p(y | x, w) + log p(w) but for a constant: y is x w with normal noise, w normal around 0.

    Its maximum is ridge regression of penalty (noise / spread)**2.
    """
    return np.sum(Normal(x @ w, noise).log_prob(y)) + np.sum(Normal(0.0, spread).log_prob(w))


@nn.layer
class UncertainLinear:
    """x w + b, w and b drawn anew for each call from normal distributions of their own"""

    mean: nn.Linear
    spread: nn.Linear  # softplus of it is the deviation

    @classmethod
    def init(cls, key: Any, inputs: int, outputs: int) -> UncertainLinear:
        mean = nn.Linear.init(key, inputs, outputs)
        return cls(mean, wl.tree.map(lambda x: np.full(np.shape(x), -3.0, np.float32), mean))

    def posterior(self) -> list[Normal]:
        pairs = zip(wl.tree.leaves(self.mean), wl.tree.leaves(self.spread), strict=True)
        return [Normal(mean, nn.softplus(spread)) for mean, spread in pairs]

    def __call__(self, x: Any, key: Any) -> Any:
        drawn = [q.sample(k) for q, k in zip(self.posterior(), random.split(key), strict=True)]
        return wl.tree.unflatten(wl.tree.structure(self.mean), drawn)(x)

    def divergence(self, prior: Normal) -> Any:
        """How far the distribution of the weights is from the prior: KL, in nats."""
        return sum(np.sum(kl(q, prior)) for q in self.posterior())


@nn.layer
class VariationalRegression:
    """y = f(x) + noise, f a perceptron of uncertain weights, the deviation of the noise learned"""

    hidden: UncertainLinear
    last: UncertainLinear
    noise: Any

    @classmethod
    def init(cls, key: Any, inputs: int, hidden: int) -> VariationalRegression:
        keys = random.split(key)
        first = UncertainLinear.init(keys[0], inputs, hidden)
        return cls(first, UncertainLinear.init(keys[1], hidden, 1), np.zeros((), np.float32))

    def __call__(self, x: Any, key: Any) -> Normal:
        """p(y | x, w) of one draw of the weights."""
        keys = random.split(key)
        y = self.last(np.tanh(self.hidden(x, keys[0])), keys[1])[..., 0]
        return Normal(y, np.exp(self.noise))

    def predictive(self, x: Any, key: Any, draws: int) -> Mixture:
        """p(y | x), the mean over draws of the weights: a mixture of as many normal ones."""
        each = wl.vmap(lambda k: self(x, k).loc, out_axes=-1)(random.split(key, draws))
        alike = Categorical(logits=np.zeros(draws, np.float32))
        return Mixture(alike, Normal(each, np.exp(self.noise)))


EXAMPLES = 354  # of the training part of `data.diabetes`
PRIOR = Normal(0.0, 0.5)
DRAWS = 64


def evidence_bound(model: VariationalRegression, batch: Any, key: Any) -> Any:
    """-E_q log p(y | x, w) + KL(q | p) / examples, by one draw of the weights."""
    x, y = batch
    divergence = model.hidden.divergence(PRIOR) + model.last.divergence(PRIOR)
    return negative_log_likelihood(model(x, key), y) + divergence / EXAMPLES


def predictive_score(model: VariationalRegression, batch: Any) -> Any:
    """-log p(y | x) of the mean over draws of the weights, in nats."""
    x, y = batch
    return negative_log_likelihood(model.predictive(x, random.key(0), DRAWS), y)


def fitted_gaussian(split: data.Split) -> float:
    """The test targets under the normal distribution of the training targets."""
    (_, train_y), (_, test_y), _ = split
    return float(negative_log_likelihood(Normal(train_y.mean(), train_y.std()), test_y))


def coverage(predicted: distributions.Distribution, y: Any, levels: Any) -> Any:
    """How many of y are in the central interval of each probability: the level, if calibrated."""
    place = np.abs(2 * predicted.cdf(y) - 1)
    return np.mean(place[:, None] <= levels, axis=0)


def calibration(model: VariationalRegression, split: data.Split) -> Any:
    """Coverage of the test part against the probability, beside the diagonal."""
    from matplotlib.figure import Figure

    levels = numpy.linspace(0, 1, 21)
    figure = Figure(figsize=(4, 4), layout="constrained")
    axes: Any = figure.subplots()
    axes.plot(levels, levels, color="black", linewidth=0.8)
    for part, (x, y) in {"training": split.train, "test": split.test}.items():
        predicted = model.predictive(x, random.key(0), DRAWS)
        axes.plot(levels, coverage(predicted, y, levels), marker=".", label=part)
    axes.set(xlabel="probability of the interval", ylabel="part of the targets in it")
    axes.legend(frameon=False)
    return figure


RECIPES = (
    Recipe(
        name="mixture",
        chapter="A",
        about="maximum likelihood: a mixture of normal distributions of five measurements",
        data=nuclei,
        init=lambda key, split: GaussianMixture.init(key, 4, split.train.shape[-1]),
        loss=lambda model, x: negative_log_likelihood(model(), x),
        score=lambda model, x: negative_log_likelihood(model(), x),
        measure="nats an example",
        higher=False,
        baseline=one_gaussian,
        stated=5.214,
        rate=3e-2,
        epochs=300,
    ),
    Recipe(
        name="bayesian_network",
        chapter="3",
        about="a tree of tables, one for each pixel of a digit given another pixel",
        data=binary_digits,
        init=lambda key, split: Network.init(split.train),
        loss=lambda model, x: -np.mean(model.log_prob(x)),
        score=lambda model, x: -np.mean(model.log_prob(x)),
        measure="nats an image",
        higher=False,
        baseline=independent_pixels,
        stated=20.95,
        rate=0.1,
        epochs=200,
    ),
    Recipe(
        name="variational",
        chapter="3",
        about="Bayes by backprop: regression with weights that are distributions",
        data=data.diabetes,
        init=lambda key, split: VariationalRegression.init(key, split.train[0].shape[-1], 8),
        loss=evidence_bound,
        score=predictive_score,
        measure="nats an example",
        higher=False,
        baseline=fitted_gaussian,
        stated=1.054,
        rate=1e-2,
        epochs=500,
        picture=calibration,
    ),
)
