"""The data caches of the processor, as the system tells of them."""

from __future__ import annotations

import os

CACHES = "/sys/devices/system/cpu/cpu0/cache"
UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def cache_sizes() -> dict[int, int]:
    """Bytes by level, where the system tells."""
    sizes: dict[int, int] = {}
    try:
        indices = sorted(name for name in os.listdir(CACHES) if name.startswith("index"))
    except OSError:
        return sizes
    for index in indices:
        try:
            kind, level, size = (fact(index, name) for name in ("type", "level", "size"))
            if kind != "Instruction":
                sizes[int(level)] = int(size[:-1]) * UNITS[size[-1]]
        except (OSError, ValueError, KeyError):
            continue
    return sizes


def fact(index: str, name: str) -> str:
    with open(os.path.join(CACHES, index, name)) as file:
        return file.read().strip()
