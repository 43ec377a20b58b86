"""Trees of arrays in files: what comes back, and what is refused."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import wonderland as wl


@dataclasses.dataclass
class Layer:
    weight: Any
    heads: wl.tree.Static[int] = 2


DTYPES = ["bool", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16"]
TREE = {
    "layers": [Layer(np.arange(6, dtype=np.float32).reshape(2, 3)), None, []],
    "half": np.array([1.5, -2.0], ml_dtypes.bfloat16),
    "kinds": [np.ones((2, 0), "i1"), np.array(3, ">f8"), np.ones((3, 2), order="F")],
    "file": np.float32(2.5),
    "rate": 0.25,
    "steps": 3,
    "on": True,
}


@pytest.fixture(params=["npz", "safetensors"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "safetensors":
        pytest.importorskip("safetensors")
    return tmp_path / f"params.{request.param}"


def test_a_tree_comes_back(path: Path) -> None:
    wl.tree.save(path, TREE)
    got = wl.tree.load(path, like=TREE)
    assert wl.tree.structure(got) == wl.tree.structure(TREE)
    for x, y in zip(wl.tree.leaves(got), wl.tree.leaves(TREE), strict=True):
        assert np.asarray(x).dtype == np.asarray(y).dtype.newbyteorder("=")
        np.testing.assert_array_equal(x, y)
    assert [type(got[n]) for n in ("rate", "steps", "on")] == [float, int, bool]
    got["half"][0] = 1  # it can be written to
    types = wl.eval_shape(lambda t: t, {n: TREE[n] for n in ("layers", "half")})
    wl.tree.save(path, {n: TREE[n] for n in types})
    assert wl.tree.load(str(path), types)["layers"][0].heads == 2
    assert os.listdir(path.parent) == [path.name]


def test_without_a_tree_it_is_dicts_by_names(path: Path) -> None:
    wl.tree.save(path, TREE)
    got = wl.tree.load(path)
    np.testing.assert_array_equal(got["layers"]["0"]["weight"], TREE["layers"][0].weight)
    assert got["half"].dtype == ml_dtypes.bfloat16 and got["file"] == 2.5
    assert set(got["kinds"]) == {"0", "1", "2"}
    wl.tree.save(path, np.ones(2))
    np.testing.assert_array_equal(wl.tree.load(path), np.ones(2))
    wl.tree.save(path, {"a.b": 1.0, "c": {"": 2.0}})
    assert wl.tree.load(path) == {"a": {"b": 1.0}, "c": {"": 2.0}}
    wl.tree.save(path, {"a.b": 1.0, "a": 2.0})
    with pytest.raises(wl.ProgramError, match="names that are no part of another"):
        wl.tree.load(path)
    assert wl.tree.load(path, like={"a.b": 0.0, "a": 0.0}) == {"a.b": 1.0, "a": 2.0}


def test_every_dtype_comes_back(path: Path) -> None:
    arrays = {d: np.array([1, 0], d) for d in DTYPES if path.suffix == ".npz" or d != "c16"}
    wl.tree.save(path, arrays)
    assert {d: x.dtype for d, x in wl.tree.load(path).items()} == {d: np.dtype(d) for d in arrays}


WRONG_LIKE = [
    ({"w": np.ones(2, np.float32)}, r"f32\[2\] is required at \['w'\], got f64\[2\]"),
    ({"w": np.ones(3)}, r"f64\[3\] is required at \['w'\], got f64\[2\]"),
    ({"w": np.ones(2), "v": 1.0}, r"an array v is required, for \['v'\], got w"),
    ({}, "as many arrays as like has are required, got 'w' too"),
    ({"w": "a"}, r"got str 'a' at like\['w'\]"),
]


@pytest.mark.parametrize(("like", "said"), WRONG_LIKE, ids=[s[:20] for _, s in WRONG_LIKE])
def test_what_is_not_like_the_tree_is_refused(path: Path, like: Any, said: str) -> None:
    wl.tree.save(path, {"w": np.ones(2)})
    with pytest.raises(wl.ProgramError, match=said):
        wl.tree.load(path, like=like)


def test_what_cannot_be_saved_is_refused_and_leaves_the_file(path: Path) -> None:
    wl.tree.save(path, {"w": 1.0})
    wrong = [
        ({"w": "a"}, r"got str 'a' at tree\['w'\]"),
        ({"a": {"b": 1.0}, "a.b": 2.0}, r"one leaf a name is required, got two at a\.b"),
        ({"w": wl.ShapeDtypeStruct((2,), "f4")}, r"got a type at tree\['w'\]"),
        *(({odd: 1.0}, "a name of less than") for odd in ("a\0b", "\ud800", "k" * 2**16)),
    ]
    if path.suffix == ".safetensors":
        wrong.append(({"w": 1j}, "dtypes of safetensors are required, got c128 at w"))
    for tree, said in wrong:
        with pytest.raises(wl.ProgramError, match=said):
            wl.tree.save(path, tree)
    with pytest.raises(wl.ProgramError, match=r"got a traced value at tree\['w'\]"):
        wl.jit(lambda x: wl.tree.save(path, {"w": x}))(1.0)
    assert wl.tree.load(path) == {"w": 1.0} and os.listdir(path.parent) == [path.name]
    with pytest.raises(wl.ProgramError, match=r"load: one leaf a name .* two at a\.b"):
        wl.tree.load(path, like={"a": {"b": 1.0}, "a.b": 2.0})
    for name in ("params.pt", "params"):
        with pytest.raises(wl.ProgramError, match=r"ends in \.npz or \.safetensors is required"):
            wl.tree.save(path.with_name(name), TREE)
    with pytest.raises(FileNotFoundError):
        wl.tree.load(path.with_name(f"none{path.suffix}"))


def test_damaged_and_foreign_files_are_refused(path: Path) -> None:
    wl.tree.save(path, {"w": np.ones(3), "v": np.arange(4)})
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for k in range(150):
        data = bytearray(whole)
        if k % 3 == 0:
            data = data[: rng.integers(len(data))]
        else:
            data[rng.integers(len(data))] ^= 1 << rng.integers(8)
        path.write_bytes(bytes(data))
        try:
            wl.tree.load(path)
        except wl.ProgramError as error:
            assert f"load: params{path.suffix}" in error.what or "names that are" in error.what
    path.write_bytes(b"")
    with pytest.raises(wl.ProgramError, match=f"is no {path.suffix} file, or damaged"):
        wl.tree.load(path)


def entry(**changed: Any) -> bytes:
    head = {"descr": "<f8", "fortran_order": False, "shape": (2,), **changed}
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, head)
    return file.getvalue() + bytes(16)


HOSTILE = {
    "objects": (entry(descr="|O"), "numbers are required in 'w.npy', got dtype object"),
    "texts": (entry(descr="<U2"), "numbers are required"),
    "records": (entry(descr=[("a", "<f8")]), "numbers are required"),
    "too large": (entry(shape=(1 << 60,)), r"the bytes of f64\[1152921504606846976\] are required"),
    "negative": (entry(shape=(-2,)), "the bytes of"),
    "a program": (b"\x93NUMPY\x01\x00\x20\x00__import__('os').system('true')   \n", "is no .npz"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_arrays_are_refused(tmp_path: Path, name: str) -> None:
    content, said = HOSTILE[name]
    path = tmp_path / "w.npz"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("w.npy", content)
    with pytest.raises(wl.ProgramError, match=said):
        wl.tree.load(path)


def test_entries_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.npz"
    with zipfile.ZipFile(path, "w") as file:
        for name in ("v.npy", "w.npy"):
            file.writestr(name, entry() if name == "v.npy" else b"")
        first, second = file.infolist()
        second.header_offset, second.CRC = first.header_offset, first.CRC
        second.file_size = second.compress_size = first.file_size
    with pytest.raises(wl.ProgramError, match=r"w\.npz"):
        wl.tree.load(path)


def test_files_of_other_programs_are_read(tmp_path: Path) -> None:
    x = np.asfortranarray(np.arange(6, dtype=">i4").reshape(2, 3))
    np.savez_compressed(tmp_path / "w.npz", x=x, y=np.ones(2))
    got = wl.tree.load(tmp_path / "w.npz")
    np.testing.assert_array_equal(got["x"], x)
    assert got["x"].dtype == np.int32
    with np.load(tmp_path / "w.npz") as again:
        assert set(again) == set(got)
    wl.tree.save(tmp_path / "v.npz", {"a": [x]})
    with np.load(tmp_path / "v.npz") as again:
        np.testing.assert_array_equal(again["a.0"], x)


def test_dtypes_that_are_not_here_are_refused_by_name(tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    head = {"w": {"dtype": "F8_E4M3", "shape": [2], "data_offsets": [0, 2]}}
    text = json.dumps(head).encode()
    path = tmp_path / "w.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"00")
    with pytest.raises(wl.ProgramError, match="numbers are required in 'w', got 'F8_E4M3'"):
        wl.tree.load(path)


def test_weights_as_torch_keeps_them_are_told(tmp_path: Path) -> None:
    np.savez(tmp_path / "torch.npz", weight=np.zeros((4, 3), np.float32))
    with pytest.raises(TypeError, match=r"(?s)f32\[3, 4\] is required at .*of what torch keeps"):
        wl.tree.load(tmp_path / "torch.npz", {"weight": np.zeros((3, 4), np.float32)})
