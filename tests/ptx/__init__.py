"""Executes PTX on the CPU and reports what a GPU hides: `launch`, in launching.py."""

from .faults import Fault
from .launching import launch
from .memory import Memory

__all__ = ["Fault", "Memory", "launch"]
