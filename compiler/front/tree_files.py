"""Trees of arrays as files: .npz, or .safetensors by the package of that name.

params = {"layers": [{"w": np.ones((3, 2))}], "scale": 2.0}
wl.tree.save("params.npz", params)
params = wl.tree.load("params.npz", like=params)

A name in a file is the path to a leaf, its steps joined by dots: `layers.0.w`. That is how PyTorch
names parameters, so that files of others can be read; NumPy opens the .npz. bf16, which NumPy's
format has no name for, is there as two bytes without a type.

A file may come from a stranger: nothing in it is unpickled or executed, no array is read before its
size is known to be there, and what is no such file is a ProgramError.
"""

from __future__ import annotations

import os
import struct
import threading
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from typing import IO, Any

import numpy as np

from ..ir.errors import ProgramError
from ..ir.explain import explained
from ..ir.source import location, user_source
from ..ir.types import NUMPY, Type, dtype_name, type_of
from ..trace import tree as trees
from ..trace.arrays import plain
from ..trace.containers import keystr
from ..trace.trace import PYTHON, aval
from ..trace.tracer import Tracer

__all__ = ["load", "save"]

Path = str | os.PathLike[str]
SUFFIXES = (".npz", ".safetensors")
DAMAGE = (
    ArithmeticError, AttributeError, EOFError, LookupError, MemoryError, NotImplementedError,
    OSError, RuntimeError, SyntaxError, TypeError, ValueError, struct.error, zipfile.BadZipFile,
    zlib.error,
)  # fmt: skip
"""What readers raise for bytes that are not of their format."""
SAFE = {
    "BOOL": "bool", "I8": "i8", "I16": "i16", "I32": "i32", "I64": "i64", "U8": "u8", "U16": "u16",
    "U32": "u32", "U64": "u64", "F16": "f16", "BF16": "bf16", "F32": "f32", "F64": "f64",
    "C64": "c64",
}  # fmt: skip
"""The dtypes of safetensors."""


@explained
def save(path: Path, tree: Any) -> None:
    """Writes the arrays of a tree; the file appears whole or not at all.

    Leaves are arrays and numbers. Static fields, None and empty containers are not in the file:
    `load` takes them from `like`.
    """
    suffix = _suffix("save", path)
    arrays: dict[str, np.ndarray] = {}
    for keys, leaf in zip(*_paths_and_leaves(tree), strict=True):
        name = _name("save", keys, arrays)
        arrays[name] = _array(leaf, f"tree{keystr(keys)}")
    beside = f"{os.fspath(path)}.{os.getpid()}-{threading.get_ident()}.part"
    try:
        with open(beside, "xb") as file:
            (_write_npz if suffix == ".npz" else _write_safetensors)(file, arrays)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        if os.path.exists(beside):
            os.remove(beside)


@explained
def load(path: Path, like: Any = None) -> Any:
    """The tree that `save` wrote, or that another program did.

    With `like`, a tree of arrays or types, it has the containers of that, and every array must be
    there in its shape and dtype; Python numbers are numbers again. Without it containers are dicts,
    also where lists were: `{"layers": {"0": {"w": ...}}}`.
    """
    suffix = _suffix("load", path)
    expected = None if like is None else _expected(like)
    name = os.path.basename(os.fspath(path))
    try:
        arrays = (_read_npz if suffix == ".npz" else _read_safetensors)(path, expected)
    except (FileNotFoundError, PermissionError, IsADirectoryError):
        raise
    except ProgramError as error:
        raise _wrong(f"load: {name}: {error.what}", error.repair) from None
    except DAMAGE as error:
        said = f"{type(error).__name__}: {error}"
        raise _wrong(f"load: {name} is no {suffix} file, or damaged ({said:.200})") from None
    if expected is None:
        return nested(arrays)
    leaves, structure = trees.flatten(like)
    found = [
        type(leaf)(x.item()) if type(leaf) in PYTHON else x
        for leaf, x in zip(leaves, (arrays[n] for n in expected), strict=True)
    ]
    return trees.unflatten(structure, found)


