"""What mixes tokens without attention, and the loss of transcription, beside formulas in torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wonderland as wl
from tests.models.parity.parity import Case, check
from wonderland import nn
from wonderland.models.families.mixer import Convolution, Fourier, MetaFormer, TokenMLP

rng = np.random.default_rng(5)
IMAGES = rng.normal(size=(2, 12, 8, 1))


def mixed(kind: str, w: Any, x: Any) -> Any:
    """Tokens [batch, height, width, channels] after the mixer of the first block."""
    import torch  # type: ignore[import-not-found]

    if kind == "fnet":
        return torch.fft.fftn(x, dim=(1, 2, 3), norm="ortho").real
    if kind == "convformer":
        window = w["blocks.0.mix.depthwise.weight"].permute(3, 2, 0, 1)
        x = x.permute(0, 3, 1, 2)
        y = torch.nn.functional.conv2d(
            x, window, w["blocks.0.mix.depthwise.bias"], padding=2, groups=x.shape[1]
        )
        return y.permute(0, 2, 3, 1)
    along = x.flatten(1, 2).transpose(1, 2)
    return network(w, "blocks.0.mix.mlp", along).transpose(1, 2).reshape(x.shape)


def network(w: Any, name: str, x: Any) -> Any:
    import torch  # type: ignore[import-not-found]

    up = x @ w[f"{name}.up.weight"] + w[f"{name}.up.bias"]
    hidden = torch.nn.functional.gelu(up, approximate="tanh")
    return hidden @ w[f"{name}.down.weight"] + w[f"{name}.down.bias"]


@pytest.mark.parametrize(
    ("name", "mixer"), [("mixer", TokenMLP), ("convformer", Convolution), ("fnet", Fourier)]
)
def test_a_block_is_that_of_its_formula(name: str, mixer: Any) -> None:
    def theirs(w: Any, images: Any) -> Any:
        from torch.nn.functional import layer_norm  # type: ignore[import-not-found]

        def norm(x: Any, of: str) -> Any:
            return layer_norm(x, x.shape[-1:], w[f"{of}.weight"], w[f"{of}.bias"])

        cut = images.reshape(2, 3, 4, 2, 4, 1).permute(0, 1, 3, 2, 4, 5).flatten(3)
        x = cut @ w["patches.weight"].flatten(0, 2) + w["patches.bias"]
        x = x + mixed(name, w, norm(x, "blocks.0.mix_norm"))
        x = x + network(w, "blocks.0.mlp", norm(x, "blocks.0.mlp_norm"))
        return norm(x, "norm").mean((1, 2)) @ w["head.weight"] + w["head.bias"]

    def model() -> Any:
        sizes = {"patch": 4, "channels": 6, "hidden": 8, "depth": 1}
        return MetaFormer.init(wl.random.key(0), mixer, (12, 8, 1), 3, **sizes)

    check(Case(name, model, (IMAGES,), lambda m, x: m(x), theirs))


def test_transcription_is_torchs() -> None:
    labels, lengths = np.array([[1, 2, 2], [3, 0, 0]]), (3, 1)
    ends, steps = np.array([[0, 0, 0], [0, 1, 1]]), np.zeros((2, 7), int)
    steps[1, 5:] = 1

    def ours(model: Any, logits: Any) -> Any:
        return nn.ctc_loss(logits * model, steps.astype(logits.dtype), labels, ends)

    def theirs(w: Any, logits: Any) -> Any:
        from torch import tensor  # type: ignore[import-not-found]
        from torch.nn.functional import ctc_loss  # type: ignore[import-not-found]

        logs = (logits * w[""]).log_softmax(-1).transpose(0, 1)
        counts = tensor([7, 5]), tensor(lengths)
        return ctc_loss(logs, tensor(labels), *counts, reduction="none")

    check(Case("ctc", lambda: np.float32(1.0), (rng.normal(size=(2, 7, 4)),), ours, theirs))
