"""Recurrent layers beside torch's: kinds, layers, directions, biases, projections, padding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wonderland as wl
from tests.models.parity.parity import Case, check
from wonderland import nn

INPUTS, SIZE, BATCH, TIME = 3, 4, 3, 5
LENGTHS = np.array([5, 3, 1])

CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "rnn": ("RNN", {"bidirectional": True}, {}),
    "rnn_relu": ("RNN", {"bias": False}, {"activation": nn.relu}),
    "gru": ("GRU", {"bidirectional": True}, {}),
    "gru_layers": ("GRU", {"layers": 2, "bias": False}, {}),
    "lstm": ("LSTM", {"layers": 2, "bidirectional": True}, {}),
    "lstm_projection": ("LSTM", {}, {"projection": 2}),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore:LSTM with projections")
def test_recurrent_layers_are_torchs(name: str) -> None:
    kind, options, own = CASES[name]
    rng = np.random.default_rng(0)
    made = getattr(nn, kind)
    cells = options.get("layers", 1) * (2 if options.get("bidirectional") else 1)
    padded = name in ("gru", "lstm")
    out = own.get("projection", SIZE)
    states = [rng.normal(size=(cells, BATCH, out)), rng.normal(size=(cells, BATCH, SIZE))]
    states = states if kind == "LSTM" else states[:1]

    def ours(model: Any, x: Any, *states: Any) -> Any:
        each = [
            tuple(s[i] for s in states) if kind == "LSTM" else states[0][i] for i in range(cells)
        ]
        y, last = model(x, tuple(each), lengths=LENGTHS if padded else None)
        leaves = wl.tree.leaves(last)
        return y, *(wl.numpy.stack(leaves[i :: len(states)]) for i in range(len(states)))

    def theirs(weights: dict[str, Any], x: Any, *states: Any) -> Any:
        import torch  # type: ignore[import-not-found]
        from torch.nn.utils import rnn  # type: ignore[import-not-found]

        named = {"num_layers": options.get("layers", 1), "batch_first": True}
        named |= {n: options[n] for n in ("bidirectional", "bias") if n in options}
        named |= {"nonlinearity": "relu"} if own.get("activation") else {}
        named |= {"proj_size": own["projection"]} if own.get("projection") else {}
        module = getattr(torch.nn, kind)(INPUTS, SIZE, **named)
        ways = 2 if options.get("bidirectional") else 1
        given = {}
        for path, w in weights.items():
            _, place, field = path.split(".")
            back = "_reverse" if int(place) % ways else ""
            given[f"{field}_l{int(place) // ways}{back}"] = w.T if w.ndim > 1 else w
        read = rnn.pack_padded_sequence(x, torch.tensor(LENGTHS), batch_first=True) if padded else x
        before = states if kind == "LSTM" else states[0]
        y, last = torch.func.functional_call(module, given, (read, before))
        if padded:
            y, _ = rnn.pad_packed_sequence(y, batch_first=True, total_length=TIME)
        return y, *(last if kind == "LSTM" else (last,))

    check(
        Case(
            name,
            lambda: made.init(wl.random.key(0), INPUTS, SIZE, **options, **own),
            (rng.normal(size=(BATCH, TIME, INPUTS)), *states),
            ours,
            theirs,
        )
    )
