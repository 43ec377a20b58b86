"""A user's own file from the command line: stages, runs, gradient checks, and mistakes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import wonderland as wl
from wonderland.runtime.gpu import cubins

Command = Callable[..., str]

PARAMS = '{"w": f32[3, 2], "b": f32[2]}'
LOSS = ("model.py:loss", "--arg", PARAMS, "--arg", "f32[8, 3]", "--arg", "f32[8, 2]")

pytestmark = pytest.mark.usefixtures("folder")


def test_inspect_prints_a_stage_with_the_users_lines(command: Command):
    text = command("inspect", *LOSS, "--stage", "trace")
    assert text.startswith("def loss(a: f32[2], b: f32[3, 2], c: f32[8, 3], d: f32[8, 2]):")
    assert "# layers.py:3" in text and "# model.py:9 error" in text


def test_inspect_prints_all_stages_without_a_name(command: Command):
    text = command("inspect", *LOSS, "--grad", "--stage", "all")
    assert all(f"# {stage}\n" in text for stage in ("trace", "fuse", "buffers", "sources"))
    assert text == command("inspect", *LOSS, "--grad")


def test_inspect_shows_the_kernels_of_a_gpu_without_one(command: Command):
    try:
        cubins.linker()
    except cubins.MissingLinker as missing:
        pytest.skip(str(missing))
    text = command("inspect", *LOSS, "--device", "sm_80", "--stage", "launches")
    assert text.startswith("loss on sm_80: ") and " registers, " in text
    assert "block_index()" in command("inspect", *LOSS, "--device", "cuda", "--stage", "sources")
    assert ".target sm_90" in command("inspect", *LOSS, "--device", "sm_90", "--stage", "ptx")


def test_the_gradient_is_in_the_arguments_that_are_named(command: Command):
    text = command("inspect", *LOSS, "--grad", "--argnums", "1,2", "--stage", "trace")
    results = [line.split(":")[1].split("=")[0].strip() for line in text.splitlines()[1:-1]]
    assert len(text.splitlines()[-1].split(",")) == 3  # the value and two gradients
    assert {"f32", "f32[8, 3]", "f32[8, 2]"} <= set(results)


def test_literals_are_static_and_may_be_given_by_name(command: Command):
    plain = command("inspect", *LOSS, "--stage", "trace")
    other = command("inspect", *LOSS, "--arg", "kind='absolute'", "--stage", "trace")
    assert "abs" in other and "abs" not in plain
    assert "f32[5, 2]" in command("run", "model.py:chosen", "--arg", "f32[5, 3]", "--arg", "k=2")


def test_run_prints_types_numbers_and_times(command: Command):
    *rows, times = command("run", "model.py:heads", "--arg", "1 < f32[3] < 2").splitlines()
    assert rows[0].startswith("result['sum']    f32     ")
    assert rows[1].startswith("result['twice']  f32[3]  mean ")
    assert "first call" in times and "a call" in times


def test_runs_of_one_seed_have_the_same_arguments(command: Command):
    def numbers(seed: str) -> str:
        return command("run", "model.py:heads", "--arg", "f32[3]", "--seed", seed).split("first")[0]

    assert numbers("1") == numbers("1") != numbers("2")


def test_methods_of_objects_of_the_file_are_functions(command: Command):
    assert "mul" in command("inspect", "model.py:net.loss", "--arg", "f32[3]", "--stage", "trace")


def test_check_agrees_on_a_right_gradient_and_finds_a_wrong_one(command: Command):
    said = command("check", *LOSS)
    assert said == "loss: forward and reverse mode agree with differences up to order 2\n"
    command("check", "model.py:root", "--arg", "f32[3] > 0", "--order", "1")
    said = command("check", "model.py:wrong", "--arg", "f32[3]", status=1)
    assert said.startswith("wrong: the gradient is wrong") and "forward mode" in said


def test_a_program_is_kept_and_loaded(command: Command, folder: Path):
    command("inspect", *LOSS, "--grad", "--save", "step.zip")
    assert "loss" in repr(wl.load(folder / "step.zip"))


def test_files_of_a_package_import_their_neighbours(command: Command, folder: Path):
    inner = folder / "outer" / "inner"
    inner.mkdir(parents=True)
    for place in (folder / "outer", inner):
        (place / "__init__.py").touch()
    (folder / "outer" / "one.py").write_text("def f(x):\n    return x + 1\n")
    (inner / "two.py").write_text("from ..one import f\n\ndef g(x):\n    return f(x)\n")
    assert "add" in command("inspect", "outer/inner/two.py:g", "--arg", "f32", "--stage", "trace")


def test_the_process_is_left_as_it_was(command: Command, folder: Path):
    path, modules = list(sys.path), set(sys.modules)
    (folder / "random.py").write_text("def f(x):\n    return x\n")  # as a module of Python's
    command("inspect", "random.py:f", "--arg", "f32", "--stage", "trace")
    assert sys.path == path and not {"model", "random_"} & (set(sys.modules) - modules)


MISTAKES = {
    "run model.py:los": "model.py: no function 'los', did you mean 'loss'? there are loss, chosen,",
    "run model.py:net.los": "no function 'net.los', did you mean 'net.loss'?",
    "run modle.py:loss": "no file 'modle.py', did you mean 'model.py'?",
    "run nowhere/model.py:loss": "nowhere/model.py: No such file or directory",
    "run .:loss": ".: Is a directory",
    "run model.py": "model.py: a file and a function are required, try: model.py:loss",
    "run notes.txt:f": "notes.txt: a Python file is required, such as model.py",
    "run model.py:TABLE": "model.py: TABLE is no function but ndarray, there are loss,",
    "run model.py:Net": "model.py: Net is no function but type, there are loss,",
    "run mlp": "mlp: a file and a function are required, try: mlp:loss",
    "run broken.py:f": "broken.py:1: ",
    "run needy.py:f": "needy.py:1: ModuleNotFoundError: No module named 'nothing_of_that_name'",
    "run model.py:heads": "heads(x): missing a required argument: 'x', try: an --arg for each",
    "run model.py:heads --arg f32 --arg f32": "heads(x): too many positional arguments",
    "run model.py:heads --arg y=f32": "heads(x): ",
    "run model.py:heads --arg x=f32 --arg x=f32": "--arg x=... stands twice",
    "run model.py:heads --arg f32[3": "argument --arg: 'f32[3' cannot be read, try: f32[3, 4]",
    "run model.py:heads --arg float32[3]": "no dtype 'float32', did you mean 'f32'?",
    "run model.py:heads --arg f23[3]": "no dtype 'f23', did you mean 'f32'? there are bool,",
    "run model.py:heads --arg f32[n]": "argument --arg: sizes are numbers, got 'f32[n]'",
    "run model.py:heads --arg sin(3)": "'sin(3)' is no type and no literal, try: f32[3, 4]",
    "run model.py:heads --arg 3<f32<2": "nothing lies within '3 < f32 < 2'",
    "run model.py:heads --arg f32<x": "a bound is <, <=, > or >= a number, got 'f32 < x'",
    "run model.py:narrow --arg f32[4,3]": "matmul: inner sizes differ, f32[4] and f32[5, 2] "
    "(4 and 5), model.py:27: return x[:, 0] @ np.ones((5, 2), np.float32)",
    "run model.py:failing --arg f32": "model.py:30: KeyError: 'key'",
    "run model.py:heads --arg f32 --grad": "grad: a scalar float result is required, got {'sum'",
    "run model.py:root --arg i32[3] --grad": "float inputs are required, got i32[3] at x, ",
    "run model.py:root --arg f32 --grad --argnums 2": "argnums within 1 positional arguments",
    "check model.py:heads --arg i32": "check: a float argument is required, try: --arg f32[3]",
    "inspect model.py:heads --arg f32 --stage fuze": "no stage 'fuze', did you mean 'fuse'?",
    "inspect model.py:heads --arg f32 --save no/x": "no/x: No such file or directory",
    "inspect mpl": "no model 'mpl', did you mean 'mlp'? there are",
    "inspect mlp --grad": "mlp: a model takes no --grad, a FILE:FUNCTION does",
    "check mlp --arg f32": "mlp: a model takes no --arg, a FILE:FUNCTION does",
}  # fmt: skip


@pytest.mark.parametrize("line", MISTAKES)
def test_a_mistake_is_told_in_one_line(line: str, mistake: Command):
    words = line.split()
    assert MISTAKES[line] in mistake(*words)
