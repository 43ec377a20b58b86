"""Executes PTX on the CPU and reports what a GPU hides: see machine.py."""

from .faults import Fault
from .machine import launch
from .memory import Memory

__all__ = ["Fault", "Memory", "launch"]
