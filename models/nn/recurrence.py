"""States that are linear in the state before: what scans of the field have in common."""

from __future__ import annotations

from ...compiler.front.recurrence import linear_recurrence

__all__ = ["linear_recurrence"]
