"""Functions of a user's own file, which is imported by its path."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from ..compiler.ir.errors import CompilerError, ProgramError
from ..compiler.ir.source import is_library, is_own
from .line import Misuse, missing_file, one_line, unknown

HERE = os.path.dirname(os.path.abspath(__file__)) + os.sep


def names_function(target: str) -> bool:
    """Whether `target` is meant as FILE:FUNCTION, rather than the name of a model."""
    return ":" in target or target.endswith(".py") or os.sep in target


@contextlib.contextmanager
def named_object(target: str, *, function: bool = False, kind: type | None = None) -> Iterator[Any]:
    """What FILE:NAME names, such as path/model.py:loss or path/model.py:net.loss, or a recipe of
    that name in the file's RECIPES.

    Inside of the block the file may import its neighbours, and what goes wrong in it is a Misuse
    that names its line. Of a `kind`, the file's other objects of that are told.
    """
    path, _, name = target.rpartition(":")
    if not path and kind is not None:
        path, name = name, ""
    if not path or not (name or kind):
        raise Misuse(f"{target}: a file and a function are required, try: {path or name}:loss")
    with user_errors(), imported(Path(path)) as module:
        listed = listed_recipes(module)
        found: Any = module
        if kind is None:
            called, known = "function", [*defined_functions(module), *listed]
        else:
            called = kind.__name__
            known = [n for n, x in {**vars(module), **listed}.items() if isinstance(x, kind)]
        if not name:
            first = f", try: {path}:{known[0]}" if known else ""
            raise Misuse(f"{path}: the name of a {called} is required{first}")
        for part in name.split(".") if hasattr(module, name) or name not in listed else ():
            if not hasattr(found, part):
                raise Misuse(f"{path}: {unknown(called, name, known)}")
            found = getattr(found, part)
        found = listed[name] if found is module else found
        if function and (not callable(found) or isinstance(found, type)):
            raise Misuse(
                f"{path}: {name} is no function but {type(found).__name__}, "
                f"there are {', '.join(defined_functions(module)) or 'none'}"
            )
        yield found


def listed_recipes(module: ModuleType) -> dict[str, Any]:
    """What is in the RECIPES of a file, by name."""
    listed = getattr(module, "RECIPES", ())
    listed = listed if isinstance(listed, tuple | list) else ()
    return {r.name: r for r in listed if hasattr(r, "name")}


def defined_functions(module: ModuleType) -> list[str]:
    """What the file itself defines that can be called; methods of its objects last."""
    found, methods = [], []
    for name, value in vars(module).items():
        if name.startswith("_") or isinstance(value, type | ModuleType):
            continue
        if callable(value) and getattr(value, "__module__", None) == module.__name__:
            found.append(name)
        elif getattr(type(value), "__module__", None) == module.__name__:
            own = vars(type(value)).items()
            methods += [f"{name}.{n}" for n, m in own if not n.startswith("_") and callable(m)]
    return found + methods


@contextlib.contextmanager
def imported(path: Path) -> Iterator[ModuleType]:
    """The file as a module, inside of the block: a file of a package as a part of that, others as
    Python runs a script, with the files beside it in reach."""
    try:
        path.open().close()
    except OSError as error:
        raise missing_file(str(path), error) from None
    if path.suffix != ".py":
        raise Misuse(f"{path}: a Python file is required, such as model.py")
    path = path.absolute()
    root, names = path.parent, [path.stem]
    while (root / "__init__.py").is_file():
        root, names = root.parent, [root.name, *names]
    sys.path.insert(0, str(root))
    try:
        if len(names) > 1:
            yield importlib.import_module(".".join(names))
        else:
            with script(path) as module:
                yield module
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(str(root))


@contextlib.contextmanager
def script(path: Path) -> Iterator[ModuleType]:
    """The module of a file that is in no package; it displaces no module of its name. Where it is
    at hand already, in a block around, it is that one, and does not run again."""
    for module in [m for n, m in sys.modules.items() if n in (path.stem, f"{path.stem}_")]:
        if getattr(module, "__file__", None) == str(path):
            yield module
            return
    taken = path.stem in sys.modules or path.stem in sys.stdlib_module_names
    name = f"{path.stem}_" if taken else path.stem
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None, "the file ends in .py"
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.modules.pop(name, None)


@contextlib.contextmanager
def user_errors() -> Iterator[None]:
    """What the user's code raises inside becomes a Misuse that names its line."""
    try:
        yield
    except (ProgramError, CompilerError, Misuse):
        raise
    except SyntaxError as error:
        place = f"{os.path.basename(error.filename or '')}:{error.lineno}"
        raise Misuse(f"{place}: {error.msg}") from error
    except SystemExit as error:
        raise Misuse(f"the file exits when it is imported, with {error.code!r}") from error
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        own = [
            f
            for f in frames
            if not (is_own(f.filename) or is_library(f.filename) or f.filename.startswith(HERE))
        ]
        if not own or (isinstance(error, AssertionError) and own[-1] is not frames[-1]):
            raise  # ours: a gradient that is wrong
        place = f"{os.path.basename(own[-1].filename)}:{own[-1].lineno}"
        said = one_line(str(error)) or "no message"
        raise Misuse(f"{place}: {type(error).__name__}: {said}") from error
