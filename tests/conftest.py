"""One cache of machine code for the whole run, empty at its start; all that is compiled is proved;
seeded hypothesis."""

from __future__ import annotations

import atexit
import gc
import os
import shutil
import tempfile
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest

if "PYTEST_XDIST_WORKER" not in os.environ:  # one of several processes has it from the first
    CACHE = tempfile.mkdtemp(prefix="wonderland-tests-")
    os.environ["WONDERLAND_CACHE"] = CACHE  # before anything is imported that reads it
    os.environ.setdefault("WONDERLAND_VERIFY", "1")
    atexit.register(shutil.rmtree, CACHE, ignore_errors=True)

gc.set_threshold(50_000, 20, 20)  # compilers make many objects that live: a fifth of the time less

hypothesis.settings.register_profile("seeded", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("seeded")


@pytest.fixture
def driven(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A GPU as cuda.core sees it over the driver of tests/driver, the only one of the process.

    A test that the driver refuses something, or in which a kernel faults, fails: `mended` forgets.
    """
    from tests import driver
    from wonderland.runtime.gpu import cuda

    if driver.missing():
        pytest.skip(driver.missing())
    device = driver.device()
    monkeypatch.setattr(cuda, "cuda_devices", lambda: (device,))
    yield device
    assert (driver.driver().refused, driver.driver().faults) == ([], [])
