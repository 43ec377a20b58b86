"""LEFT_OUT.md is true: a peer's names are here, or stand there with a reason, and none does both.

A section is `## peer: ours, ours`, in it paragraphs `**Reason.** More of it.` and, indented, the
names. Peers that are not installed are skipped; NumPy's are always compared.
"""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from types import ModuleType

import pytest

TEXT = (Path(__file__).parents[2] / "wonderland" / "LEFT_OUT.md").read_text()
SECTIONS = re.findall(r"^## ([\w.]+): ([\w., ]+)\n(.*?)(?=^## |\Z)", TEXT, re.DOTALL | re.MULTILINE)
REASON = re.compile(r"^\*\*(.+)\.\*\*(?:.+\n)*.*\n\n((?: {4}.*\n)+)", re.MULTILINE)

LEFT_OUT: dict[str, dict[str, list[str]]] = {
    peer: {reason: names.split() for reason, names in REASON.findall(text)}
    for peer, _, text in SECTIONS
}
"""Peer, to reason, to names."""

OURS = {peer: ours.split(", ") for peer, ours, _ in SECTIONS}


def names_of(module: ModuleType) -> set[str]:
    """Public names that are neither modules nor exceptions."""

    def counts(name: str) -> bool:
        found = getattr(module, name, None)
        primitive = name.endswith("_p")  # which JAX's own rules are written for
        raised = isinstance(found, type) and issubclass(found, BaseException)
        other = primitive or raised or isinstance(found, ModuleType)
        return not name.startswith("_") and not other

    return {n for n in dir(module) if counts(n)}


@pytest.mark.filterwarnings("ignore")  # of names that a peer is about to drop
@pytest.mark.parametrize("peer", OURS)
def test_a_name_of_a_peer_is_here_or_left_out_with_a_reason(peer: str) -> None:
    found = importlib.import_module if peer.startswith("numpy") else pytest.importorskip
    here = set().union(*(dir(importlib.import_module(m)) for m in OURS[peer]))
    listed = {n for names in LEFT_OUT[peer].values() for n in names}
    assert sorted(names_of(found(peer)) - here - listed) == [], "neither here nor left out"
    assert sorted(listed & here) == [], "left out, and here"


def test_the_list_is_sorted_and_names_nothing_twice() -> None:
    for peer, reasons in LEFT_OUT.items():
        names = [n for group in reasons.values() for n in group]
        assert len(set(names)) == len(names), peer
        for reason, group in reasons.items():
            assert group == sorted(group), f"{peer}: {reason}"


def test_the_list_is_read_whole() -> None:
    assert set(OURS) >= {"numpy", "numpy.linalg", "numpy.fft", "jax.numpy"}
    lines = [n for line in TEXT.splitlines() if line.startswith("    ") for n in line.split()]
    groups = [group for reasons in LEFT_OUT.values() for group in reasons.values()]
    assert lines == [n for group in groups for n in group]
