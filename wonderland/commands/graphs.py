"""Texts of graphs, fed back in: `inspect --stage NAME` or `compiled.save` wrote them.

wonderland inspect model.py:loss --arg f32[3] --stage trace > graph.txt
wonderland ir run graph.txt x.npy
"""

from __future__ import annotations

import argparse
import difflib
import sys
import time
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..compiler import ops as _ops  # noqa: F401  the registry that a text is read by
from ..compiler.ir.errors import ProgramError
from ..compiler.ir.graph import Graph
from ..compiler.ir.parameters import Array
from ..compiler.ir.printing import lines, value_names
from ..compiler.ir.text import parse
from ..compiler.ir.types import type_of
from ..compiler.ir.verify import excerpt, faults
from ..compiler.jit.archive import TEXT
from ..compiler.jit.back_end import back_end
from ..compiler.transform.interpreter import interpret
from .line import Misuse, missing_file, natural, one_line, unknown
from .results import call_seconds, summary, time_text
from .specs import Drawn


def add(commands: Any) -> None:
    """`ir` and its commands, to the parser."""
    kinds = commands.add_parser("ir", help="run, check, compare and optimise texts of graphs")
    kinds = kinds.add_subparsers(required=True, metavar="run | check | diff | opt")
    runs = kinds.add_parser("run", help="run a graph on arrays of files, or random ones")
    runs.add_argument("file", help="a text, a saved program, or - for the standard input")
    runs.add_argument("inputs", nargs="*", help="an .npy for each input, or one .npz")
    runs.add_argument("--seed", type=natural, default=0, help="of random inputs")
    runs.add_argument("--interpret", action="store_true", help="by NumPy, without compiling")
    runs.add_argument("--out", metavar="FILE.npz", help="where to write the results")
    runs.set_defaults(run=run)
    checks = kinds.add_parser("check", help="verify a graph, and that passes keep it well-formed")
    checks.add_argument("file")
    checks.set_defaults(run=check)
    differs = kinds.add_parser("diff", help="what differs between two graphs, sources aside")
    differs.add_argument("file")
    differs.add_argument("other")
    differs.set_defaults(run=diff)
    optimises = kinds.add_parser("opt", help="print a graph after the passes")
    optimises.add_argument("file")
    optimises.add_argument("--passes", metavar="NAME,NAME", help="only these, in this order")
    optimises.set_defaults(run=opt)
    for command in (runs, checks, differs, optimises):
        command.add_argument("--constants", metavar="FILE.npz", help="arrays that it names by hash")


# ---------------------------------------------------------------- files


def graph_of(options: argparse.Namespace, name: str) -> Graph:
    """The graph of a file: a text, or a program that was saved."""
    held: dict[str, Any] = arrays_of(options.constants) if options.constants else {}
    try:
        if name == "-":
            text = sys.stdin.read()
        elif zipfile.is_zipfile(name):
            saved = arrays_of(name)
            held |= saved
            text = saved[TEXT].decode()  # what is no array in a file is bytes
        else:
            text = Path(name).read_text()
    except OSError as error:
        raise missing_file(name, error) from None
    except (UnicodeDecodeError, KeyError):
        raise Misuse(f"{name}: the text of a graph is required, or a saved program") from None
    constants = {Array(x).digest: x for x in held.values() if isinstance(x, np.ndarray)}
    try:
        return parse(text, constants)
    except ProgramError as error:
        repair = error.repair
        if repair.startswith("constants="):
            repair = "--constants FILE.npz with it, or ir with the file that compiled.save wrote"
        said = one_line(str(ProgramError(error.what, error.where, repair)))
        raise Misuse(f"{name}: {said}") from None


def arrays_of(name: str) -> dict[str, Any]:
    """The arrays of an .npy or .npz file, by name, and the bytes of what else is in it."""
    try:
        found = np.load(name, allow_pickle=False)
        if isinstance(found, np.ndarray):
            return {"": found}
        with found:
            return {key: found[key] for key in found.files}
    except OSError as error:
        raise missing_file(name, error) from None
    except (ValueError, EOFError, zipfile.BadZipFile):
        raise Misuse(f"{name}: a whole .npy or .npz file of numbers is required") from None


