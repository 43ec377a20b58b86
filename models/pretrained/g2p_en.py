"""Two gated recurrent nets that read words aloud: wonderland, W AH1 N D ER0 L AE2 N D.

r, z = sigmoid(x W + h U), n = tanh(x W' + r * (h U')), h = (1 - z) n + z h: one net reads the
letters, the other goes on from where it ended and says phonemes until it says the end.

    words = load()
    print(*words.generate("wonderland", key=wl.random.key(0), length=20, temperature=0.0))

The package g2p-en is NumPy behind a dictionary of nltk's, which it downloads when it is imported;
its weights are read without that. A word is one program, whatever its length.

Source: g2p-en 2.1.0, Apache-2.0; Cho and others, Learning phrase representations, 2014.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy

import wonderland as wl
import wonderland.numpy as np
from wonderland import lax, nn, random
from wonderland.models.data import found_package
from wonderland.models.pretrained.sampling import sampled

PACKAGE = "g2p-en==2.1.0"

LETTERS = ("<pad>", "<unk>", "</s>", *"abcdefghijklmnopqrstuvwxyz")
VOWELS = "AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW"
CONSONANTS = "B CH D DH F G HH JH K L M N NG P R S SH T TH UW V W Y Z ZH"  # UW without a stress too
PHONEMES = ("<pad>", "<unk>", "<s>", "</s>", *sorted(
    [*CONSONANTS.split(), *(vowel + stress for vowel in VOWELS.split() for stress in "012")]
))  # fmt: skip
START, END = 2, 3
LONGEST, MOST = 64, 20  # letters with the end, phonemes: as many as the package says


def cell(w: Mapping[str, Any], side: str, x: Any, h: Any) -> Any:
    """The next state of a gated recurrent unit."""
    of_x = w[f"{side}_w_ih"] @ x + w[f"{side}_b_ih"]
    of_h = w[f"{side}_w_hh"] @ h + w[f"{side}_b_hh"]
    reset_x, update_x, new_x = np.split(of_x, 3)
    reset_h, update_h, new_h = np.split(of_h, 3)
    reset, update = nn.sigmoid(reset_x + reset_h), nn.sigmoid(update_x + update_h)
    return (1 - update) * np.tanh(new_x + reset * new_h) + update * h


def last_state(w: Mapping[str, Any], ids: Any, letters: Any) -> Any:
    """The state after so many letters."""

    def turn(number: Any, h: Any) -> Any:
        return cell(w, "enc", w["enc_emb"][ids[number]], h)

    return lax.fori_loop(0, letters, turn, np.zeros_like(w["enc_w_hh"][0]))


def say(w: Mapping[str, Any], h: Any, phoneme: Any) -> tuple[Any, Any]:
    """The state after a phoneme, and the logits of the next."""
    h = cell(w, "dec", w["dec_emb"][phoneme], h)
    return h, w["fc_w"] @ h + w["fc_b"]


def logits_of(w: Mapping[str, Any], ids: Any, said: Any) -> Any:
    """Logits [phonemes, symbols] after every one of the phonemes that were said."""
    turn = lax.scan(lambda h, id: (cell(w, "enc", w["enc_emb"][id], h), None),
                    np.zeros_like(w["enc_w_hh"][0]), ids)  # fmt: skip
    return lax.scan(lambda h, phoneme: say(w, h, phoneme), turn[0], said)[1]


@wl.jit
def spoken(
    w: Mapping[str, Any], ids: Any, letters: Any, key: Any, temperature: Any
) -> tuple[Any, Any]:
    """Phonemes, and how many they are."""

    def unfinished(state: Any) -> Any:
        number, said, _ = state
        return (number < MOST) & (said[number] != END)

    def turn(state: Any) -> Any:
        number, said, h = state
        h, logits = say(w, h, said[number])
        token = sampled(logits, random.fold_in(key, number), temperature)
        return number + 1, said.at[number + 1].set(token), h

    said: Any = np.full(MOST + 1, END, dtype=np.int32)
    first = 0, said.at[0].set(START), last_state(w, ids, letters)
    number, said, _ = lax.while_loop(unfinished, turn, first)
    return said[1:], number - (said[number] == END)


class GatedNets:
    """The weights of both nets."""

    def __init__(self, weights: dict[str, Any]) -> None:
        self.weights = weights

    def spelled(self, word: str) -> tuple[Any, Any]:
        """Its letters and the end, padded, and how many they are."""
        ids = [LETTERS.index(x) if x in LETTERS else 1 for x in (*word, "</s>")]
        if len(ids) > LONGEST:
            most = LONGEST - 1
            raise wl.ProgramError(
                f"generate: words of {most} letters or fewer are required, got {word:.20}"
            )
        padded = numpy.zeros(LONGEST, numpy.int32)
        padded[: len(ids)] = ids
        return padded, numpy.asarray(len(ids), numpy.int32)

    def generate(self, prompt: str, *, key: Any, length: int, temperature: float) -> Iterator[str]:
        """The phonemes of every word, with their stress, at most `length` of one."""
        warmth = numpy.asarray(temperature, numpy.float32)
        for number, word in enumerate(prompt.lower().split()):
            said, count = spoken(self.weights, *self.spelled(word), key, warmth)
            text = " ".join(PHONEMES[k] for k in said[: min(int(count), length)])
            yield ("  " if number else "") + text


def load() -> GatedNets:
    """The weights that lie in the package g2p-en."""
    with numpy.load(found_package("g2p_en", PACKAGE) / "checkpoint20.npz") as stored:
        return GatedNets({name: stored[name] for name in stored.files})
