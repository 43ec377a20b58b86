"""What lowering gives: the text of a kernel, and the numbers of one instance of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Lowered:
    """`text` defines `(args, start, stop, scratch)`; `sizes` follow the buffers in its block.

    The parallel space has `points`; members of the team claim `grain` of them at a time and bring
    scratch of their own.
    """

    text: str
    sizes: tuple[int, ...]
    points: int
    grain: int
    scratch_bytes: int
    flops: int
    bytes: int
