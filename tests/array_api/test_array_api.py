"""wonderland.numpy keeps the Array API standard 2024.12, as its suite has it, where NumPy does.

Run where the suite is: WONDERLAND_ARRAY_API_TESTS is its checkout, with its stubs, and
`pytest -m array_api` runs it of NumPy, of wonderland.numpy and of that in a trace.
"""

from __future__ import annotations

import os
import subprocess
import sys
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.array_api.exceptions import EAGER, TRACED

SUITE = os.environ.get("WONDERLAND_ARRAY_API_TESTS", "")
ROOT = Path(__file__).parents[2]
EXAMPLES = {"numpy": 30, "wonderland.numpy": 30, "tests.array_api.traced": 6}
"""By module how many examples of each test are drawn, from a seed."""


@cache
def failures(module: str, folder: Path) -> dict[str, str]:
    """The tests that fail, and how."""
    report = folder / f"{module}.xml"
    environment = os.environ | {
        "ARRAY_API_TESTS_MODULE": module,
        "ARRAY_API_TESTS_VERSION": "2024.12",
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        [
            sys.executable, "-m", "pytest", "array_api_tests", "-q", "--tb=line", "--derandomize",
            "--disable-deadline", f"--max-examples={EXAMPLES[module]}", f"--junitxml={report}",
            "-p", "no:cacheprovider",
        ],
        cwd=SUITE, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert report.exists(), done.stdout[-2000:] + done.stderr[-2000:]
    found: dict[str, str] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        for failure in (*case.findall("failure"), *case.findall("error")):
            inside = case.get("classname", "").rpartition(".")[2]
            group = f"{inside}::" if inside.startswith("Test") else ""
            found[f"{group}{case.get('name')}"] = (failure.get("message") or "")[:200]
    return found


@pytest.mark.array_api
@pytest.mark.skipif(not SUITE, reason="WONDERLAND_ARRAY_API_TESTS names no suite")
@pytest.mark.parametrize("module", ["wonderland.numpy", "tests.array_api.traced"])
def test_the_standard_is_kept_where_numpy_keeps_it(
    module: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp()
    numpys, ours = failures("numpy", folder), failures(module, folder)
    reasons = EAGER if module == "wonderland.numpy" else EAGER | TRACED
    patterns = [p.replace("[", "[[]") for names in reasons.values() for p in names.split()]
    odd = {
        test: message
        for test, message in ours.items()
        if test not in numpys and not any(fnmatchcase(test, p) for p in patterns)
    }
    assert odd == {}
