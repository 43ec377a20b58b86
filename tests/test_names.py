"""A name means one thing: it stands once in the tree, or is the same at several levels."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parent.parent
PARTS = "compiler", "runtime", "models", "wonderland/commands"

LEVELS = {
    "an operation": "compiler/front compiler/ops compiler/transform compiler/ir/symbolic.py "
    "compiler/trace/trace.py compiler/optimise/laws.py models/nn models/optim "
    "models/parallel",
    "a word of kernels": "compiler/codegen/words compiler/codegen/proof compiler/kernel/scalar.py "
    "runtime/native/language.py runtime/native/atomic.py",
    "a command": "wonderland/commands",
}
"""Where the same word is the same thing: what users call and the op behind it, a word of the
kernel language with its twin and its proof, what every command has."""

SAME = {
    "barrier": "of the processes; of the threads of a block, a word of kernels",
    "initialize": "the processes that were started together, for users and in the runtime",
    "bernoulli": "draws of truth values, and Bernoulli's numbers",
    "empty": "an array of any numbers, on the host and on a device",
    "apply": "an op to values of a graph, and to expressions of a kernel",
    "add": "numbers, with the words of kernels; what a command adds to the table of commands",
    "check": "that a condition holds in a program; the command",
    "diff": "of an array; of two graphs, a command",
    "flatten": "a tree to its leaves; the parameters of an optimizer to a vector",
    "load": "a program and a tree from a file; a value from memory",
    "map": "of a loop, and of a tree",
    "save": "a program and a tree to a file",
    "place": "values where a mask holds; the buffers of a program in memory",
    "run": "a command; the walk of a program",
    "summary": "of a tree; of what a command has done",
    "where": "of three operands; of a condition, which is nonzero of a known size",
    "reference": "the meaning of kernels of every kind",
    "verify": "the rules of a graph, and of kernels of every kind; the setting that asks for them",
}


OWN_SPACES = "models/families/", "models/pretrained/"
"""Files that each stand alone, with a `loss` and a `Block` of their own: users copy them."""


def definitions(kind: type[ast.stmt]) -> dict[str, set[str]]:
    """By name the files that define it at their top."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for file in (f for part in PARTS for f in sorted((ROOT / part).rglob("*.py"))):
        if file.relative_to(ROOT).as_posix().startswith(OWN_SPACES):
            continue
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, kind) and not node.name.startswith("_"):  # pyright: ignore[reportAttributeAccessIssue]
                found[node.name].add(file.relative_to(ROOT).as_posix())  # pyright: ignore[reportAttributeAccessIssue]
    return found


def level(file: str) -> str:
    """What a word of a file is a word for; the file itself if it is of no level."""
    return next((name for name, of in LEVELS.items() if file.startswith(tuple(of.split()))), file)


def test_a_function_is_one_thing_at_one_level_or_several() -> None:
    alike = {
        name: files
        for name, files in definitions(ast.FunctionDef).items()
        if len(files) > 1 and name not in SAME
    }
    words = {"an operation", "a word of kernels"}
    several = {n: f for n, f in alike.items() if len(set(map(level, f))) > 1}
    assert {n: f for n, f in several.items() if not set(map(level, f)) <= words} == {}


def test_a_class_has_a_name_of_its_own() -> None:
    shared = {n: f for n, f in definitions(ast.ClassDef).items() if len(f) > 1}
    # a function and a distribution, a family of ops and a layer: both are what users know by that
    # name; and so is what jax calls a function with some of its arguments, beside the sums of a
    # chunk
    assert shared == {
        "Beta": {"compiler/ops/special.py", "models/distributions/real.py"},
        "Linear": {"compiler/ops/family.py", "models/nn/linear.py"},
        "Partial": {"compiler/fuse/partial.py", "compiler/trace/containers.py"},
    }


def test_a_level_has_a_name_once_in_each_of_its_rooms() -> None:
    """`sort` is in ops, in front/numpy and in front/lax, but in no two files of one of them."""
    for name, files in definitions(ast.FunctionDef).items():
        # spaces of names of their own
        spaces = files - {"compiler/front/numpy/fft.py", "compiler/front/lax/linalg.py"}
        rooms = [f.rpartition("/")[0] for f in spaces if level(f) == "an operation"]
        if name in SAME:
            continue
        assert len(set(rooms)) == len(rooms), (name, sorted(files))


WORDS = "found", "given", "made", "own", "again", "within", "placed"


def test_words_for_locals_name_nothing_that_leaves_a_function() -> None:
    """Neither a function, nor a class, nor a field of a class."""
    fields = {
        f"{file.relative_to(ROOT)}: {node.name}.{field.target.id}"
        for part in PARTS
        for file in sorted((ROOT / part).rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ClassDef)
        for field in node.body
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if field.target.id in WORDS
    }
    assert fields == set()
    assert set(WORDS) & definitions(ast.FunctionDef).keys() == set()


def test_words_for_locals_name_no_attribute_and_no_method() -> None:
    named = {
        f"{file.relative_to(ROOT)}: {name}"
        for part in PARTS
        for file in sorted((ROOT / part).rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text()))
        for name in attributes(node)
    }
    assert named == set()


def attributes(node: ast.AST) -> set[str]:
    """Attributes of `self` that a node sets, and methods that a class has, of `WORDS`."""
    match node:
        case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Store()):
            return {name} & set(WORDS)
        case ast.ClassDef(body=body):
            return {n.name for n in body if isinstance(n, ast.FunctionDef)} & set(WORDS)
    return set()
