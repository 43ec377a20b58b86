"""Convolutions, norms, and the networks of them beside torch's, whose channels stand second."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from tests.models.parity.parity import Case, check
from wonderland import nn
from wonderland.models.families import convnet, resnet

KEY = wl.random.key(0)
SIZES = (7, 6, 5)


def given(*shape: int) -> np.ndarray:
    return np.random.default_rng(4).normal(0.5, 1.5, shape)


def first(x: Any) -> Any:
    """Channels second."""
    return x.movedim(-1, 1)


def last(x: Any) -> Any:
    return x.movedim(1, -1)


def kernel(w: Any) -> Any:
    """[*kernel, inputs, outputs] as [outputs, inputs, *kernel]"""
    return w.movedim((-1, -2), (0, 1))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_convolutions_are_torchs(count: int) -> None:
    def theirs(w: Any, x: Any) -> Any:
        import torch.nn.functional as f  # type: ignore[import-not-found]

        conv = (f.conv1d, f.conv2d, f.conv3d)[count - 1]
        return last(conv(first(x), kernel(w["weight"]), w["bias"], 2, 1, 2, 2))

    model = functools.partial(
        nn.Conv.init, KEY, 4, 6, (3, 2, 3)[:count], stride=2, padding=1, dilation=2, groups=2
    )
    x = given(2, *SIZES[:count], 4)
    check(Case(f"conv_{count}d", model, (x,), lambda model, x: model(x), theirs))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_transposed_convolutions_are_torchs(count: int) -> None:
    """Kernels of torch are [inputs, outputs / groups, *kernel]; output_padding is a smaller cut."""
    more = int(count < 3)

    def theirs(w: Any, x: Any) -> Any:
        import torch  # type: ignore[import-not-found]
        import torch.nn.functional as f  # type: ignore[import-not-found]

        conv = (f.conv_transpose1d, f.conv_transpose2d, f.conv_transpose3d)[count - 1]
        groups = [kernel(g).transpose(0, 1) for g in w["weight"].chunk(2, -1)]
        given = torch.cat(groups), w["bias"]
        return last(conv(first(x), *given, stride=2, padding=1, output_padding=more, groups=2))

    model = functools.partial(
        nn.ConvTranspose.init, KEY, 4, 6, (3, 2, 3)[:count], stride=2, groups=2,
        padding=((1, 1 - more),) * count,
    )  # fmt: skip
    x = given(2, *(4, 3, 3)[:count], 4)
    check(Case(f"conv_transpose_{count}d", model, (x,), lambda model, x: model(x), theirs))


MEAN, VARIANCE = np.array([0.3, -0.2, 0.1, 0.5]), np.array([0.7, 1.2, 2.0, 0.4])


def running(statistics: Any, dtype: Any) -> Any:
    """Statistics of numbers that no draw made, one for each channel."""
    return wl.tree.map(
        lambda s: nn.BatchStatistics(
            *(np.resize(x, s.mean.shape).astype(dtype) for x in (MEAN, VARIANCE))
        ),
        statistics,
        is_leaf=lambda s: isinstance(s, nn.BatchStatistics),
    )


def normed(x: Any, w: Any, name: str, train: bool, after: list[Any]) -> Any:
    """torch's batch norm of the weights under a name; what its running statistics become."""
    import torch  # type: ignore[import-not-found]

    seen = [torch.tensor(np.resize(s, x.shape[1])) for s in (MEAN, VARIANCE)]
    weights = w[f"{name}weight"], w[f"{name}bias"]
    y = torch.nn.functional.batch_norm(x, *seen, *weights, training=train)
    after += seen
    return y


@pytest.mark.parametrize("train", [True, False])
def test_batch_norm_is_torchs(train: bool) -> None:
    def ours(model: Any, x: Any) -> Any:
        return model(x, running(model.start(), x.dtype), train=train)

    def theirs(w: Any, x: Any) -> Any:
        after: list[Any] = []
        return last(normed(first(x), w, "", train, after)), after

    x = given(3, 5, 4, 4)
    case = Case(f"batch_norm_{'train' if train else 'eval'}", lambda: nn.BatchNorm.init(4), (x,),
                ours, theirs)  # fmt: skip
    check(case)


def test_group_norm_is_torchs() -> None:
    def theirs(w: Any, x: Any) -> Any:
        from torch.nn.functional import group_norm  # type: ignore[import-not-found]

        return last(group_norm(first(x), 2, w["weight"], w["bias"]))

    x = given(3, 5, 4, 4)
    model = functools.partial(nn.GroupNorm.init, 2, 4)
    check(Case("group_norm", model, (x,), lambda model, x: model(x), theirs))


@pytest.mark.parametrize("separable", [False, True])
def test_convnet_is_torchs(separable: bool) -> None:
    def theirs(w: Any, x: Any) -> Any:
        import torch.nn.functional as f  # type: ignore[import-not-found]

        def conv(x: Any, name: str, groups: int = 1) -> Any:
            weight = kernel(w[f"{name}.weight"])
            pad = weight.shape[-1] // 2
            return f.conv2d(x, weight, w.get(f"{name}.bias"), padding=pad, groups=groups)

        x = f.max_pool2d(f.relu(conv(first(x), "layers.0")), 2)
        if separable:
            x = conv(x, "layers.1.depthwise", 3)
            x = f.max_pool2d(f.relu(conv(x, "layers.1.pointwise")), 2)
        else:
            x = f.max_pool2d(f.relu(conv(x, "layers.1")), 2)
        return x.mean((2, 3)) @ w["out.weight"] + w["out.bias"]

    model = functools.partial(convnet.ConvNet.init, KEY, (2, 3, 4), 3, separable=separable)
    x = given(3, 8, 8, 2)
    name = "convnet_separable" if separable else "convnet"
    check(Case(name, model, (x,), lambda model, x: model(x), theirs))


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("kind", ["basic", "bottleneck"])
def test_residual_blocks_are_torchs(kind: str, train: bool) -> None:
    """With a stride and more channels, so that the shortcut has weights."""

    def ours(model: Any, x: Any) -> Any:
        return model(x, running(model.start(), x.dtype), train)

    def theirs(w: Any, x: Any) -> Any:
        import torch.nn.functional as f  # type: ignore[import-not-found]

        after: list[Any] = []

        def unit(x: Any, name: str, stride: int = 1, groups: int = 1) -> Any:
            weight = kernel(w[f"{name}.conv.weight"])
            y = f.conv2d(x, weight, None, stride, weight.shape[-1] // 2, groups=groups)
            return normed(y, w, f"{name}.norm.", train, after)

        x = first(x)
        if kind == "basic":
            y = unit(f.relu(unit(x, "units.0", 2)), "units.1")
        else:
            y = unit(f.relu(unit(x, "units.0")), "units.1", 2, 2)
            y = unit(f.relu(y), "units.2")
        return last(f.relu(y + unit(x, "shortcut", 2))), after

    model = {
        "basic": functools.partial(resnet.Block.init, KEY, 3, 4, 2),
        "bottleneck": functools.partial(resnet.Block.bottleneck, KEY, 3, 4, 2, width=6, groups=2),
    }[kind]
    x = given(3, 6, 6, 3)
    name = f"residual_{kind}_{'train' if train else 'eval'}"
    check(Case(name, model, (x,), ours, theirs))