def inputs_of(graph: Graph, files: Sequence[str], seed: int) -> list[np.ndarray]:
    """Arrays of files for the inputs, or random ones where there are no files."""
    names = [value_names(graph)[v] for v in graph.inputs]
    if not files:
        rng = np.random.default_rng(seed)
        return [Drawn(v.type).draw(rng) for v in graph.inputs]
    given: list[tuple[str, np.ndarray]] = []
    for file in files:
        arrays = arrays_of(file)
        order = names if set(names) <= set(arrays) else list(arrays)
        given += [(f"{file}:{key}" if key else file, arrays[key]) for key in order]
    if len(given) != len(names):
        raise Misuse(
            f"{graph.name}: an array for each input is required, {', '.join(names) or 'none'}, "
            f"got {len(given)}"
        )
    for name, v, (file, x) in zip(names, graph.inputs, given, strict=True):
        try:
            of = str(type_of(x))
        except ProgramError:
            of = f"{x.dtype}{list(x.shape)}"
        if of != str(v.type):
            raise Misuse(
                f"{graph.name}: {v.type} is required for {name}, {file} holds {of}, "
                f"try: x.astype(np.{v.type.numpy.name}) and the shape {list(v.shape)} before saving"
            )
    return [x for _, x in given]


# ---------------------------------------------------------------- commands


def run(options: argparse.Namespace) -> int:
    """Run a graph, print its results and times."""
    graph = sound(graph_of(options, options.file), options.file)
    arrays = inputs_of(graph, options.inputs, options.seed)
    began = time.perf_counter()
    if options.interpret:
        results = interpret(graph, *arrays)
        told = f"interpreted in {time_text(time.perf_counter() - began)}"
    else:
        program = back_end().compile_graph(graph).program
        results = program(tuple(arrays))
        first = time.perf_counter() - began
        repeated = call_seconds(lambda: program(tuple(arrays)))
        told = f"first call {time_text(first)} with compiling, then {time_text(repeated)} a call"
    names = value_names(graph)
    named = [(names[v], x) for v, x in zip(graph.outputs, results, strict=True)]
    arrays_by_name: dict[str, Any] = dict(named)
    print(summary(named))
    print(told)
    if options.out:
        if not options.out.endswith(".npz"):
            raise Misuse(f"--out {options.out}: a name that ends in .npz is required")
        try:
            np.savez(options.out, **arrays_by_name)
        except OSError as error:
            raise missing_file(options.out, error) from None
    return 0


def sound(graph: Graph, name: str) -> Graph:
    for what, _ in faults(graph):
        raise Misuse(f"{name}: {what}, try: wonderland ir check {name}")
    return graph


def check(options: argparse.Namespace) -> int:
    """Verify a graph, before and after every pass."""
    graph = graph_of(options, options.file)
    for what, at in faults(graph):
        print(f"{options.file}: {what}\n{excerpt(graph, at)}", file=sys.stderr)
        return 1
    *_, last = back_end().optimised(graph, check=True)
    count, left = len(graph.nodes), len(last.state.nodes)
    print(f"{graph.name}: well-formed, before and after every pass; {count} nodes become {left}")
    return 0


def diff(options: argparse.Namespace) -> int:
    """Print what differs between two graphs; 1 if anything does."""
    graphs = [graph_of(options, name) for name in (options.file, options.other)]
    before, after = map(bare, graphs)
    changes = list(difflib.unified_diff(before, after, options.file, options.other, lineterm=""))
    print("\n".join(changes) if changes else f"{graphs[0].name}: the same graph")
    return int(bool(changes))


def bare(graph: Graph) -> list[str]:
    """The lines of the text without the sources, which say nothing of the meaning."""
    shown = lines(graph)
    return [t.removesuffix(f"  # {n.source}") if n and n.source else t for t, n in shown]


def opt(options: argparse.Namespace) -> int:
    """Print a graph after all passes, or after chosen ones."""
    graph = sound(graph_of(options, options.file), options.file)
    known: Mapping[str, Any] = {p.__name__: p for p in back_end().GRAPH_PASSES}
    if options.passes is None:
        *_, last = back_end().optimised(graph)
        graph = last.state
    else:
        for name in options.passes.split(","):
            if name not in known:
                raise Misuse(unknown("pass", name, known))
            graph = known[name](graph)
    print(graph)
    return 0
