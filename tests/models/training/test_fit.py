"""Training: what is learned, the order of rows, resumption to the bit, what ends it, and errors."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from tests.models.training.noisy_net import DATA, Net, X, Y, loss, net, plain
from wonderland.compiler.ir.errors import ProgramError
from wonderland.models.training import Epoch, Fit, evaluate


def trained(**options: Any) -> Fit:
    given: dict[str, Any] = {"epochs": 4, "batch_size": 16, "key": wl.random.key(3)}
    optimizer = options.pop("optimizer", wl.optim.adam(1e-2))
    return wl.fit(loss, net(), DATA, optimizer, **{**given, **options})


@pytest.fixture(autouse=True)
def listening() -> Iterator[None]:
    """Ctrl-C is heard, though a shell's background, in which tests may run, ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def scores_of(found: Fit) -> list[float]:
    return [e.score for e in found.history if e.score is not None]


def same(a: Any, b: Any) -> None:
    for x, y in zip(wl.tree.leaves(a), wl.tree.leaves(b), strict=True):
        np.testing.assert_array_equal(x, y)


def test_a_model_learns_and_what_was_given_stays() -> None:
    model = net()
    before = [x.copy() for x in wl.tree.leaves(model)]
    found = wl.fit(loss, model, DATA, wl.optim.adam(1e-2), epochs=30, batch_size=16, held_out=DATA)
    same(before, wl.tree.leaves(model))
    assert found.stopped == "finished" and len(found.losses) == 30 * 6
    scores = scores_of(found)
    assert scores[-1] < 0.3 * scores[0] and found.score == scores[-1]


def test_a_key_gives_one_result_to_the_bit_and_another_key_another() -> None:
    first, again, other = trained(), trained(), trained(key=wl.random.key(4))
    same(first.model, again.model)
    assert first.losses.tolist() == again.losses.tolist() != other.losses.tolist()


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_training_that_is_resumed_has_the_bits_of_training_in_one_go(
    suffix: str, tmp_path: Path
) -> None:
    if suffix == ".safetensors":
        pytest.importorskip("safetensors")
    file = tmp_path / f"training{suffix}"
    whole = trained(held_out=DATA, patience=9)
    trained(held_out=DATA, patience=9, epochs=2, checkpoint=file)
    resumed = trained(held_out=DATA, patience=9, checkpoint=file, resume=True)
    same((whole.model, whole.optimizer_state), (resumed.model, resumed.optimizer_state))
    assert whole.losses.tolist() == resumed.losses.tolist()
    assert [e.score for e in whole.history] == [e.score for e in resumed.history]
    assert os.listdir(tmp_path) == [file.name]


def test_an_interrupt_within_an_epoch_leaves_a_checkpoint_that_goes_on(tmp_path: Path) -> None:
    file, whole, taken = tmp_path / "training.npz", trained(), []

    def interrupting(model: Net, batch: Any, key: Any) -> Any:
        def heard(x: Any) -> None:
            taken.append(x)
            if len(taken) == 9:  # the third step of the second epoch
                os.kill(os.getpid(), signal.SIGINT)

        wl.io_callback(heard, None, batch["y"][0])
        return loss(model, batch, key)

    before = signal.getsignal(signal.SIGINT)
    found = wl.fit(
        interrupting, net(), DATA, wl.optim.adam(1e-2), epochs=4, batch_size=16,
        key=wl.random.key(3), checkpoint=file,
    )  # fmt: skip
    assert found.stopped == "interrupted" and len(found.losses) == 9 and len(found.history) == 1
    assert signal.getsignal(signal.SIGINT) is before
    resumed = trained(checkpoint=file, resume=True)
    same(whole.model, resumed.model)
    assert whole.losses.tolist() == resumed.losses.tolist()


