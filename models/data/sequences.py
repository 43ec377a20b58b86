"""Labelled series of measurements, read from the folder of the package aeon.

    x, lengths, y = wl.models.data.time_series("JapaneseVowels").train

x is [examples, time, channels], where a series ends zeros follow; y is the class. Channels have
mean 0 and deviation 1 over the steps of the training part.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...compiler.ir.errors import ProgramError
from .split import Split, found_package

__all__ = ["time_series"]

CLASSES = {
    "ACSF1": tuple("0123456789"),
    "GunPoint": ("gun", "point"),
    "JapaneseVowels": tuple(f"speaker {i}" for i in range(1, 10)),
    "OSULeaf": (
        "acer circinatum", "acer glabrum", "acer macrophyllum", "acer negundo", "quercus garryana",
        "quercus kelloggii",
    ),
}  # fmt: skip
"""By name the classes, in the order of the files' labels."""


def time_series(name: str, seed: int = 0) -> Split:
    """Parts (x, lengths, y) of one of four sets, whose files say which examples are tests.

    JapaneseVowels: 270 and 370 utterances of two vowels, 12 coefficients of the spectrum, 7 to 29
    steps, by nine speakers. GunPoint: 50 and 150 positions of a hand, 150 steps, which draws a gun
    or points. OSULeaf: 200 and 242 outlines of leaves, 427 steps, of six species. ACSF1: 100 and
    100 series of the power that household appliances of ten kinds take, 1460 steps.
    Source: Kudo, Toyama, Shimbo, Multidimensional curve classification using passing-through
    regions, 1999; Ratanamahatana and Keogh, Everything you know about dynamic time warping is
    wrong, 2004; Grandhi, Content-based image retrieval: plant species identification, 2002; Gisler
    and others, Appliance consumption signature database, 2013; all by the UCR and UEA archives.
    """
    del seed
    if name not in CLASSES:
        raise ProgramError(f"time_series: one of {', '.join(CLASSES)} is required, got {name!r}")
    folder = found_package("aeon", "aeon==1.6.0") / "datasets" / "data" / name
    parts = [_read(folder / f"{name}_{part}.ts") for part in ("TRAIN", "TEST")]
    steps = np.concatenate(parts[0][0])
    mean, deviation = steps.mean(0), steps.std(0)
    longest = max(len(x) for series, _ in parts for x in series)
    made = []
    for series, labels in parts:
        padded = np.zeros((len(series), longest, len(mean)), np.float32)
        for row, x in zip(padded, series, strict=True):
            row[: len(x)] = (x - mean) / deviation
        made.append((padded, np.array([len(x) for x in series], np.int32), labels))
    return Split(made[0], made[1], CLASSES[name])


def _read(file: Path) -> tuple[list[np.ndarray], np.ndarray]:
    """Series [time, channels] and their classes, from 0. A line: channels, then the label."""
    series, labels = [], []
    for line in file.read_text().splitlines():
        if line and line[0] not in "#@":
            *channels, label = line.split(":")
            series.append(np.array([c.split(",") for c in channels], np.float64).T)
            labels.append(int(label))
    return series, np.array(labels, np.int32) - min(labels)
