"""One cache of machine code for the whole run, empty at its start; seeded hypothesis."""

from __future__ import annotations

import atexit
import gc
import os
import shutil
import tempfile

import hypothesis

CACHE = tempfile.mkdtemp(prefix="wonderland-tests-")
os.environ["WONDERLAND_CACHE"] = CACHE  # before anything is imported that reads it
atexit.register(shutil.rmtree, CACHE, ignore_errors=True)

gc.set_threshold(50_000, 20, 20)  # compilers make many objects that live: a fifth of the time less

hypothesis.settings.register_profile("seeded", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("seeded")
