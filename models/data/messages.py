"""What Django says, in 98 languages: strings of its gettext files and the language of each."""

from __future__ import annotations

import gettext

import numpy as np

from .split import Split, found_package

__all__ = ["languages"]

TEST_PART = 0.1


def languages(seed: int = 0, length: int = 48, train_rows: int | None = None) -> Split:
    """67 thousand strings as bytes of UTF-8, int32 [rows, length], cut there or filled with 0, and
    the number of their language; `names` are the languages' codes.

    A message is of the test part in all languages or in none, and no row to test on is one to train
    on in that language; a string that stands in the files of a language several times is one row.
    Where fewer rows are asked for, the seed draws them.
    """
    messages = _messages()
    names = tuple(sorted({code for code, _ in messages}))
    rng = np.random.default_rng(seed)
    known = sorted(set(messages.values()))
    tested = {known[i] for i in rng.permutation(len(known))[: round(TEST_PART * len(known))]}
    x = np.zeros((len(messages), length), np.int32)
    for row, (_, text) in zip(x, messages, strict=True):
        points = np.frombuffer(text.encode()[:length], np.uint8)
        row[: len(points)] = points
    y = np.array([names.index(code) for code, _ in messages], np.int32)
    told = np.array([message in tested for message in messages.values()])
    rows = [(row.tobytes(), int(language)) for row, language in zip(x, y, strict=True)]
    known = {row for row, asked in zip(rows, told, strict=True) if not asked}
    test = told & [row not in known for row in rows]
    train = rng.permutation(np.flatnonzero(~told))[:train_rows]
    return Split((x[train], y[train]), (x[test], y[test]), names)


def _messages() -> dict[tuple[str, str], str]:
    """The English message behind each language and string."""
    found: dict[tuple[str, str], str] = {}
    folder = found_package("django", "django==5.2.19")
    for file in sorted(folder.rglob("django*.mo")):
        with file.open("rb") as stream:
            catalogue = gettext.GNUTranslations(stream)._catalog  # pyright: ignore[reportAttributeAccessIssue]
        for message, text in catalogue.items():
            message = message[0] if isinstance(message, tuple) else message  # of a plural
            if message and text:
                found.setdefault((file.parts[-3], text), message)
    return found
