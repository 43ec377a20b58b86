"""Texts of graphs fed back in: run, checked, compared, optimised."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

Command = Callable[..., str]

GRAPH = """\
def f(a: f32[3], b: f32[3]):
    c: f32[3] = mul(a, b)  # model.py:1
    d: f32[3] = mul(a, b)  # model.py:2
    e: f32[3] = add(c, d)
    return e, c
"""


@pytest.fixture(autouse=True)
def files(folder: Path) -> None:
    (folder / "g.txt").write_text(GRAPH)
    (folder / "h.txt").write_text(GRAPH.replace("add", "sub").replace("model.py:1", "other.py:7"))
    (folder / "ill.txt").write_text(GRAPH.replace("d: f32[3]", "d: f32[4]"))
    a = np.array([1, 2, 3], np.float32)
    np.save("a.npy", a)
    np.save("wide.npy", a.astype("f8"))
    np.save("text.npy", np.array(["x"]))
    np.savez("ab.npz", b=a, a=2 * a)


def test_run_draws_inputs_or_reads_them(command: Command):
    *rows, times = command("ir", "run", "g.txt").splitlines()
    assert [r.split()[:2] for r in rows] == [["e", "f32[3]"], ["c", "f32[3]"]]
    assert "first call" in times
    command("ir", "run", "g.txt", "a.npy", "a.npy", "--out", "out.npz")
    with np.load("out.npz") as found:
        assert found["e"].tolist() == [2, 8, 18] and found["c"].tolist() == [1, 4, 9]


def test_arrays_of_an_npz_are_taken_by_the_names_of_the_inputs(command: Command):
    said = command("ir", "run", "g.txt", "ab.npz", "--interpret", "--out", "out.npz")
    with np.load("out.npz") as found:
        assert found["c"].tolist() == [2, 8, 18]
    assert "interpreted in" in said


def test_the_text_may_come_from_the_standard_input(command: Command, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(GRAPH))
    assert "e  f32[3]" in command("ir", "run", "-", "--interpret")


def test_what_inspect_printed_and_saved_is_read_back(command: Command, folder: Path):
    words = ("inspect", "model.py:chosen", "--arg", "f32[5, 3]", "--arg", "2", "--stage", "trace")
    (folder / "trace.txt").write_text(command(*words, "--save", "chosen.zip"))
    assert "well-formed" in command("ir", "check", "chosen.zip")
    assert command("ir", "diff", "chosen.zip", "chosen.zip") == "chosen: the same graph\n"
    said = command("ir", "check", "trace.txt", status=2)
    assert "is not among the constants" in said and "try: --constants FILE.npz" in said
    np.savez("constants.npz", np.arange(12, dtype=np.float32).reshape(3, 4)[:, :2])
    command("ir", "run", "trace.txt", "--constants", "constants.npz")


def test_check_counts_nodes_before_and_after_the_passes(command: Command):
    said = command("ir", "check", "g.txt")
    assert said == "f: well-formed, before and after every pass; 3 nodes become 2\n"


def test_diff_shows_what_differs_but_for_sources(command: Command):
    assert command("ir", "diff", "g.txt", "g.txt") == "f: the same graph\n"
    command("ir", "diff", "g.txt", "h.txt", status=1)


def test_diff_prints_the_lines(capsys):
    from wonderland import commands

    assert commands.main(["ir", "diff", "g.txt", "h.txt"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [x for x in lines if x[0] in "+-"] == [
        "--- g.txt", "+++ h.txt", "-    e: f32[3] = add(c, d)", "+    e: f32[3] = sub(c, d)"
    ]  # fmt: skip


def test_opt_prints_the_graph_after_all_passes_or_some(command: Command):
    assert command("ir", "opt", "g.txt", "--passes", "dead") == GRAPH
    assert command("ir", "opt", "g.txt", "--passes", "cse").count("mul") == 1
    assert command("ir", "opt", "g.txt").count("mul(") == 1


MISTAKES = {
    "run gg.txt": "no file 'gg.txt', did you mean 'g.txt'?",
    "run notes.txt": "notes.txt: text: a Python function is required,",
    "run model.py": "model.py: text: one function is required, got a second statement",
    "run a.npy": "a.npy: the text of a graph is required, or a saved program",
    "run ab.npz": "ab.npz: the text of a graph is required, or a saved program",
    "check ill.txt": "mul gives f32[3], got the annotation f32[4], line 3, column 8: d: f32[4]",
    "run g.txt a.npy": "f: an array for each input is required, a, b, got 1",
    "run g.txt a.npy wide.npy": "f: f32[3] is required for b, wide.npy holds f64[3], "
    "try: x.astype(np.float32)",
    "run g.txt a.npy text.npy": "f: f32[3] is required for b, text.npy holds <U1[1], ",
    "run g.txt b.npy": "no file 'b.npy', did you mean",
    "run g.txt notes.txt": "notes.txt: a whole .npy or .npz file of numbers is required",
    "run g.txt --out out.txt": "--out out.txt: a name that ends in .npz is required",
    "run g.txt --out no/out.npz": "no/out.npz: No such file or directory",
    "run g.txt --constants no.npz": "no file 'no.npz'",
    "opt g.txt --passes fuze": "no pass 'fuze', there are ",
    "opt g.txt --passes ces": "no pass 'ces', did you mean 'cse'?",
    "dif g.txt g.txt": "invalid choice: 'dif'",
}  # fmt: skip


@pytest.mark.parametrize("line", MISTAKES)
def test_a_mistake_is_told_in_one_line(line: str, mistake: Command):
    words = line.split()
    assert MISTAKES[line] in mistake("ir", *words)
