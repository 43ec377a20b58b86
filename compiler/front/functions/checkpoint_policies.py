"""What the derivative of a checkpoint region may keep, by JAX's names.

    wl.checkpoint(block, policy=wl.checkpoint_policies.dots_saveable)

A value is kept where the derivative needs it and the policy lets it; everything else is computed
again from what is kept and from the arguments of the region. A policy of your own is a function of
an op's name, the types of its operands and its parameters; it is asked about the values of the
function, not about those of its derivative.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...ops.nested.checkpoint import check_policy

__all__ = [
    "Policy",
    "checkpoint_dots",
    "checkpoint_dots_with_no_batch_dims",
    "dots_saveable",
    "dots_with_no_batch_dims_saveable",
    "everything_saveable",
    "nothing_saveable",
    "save_any_names_but_these",
    "save_anything_except_these_names",
    "save_from_both_policies",
    "save_only_these_names",
]


def __dir__() -> list[str]:
    return __all__


@dataclass(frozen=True)
class Policy:
    """A policy as graphs spell it."""

    spelling: tuple[Any, ...]

    def __post_init__(self) -> None:
        check_policy(self.spelling)

    def __repr__(self) -> str:
        name, *rest = self.spelling
        return f"{name}({', '.join(map(repr, rest))})" if rest else name


everything_saveable = Policy(("everything_saveable",))
nothing_saveable = Policy(("nothing_saveable",))
dots_saveable = checkpoint_dots = Policy(("dots_saveable",))
dots_with_no_batch_dims_saveable = Policy(("dots_with_no_batch_dims_saveable",))
checkpoint_dots_with_no_batch_dims = dots_with_no_batch_dims_saveable


def save_only_these_names(*names_which_can_be_saved: str) -> Policy:
    """Values named so by `wl.checkpoint_name`."""
    return Policy(("save_only_these_names", *names_which_can_be_saved))


def save_any_names_but_these(*names_not_to_save: str) -> Policy:
    """Named values, but for these names."""
    return Policy(("save_any_names_but_these", *names_not_to_save))


def save_anything_except_these_names(*names_not_to_save: str) -> Policy:
    """All values but those of these names."""
    return Policy(("save_anything_except_these_names", *names_not_to_save))


def save_from_both_policies(policy_1: Policy, policy_2: Policy) -> Policy:
    """What either policy keeps."""
    return Policy(("save_from_both_policies", policy_1.spelling, policy_2.spelling))
