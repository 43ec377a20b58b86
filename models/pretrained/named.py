"""Layers of weights that torch's names find in one dict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wonderland import nn


def projected(w: Mapping[str, Any], name: str, x: Any) -> Any:
    """x @ weight.T + bias"""
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def normed(w: Mapping[str, Any], name: str, x: Any, eps: float = 1e-5) -> Any:
    """Mean 0 and variance 1, times weight plus bias."""
    return nn.layer_norm(x, w[f"{name}.weight"], w[f"{name}.bias"], eps=eps)
