"""Words spoken to callers of a telephone exchange, at 8 kHz: a voice for each of five languages.

Samples are f32 and have a mean square of 1 in every clip, so that loudness tells nothing; clips are
padded with zeros, their lengths stand beside them. Source: the sounds of Asterisk 1.6.1, spoken by
Allison Smith (English and Spanish), June Wallack, Carlo Flora and Ivrvoice; CC-BY and CC-BY-SA.
"""

from __future__ import annotations

import gzip
import re
import wave
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .split import Split, found_file

__all__ = ["speech", "spoken_languages"]

RATE = 8000  # samples a second
TEST_FRACTION = 0.2
VOICES = {
    "en": "en_US_f_Allison", "es": "es_MX_f_Allison", "fr": "fr_CA_f_June", "it": "it_IT_m_Carlo",
    "ru": "ru_RU_f_IvrvoiceRU",
}  # fmt: skip
LETTERS = ("", " ", "'", *"abcdefghijklmnopqrstuvwxyz")
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def speech(seed: int = 0, *, seconds: float = 3.0) -> Split:
    """English clips and what is said: (samples, their count, letters, their count).

    Letters are places in `names`, whose first is no letter: the blank of CTC. Digits are written as
    words, punctuation is dropped. No sentence of the test is said in a clip to train on, but the
    voice is the same, and so are many words.
    """
    folder = _folder("en")
    clips, texts = [], []
    for name, text in sorted(_transcripts().items()):
        path = folder / f"{name}.wav"
        clip = _samples(path) if path.exists() else ()
        if 0 < len(clip) <= seconds * RATE:
            clips.append(clip)
            texts.append(text)
    letters = [np.array([LETTERS.index(c) for c in text], np.int32) for text in texts]
    columns = *_padded(clips, round(seconds * RATE)), *_padded(letters, max(map(len, letters)))
    return _apart(columns, texts, seed, LETTERS)


def spoken_languages(seed: int = 0, *, seconds: float = 1.0) -> Split:
    """The middle of each clip and which language it is: (samples, their count, language).

    What the test says is said in no language to train on. English and Spanish have one voice, the
    others one each: voices may tell those from each other.
    """
    size = round(seconds * RATE)
    clips, languages, prompts = [], [], []
    for label, language in enumerate(VOICES):
        folder = _folder(language)
        for path in sorted(folder.rglob("*.wav")):
            prompt = path.relative_to(folder).as_posix()
            clip = _samples(path)
            if len(clip) and not prompt.startswith("silence"):
                start = max(0, (len(clip) - size) // 2)
                clips.append(clip[start : start + size])
                languages.append(label)
                prompts.append(prompt)
    columns = *_padded(clips, size), np.array(languages, np.int32)
    return _apart(columns, prompts, seed, tuple(VOICES))


def _folder(language: str) -> Path:
    path = f"usr/share/asterisk/sounds/{VOICES[language]}"
    return found_file(path, f"asterisk-core-sounds-{language}-wav")


def _samples(path: Path) -> np.ndarray:
    with wave.open(str(path)) as file:
        clip = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32)
    return clip / max(1.0, float(np.sqrt(np.mean(clip**2)))) if len(clip) else clip


def _transcripts() -> dict[str, str]:
    """What clips say, in letters and spaces; noises and long numbers are left out."""
    path = "usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz"
    packed = found_file(path, "asterisk-core-sounds-en").read_bytes()
    found = {}
    for line in gzip.decompress(packed).decode("utf8").splitlines():
        name, _, text = line.partition(": ")
        text = re.sub(r"\[.\]$", "", text.lower()).replace(".m.", "m")
        text = re.sub(r"(?<!\d)\d(?!\d)", lambda digit: f"{DIGITS[int(digit[0])]} ", text)
        text = " ".join(re.sub(r'[-/,.;:!?"]', " ", text).split())
        if text and set(text) <= set(LETTERS):
            found[name] = text
    return found


def _padded(rows: Sequence[Any], size: int) -> tuple[np.ndarray, np.ndarray]:
    """One array of rows of different lengths, zeros after their end, and the lengths."""
    padded = np.zeros((len(rows), size), rows[0].dtype)
    for place, row in zip(padded, rows, strict=True):
        place[: len(row)] = row
    return padded, np.array([len(row) for row in rows], np.int32)


def _apart(columns: Any, groups: list[str], seed: int, names: tuple[str, ...]) -> Split:
    """Rows of one group are all to train on, or all to test on."""
    order = np.random.default_rng(seed).permutation(sorted(set(groups)))
    test = np.isin(groups, order[: round(TEST_FRACTION * len(order))])
    return Split(tuple(c[~test] for c in columns), tuple(c[test] for c in columns), names)
