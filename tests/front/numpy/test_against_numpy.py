"""Every public function is NumPy's: values, dtypes, shapes and what is refused, on calls drawn from
a seed, traced by our names and by NumPy's; the list of differences says where not, and why."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import wonderland as wl
import wonderland.compiler.front.numpy as wnp
from tests.front.numpy import calls, comparing
from tests.front.numpy.calls import Call
from tests.front.numpy.differences import DIFFERENCES, explained
from tests.front.numpy.differences import arrays as arrays_of
from tests.front.numpy.draws import Draw
from tests.front.numpy.makers import OURS
from wonderland.compiler.trace import tree
from wonderland.compiler.trace.tracer import FUNCTIONS, Tracer

NAMES = calls.names()
OTHERWISE = {  # tested elsewhere, or no functions of arrays
    "at": "test_updates.py",
    "empty": "what it holds is not said",
    "empty_like": "what it holds is not said",
    "broadcast_shapes diag_indices from_dlpack tril_indices triu_indices": "NumPy's own",
    "isdtype issubdtype": "NumPy's own",
    "array_repr array_str errstate get_printoptions load mask_indices printoptions": "NumPy's own",
    "save savez set_printoptions trim_zeros": "NumPy's own",
    """fromfile fromfunction fromiter ndenumerate polydiv polyfit roots unique_values vectorize c_
    r_""": "test_pieces.py",
    "ufunc.at": "test_updates.py",
    """cross linalg.cholesky linalg.cond linalg.cross linalg.det linalg.eig linalg.eigh
    linalg.eigvals linalg.eigvalsh linalg.inv linalg.lstsq linalg.matrix_rank linalg.pinv linalg.qr
    linalg.slogdet linalg.solve linalg.svd linalg.svdvals linalg.tensorinv
    linalg.tensorsolve""": "test_linalg.py",
}
UNDISPATCHED = {
    "array", "asanyarray", "asarray", "ascontiguousarray", "asfortranarray", "full", "lexsort",
    "put", "require", "select",
}  # fmt: skip
"""NumPy's functions that do not ask traced values in lists, or at all."""


def drawn(name: str, count: int) -> Iterator[Call]:
    for k in range(count):
        yield calls.call(name, Draw(zlib.crc32(name.encode()), k))


def faults(name: str, count: int) -> tuple[list[str], int]:
    """What is neither NumPy's nor explained, and how many calls were compared."""
    found: list[str] = []
    compared = 0
    kind, _, plain = name.rpartition(":")
    for call in drawn(name, count):
        want = comparing.numpys(call)
        own = any(k.startswith(OURS) for k in call.options)
        twice = not (kind or own or "." in plain or plain in UNDISPATCHED) and traced(call)
        for numpys in (False, True) if twice else (False,):
            compared += 1
            what = comparing.difference(call, comparing.ours(call, numpys), want)
            if what and explained(call, what) is None:
                found.append(f"{call}\n    {what}")
    return found, compared


def traced(call: Call) -> bool:
    return any(isinstance(a, np.ndarray) for a in call.args)


@pytest.mark.parametrize("name", NAMES)
def test_a_function_is_numpys(name: str) -> None:
    found, _ = faults(name, 3)
    assert not found, "\n".join(found)


@pytest.mark.sweep
def test_many_calls_of_every_function_are_numpys() -> None:
    results = [faults(name, 60) for name in NAMES]
    print(sum(n for _, n in results), "calls")
    found = [f for each, _ in results for f in each]
    assert not found, "\n".join(found)


def test_every_public_function_is_drawn() -> None:
    """A new function of the namespace, the table or the methods has to be given arguments."""
    known = {n.rpartition(":")[2] for n in NAMES} | {n for key in OTHERWISE for n in key.split()}
    public = {
        n
        for n in wnp.__all__
        if callable(getattr(wnp, n)) and not isinstance(getattr(wnp, n), type)
    }
    assert public - known == set()
    named = {f for f in FUNCTIONS if not isinstance(f, str)}
    of_names = {getattr(np, n, None) for n in known}
    of_names |= {np.logical_and.accumulate, np.logical_or.accumulate, np.logaddexp.reduce}
    of_names |= {np.lib.stride_tricks.sliding_window_view}  # in ../test_windows.py
    of_names |= {getattr(np.linalg, n.removeprefix("linalg."), None) for n in known}
    of_names |= {getattr(np.fft, n.removeprefix("fft."), None) for n in known}
    for n in known:
        function, _, method = n.partition(".")
        of_names |= {getattr(getattr(np, function, None), method, None)} if method else set()
    left = {f for f in named - of_names if getattr(f, "__name__", "") not in ("at", "outer")}
    assert left == set()
    methods = {n for n in dir(Tracer) if callable(getattr(np.ndarray, n, None)) and n[0] != "_"}
    assert methods - known == {"fill", "item", "to_device", "tolist"}  # a write; refused


def test_differences_are_told_to_users() -> None:
    text = re.sub(r"\s+", " ", wnp.__doc__ or "")
    assert [d.says for d in DIFFERENCES if d.says not in text] == []


PACKED = 12  # calls of a program


def compiled(given: list[Call]) -> list[str]:
    """What compiled programs of several calls each give otherwise than the interpreter."""
    found: list[str] = []
    for start in range(0, len(given), PACKED):
        part = given[start : start + PACKED]
        flat = [tree.flatten((c.args, c.keywords(True))) for c in part]
        arrays = [
            {i: x for i, x in enumerate(leaves) if isinstance(x, np.ndarray)} for leaves, _ in flat
        ]

        def run(arrays: Any, part: Any = part, flat: Any = flat) -> Any:
            out = []
            for c, (leaves, structure), own in zip(part, flat, arrays, strict=True):
                filled = [own.get(i, x) for i, x in enumerate(leaves)]
                args, options = tree.unflatten(structure, filled)
                out.append(c.function(wnp)(*args, **options))
            return out

        for c, got, want in zip(
            part, wl.jit(run)(arrays), wl.jit(run, disable_jit=True)(arrays), strict=True
        ):
            pair = [[np.asarray(v) for v in tree.leaves(x)] for x in (got, want)]
            if what := comparing.difference(c, *pair, more=16.0):
                found.append(f"{c}\n    {what}")
    return found


def compilable(names: list[str], count: int) -> list[Call]:
    """Calls that give arrays; products of infinite complex numbers are left out, as spectra are."""
    given = [c for name in names for c in drawn(name, count) if traced(c)]
    finite = [
        c
        for c in given
        if all(
            np.isfinite(x).all()
            for x in arrays_of(c)
            if x.dtype.kind == "c" or (c.name.startswith("fft.") and x.dtype.kind == "f")
        )
    ]
    results = [comparing.ours(c) for c in finite]
    return [
        c
        for c, out in zip(finite, results, strict=True)
        if isinstance(out, list) and all(isinstance(v, np.ndarray) for v in out)
    ]


@pytest.mark.filterwarnings("ignore")
def test_some_compiled_calls_are_those_of_the_interpreter() -> None:
    found = compiled(compilable(NAMES[::5], 1))
    assert not found, "\n".join(found)


@pytest.mark.sweep
@pytest.mark.filterwarnings("ignore")
def test_compiled_calls_of_every_function_are_those_of_the_interpreter() -> None:
    found = compiled(compilable(NAMES, 6))
    assert not found, "\n".join(found)
