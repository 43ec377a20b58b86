"""An LSTM that reads a text, a character at a time, and writes on.

    wonderland train lstm_novels
    wonderland generate lstm_novels --prompt "It is a truth"

Source: Graves, Generating sequences with recurrent neural networks, 2013.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Self

from wonderland import nn, random
from wonderland.models import Recipe, data
from wonderland.models.families.language import bits, generate, text_loss, unigram


@nn.layer
class Characters:
    """Logits of the character that follows each one."""

    embedding: nn.Embedding
    recurrent: nn.LSTM
    head: nn.Linear

    @classmethod
    def init(cls, key: Any, characters: int, size: int, layers: int = 1) -> Self:
        keys = random.split(key, 3)
        return cls(
            nn.Embedding.init(keys[0], characters, size),
            nn.LSTM.init(keys[1], size, size, layers=layers),
            nn.Linear.init(keys[2], size, characters),
        )

    def __call__(self, ids: Any) -> Any:
        """Logits [batch, time, characters] of ids [batch, time]."""
        return self.head(self.recurrent(self.embedding(ids))[0])

    def start(self, batch: int) -> Any:
        """The state before a text."""
        return self.recurrent.start(batch)

    def step(self, state: Any, ids: Any) -> tuple[Any, Any]:
        """The state after one character of each text, and the logits of the next."""
        state, y = self.recurrent.step(state, self.embedding(ids))
        return state, self.head(y)


RECIPES = (
    Recipe(
        name="lstm_novels",
        chapter="13",
        about="an LSTM reads six novels, a character at a time",
        data=partial(data.novels, length=64, train_rows=16 * 3200, test_rows=512),
        init=lambda key, split: Characters.init(key, len(split.names), 128),
        loss=text_loss,
        score=bits,
        measure="bits a character",
        higher=False,
        baseline=unigram,
        stated=2.107,
        rate=1e-2,
        epochs=1,
        batch_size=16,
        generate=generate,
    ),
)
