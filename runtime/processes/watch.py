"""Who has left."""

from __future__ import annotations

from .wire import ProcessError


class News:
    """What this process knows of the others, and why it exchanges nothing any more."""

    def __init__(self) -> None:
        self.broken = ""

    def break_off(self, why: str) -> None:
        """The first reason stays."""
        self.broken = self.broken or why

    def look(self, what: str, rank: int, waited: float) -> None:
        """Errors: ProcessError if nothing is to be waited for any more."""
        if self.broken:
            raise ProcessError(f"{what}: {self.broken}")
