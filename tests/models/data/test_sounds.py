"""Clips of speech: what they say, how they are padded, and that the test is said nowhere else."""

from __future__ import annotations

import gzip
import wave
from pathlib import Path

import numpy as np
import pytest

from wonderland.models import data
from wonderland.models.data import sounds

TEXTS = """; Sounds

activated: Activated.
beep: [a simple beep]
calling: Calling...
dir/menu: Press 1, or "9" (not 10)
digits/one: one
vm-options: Press 1, or 9 - at 8 A.M.; it's Bob's!
"""


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with the packages' files: clips of a third of a second, and a silence."""
    text = tmp_path / "usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz"
    text.parent.mkdir(parents=True)
    text.write_bytes(gzip.compress(TEXTS.encode()))
    voices = {
        "en_US_f_Allison", "es_MX_f_Allison", "fr_CA_f_June", "it_IT_m_Carlo", "ru_RU_f_IvrvoiceRU",
    }  # fmt: skip
    names = ("activated", "beep", "calling", "digits/one", "silence/1", "vm-options")
    for i, voice in enumerate(sorted(voices)):
        for j, name in enumerate(names):
            path = tmp_path / "usr/share/asterisk/sounds" / voice / f"{name}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            with wave.open(str(path), "wb") as file:
                file.setparams((1, 2, 8000, 0, "NONE", ""))
                count = 2000 + 100 * j
                file.writeframes(np.full(count, 100 * (i + 1) * (-1) ** j, "<i2").tobytes())
    monkeypatch.setenv("WONDERLAND_DATA", str(tmp_path))


def texts(part: tuple[np.ndarray, ...], names: tuple[str, ...]) -> list[str]:
    _, _, letters, counts = part
    return ["".join(names[c] for c in row[:n]) for row, n in zip(letters, counts, strict=True)]


@pytest.mark.usefixtures("packages")
def test_transcripts_are_letters_digits_are_words_and_noises_are_left_out():
    train, test, names = data.speech(seconds=0.5)
    said = texts(train, names) + texts(test, names)
    assert sorted(said) == [
        "activated",
        "calling",
        "one",
        "press one or nine at eight am it's bob's",
    ]
    assert train[0].dtype == np.float32 and train[2].dtype == np.int32 and not names[0]


@pytest.mark.usefixtures("packages")
def test_clips_are_padded_and_equally_loud_and_long_ones_left_out():
    (clips, counts, *_), _, _ = data.speech(seconds=0.3)
    assert clips.shape[1] == 2400 and max(counts) <= 2400
    for clip, count in zip(clips, counts, strict=True):
        np.testing.assert_allclose(abs(clip[:count]), 1, rtol=1e-6)
        assert not clip[count:].any()


@pytest.mark.usefixtures("packages")
def test_languages_share_their_prompts_between_train_and_test_alike():
    train, test, names = data.spoken_languages(seconds=0.1)
    assert names == ("en", "es", "fr", "it", "ru") and train[0].shape[1] == 800
    assert np.bincount(train[2]).tolist() == [4] * 5 and np.bincount(test[2]).tolist() == [1] * 5


def test_the_packages_sounds_are_read_and_no_sentence_is_on_both_sides():
    try:
        train, test, names = data.speech()
    except data.MissingData as missing:
        pytest.skip(str(missing))
    said, asked = texts(train, names), texts(test, names)
    assert len(said) == 344 and len(asked) == 84 and not {*said} & {*asked}
    assert "has left the conference" in said + asked


def test_missing_sounds_name_their_package(monkeypatch):
    monkeypatch.setitem(sounds.VOICES, "en", "nobody")
    with pytest.raises(
        data.MissingData, match=r"nobody .* apt-get install asterisk-core-sounds-en-wav"
    ):
        data.speech()
