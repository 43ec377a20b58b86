"""Convolutions of series and films beside torch's Conv1d and Conv3d."""

from __future__ import annotations

from typing import Any

import numpy as np

import wonderland as wl
from tests.models.parity.parity import Case, check
from wonderland.models.families.sequence_conv import FilmConv, SequenceConv
from wonderland.models.families.wavenet import WaveNet

rng = np.random.default_rng(0)
KEY = wl.random.key(0)


def convolved(w: Any, name: str, x: Any, before: Any, **options: Any) -> Any:
    """torch's convolution of x with channels last, with zeros (low, high) around each axis."""
    from torch.nn import functional as f  # type: ignore[import-not-found]

    weight = w[f"{name}.weight"].movedim((-1, -2), (0, 1))
    around = [n for pair in reversed(before) for n in pair]
    op = {3: f.conv1d, 5: f.conv3d}[x.ndim]
    y = op(f.pad(x.movedim(-1, 1), around), weight, w[f"{name}.bias"], **options)
    return y.movedim(1, -1)


def test_series_are_those_of_conv1d() -> None:
    def theirs(w: Any, x: Any, lengths: Any) -> Any:
        import torch  # type: ignore[import-not-found]

        found = []
        for row, length in zip(x, lengths.tolist(), strict=True):  # without padding: one by one
            y = row[None, :length]
            for i, kernel in enumerate((5, 3)):
                y = convolved(w, f"convs.{i}", y, [((kernel - 1) // 2,) * 2])
                y = torch.layer_norm(y, (4,), w[f"norms.{i}.weight"], w[f"norms.{i}.bias"])
                y = torch.relu(y)
            found.append(torch.cat([y.mean(1), y.max(1)[0]], 1) @ w["out.weight"] + w["out.bias"])
        return torch.cat(found)

    check(
        Case(
            "sequence_conv",
            lambda: SequenceConv.init(KEY, 2, 3, size=4, kernels=(5, 3)),
            (rng.normal(size=(2, 9, 2)), np.array([9, 6])),
            lambda model, x, lengths: model(x, lengths),
            theirs,
        )
    )


def test_a_wavenet_is_that_of_conv1d() -> None:
    def theirs(w: Any, x: Any) -> Any:
        import torch  # type: ignore[import-not-found]

        x, total = x @ w["into.weight"] + w["into.bias"], 0
        for i in range(3):
            both = convolved(w, f"blocks.{i}.conv", x, [(2**i, 0)], dilation=2**i)
            y = torch.tanh(both[..., :4]) * torch.sigmoid(both[..., 4:])
            y = y @ w[f"blocks.{i}.out.weight"] + w[f"blocks.{i}.out.bias"]
            x, total = x + y[..., :4], total + y[..., 4:]
        y = torch.relu(torch.relu(total) @ w["out.up.weight"] + w["out.up.bias"])
        return y @ w["out.down.weight"] + w["out.down.bias"]

    check(
        Case(
            "wavenet",
            lambda: WaveNet.init(KEY, 2, 3, 4, 3),
            (rng.normal(size=(2, 11, 2)),),
            lambda model, x: model(x),
            theirs,
        )
    )


def test_films_are_those_of_conv3d() -> None:
    def theirs(w: Any, x: Any) -> Any:
        import torch  # type: ignore[import-not-found]

        x = 4 * (x - x.mean(1, keepdim=True))
        # SAME of a stride of 2 and an even size pads more at the end
        x = torch.relu(convolved(w, "convs.0", x, [(1, 1), (1, 2), (1, 2)], stride=(1, 2, 2)))
        x = torch.relu(convolved(w, "convs.1", x, [(1, 1), (0, 1), (0, 1)], stride=(1, 2, 2)))
        x = torch.relu(convolved(w, "convs.2", x, [(0, 1), (0, 1), (0, 1)], stride=2))
        x = torch.cat([x.mean((1, 2, 3)), x.amax((1, 2, 3))], 1)
        return x @ w["out.weight"] + w["out.bias"]

    check(
        Case(
            "film_conv",
            lambda: FilmConv.init(KEY, 2, size=4),
            (rng.normal(size=(2, 4, 8, 8, 1)),),
            lambda model, x: model(x),
            theirs,
        )
    )