def test_parts_of_a_batch_sum_to_its_gradient() -> None:
    whole, parts = (
        wl.fit(plain, net(), DATA, wl.optim.sgd(0.1), epochs=2, batch_size=48, accumulate=n)
        for n in (1, 4)
    )
    np.testing.assert_allclose(whole.losses, parts.losses, rtol=1e-5)
    for a, b in zip(wl.tree.leaves(whole.model), wl.tree.leaves(parts.model), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_a_state_is_handed_on_through_steps_and_parts() -> None:
    def counted(model: Net, batch: Any, state: Any) -> Any:
        return np.mean((model(batch["x"], None) - batch["y"]) ** 2), state + len(batch["y"])

    for accumulate in (1, 2):
        found = wl.fit(
            counted, net(), DATA, wl.optim.sgd(0.1), epochs=2, batch_size=32,
            state=np.int32(0), accumulate=accumulate,
        )  # fmt: skip
        assert found.state == 2 * 96


def test_integers_of_a_model_are_not_learned_and_clipping_bounds_the_step() -> None:
    def first(model: Any, batch: Any) -> Any:
        return 1e3 * np.sum(model["w"][model["at"]] * batch)

    model = {"w": np.ones(3, np.float32), "at": np.array([0, 2])}
    found = wl.fit(first, model, np.ones((4, 2), np.float32), wl.optim.sgd(1.0), clip=0.5)
    assert found.model["at"].tolist() == [0, 2] and found.model["w"][1] == 1
    moved = np.sqrt(np.sum((found.model["w"] - model["w"]) ** 2))
    assert moved == pytest.approx(0.5, rel=1e-5)


def test_patience_stops_with_the_best_model() -> None:
    rates = wl.optim.piecewise_constant_schedule(1e-2, {24: 0.0})  # no step after four epochs
    found = trained(optimizer=wl.optim.sgd(rates), epochs=30, held_out=DATA, patience=3)
    scores = scores_of(found)
    assert found.stopped == "patience" and len(scores) == int(np.argmin(scores)) + 4
    assert evaluate(loss, found.model, DATA) == min(scores)


def test_a_score_is_that_of_the_model_that_patience_chose(tmp_path: Path) -> None:
    def fitted(score: Any, **options: Any) -> Fit:
        return wl.fit(
            lambda w, batch: (w - 5) ** 2, np.float32(0), X, wl.optim.sgd(0.1), epochs=30,
            held_out=X, score=score, patience=3, **options,
        )  # fmt: skip

    def near_two(w: Any, batch: Any) -> Any:
        return -((w - 2) ** 2)

    file = tmp_path / "c.npz"
    found = fitted(near_two, checkpoint=file)
    assert found.stopped == "patience" and found.chosen == 2 and len(found.history) == 5
    assert found.score == max(scores_of(found)) == pytest.approx(near_two(found.model, X))
    again = fitted(near_two, checkpoint=file, resume=True)  # which has ended
    assert again.stopped == "patience" and again.history == found.history
    late = fitted(lambda w, batch: np.where(w < 2, np.nan, -((w - 4) ** 2)))
    assert late.chosen == 7 and late.score == np.nanmax(scores_of(late))


def test_complex_weights_go_down_the_loss() -> None:
    w = np.array([1 + 2j, -1j, 0.5], "c8")
    for accumulate in (1, 4):
        found = wl.fit(
            lambda w, batch: np.mean(np.abs(batch[0] @ w - batch[1]) ** 2), np.zeros(3, "c8"),
            (X + 1j * X[::-1], (X + 1j * X[::-1]) @ w), wl.optim.sgd(0.1), epochs=100,
            accumulate=accumulate,
        )  # fmt: skip
        np.testing.assert_allclose(found.model, w, atol=1e-4)


def test_training_is_outside_of_traced_functions_and_nans_are_told_where_they_are_born() -> None:
    with pytest.raises(ProgramError, match="outside of traced functions"):
        wl.jit(lambda x: trained().losses[-1] * x)(1.0)
    with wl.check_nans(), pytest.raises(FloatingPointError, match=r"since div\n.*test_fit.py"):
        wl.fit(lambda w, batch: np.sqrt(np.sum(w * w)), np.zeros(2), X, wl.optim.sgd(0.1))


def test_a_loss_that_is_not_finite_stops() -> None:
    assert trained(optimizer=wl.optim.sgd(1e30), epochs=9).stopped == "not finite"


def test_optimizers_that_search_lines_get_the_loss() -> None:
    def plain(model: Any, batch: Any) -> Any:
        return np.mean((batch["x"] @ model - batch["y"]) ** 2)

    found = wl.fit(plain, np.zeros(3, np.float32), DATA, wl.optim.lbfgs(), epochs=12)
    solution = np.linalg.lstsq(X, Y, rcond=None)[0]
    np.testing.assert_allclose(found.model, solution, atol=1e-3)


def test_batches_of_a_function_are_seeded_by_key_and_epoch() -> None:
    drawn: list[float] = []

    def made(generator: np.random.Generator) -> Iterator[Any]:
        for _ in range(3):
            at = generator.integers(0, 96, 8)
            drawn.append(float(X[at[0], 0]))
            yield {"x": X[at], "y": Y[at]}

    found = [wl.fit(loss, net(), made, wl.optim.sgd(0.1), epochs=2) for _ in range(2)]
    assert len(found[0].losses) == 6 and drawn[:6] == drawn[6:] and drawn[0] != drawn[3]
    same(found[0].model, found[1].model)


def test_batches_of_a_function_may_share_their_memory() -> None:
    buffer = {"x": np.empty((16, 3), np.float32), "y": np.empty(16, np.float32)}

    def shared(generator: np.random.Generator) -> Iterator[Any]:
        for k in range(0, 96, 16):
            buffer["x"][:], buffer["y"][:] = X[k : k + 16], Y[k : k + 16]
            yield buffer

    def own(generator: np.random.Generator) -> Iterator[Any]:
        yield from ({"x": X[k : k + 16], "y": Y[k : k + 16]} for k in range(0, 96, 16))

    found = [wl.fit(loss, net(), data, wl.optim.sgd(0.1), epochs=2) for data in (shared, own)]
    np.testing.assert_array_equal(found[0].losses, found[1].losses)
    same(found[0].model, found[1].model)


def test_rows_are_seen_once_in_an_epoch_and_scores_are_means_over_all_rows() -> None:
    seen: list[np.ndarray] = []

    def noted(model: Any, batch: Any) -> Any:
        wl.io_callback(lambda b: seen.append(np.array(b)), None, batch)
        return np.sum(model * 0.0)

    wl.fit(noted, np.ones(2, np.float32), np.arange(10), wl.optim.sgd(0.1), epochs=2, batch_size=3)
    assert [len(set(np.concatenate(seen[i : i + 3]).tolist())) for i in (0, 3)] == [9, 9]
    assert not np.array_equal(seen[0], seen[3])
    for rows in (1, 7, 1024, 1025, 2051, 3000):
        data = np.arange(rows, dtype=np.float32)
        assert evaluate(lambda m, batch: np.mean(batch) * m, np.float32(1), data) == pytest.approx(
            (rows - 1) / 2, rel=1e-5
        )


def test_progress_hears_of_epochs_and_results_are_plain_numbers(tmp_path: Path) -> None:
    heard: list[Epoch] = []
    found = trained(progress=heard.append, held_out=DATA)
    assert tuple(heard) == found.history
    found.save_results(tmp_path / "result.json", name="net")
    told = json.loads((tmp_path / "result.json").read_text())
    assert told["name"] == "net" and told["parameters"] == 41 and len(told["history"]) == 4
    pytest.importorskip("matplotlib")
    found.plot(tmp_path / "loss.png", title="net")
    assert (tmp_path / "loss.png").read_bytes()[:4] == b"\x89PNG"


SCRIPT = """
import signal, sys, numpy as np, wonderland as wl
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
data = np.ones((64, 2), np.float32)
loss = lambda model, batch: np.mean((batch @ model) ** 2)
found = wl.fit(loss, np.ones(2, np.float32), data, wl.optim.sgd(1e-6), epochs=10**9, batch_size=1,
               checkpoint=sys.argv[1], progress=True)
print(found.stopped)
"""


@pytest.mark.skipif(os.name != "posix", reason="signals of another process")
def test_ctrl_c_ends_a_process_in_order(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "c.npz")]
    with subprocess.Popen(command, stdout=-1, stderr=-1, text=True) as process:
        ended = threading.Timer(100, process.kill)  # or a fault would wait for ever
        ended.start()
        assert process.stderr is not None
        process.stderr.readline()  # an epoch has ended
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate()
        ended.cancel()
    assert output == "interrupted\n" and "Traceback" not in errors
    assert wl.tree.load(tmp_path / "c.npz")["training"]["model"].shape == (2,)


