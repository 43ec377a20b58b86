"""The command line: its parser, and how mistakes are told in one line with the repair."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Iterable
from linecache import getline
from pathlib import Path
from typing import NoReturn

from ..compiler.ir.errors import ProgramError

HERE = Path(__file__).parent


class Misuse(Exception):
    """The command line, or a file it names, is wrong; the message is one line."""


class CommandParser(argparse.ArgumentParser):
    """Tells mistakes in one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        raise Misuse(message)


def positive(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"a number of 1 or more is required, got {text}")
    return int(text)


def natural(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"a number of 0 or more is required, got {text}")
    return int(text)


def unknown(kind: str, name: str, names: Iterable[str]) -> str:
    """One line: what is not there, what is near, what there is."""
    names = tuple(names)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f", did you mean '{near[0]}'?" if near else ","
    return f"no {kind} '{name}'{hint} there are {', '.join(names) or 'none'}"


def missing_file(name: str, error: OSError) -> Misuse:
    """A file cannot be read or written; one of its folder may be meant."""
    path = Path(name)
    if isinstance(error, FileNotFoundError) and path.parent.is_dir():
        beside = sorted(f.name for f in path.parent.iterdir() if f.is_file())
        near = difflib.get_close_matches(path.name, beside, n=1)
        hint = f", did you mean '{path.parent / near[0]}'?" if near else ""
        return Misuse(f"no file '{name}'{hint}")
    return Misuse(f"{name}: {error.strerror or error}")


def without_own_line(error: ProgramError) -> str:
    """The message of an error; a line of the command is none of its user's."""
    found = re.match(r"\s*([^:]+):(\d+): (.*)$", error.where)
    if found and getline(str(HERE / found[1]), int(found[2])).strip() == found[3]:
        return str(ProgramError(error.what, "", error.repair))
    return str(error)


def one_line(message: str) -> str:
    """A message of several lines as one."""
    return ", ".join(line.strip() for line in message.splitlines() if line.strip())
