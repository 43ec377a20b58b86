"""Ops that hold graphs, whose rules apply passes to them: importing this package registers them."""

from .batched import CustomVmap
from .checkpoint import Checkpoint
from .checkpointed_scan import CheckpointedScan, LateScan
from .checkpointed_while import CheckpointedWhile, LateWhile, ReversedWhile
from .custom import Adjoint, CustomJvp, CustomVjp
from .equivalent import Equivalent
from .segmented_scan import SegmentedScan
from .slabs import Slabs

__all__ = [
    "Adjoint",
    "Checkpoint",
    "CheckpointedScan",
    "CheckpointedWhile",
    "CustomJvp",
    "CustomVjp",
    "CustomVmap",
    "Equivalent",
    "LateScan",
    "LateWhile",
    "ReversedWhile",
    "SegmentedScan",
    "Slabs",
]
