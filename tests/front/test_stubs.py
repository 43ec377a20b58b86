"""What pyright says of programs that people write: one run over programs and all public names."""

from __future__ import annotations

import json
import operator
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import wonderland as wl

from . import stubs

ROOT = Path(__file__).parents[2]
PROGRAMS = """
from typing import Any, NamedTuple

import numpy as np
import wonderland as wl
import wonderland.numpy as wnp

Array = np.ndarray[Any, np.dtype[Any]]


class Params(NamedTuple):
    w: Array
    b: Array


def loss(params: Params, x: Array, scale: float = 1.0) -> Array:
    return wnp.sum(wnp.tanh(x @ params.w + params.b) ** 2) * scale


params, x = Params(np.ones(2), np.ones(())), np.ones((3, 2))
step = wl.jit(wl.value_and_grad(loss), donate_argnums=0)
reveal_type(step(params, x)[0])  # = Array
reveal_type(wl.jit(loss)(params, x, scale=2.0))  # = Array
wl.jit(loss)("oops", nonsense=3)  # ! reportCallIssue reportArgumentType
wl.jit(loss, nonsense=3)(params, x)  # ! reportCallIssue
wl.grad(loss)(params)  # ! reportCallIssue
wl.numpy.nosuch  # ! reportAttributeAccessIssue
wl.lax.nosuch  # ! reportAttributeAccessIssue
wl.tree.nosuch  # ! reportAttributeAccessIssue
wl.nosuch  # ! reportAttributeAccessIssue
wnp.linalg.nosuch  # ! reportAttributeAccessIssue
wnp.zeros(3, nonsense=1)  # ! reportCallIssue
wnp.matmul(x, x.T, nonsense=1)  # ! reportCallIssue
wnp.unique(x, nonsense=1)  # ! reportCallIssue
reveal_type(wnp.zeros((3, 4)).shape)  # = tuple[int, int]
reveal_type(wnp.matmul(x, x.T, precision="highest"))  # = Array
reveal_type(wnp.concatenate([x, x]).reshape(-1))  # = ndarray[
reveal_type(wnp.nonzero(x, size=3, fill_value=0))  # = Any
reveal_type(wnp.linalg.solve(x, x))  # = dtype[floating[Any]]


def turn(h: Array, y: Array) -> tuple[Array, int]:
    return wnp.tanh(h + y), 1


reveal_type(wl.lax.scan(turn, x, x))  # = tuple[Array, int]
reveal_type(wl.lax.cond(x.sum() > 0, loss, loss, params, x))  # = Array
reveal_type(wl.lax.while_loop(lambda h: h.sum() < 1, lambda h: turn(h, h)[0], x))  # = Array
reveal_type(wl.lax.fori_loop(0, 3, lambda i, h: Params(h.w, h.b), params))  # = Params
reveal_type(wl.lax.switch(1, [loss, loss], params, x))  # = Array
wl.lax.scan(loss, x, x)  # ! reportArgumentType
wl.lax.fori_loop(0, 3)  # ! reportCallIssue
reveal_type(wl.tree.map(lambda p: 2 * p, params))  # = Params
reveal_type(wl.tree.leaves(params))  # = list[Any]
reveal_type(wl.tree.size(params))  # = int
reveal_type(wl.vmap(loss, in_axes=(None, 0))(params, x))  # = Array
reveal_type(wl.checkpoint(loss)(params, x))  # = Array
reveal_type(wl.jvp(loss, (params, x), (params, x)))  # = tuple[Array, Array]
reveal_type(wl.vjp(loss, params, x)[0])  # = Array


def root(x: Array) -> Array:
    return wl.lax.rsqrt(x)
"""
SPELLED = "ndarray[Any, dtype[Any]]", "ndarray[tuple[Any, ...], dtype[Any]]"
"""How pyright spells Array, and NDArray[Any]."""
ALL = {n: m for n in wl.__all__ if isinstance(m := getattr(wl, n), ModuleType)}
NAMES = sorted(
    {f"wl.{n}" for n in wl.__all__}
    | {f"wl.{place}.{n}" for place, m in ALL.items() for n in m.__all__}
    | {f"wl.numpy.linalg.{n}" for n in wl.numpy.linalg.__all__}
    | {f"wl.numpy.fft.{n}" for n in wl.numpy.fft.__all__}
)


@pytest.mark.parametrize("file", stubs.SPACES)
def test_the_stubs_are_written_from_the_functions(file: str) -> None:
    if os.environ.get("WONDERLAND_UPDATE"):
        stubs.update()
    assert (stubs.FOLDER / f"{file}.pyi").read_text() == stubs.stub(file), "WONDERLAND_UPDATE=1"


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple[int, str, str]]]:
    """By file the line, the rule or "information", and the message of all that pyright says."""
    place = tmp_path_factory.mktemp("typed")
    (place / "programs.py").write_text(PROGRAMS)
    lines = ["import wonderland as wl", *(f"reveal_type({name})" for name in NAMES)]
    (place / "names.py").write_text("\n".join(lines) + "\n")
    config = {"extraPaths": [str(ROOT)], "typeCheckingMode": "standard", "include": ["."]}
    (place / "pyrightconfig.json").write_text(json.dumps(config))
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable]
    environment = {n: v for n, v in os.environ.items() if n != "PYTHONPATH"}
    done = subprocess.run(
        [*command, "-p", str(place)], capture_output=True, text=True, env=environment, cwd=place
    )
    found: dict[str, list[tuple[int, str, str]]] = {"programs.py": [], "names.py": []}
    for told in json.loads(done.stdout)["generalDiagnostics"]:
        line = told["range"]["start"]["line"]
        rule = told.get("rule", told["severity"])
        found[Path(told["file"]).name].append((line, rule, told["message"]))
    return found


def test_programs_have_the_types_and_the_errors_that_they_say(said: dict[str, list]) -> None:
    odd = []
    for k, line in enumerate(PROGRAMS.splitlines()):
        got = [(rule, text) for at, rule, text in said["programs.py"] if at == k]
        kind, wanted = (re.findall(r"# ([=!]) (.*)", line) or [("", "")])[0]
        if kind == "=":
            ((rule, told),) = got
            of = told.split('" is "')[-1] * (rule == "information")
            for spelled in SPELLED:
                of = of.replace(spelled, "Array")
            odd += [(line, of)] * (wanted not in of)
        elif not (bool(got) == bool(kind) and {rule for rule, _ in got} <= set(wanted.split())):
            odd.append((line, got))
    assert odd == []


def test_every_public_name_is_known(said: dict[str, list]) -> None:
    told = {NAMES[k - 1]: text.split('" is "')[-1][:-1] for k, _, text in said["names.py"]}
    assert told.keys() == set(NAMES)
    vague = [n for n, of in told.items() if re.fullmatch(r"Any|.*\bUnknown\b.*", of)]
    # some are words for annotations, which say that anything is meant
    assert [n for n in vague if operator.attrgetter(n[3:])(wl) is not Any] == []
    vague = [n for n, of in told.items() if n.startswith("wl.numpy.") and of == "(...) -> Any"]
    assert vague == []
