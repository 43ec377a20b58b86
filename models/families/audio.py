"""A transcriber of speech: log-mel spectrum, two convolutions, transformer blocks, and CTC.

    wonderland train speech
    wonderland generate speech --prompt conference

The encoder is Whisper's: sound becomes energies of bands of frequency, 100 times a second; strided
convolutions make 25 tokens of them, blocks relate those, and every token names a letter or nothing.
CTC trains it without knowing when a letter is said. While training, each clip is played faster or
slower, and stripes of time and frequency are hidden (SpecAugment).
Source: Radford and others, Robust speech recognition via large-scale weak supervision, 2023; Graves
and others, Connectionist temporal classification, 2006; Park and others, SpecAugment, 2019.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import wonderland as wl
import wonderland.numpy as np
from wonderland import lax, nn, random
from wonderland.models import Recipe, data
from wonderland.models.families.transformer import Block

RATE, HOP, WINDOW, BANDS = 8000, 80, 256, 40  # samples a second, a step, a frame; bands


def mel_filters(bands: int, window: int, rate: float, low: float = 60.0) -> Any:
    """Triangles that overlap by half, equally wide in mel: [window / 2 + 1, bands]."""
    mel = np.linspace(np.log(1 + low / 700), np.log(1 + rate / 2 / 700), bands + 2)
    edges = 700 * (np.exp(mel) - 1)
    frequency = np.arange(window // 2 + 1)[:, None] * (rate / window)
    up = (frequency - edges[:-2]) / (edges[1:-1] - edges[:-2])
    down = (edges[2:] - frequency) / (edges[2:] - edges[1:-1])
    return np.clip(np.minimum(up, down), 0, None)


def log_mel(samples: Any, tempo: Any = 1.0) -> Any:
    """The log energy of each band in a window every 10 ms: [batch, frames, bands].

    With a tempo of 2 windows are twice as far from each other; pitch stays. Windows beyond the end
    see its last sample.
    """
    count = (samples.shape[-1] - WINDOW) // HOP + 1
    starts = np.asarray(tempo)[..., None] * HOP * np.arange(count, dtype=np.float32)
    places = starts.astype(np.int32)[..., None] + np.arange(WINDOW, dtype=np.int32)
    places = np.minimum(places, samples.shape[-1] - 1)
    flat = np.broadcast_to(places, (len(samples), count, WINDOW)).reshape(len(samples), -1)
    frames = np.take_along_axis(samples, flat, axis=1).reshape(-1, count, WINDOW)
    spectrum = np.fft.rfft(frames * np.hanning(WINDOW).astype(np.float32))
    power = np.real(spectrum) ** 2 + np.imag(spectrum) ** 2
    filters = mel_filters(BANDS, WINDOW, RATE).astype(np.float32)
    return np.log(power @ filters + 1e-2)


def striped(key: Any, shape: tuple[int, int], widest: int) -> Any:
    """False in one stripe of each row, at most so wide."""
    first, second = random.split(key)
    start = random.uniform(first, (shape[0], 1)) * shape[1]
    end = start + random.uniform(second, (shape[0], 1)) * widest
    places = np.arange(shape[1], dtype=np.float32)
    return (places < start) | (places >= end)


@nn.layer
class Encoder:
    """Tokens of a spectrum: convolutions with stride, positions, blocks."""

    convolutions: tuple[nn.Conv, ...]
    blocks: tuple[Block, ...]
    norm: nn.LayerNorm

    @classmethod
    def init(
        cls, key: Any, *, bands: int = BANDS, size: int = 96, heads: int = 4, depth: int = 2,
        strides: tuple[int, ...] = (2, 2),
    ) -> Self:  # fmt: skip
        keys = random.split(key, len(strides) + depth)
        inputs = (bands, *(size for _ in strides[1:]))
        return cls(
            tuple(
                nn.Conv.init(k, n, size, (3,), stride=s, padding=1, initializer=nn.he_normal)
                for k, n, s in zip(keys[: len(strides)], inputs, strides, strict=True)
            ),
            tuple(Block.init(k, size, heads) for k in keys[len(strides) :]),
            nn.LayerNorm.init(size),
        )

    def __call__(self, x: Any, mask: Any = None) -> Any:
        for convolution in self.convolutions:
            x = nn.gelu(convolution(x))
        x = x + nn.sinusoidal_positions(x.shape[1], x.shape[2], dtype=x.dtype)
        for block in self.blocks:
            x = block(x, mask=mask)
        return self.norm(x)


@nn.layer
class Transcriber:
    """Logits of letters, [batch, tokens, letters], and which tokens are of sound."""

    encoder: Encoder
    head: nn.Linear

    @classmethod
    def init(cls, key: Any, letters: int, **sizes: Any) -> Self:
        first, second = random.split(key)
        encoder = Encoder.init(first, **sizes)
        return cls(encoder, nn.Linear.init(second, encoder.norm.weight.shape[0], letters))

    def __call__(self, samples: Any, lengths: Any, key: Any = None) -> tuple[Any, Any]:
        tempo, stripes = np.ones((len(samples), 1), np.float32), ()
        if key is not None:
            speed, *stripes = random.split(key, 5)
            tempo = 0.85 + 0.3 * random.uniform(speed, (len(samples), 1))
        x = log_mel(samples, tempo[:, 0])
        last = lengths[:, None] / (HOP * tempo)
        real = np.arange(x.shape[1]) < last
        mean = np.mean(x, axis=(1, 2), keepdims=True, where=real[..., None])
        x = np.where(real[..., None], (x - mean) / 4, 0)
        for time, band in (stripes[:2], stripes[2:]) if stripes else ():
            x = x * striped(time, x.shape[:2], 25)[..., None]
            x = x * striped(band, (len(x), BANDS), 10)[:, None]
        mask = np.arange(-(-x.shape[1] // 4)) * 4 < last
        return self.head(self.encoder(x, mask[:, None, None])), mask


def loss(model: Transcriber, batch: Any, key: Any = None) -> Any:
    """-log of the probability of what is said, for each letter."""
    samples, lengths, letters, counts = batch
    logits, real = model(samples, lengths, key)
    beyond = np.arange(letters.shape[1]) >= counts[:, None]
    losses = nn.ctc_loss(logits, (~real).astype(np.float32), letters, beyond.astype(np.float32))
    return np.sum(losses) / np.sum(counts)


def greedy(model: Transcriber, samples: Any, lengths: Any) -> tuple[Any, Any]:
    """The likeliest letter of each token, and whether it is one: no blank, and not said before."""
    logits, real = model(samples, lengths)
    best = np.argmax(logits, axis=-1)
    before = np.concatenate([np.zeros_like(best[:, :1]), best[:, :-1]], axis=1)
    return best, real & (best != 0) & (best != before)


def edit_distance(heard: Any, kept: Any, letters: Any, counts: Any) -> Any:
    """How many letters to insert, drop or replace: for each row, of what is kept of `heard`.

    A row of the table is made of the one before it; what comes by insertions from its left, the
    least of t[k] + j - k over k <= j, is a running minimum.
    """
    places = np.arange(letters.shape[1] + 1)
    first = np.broadcast_to(places, (len(letters), len(places)))

    def turn(row: Any, now: Any) -> tuple[Any, None]:
        letter, keep = now
        replaced = row[:, :-1] + (letter[:, None] != letters)
        left = np.concatenate([row[:, :1] + 1, np.minimum(row[:, 1:] + 1, replaced)], axis=1)
        return np.where(keep[:, None], lax.cummin(left - places, axis=1) + places, row), None

    last, _ = lax.scan(turn, first, (heard.T, kept.T))
    return np.take_along_axis(last, counts[:, None], axis=1)[:, 0]


def score(model: Transcriber, batch: Any) -> Any:
    """Character error rate: edits for each letter that is said."""
    samples, lengths, letters, counts = batch
    return np.sum(edit_distance(*greedy(model, samples, lengths), letters, counts)) / np.sum(counts)


def one_sentence(split: data.Split) -> float:
    """The error of always hearing that sentence of the training part which is nearest to all."""
    *_, letters, counts = split.train

    @wl.jit
    def error(sentence: Any, count: Any, letters: Any, counts: Any) -> Any:
        heard = np.broadcast_to(sentence, (len(letters), len(sentence)))
        kept = np.broadcast_to(np.arange(len(sentence)) < count, heard.shape)
        return np.sum(edit_distance(heard, kept, letters, counts)) / np.sum(counts)

    errors = [error(s, n, letters, counts) for s, n in zip(letters, counts, strict=True)]
    best = int(np.argmin(np.stack(errors)))
    return float(error(letters[best], counts[best], *split.test[2:]))


def transcripts(model: Transcriber, split: data.Split, key: Any, prompt: str) -> Iterator[str]:
    """What is said and what is heard, of clips of the test part that say the prompt."""
    hear = wl.jit(greedy)
    for samples, length, letters, count in zip(*split.test, strict=True):
        said = "".join(split.names[c] for c in letters[:count])
        if prompt.lower() in said:
            (best,), (kept,) = hear(model, samples[None], length[None])
            yield f"{said} -> {''.join(split.names[c] for c in best[kept])}\n"


def heard_clips(model: Transcriber, split: data.Split) -> Any:
    """Spectra of three clips of the test part, each letter where it is heard."""
    from matplotlib.figure import Figure

    samples, lengths, letters, counts = (part[:3] for part in split.test)
    spectra, best, kept = log_mel(samples), *greedy(model, samples, lengths)
    figure = Figure(figsize=(10, 7), layout="constrained")
    for i, axes in enumerate(figure.subplots(3, 1)):  # type: ignore[arg-type]
        axes.imshow(np.asarray(spectra[i]).T, origin="lower", aspect="auto")
        for token in np.flatnonzero(kept[i]):
            axes.text(4 * token, BANDS, split.names[best[i, token]])
        said = "".join(split.names[c] for c in letters[i, : counts[i]])
        axes.set(title=f"said: {said}\n", xlabel="10 ms", ylabel="band", xlim=(0, lengths[i] / HOP))
    return figure


SPEECH = Recipe(
    name="speech",
    chapter="11",
    about="a log-mel transformer transcribes a voice, by CTC on six minutes of it",
    data=data.speech,
    init=lambda key, split: Transcriber.init(key, len(split.names)),
    loss=loss,
    score=score,
    measure="character error rate",
    higher=False,
    baseline=one_sentence,
    stated=0.457,
    rate=3e-3,
    epochs=90,
    batch_size=16,
    generate=transcripts,
    picture=heard_clips,
)

RECIPES = (SPEECH,)
