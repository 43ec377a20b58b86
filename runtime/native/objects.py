"""Machine code by content: texts of the native language in, addresses of their functions out.

A text is compiled once per machine. It is found by the hash of its content and of all that decides
its code (the key of its words, the language's own source, versions of llvmlite and LLVM, processor
and features): first in memory, then on disk, else the missing texts of a call are compiled
together, on threads (generator.py).

Memory: machine code lives as long as an address of it that was given out. Of what nobody holds the
most recently held stays, up to UNHELD_BYTES; more is freed when code is next asked for, under the
lock that a fork waits for.

Disk: a folder that only this user may write, `WONDERLAND_CACHE` or `wonderland` in the user's cache
folder; `off` is none. `<hash>.text` names the object that holds a text's functions, `<hash>.object`
is one, named by its own hash. Each file begins with the hash of the rest, is readable by its owner
only and is written whole or not at all. What is missing, damaged, another user's, a link or no file
is compiled again, silently; so is everything where the disk is full or may not be written. Now and
then, when something was compiled, the folder is trimmed to WONDERLAND_CACHE_SIZE (cache_size.py).
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import stat
import tempfile
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as llvm
import llvmlite.ir as ir

from ..errors import CompilerError
from . import cache_size, generator, making, progress
from . import language as native

UNHELD_BYTES = 32 << 20  # machine code that is kept for who may ask for it again
LOADED_BYTES = 64 << 10  # what an object takes beside its code, about

INSTRUCTIONS = 1500  # of an object, at least: a tenth of a second

WRITES = 64  # of how many compilations one trims the folder, the first of a process among them


@dataclass(frozen=True)
class Statistics:
    """How many functions this process compiled, and how many it loaded from disk."""

    compiled: int = 0
    loaded: int = 0


# ------------------------------------------------------------------ addresses


class Keepalive:
    """Lives as long as somebody has an address in an object, and the object with it."""

    __slots__ = ("__weakref__", "engine")

    def __init__(self, engine: llvm.ExecutionEngine) -> None:
        self.engine = engine


class FunctionAddress(int):
    """The address of a function, whose machine code is not freed as long as this number lives."""

    held: Keepalive

    @classmethod
    def of(cls, number: int, held: Keepalive) -> FunctionAddress:
        made = cls(number)
        made.held = held
        return made


@dataclass
class Object:
    """Machine code in memory: one engine each, since symbols of one engine must be unique."""

    engine: llvm.ExecutionEngine
    nbytes: int
    texts: list[str]  # hashes of those whose functions are known
    held: weakref.ref[Keepalive] | None = None  # dead where nobody has an address


@dataclass
class Loaded:
    """What this process holds; changed under `lock` only, but `released`, which is atomic."""

    lock: threading.RLock
    addresses: dict[str, tuple[str, dict[str, int]]]  # by hash of a text: its object, its functions
    objects: dict[str, Object]  # by name
    statistics: Statistics
    writes: int = 0  # compilations that wrote to the disk
    released: deque[str] = field(default_factory=deque)  # names of objects, in the order of time
    unheld: dict[str, None] = field(default_factory=dict)  # names of objects, oldest first


HELD = Loaded(making.LOCK, {}, {}, Statistics())


def statistics() -> Statistics:
    return HELD.statistics


Source = tuple[str, Mapping[str, Any], str]  # a text, its words, and the key of these


def addresses(
    texts: Mapping[str, str], words: Mapping[str, Any], key: str, beside: Sequence[Source] = ()
) -> dict[str, int]:
    """The address of the only function of each text, by the text's name in `texts`.

    `key` names the version of `words`. What is `beside` is wanted soon: where something is
    compiled, it is compiled as well."""
    found = code(texts.values(), words, key, beside)
    out: dict[str, int] = {}
    for name, text in texts.items():
        functions = found[text]
        if len(functions) != 1:
            raise ValueError(
                f"{name}: one function is required, got {', '.join(functions) or 'none'}"
            )
        (out[name],) = functions.values()
    return out


def functions(text: str, words: Mapping[str, Any], key: str) -> dict[str, int]:
    """The addresses of all functions of a text, which may call each other."""
    return code([text], words, key)[text]


def code(
    texts: Iterable[str], words: Mapping[str, Any], key: str, beside: Sequence[Source] = ()
) -> dict[str, dict[str, int]]:
    """The addresses of the functions of each text."""
    hashes = code_names(texts, key)
    with HELD.lock, making.rare_collections(), progress.progress_shown():
        missing = {name: (text, words) for text, name in hashes.items() if not is_known(name)}
        if missing:
            soon = {code_names([t], k)[t]: (t, w) for t, w, k in beside}
            compile_together({n: s for n, s in soon.items() if not is_known(n)} | missing)
        found = {text: held(name) for text, name in hashes.items()}
        free()
        return found


def is_known(name: str) -> bool:
    """Whether the machine code of this name is in memory, or was on disk."""
    if name not in HELD.addresses:
        load_entry(name)
    return name in HELD.addresses


def code_names(texts: Iterable[str], key: str) -> dict[str, str]:
    """By text the name of its machine code: the hash of all that decides it."""
    environment = hashlib.sha256((key + target_key() + "\n").encode())
    found: dict[str, str] = {}
    for text in dict.fromkeys(texts):
        whole = environment.copy()
        whole.update(text.encode())
        found[text] = whole.hexdigest()
    return found


def known_code(wanted: Iterable[str]) -> dict[str, int] | None:
    """The addresses of machine code by name, each of one function; None if one is not there."""
    wanted = tuple(wanted)
    with HELD.lock:
        for name in wanted:
            is_known(name)
        if not all(len(HELD.addresses.get(name, ((), ()))[1]) == 1 for name in wanted):
            return None
        found = {name: next(iter(held(name).values())) for name in wanted}
        free()
        return found


def held(name: str) -> dict[str, int]:
    """The addresses of the functions of a text, which hold its object."""
    place, functions = HELD.addresses[name]
    of, released = HELD.objects[place], HELD.released
    holder = of.held() if of.held else None
    if holder is None:
        holder = Keepalive(of.engine)
        of.held = weakref.ref(holder, lambda _: released.append(place))
        HELD.unheld.pop(place, None)
    return {f: FunctionAddress.of(number, holder) for f, number in functions.items()}


def free() -> None:
    """Frees what nobody has held for the longest time, as long as it is too much."""
    while HELD.released:
        place = HELD.released.popleft()
        if place in HELD.objects and is_unused(place):
            HELD.unheld.pop(place, None)
            HELD.unheld[place] = None
    total = sum(HELD.objects[place].nbytes for place in HELD.unheld)
    for place in list(HELD.unheld):
        if total <= UNHELD_BYTES:
            break
        del HELD.unheld[place]
        gone = HELD.objects.pop(place)
        for name in gone.texts:
            HELD.addresses.pop(name, None)
        gone.engine.close()
        total -= gone.nbytes


def is_unused(place: str) -> bool:
    of = HELD.objects[place]
    return of.held is None or of.held() is None


def compile_together(missing: Mapping[str, tuple[str, Mapping[str, Any]]]) -> None:
    """Compiles the texts, by hash, each with its words, keeps them on disk and loads them.

    An object is as many texts as make enough instructions, in their order, so that it does not
    depend on how many threads there are.
    """
    defined: list[dict[str, list[str]]] = []  # by object: texts and their functions
    modules: dict[int, Callable[[], bytes]] = {}
    ready: list[int] = []  # the modules that are compiled

    def said() -> str:
        count = sum(len(defined[k]) for k in ready)
        return f"machine code of {count} of {len(missing)} kernels"

    progress.say(said)

    def works() -> Iterator[Callable[[], bytes]]:
        rest = list(missing.items())[::-1]
        while rest:
            for k in ready:  # closed here, by who has the interpreter's lock
                modules.pop(k, None)
            module, found = ir.Module("wonderland"), {}
            while rest and instructions(module) < INSTRUCTIONS:
                name, (text, words) = rest.pop()
                found[name] = list(native.emit_module(text, words, module, symbol_prefix(name)))
            k = len(defined)
            defined.append(found)
            modules[k] = object_of(module, [missing[name][0] for name in found])
            yield partial(with_note, modules[k], k, ready)

    made = making.on_threads(works(), generator.thread_limit())
    sweep()
    for data, found in zip(made, defined, strict=True):
        place = hashlib.sha256(data).hexdigest()
        write(f"{place}.object", data)
        for name, functions in found.items():
            write(f"{name}.text", json.dumps({"object": place, "functions": functions}).encode())
        for name, functions in found.items():
            know(name, place, resolve(engine(place, data), name, functions))
        count = sum(map(len, found.values()))
        HELD.statistics = replace(HELD.statistics, compiled=HELD.statistics.compiled + count)


def with_note(work: Callable[[], bytes], k: int, ready: list[int]) -> bytes:
    """What the work gives, after which `k` is ready."""
    data = work()
    ready.append(k)
    return data


def instructions(module: ir.Module) -> int:
    return sum(len(b.instructions) for f in module.functions for b in f.blocks)


def object_of(module: ir.Module, texts: Iterable[str]) -> Callable[[], bytes]:
    """What makes the object file of a module that was made of texts."""
    try:
        return generator.object_file(str(module))
    except RuntimeError as error:
        said = f"LLVM refuses a text: {str(error).strip()}"
        raise CompilerError(said, "\n".join(texts)) from error


def load_entry(name: str) -> None:
    """The text of hash `name` from disk, if it is there and whole."""
    entry = read(f"{name}.text")
    place, found = contents(entry) if entry else ("", [])
    if not found:
        return
    data = None if place in HELD.objects else read(f"{place}.object")
    if place not in HELD.objects and (data is None or hashlib.sha256(data).hexdigest() != place):
        return
    addresses = resolve(engine(place, data or b""), name, found)
    if all(addresses.values()):  # else the entry is another text's
        for file in (f"{name}.text", f"{place}.object"):
            use(file)
        know(name, place, addresses)
        HELD.statistics = replace(HELD.statistics, loaded=HELD.statistics.loaded + len(found))


def contents(entry: bytes) -> tuple[str, list[str]]:
    """The object and the functions that an entry names; none if it is no entry."""
    try:
        match json.loads(entry):
            case {"object": str(place), "functions": [*names]}:
                if re.fullmatch("[0-9a-f]{64}", place) and all(isinstance(n, str) for n in names):
                    return place, names
    except (ValueError, RecursionError):
        pass
    return "", []


def symbol_prefix(name: str) -> str:
    """Symbols are unique by content, and the function's name stays readable in a profiler."""
    return f"w{name[:20]}_"


