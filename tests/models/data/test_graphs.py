"""Graphs as rows: padding, order of edges, and what the packages bring."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from wonderland.models import data
from wonderland.models.data.graphs import molecules

PROPANOL_ION = """ion
  a program

  3  2  0  0  0  0  0  0  0  0999 V2000
    0.0000    0.0000    0.0000 C   0  0
    1.0000    0.0000    0.0000 Si  0  0
    2.0000    0.0000    0.0000 O   0  0
  1  2  1  0
  3  2  2  0
M  CHG  1   3  -1
M  END
>  <SOL>  (1)
-1.5

$$$$
"""


def present(load):
    try:
        return load()
    except (data.MissingData, ImportError) as missing:
        pytest.skip(str(missing))


def test_a_record_of_atoms_and_bonds_is_a_graph():
    ((nodes, edges, pairs), fields), = molecules(PROPANOL_ION)  # fmt: skip
    assert nodes.argmax(1).tolist()[:2] == [0, 9] and nodes[2, 1] == 1
    assert nodes[:, -1].tolist() == [0, 0, -1]  # the charge of the third atom
    assert pairs.tolist() == [[0, 1], [2, 1], [1, 0], [1, 2]]
    assert edges.argmax(1).tolist() == [0, 1, 0, 1]
    assert fields == {"SOL": "-1.5"}


def test_rows_are_padded_and_their_edges_in_the_order_of_targets():
    graph = np.ones((3, 2)), np.arange(4.0)[:, None], [(0, 2), (1, 0), (2, 1), (0, 1)]
    rows = data.graph_rows([graph, (np.ones((1, 2)), np.zeros((0, 1)), np.zeros((0, 2)))])
    assert rows.mask.tolist() == [[True] * 3 + [False], [True] + [False] * 3]
    assert rows.target[0].tolist() == [0, 1, 1, 2] and rows.source[0].tolist() == [1, 0, 2, 0]
    assert rows.edges[0, :, 0].tolist() == [1, 3, 2, 0]
    assert (rows.source[1] == 3).all() and (rows.target[1] == 3).all()


def test_graphs_that_do_not_fit_are_told():
    with pytest.raises(
        ValueError, match=r"room for 4 nodes, .* and 0 edges is required, got 3 and 5"
    ):
        data.graph_rows([(np.ones((3, 2)), np.ones((0, 1)), [])], (3, 5))


def test_the_club_split_in_halves_that_two_members_led():
    (rows, known), (_, asked), names = data.karate_club()
    assert rows.mask.sum() == 34 and (rows.source < 34).sum() == 2 * 78
    assert (known >= 0).sum() == 2 and (asked >= 0).sum() == 32 and len(names) == 2


@pytest.mark.skipif(not shutil.which("apt-cache"), reason="needs Debian's apt-cache")
def test_packages_are_known_or_asked_and_dependencies_hidden_or_shown():
    (rows, known), (_, asked), names = present(data.debian_sections)
    assert ((known >= 0) ^ (asked >= 0)).sum() == rows.mask.sum() and len(names) == 7
    (shown, pairs), (same, hidden), packages = data.debian_dependencies()
    assert shown.mask.sum() == len(packages) and same is shown
    edges = {*zip(shown.source[0].tolist(), shown.target[0].tolist(), strict=True)}
    assert all((a, b) in edges and (b, a) in edges for a, b in pairs[0, 0].tolist())
    assert not any((a, b) in edges for a, b in hidden[0].reshape(-1, 2).tolist())


def test_molecules_have_bonds_both_ways_and_a_solubility():
    (rows, y), (tests, _), _ = present(data.solubility)
    assert len(y) == 1025 and len(tests.mask) == 257 and tests.mask.shape[1] == rows.mask.shape[1]
    assert -12 < y.min() < y.max() < 2
    assert (rows.nodes[..., :10].sum(2) == rows.mask).all()  # an element each
    forth = {*zip(rows.source[7].tolist(), rows.target[7].tolist(), strict=True)}
    assert forth == {(b, a) for a, b in forth}