def _wrong(what: str, repair: str = "") -> ProgramError:
    return ProgramError(what, location(user_source()), repair)


def _suffix(name: str, path: Path) -> str:
    found = os.path.splitext(os.fspath(path))[1]
    if found not in SUFFIXES:
        raise _wrong(
            f"{name}: a file name that ends in .npz or .safetensors is required, "
            f"got {os.path.basename(os.fspath(path))!r:.80}"
        )
    return found


def _name(what: str, keys: Any, taken: Mapping[str, Any]) -> str:
    """The name of a leaf: one that files give back as it is, and not `taken`."""
    name = keystr(keys, simple=True, separator=".")
    encoded = f"{name}.npy".encode(errors="ignore")
    if len(encoded) >= 2**16 or b"\0" in encoded or encoded.decode() != f"{name}.npy":
        raise _wrong(
            f"{what}: a name of less than {2**16} bytes of UTF-8, none of them 0, is required, "
            f"got {name!r:.40}",
            "shorter keys, or keys of letters",
        )
    if name in taken:
        raise _wrong(f"{what}: one leaf a name is required, got two at {name}")
    return name


def _paths_and_leaves(tree: Any) -> tuple[list[Any], list[Any]]:
    leaves, structure = trees.flatten(tree)
    return list(trees.key_paths(structure)), leaves


def _array(leaf: Any, place: str) -> np.ndarray:
    """A leaf as an array in the layout of files."""
    if isinstance(leaf, (Tracer, Type)):
        kind = "a traced value" if isinstance(leaf, Tracer) else "a type"
        raise _wrong(f"save: arrays are required, got {kind} at {place}", "the results of a call")
    dtype = NUMPY[aval(leaf, place)[0].dtype]
    return np.asarray(plain(leaf) if type(leaf) not in PYTHON else leaf, dtype, order="C")


def _expected(like: Any) -> dict[str, tuple[Type, str]]:
    """By name the type of a leaf and its path."""
    found: dict[str, tuple[Type, str]] = {}
    for keys, leaf in zip(*_paths_and_leaves(like), strict=True):
        place = keystr(keys)
        found[_name("load", keys, found)] = aval(leaf, f"like{place}")[0], place
    return found


def _checked(types: Mapping[str, Type], expected: Mapping[str, tuple[Type, str]] | None) -> None:
    """Refuses a file that is not like what is expected, before its arrays are read."""
    if expected is None:
        return
    for name, (of, place) in expected.items():
        if name not in types:
            near = ", ".join(sorted(types)[:4]) or "nothing"
            raise ProgramError(
                f"an array {name} is required, for {place or 'the tree'}, got {near}"
            )
        if (got := types[name]) != of:
            turned = len(of.shape) == 2 and got.shape == of.shape[::-1]
            raise ProgramError(
                f"{of} is required at {place or 'the tree'}, got {got}",
                repair="load(path) without like, and x.T of what torch keeps as [outputs, inputs]"
                if turned
                else "a tree of the types of the file as like=, or no like=",
            )
    if odd := sorted(types.keys() - expected.keys()):
        raise ProgramError(
            f"as many arrays as like has are required, got {odd[0]!r:.80} too",
            repair="load(path) without like, and the parts of it that are wanted",
        )


def nested(arrays: Mapping[str, np.ndarray]) -> Any:
    """Dicts of dicts, by the steps of the names."""
    if list(arrays) == [""]:
        return arrays[""]
    found: dict[str, Any] = {}
    for name, array in arrays.items():
        *steps, last = name.split(".")
        if len(steps) >= trees.DEEPEST:
            raise _wrong(f"load: names of at most {trees.DEEPEST} steps are required")
        inside: Any = found
        for step in steps:
            inside = inside.setdefault(step, {}) if isinstance(inside, dict) else None
        if not isinstance(inside, dict) or last in inside:
            raise _wrong(
                f"load: names that are no part of another are required, got {name!r:.80}",
                "like=, a tree with keys that have dots",
            )
        inside[last] = array
    return found


# ---------------------------------------------------------------- npz


