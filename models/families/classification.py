"""What all families that tell classes share: a loss, a score, and what it takes to do nothing.

A batch is what the model is called with, then the classes as integers: (images, labels), or
(series, lengths, labels).
"""

from __future__ import annotations

from typing import Any

import numpy

import wonderland.numpy as np
from wonderland import nn
from wonderland.models import data


def class_loss(model: Any, batch: Any) -> Any:
    """-log softmax(logits) at the right class, the mean over examples."""
    *inputs, labels = batch
    return np.mean(nn.softmax_cross_entropy_with_integer_labels(model(*inputs), labels))


def class_accuracy(model: Any, batch: Any) -> Any:
    """The part of the examples whose class has the greatest logit."""
    *inputs, labels = batch
    return nn.accuracy(model(*inputs), labels)


def majority(split: data.Split) -> float:
    """The accuracy on the test part of always telling the commonest class of the training part."""
    labels, counts = numpy.unique(split.train[-1], return_counts=True)
    return float(numpy.mean(split.test[-1] == labels[numpy.argmax(counts)]))