def resolve(held: llvm.ExecutionEngine, name: str, functions: list[str]) -> dict[str, int]:
    return {f: held.get_function_address(symbol_prefix(name) + f) for f in functions}


def know(name: str, place: str, functions: dict[str, int]) -> None:
    """The functions of a text, which are those of a loaded object."""
    HELD.addresses[name] = place, functions
    HELD.objects[place].texts.append(name)


def engine(place: str, data: bytes) -> llvm.ExecutionEngine:
    """The engine of the object `place`, which is loaded."""
    if place not in HELD.objects:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        machine = llvm.Target.from_default_triple().create_target_machine(jit=True)
        made = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
        made.add_object_file(llvm.ObjectFileRef.from_data(data))
        made.finalize_object()
        HELD.objects[place] = Object(made, len(data) + LOADED_BYTES, [])
        HELD.unheld[place] = None  # until an address is given out
    return HELD.objects[place].engine


# ------------------------------------------------------------------ the key of this machine


@cache
def target_key() -> str:
    """Everything but text and words that decides the machine code."""
    versions = [llvmlite.__version__, str(llvm.llvm_version_info)]
    sources = [Path(f).read_text() for f in (__file__, native.__file__, generator.__file__)]
    facts = generator.processor_features()
    return "\n".join([*facts, *versions, *sources, platform.machine()])