def _write_npz(file: IO[bytes], arrays: Mapping[str, np.ndarray]) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name, array in arrays.items():
            raw = array.view("V2") if array.dtype == NUMPY["bf16"] else array
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, raw, allow_pickle=False)


def _read_npz(path: Path, expected: Mapping[str, tuple[Type, str]] | None) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
        names = [i.filename.removesuffix(".npy") for i in infos]
        if any(not i.filename.endswith(".npy") for i in infos) or len(set(names)) < len(names):
            raise ProgramError("entries that end in .npy, each once, are required")
        if sum(i.compress_size for i in infos) > os.path.getsize(path):
            raise ProgramError("entries apart from each other are required")
        heads = [_head(archive, info) for info in infos]
        types = dict(zip(names, (of for of, _ in heads), strict=True))
        _checked(types, expected)
        return {n: _content(archive, i, *h) for n, i, h in zip(names, infos, heads, strict=True)}


def _head(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> tuple[Type, bool]:
    """The type of an array, and whether columns come first; its bytes are there."""
    with archive.open(info) as entry:
        shape, columns_first, dtype = _header(entry)
        of = Type(_dtype(dtype, info.filename), shape)
        if of.excess() or info.file_size != entry.tell() + of.nbytes:
            raise ProgramError(f"the bytes of {of} are required in {info.filename!r:.80}")
    return of, columns_first


def _header(entry: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(entry)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(entry)
    if version not in ((2, 0), (3, 0)):
        raise ProgramError(f"a version of 1, 2 or 3 is required, got {version[0]}.{version[1]}")
    return np.lib.format.read_array_header_2_0(entry)


def _dtype(dtype: np.dtype[Any], name: str) -> str:
    if dtype == np.dtype("V2"):
        return "bf16"
    try:
        return dtype_name(dtype.newbyteorder("="))
    except ProgramError:
        raise ProgramError(f"numbers are required in {name!r:.80}, got dtype {dtype}") from None


def _content(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, of: Type, columns_first: bool
) -> np.ndarray:
    with archive.open(info) as entry:
        dtype = _header(entry)[2]
        kept = of.numpy if dtype == np.dtype("V2") else dtype
        flat = np.frombuffer(bytearray(entry.read()), kept)
    return flat.astype(of.numpy, copy=False).reshape(of.shape, order="F" if columns_first else "C")


# ---------------------------------------------------------------- safetensors


def check_package(path: Path) -> None:
    """Errors: a ProgramError where a file of this name can not be written for want of a package."""
    if os.fspath(path).endswith(".safetensors"):
        _package()


def _package() -> Any:
    try:
        import safetensors  # pyright: ignore[reportMissingImports]
        import safetensors.numpy  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise _wrong(
            "tree: the package safetensors is required for .safetensors",
            "pip install safetensors, or a name that ends in .npz",
        ) from None
    return safetensors


def _write_safetensors(file: IO[bytes], arrays: Mapping[str, np.ndarray]) -> None:
    for name, array in arrays.items():
        if dtype_name(array.dtype) not in SAFE.values():
            raise _wrong(
                f"save: dtypes of safetensors are required, got {type_of(array)} at {name}",
                "a name that ends in .npz",
            )
    file.write(_package().numpy.save(dict(arrays)))


def _read_safetensors(
    path: Path, expected: Mapping[str, tuple[Type, str]] | None
) -> dict[str, np.ndarray]:
    package = _package()
    with open(path, "rb") as file:
        content = file.read()
    try:
        parts: Iterable[tuple[str, Any]] = package.deserialize(content)
    except package.SafetensorError as error:
        raise ValueError(str(error)) from None
    found = {}
    for name, part in parts:
        if part["dtype"] not in SAFE:
            raise ProgramError(f"numbers are required in {name!r:.80}, got {part['dtype']!r:.20}")
        flat = np.frombuffer(bytearray(part["data"]), NUMPY[SAFE[part["dtype"]]])
        found[name] = flat.reshape(part["shape"])
    _checked({n: type_of(x) for n, x in found.items()}, expected)
    return found
