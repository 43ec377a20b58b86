"""One cache of machine code for the whole run, empty at its start; seeded hypothesis."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

import hypothesis

CACHE = tempfile.mkdtemp(prefix="wonderland-tests-")
os.environ["WONDERLAND_CACHE"] = CACHE  # before anything is imported that reads it
atexit.register(shutil.rmtree, CACHE, ignore_errors=True)

hypothesis.settings.register_profile("seeded", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("seeded")
