"""Linear layers beside torch's."""

from __future__ import annotations

from typing import Any

import numpy as np

import wonderland as wl
from tests.models.parity.parity import Case, check
from wonderland import nn

rng = np.random.default_rng(0)


def test_linear_is_torchs() -> None:
    def theirs(w: Any, x: Any) -> Any:
        from torch.nn.functional import linear  # type: ignore[import-not-found]

        return linear(x, w["weight"].T, w["bias"])

    check(
        Case(
            "linear",
            lambda: nn.Linear.init(wl.random.key(0), 3, 2),
            (rng.normal(size=(5, 3)),),
            lambda model, x: model(x),
            theirs,
        )
    )
