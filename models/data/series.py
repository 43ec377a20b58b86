"""Series to forecast: windows of what was measured, the earlier to train on, the later to test."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from .split import Split, found_package

__all__ = ["co2", "sunspots"]

LATER = 0.25  # the part of a series that is left for the test
STATSMODELS = "statsmodels==0.15.0"


def co2(seed: int = 0, *, window: int = 260, step: int = 4) -> Split:
    """CO2 above Mauna Loa in every week of 1958 to 2001, in parts per million: f32[rows, window].

    A window begins every `step` weeks. Weeks without a measurement lie on a line between those that
    have one. Source: Keeling and Whorf, Scripps Institution of Oceanography, 2004.
    """
    return _windows(_column("co2"), window, step)


def sunspots(seed: int = 0, *, window: int = 66, step: int = 1) -> Split:
    """The mean number of sunspots in every year of 1700 to 2008: f32[rows, window].

    Source: National Geophysical Data Center, United States.
    """
    return _windows(_column("sunspots"), window, step)


def _column(name: str) -> np.ndarray:
    """The second column of a table of statsmodels, read and not imported."""
    folder = found_package("statsmodels", STATSMODELS) / "datasets"
    with Path(folder, name, f"{name}.csv").open(newline="") as file:
        values = np.asarray([float(row[1] or "nan") for row in list(csv.reader(file))[1:]])
    known = np.flatnonzero(~np.isnan(values))
    return np.interp(np.arange(len(values)), known, values[known]).astype(np.float32)


def _windows(values: np.ndarray, window: int, step: int) -> Split:
    """No number of a window to test on is in one to train on."""
    border = len(values) - round(LATER * len(values))
    train, test = (
        np.lib.stride_tricks.sliding_window_view(part, window)[::step].copy()
        for part in (values[:border], values[border:])
    )
    return Split(train, test)