@pytest.mark.skipif(os.name != "posix", reason="signals of another process")
def test_an_interrupt_that_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        found = trained(progress=lambda epoch: os.kill(os.getpid(), signal.SIGINT))
    finally:
        signal.signal(signal.SIGINT, before)
    assert found.stopped == "finished"


def test_a_package_for_the_checkpoint_is_missed_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(ProgramError, match="the package safetensors is required"):
        wl.fit(
            lambda model, batch: pytest.fail("trained"), net(), DATA, wl.optim.sgd(0.1),
            checkpoint=tmp_path / "c.safetensors",
        )  # fmt: skip


WRONG = {
    "a loss of one number is required, got shape [16]": {
        "loss": lambda m, b: (m(b["x"], None) - b["y"]) ** 2
    },
    "one number of rows is required, got 96 at data['x'] and 95 at data['y']": {
        "data": {"x": X, "y": Y[:-1]}
    },
    "a batch_size of at most the rows is required, got 97 and 96 rows": {"batch_size": 97},
    "accumulate that divides the batch is required, got 3 and 16 rows": {"accumulate": 3},
    "epochs of 1 or more is required, got 0": {"epochs": 0},
    "held_out is required": {"patience": 2},
    "a checkpoint is required to resume": {"resume": True},
    "a checkpoint that ends in .npz or .safetensors is required, got 'c.pt'": {
        "checkpoint": "c.pt"
    },
    "a folder for the checkpoint is required, got none at nowhere": {
        "checkpoint": "nowhere/c.npz"
    },
    "got no file": {"resume": True, "checkpoint": "nowhere.npz"},
    "a first state is required": {"loss": lambda model, batch, state: (0.0, state)},
    "a loss that names state gives (value, state)": {
        "loss": lambda model, batch, state: np.sum(model.first.weight), "state": np.int32(0)
    },
    "a model with arrays of floats is required": {"model": {"n": np.arange(3)}},
    "arrays whose rows are examples are required, got float at data['y']": {
        "data": {"x": X, "y": 3.0}
    },
    "clip above 0 is required": {"clip": 0.0},
    "arrays and numbers are required, got 'abc' at model['name']": {
        "model": {"w": X[0], "name": "abc"}
    },
    "a loss of one number is required, got None": {"loss": lambda model, batch: None},
    "a loss of one number is required, got a tuple of 2": {
        "loss": lambda model, batch: (np.sum(model.first.weight), batch)
    },
    "a score of one number is required, got shape [96]": {
        "held_out": DATA, "score": lambda model, batch: batch["y"]
    },
    "a score of one number is required, got None": {
        "held_out": DATA, "score": lambda model, batch: None
    },
    "batches are required of the function data, got 3": {"data": lambda generator: 3},
    "accumulate that divides the batch is required, got 3 and 32 rows": {
        "data": lambda generator: [{"x": X[:32], "y": Y[:32]}], "accumulate": 3
    },
}


