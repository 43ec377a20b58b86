"""The two families of errors: the user's program is wrong, or ours is."""

from __future__ import annotations

from ...runtime.errors import CompilerError as CompilerError
from ...runtime.errors import ProcessError as ProcessError


class ProgramError(TypeError):
    """The user's program is wrong: what is required, what came, the user's line, the repair.

    `bare` is the error of Python's or NumPy's that this one says, if it says one.
    """

    def __init__(
        self, what: str, where: str = "", repair: str = "", bare: BaseException | None = None
    ) -> None:
        lines = [what, *([where] if where else []), *([f"try: {repair}"] if repair else [])]
        super().__init__("\n".join(lines))
        self.what, self.where, self.repair, self.bare = what, where, repair, bare


class OverBudget(ProgramError):
    """No program of these fits a budget of memory; `least` is the least that one needs."""

    def __init__(self, least: int, what: str, where: str) -> None:
        super().__init__(what, where, f"memory_budget={least}")
        self.least = least
