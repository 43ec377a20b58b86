"""What a person writes in Triton for two of the questions of gpu.py."""
# pyright: reportMissingImports=false, reportIndexIssue=false

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from triton.language.extra import libdevice

BLOCK = 1024


@triton.jit
def _gelu(x, out, n, block: tl.constexpr):
    at = tl.program_id(0) * block + tl.arange(0, block)
    inside = at < n
    v = tl.load(x + at, mask=inside)
    t = libdevice.tanh(0.7978846 * (v + 0.044715 * v * v * v))
    tl.store(out + at, 0.5 * v * (1 + t), mask=inside)


@triton.jit
def _softmax(x, out, columns, block: tl.constexpr):
    row = tl.program_id(0)
    at = tl.arange(0, block)
    v = tl.load(x + row * columns + at, mask=at < columns, other=-float("inf"))
    e = tl.exp(v - tl.max(v, axis=0))
    tl.store(out + row * columns + at, e / tl.sum(e, axis=0), mask=at < columns)


def gelu(x: Any) -> Any:
    out = torch.empty_like(x)
    _gelu[(triton.cdiv(x.numel(), BLOCK),)](x, out, x.numel(), block=BLOCK)
    return out


def softmax(x: Any) -> Any:
    out = torch.empty_like(x)
    rows, columns = x.shape
    _softmax[(rows,)](x, out, columns, block=triton.next_power_of_2(columns), num_warps=8)
    return out
