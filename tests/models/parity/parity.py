"""The same weights in a model and in its reference: outputs and all gradients are compared.

    CASE = Case("mlp", lambda: mlp.init(wl.random.key(0), (3, 5, 2)), (x,), mlp.forward, theirs)

    def test_mlp():
        check(CASE)

    def theirs(w, x):  # tensors by the names of our leaves, in our layout
        return torch.relu(x @ w["0.weight"] + w["0.bias"]) @ w["1.weight"] + w["1.bias"]

Where torch is installed the reference is computed; WONDERLAND_UPDATE=1 writes what stands for it in
numbers/, which is compared everywhere. A module of the reference's own takes its weights by
`torch.func.functional_call(module, {its_name: ours.T, ...}, inputs)`.
Ours is the interpreter in f64 and machine code in f32. Gradients are those of the sum of outputs
times fixed numbers, in the weights and in float inputs.
"""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import wonderland as wl

NUMBERS = Path(__file__).parent / "numbers"
WRITING = bool(os.environ.get("WONDERLAND_UPDATE"))
SMALL = 1e-4  # beside the largest array: what is 0 but for rounding, as the slope of a key's bias
HAS_TORCH = importlib.util.find_spec("torch") is not None

Arrays = dict[str, np.ndarray]


def drawn(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Weights that are the same on every machine: 0.3 sin of multiples of an irrational number."""
    start = sum(ord(c) * (i + 1) for i, c in enumerate(name))
    return 0.3 * np.sin(start + 2.399963 * np.arange(np.prod(shape, dtype=int))).reshape(shape)


@dataclass(frozen=True)
class Case:
    name: str
    model: Callable[[], Any]  # a layer or a tree, whose weights are overwritten
    inputs: tuple[np.ndarray, ...]  # floats become f64 or f32, others stay
    ours: Callable[..., Any]  # of the model and the inputs: a tree of float arrays
    theirs: Callable[..., Any]  # of tensors by name and tensors: the same leaves
    weights: Callable[[str, tuple[int, ...]], np.ndarray] = drawn
    single: float = 1e-4  # what f32 may err, of the largest number of an array


def check(case: Case) -> None:
    """Requires that outputs and gradients agree: to 1e-9 in f64, to `case.single` in f32."""
    found = ours(case, "float64")
    if HAS_TORCH:
        expected = theirs(case)
        differ(case, found, expected, 1e-9)
        differ(case, ours(case, "float32"), expected, case.single)
        if WRITING:
            written = {n: [list(x.shape), *sketch(x)] for n, x in expected.items()}
            text = ",\n".join(f"  {json.dumps(n)}: {json.dumps(v)}" for n, v in written.items())
            (NUMBERS / f"{case.name}.json").write_text("{\n" + text + "\n}\n")
    stored = json.loads((NUMBERS / f"{case.name}.json").read_text())
    least = SMALL * max(numbers[-1] for _, *numbers in stored.values())
    for arrays, error in (found, 1e-8), (ours(case, "float32"), 3 * case.single):
        assert set(arrays) == set(stored), set(arrays) ^ set(stored)
        for name, (shape, *numbers) in stored.items():
            assert list(arrays[name].shape) == shape, f"{case.name}: {name}"
            scale = max(numbers[-1], least) * max(1, np.sqrt(arrays[name].size))
            worst = max(abs(a - b) for a, b in zip(sketch(arrays[name]), numbers, strict=True))
            assert worst <= error * scale, f"{case.name}: {name} is {worst / scale:.1e} off"


def differ(case: Case, found: Arrays, expected: Arrays, most: float) -> None:
    assert set(found) == set(expected), set(found) ^ set(expected)
    least = SMALL * max(np.max(np.abs(x), initial=0) for x in expected.values())
    for name, x in expected.items():
        assert found[name].shape == x.shape, f"{case.name}: {name} {found[name].shape} {x.shape}"
        scale = max(np.max(np.abs(x), initial=0), least)
        error = np.max(np.abs(found[name] - x), initial=0) / scale
        if WRITING:
            print(f"{case.name:24} {name:40} {error:.1e}")
        assert error <= most, f"{case.name}: {name} is {error:.1e} off"


def sketch(x: np.ndarray) -> list[float]:
    """Two sums by fixed signs and sizes, and the largest magnitude: what stands for an array."""
    flat, places = np.asarray(x, np.float64).ravel(), np.arange(x.size)
    sums = [float(flat @ np.cos(c * places)) for c in (0.7, 2.3)]
    return [float(f"{x:.12g}") for x in (*sums, np.max(np.abs(flat), initial=0))]


def by_name(tree: Any) -> Iterator[tuple[str, Any]]:
    for path, leaf in wl.tree.leaves_with_path(tree):
        yield wl.tree.keystr(path, simple=True, separator="."), leaf


def weighed(case: Case, dtype: str) -> Any:
    """The model with the weights of the case; leaves that are no floats stay."""
    model = case.model()
    leaves = [
        case.weights(name, np.shape(x)).astype(dtype)
        if np.issubdtype(np.asarray(x).dtype, np.floating)
        else x
        for name, x in by_name(model)
    ]
    return wl.tree.unflatten(wl.tree.structure(model), leaves)


def given(case: Case, dtype: str) -> list[np.ndarray]:
    return [x.astype(dtype) if x.dtype.kind == "f" else x for x in map(np.asarray, case.inputs)]


def cotangent(x: Any) -> np.ndarray:
    return np.cos(1 + 1.7 * np.arange(int(np.prod(x.shape)))).reshape(x.shape)


def ours(case: Case, dtype: str) -> Arrays:
    inputs = given(case, dtype)
    floats = [i for i, x in enumerate(inputs) if x.dtype.kind == "f"]
    model = weighed(case, dtype)
    trained = [n for n, x in by_name(model) if np.asarray(x).dtype.kind == "f"]

    def total(leaves: list[Any], chosen: list[Any]) -> Any:
        every = [leaves[trained.index(n)] if n in trained else x for n, x in by_name(model)]
        whole = wl.tree.unflatten(wl.tree.structure(model), every)
        args = list(inputs)
        for i, x in zip(floats, chosen, strict=True):
            args[i] = x
        outputs = wl.tree.leaves(case.ours(whole, *args))
        weights = (cotangent(y).astype(dtype) for y in outputs)
        return sum(wl.numpy.sum(y * c) for y, c in zip(outputs, weights, strict=True)), outputs

    f = wl.jit(
        wl.value_and_grad(total, argnums=(0, 1), has_aux=True), disable_jit=dtype == "float64"
    )
    leaves = [x for n, x in by_name(model) if n in trained]
    (_, outputs), (slopes, of_inputs) = f(leaves, [inputs[i] for i in floats])
    found = {f"output {i}": y for i, y in enumerate(outputs)}
    found |= {f"gradient of {n}": g for n, g in zip(trained, slopes, strict=True)}
    found |= {f"gradient of input {i}": g for i, g in zip(floats, of_inputs, strict=True)}
    assert all(x.dtype == dtype for x in found.values()), case.name
    return {n: np.asarray(x, np.float64) for n, x in found.items()}


def theirs(case: Case) -> Arrays:
    import torch  # type: ignore[import-not-found]

    weights = {
        n: torch.tensor(np.asarray(x), requires_grad=np.asarray(x).dtype.kind == "f")
        for n, x in by_name(weighed(case, "float64"))
    }
    inputs = [torch.tensor(x, requires_grad=x.dtype.kind == "f") for x in given(case, "float64")]
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        outputs = wl.tree.leaves(case.theirs(weights, *inputs))
        sum((y * torch.tensor(cotangent(y))).sum() for y in outputs).backward()  # type: ignore
    finally:
        torch.set_default_dtype(default)

    def slope(x: Any) -> np.ndarray:
        return np.zeros(x.shape) if x.grad is None else x.grad.numpy()

    found = {f"output {i}": y.detach().numpy() for i, y in enumerate(outputs)}
    found |= {f"gradient of {n}": slope(w) for n, w in weights.items() if w.requires_grad}
    found |= {f"gradient of input {i}": slope(x) for i, x in enumerate(inputs) if x.requires_grad}
    return found
