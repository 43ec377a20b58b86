"""Machine code that travels in files: only what this user signed on this machine is taken back.

    data = with_signature(packed_code(names))    None of either: nothing to sign, or to sign with
    unpacked_code(signed_content(data))          None of the latter: somebody else wrote it

The signature is HMAC-SHA256 under `secret`, 32 random bytes in the folder of the cache that only
its owner may read. Bytes that are not signed so are never looked into.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
from collections.abc import Iterable
from contextlib import suppress

from . import objects

SECRET = "secret"
SECRET_BYTES = SIGNATURE_BYTES = 32


def packed_code(names: Iterable[str]) -> bytes | None:
    """The files of machine code of these names; None if one is not there."""
    files: dict[str, bytes] = {}
    for name in names:
        entry = objects.read(f"{name}.text")
        place = objects.contents(entry)[0] if entry else ""
        code = files.get(f"{place}.object") or objects.read(f"{place}.object")
        if entry is None or code is None:
            return None
        files |= {f"{name}.text": entry, f"{place}.object": code}
    head = json.dumps([[name, len(data)] for name, data in files.items()])
    return b"\n".join([head.encode(), b"".join(files.values())])


def unpacked_code(data: bytes) -> None:
    """Puts the files that `packed_code` took where they were, if they are gone."""
    head, _, rest = data.partition(b"\n")
    start = 0
    for name, size in json.loads(head):
        if objects.read(name) is None:
            objects.write(name, rest[start : start + size])
        start += size


def with_signature(data: bytes) -> bytes | None:
    """`data` behind its signature."""
    key = secret() or new_secret()
    return None if key is None else hmac.digest(key, data, "sha256") + data


def signed_content(data: bytes) -> bytes | None:
    """What was signed, if it was."""
    signature, rest = data[:SIGNATURE_BYTES], data[SIGNATURE_BYTES:]
    key = secret()
    if key is None or not hmac.compare_digest(hmac.digest(key, rest, "sha256"), signature):
        return None
    return rest


def secret() -> bytes | None:
    """The key of this cache; None if it has none that others cannot know."""
    folder, key = objects.folder(), objects.read(SECRET)
    with suppress(OSError):
        if folder is not None and not (folder / SECRET).lstat().st_mode & 0o077:
            return key if key is not None and len(key) == SECRET_BYTES else None
    return None


def new_secret() -> bytes | None:
    """A new key, of which all processes that make one at once agree; None where none can be kept.
    What was signed with another is not taken any more."""
    folder, name = objects.folder(), f"{secrets.token_hex(8)}.part"
    objects.write(name, secrets.token_bytes(SECRET_BYTES))
    if folder is None:
        return None
    with suppress(OSError):
        try:
            os.link(folder / name, folder / SECRET)
        except FileExistsError:
            if secret() is None:  # damaged, or others may read it
                os.replace(folder / name, folder / SECRET)
    with suppress(OSError):
        os.unlink(folder / name)
    return secret()
