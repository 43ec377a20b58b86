"""Ours is wrong, or another process is. The classes stand here, on the lowest floor, because the
runtime raises them too."""

from __future__ import annotations


class CompilerError(RuntimeError):
    """The compiler is wrong: a rule of its own was broken. Carries the text that shows it."""

    def __init__(self, what: str, text: str = "") -> None:
        super().__init__(
            f"{what}\nthis is a fault of the compiler; please report it with this text:\n{text}"
            if text
            else what
        )


class ProcessError(RuntimeError):
    """Another process has left, does something else, or was waited for too long."""
