"""Scripts in processes of their own, on two threads, over the machine code of the test run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

PRELUDE = """
import atexit
late = []  # called after the runtime has stopped its team
atexit.register(lambda: [f() for f in late])
import os, signal, sys, threading, time
import numpy as np
import wonderland as wl

def formula(x):
    return 3 * x - 1, x.sum(), x[::-1] + x  # exact on small integers

def good(f, x):
    return all(np.array_equal(a, b) for a, b in zip(f(x), formula(x)))

small, large = np.arange(60.0), np.arange(1 << 17) % 1000.0  # the second wakes the team

def child(work):
    pid = os.fork()
    if pid == 0:
        try:
            signal.alarm(20)  # a child that hangs is killed
            os._exit(0 if work() else 1)
        finally:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
"""


def run(script: str, seconds: float = 60, **environment: str) -> str:
    """What the script prints; it must succeed and say nothing else."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + script],
        env={**os.environ, "PYTHONPATH": path, "WONDERLAND_NUM_THREADS": "2", **environment},
        capture_output=True, text=True, timeout=seconds, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"exit {done.returncode}: {done.stderr}"
    assert done.stderr == "", done.stderr
    return done.stdout
