"""A network of depthwise convolutions from a file of torch's, which is read without torch."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland.models.data import MissingData
from wonderland.models.pretrained import efficientnet, torch_files


def test_pictures_are_of_the_classes_that_torch_finds_and_have_its_logits():
    images = pytest.importorskip("sklearn.datasets")
    pytest.importorskip("PIL")
    try:
        net = efficientnet.load()
    except MissingData as missing:
        pytest.skip(str(missing))
    shown = [efficientnet.pixels(images.load_sample_image(f"{n}.jpg")) for n in ("china", "flower")]
    logits = wl.jit(efficientnet.EfficientNet.__call__, disable_jit=True)(net, np.stack(shown))
    assert logits.shape == (2, 1000) and logits.argmax(-1).tolist() == [442, 985]
    np.testing.assert_allclose(logits.max(-1), [7.776991, 6.337549], 0, 2e-5)
    assert sum(x.size for x in wl.tree.leaves(net)) == 4_652_008 + 2 * 21_008  # running statistics


def test_a_file_that_asks_for_more_than_tensors_is_refused(tmp_path: Path):
    class Harm:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "harm"),)

    with (tmp_path / "weights.pth").open("wb") as file:
        for part in (0x1950A86A20F9469CFC6C, 1001, {}, Harm()):
            pickle.dump(part, file)
    with pytest.raises(pickle.UnpicklingError, match=r"a tensor is required, got posix.mkdir"):
        torch_files.tensors(tmp_path / "weights.pth")
    assert not (tmp_path / "harm").exists()
