"""What lowering gives: the text of a kernel, and the numbers of one instance of it."""

from __future__ import annotations

from dataclasses import dataclass

from ...runtime.rows import MatrixProduct


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


@dataclass(frozen=True)
class LoweredLaunch:
    """`text` defines a kernel of a GPU; the parameters after its buffers are `sizes`, in order.

    It runs in `blocks` of `threads`; results do not depend on the number of blocks. `shared_bytes`
    are what the launch must ask for, beyond what the text itself declares; there is no scratch.
    `product` is the same for a library of products.
    """

    text: str
    sizes: tuple[int, ...]
    blocks: int
    threads: int
    shared_bytes: int
    flops: int
    bytes: int
    scratch_bytes: int = 0
    product: MatrixProduct | None = None

    @property
    def points(self) -> int:
        """Never none: a launch of nothing runs too."""
        return self.blocks
