"""Ops that hold graphs, whose rules apply passes to them: importing this package registers them."""

from .batched import CustomVmap
from .checkpoint import Checkpoint
from .custom import Adjoint, CustomJvp, CustomVjp

__all__ = ["Adjoint", "Checkpoint", "CustomJvp", "CustomVjp", "CustomVmap"]