# ------------------------------------------------------------------ disk


@cache
def folder() -> Path | None:
    """The cache's folder, made if need be; None where none belongs to this user alone."""
    chosen = os.environ.get("WONDERLAND_CACHE")
    if chosen in ("", "off"):
        return None
    try:
        place = (
            Path(chosen)
            if chosen
            else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wonderland"
        ).absolute()
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        facts = place.lstat()
        return place if stat.S_ISDIR(facts.st_mode) and mine(facts) else None
    except (OSError, RuntimeError):  # the user may have no home
        return None


def mine(facts: os.stat_result) -> bool:
    """Whether nobody but this user can have written it."""
    return facts.st_uid == os.getuid() and not facts.st_mode & 0o022


def write(name: str, data: bytes) -> None:
    """All of it or, silently, nothing."""
    place = folder()
    if place is None:
        return
    try:
        number, part = tempfile.mkstemp(cache_size.PART, dir=place)
    except OSError:
        return
    try:
        with open(number, "wb") as file:
            file.write(hashlib.sha256(data).digest() + data)
        os.replace(part, place / name)
    except BaseException as error:
        with suppress(OSError):
            os.unlink(part)
        if not isinstance(error, OSError):
            raise


def sweep() -> None:
    """Trims the folder, one time of WRITES."""
    place = folder()
    if place is not None and HELD.writes % WRITES == 0:
        cache_size.trim(place, cache_size.limit())
    HELD.writes += 1


def use(name: str) -> None:
    """A file that was read is the last to go."""
    if place := folder():
        cache_size.used(place / name)


def read(name: str) -> bytes | None:
    """What `write` wrote; None if there is nothing that can be relied on."""
    place = folder()
    if place is None:
        return None
    try:  # never through a link; a pipe must not be waited for
        number = os.open(place / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(number, "rb") as file:
            facts = os.fstat(number)
            content = file.read() if stat.S_ISREG(facts.st_mode) and mine(facts) else b""
    except OSError:
        return None
    digest, data = content[:32], content[32:]
    return data if content and hashlib.sha256(data).digest() == digest else None
