"""Models that others trained, whose weights lie in a package, and text out of them.

    alice = wl.models.pretrained.GENERATORS["alice"].load()
    for piece in alice.generate("Alice was", key=wl.random.key(0), length=20, temperature=0.0):
        print(piece, end="", flush=True)

The packages compute in NumPy, without Wonderland: their code is traced as it is by `wl.port`, and
what it is not fast at (one token after another) is written here, of the same weights. One file a
model; begin with `alice`. The extra `pretrained` brings these packages. `efficientnet` finds what
is in a picture and `minilm` what a sentence means, of weights in packages that are larger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from . import alice, efficientnet, g2p_en, minilm, sanotts

__all__ = [
    "GENERATORS", "Generates", "Generator", "alice", "efficientnet", "g2p_en", "minilm", "sanotts",
]  # fmt: skip


class Generates(Protocol):
    """A model that is loaded."""

    def generate(self, prompt: str, *, key: Any, length: int, temperature: float) -> Iterator[str]:
        """The text that follows, in pieces; a continuation begins with the prompt.

        At most `length` tokens. A temperature of 0 always takes the likeliest; above it a token is
        sampled with softmax(logits / temperature). The same key gives the same text.
        """
        ...


@dataclass(frozen=True)
class Generator:
    """A model by name: what it is, the package that has its weights, and how it is loaded."""

    name: str
    about: str
    package: str
    load: Callable[[], Generates]
    prompt: str  # where none is given
    temperature: float = 0.0  # where none is given


GENERATORS = {
    generator.name: generator
    for generator in (
        Generator(
            "alice",
            "a decoder of rotary grouped attention that continues Lewis Carroll",
            alice.PACKAGE,
            alice.load,
            "Alice was beginning to",
            0.4,
        ),
        Generator(
            "sanotts",
            "an encoder-decoder with cross attention that spells words in phonemes",
            sanotts.PACKAGE,
            sanotts.load,
            "wonderland",
        ),
        Generator(
            "g2p-en",
            "two recurrent nets, encoder and decoder, that spell words in phonemes",
            g2p_en.PACKAGE,
            g2p_en.load,
            "wonderland",
        ),
    )
}
"""The models by name."""