@pytest.mark.parametrize("said", WRONG)
def test_what_is_wrong_is_said_with_the_line(said: str) -> None:
    options: dict[str, Any] = {
        "loss": loss, "model": net(), "data": DATA, "batch_size": 16, **WRONG[said]
    }  # fmt: skip
    with pytest.raises(ProgramError) as error:
        wl.fit(
            options.pop("loss"), options.pop("model"), options.pop("data"), wl.optim.sgd(0.1),
            **options,
        )  # fmt: skip
    assert said in error.value.what and "test_fit.py" in str(error.value)


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "c.npz"
    trained(epochs=1, checkpoint=file)
    with pytest.raises(ProgramError, match="batch_size of the checkpoint is required, 16, got 32"):
        trained(batch_size=32, checkpoint=file, resume=True)
    with pytest.raises(ProgramError, match="a checkpoint of this model is required"):
        trained(optimizer=wl.optim.sgd(0.1, momentum=0.9), checkpoint=file, resume=True)
    saved = wl.tree.load(file)
    for other in (
        {"record": np.zeros(3)}, {"losses": np.zeros(0)}, {"losses": {"a": np.zeros(9)}},
        *({"record": {"text": np.frombuffer(t, np.uint8)}} for t in (b"{}", b"no", b'{"a": 1}')),
    ):  # fmt: skip
        wl.tree.save(file, {**saved, **other})
        with pytest.raises(ProgramError, match=r"a checkpoint of fit is required.*another record"):
            trained(checkpoint=file, resume=True)
    wl.tree.save(file, net())
    with pytest.raises(ProgramError, match="a checkpoint of fit is required"):
        trained(checkpoint=file, resume=True)
