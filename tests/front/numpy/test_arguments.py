"""What is taken for an array and what is refused is the same everywhere, whatever was called
before; arrays of bf16 keep their dtype beside Python numbers."""

from __future__ import annotations

import array
import functools
import inspect
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import wonderland as wl
import wonderland.nn as nn
import wonderland.numpy as wnp
import wonderland.optim as optim
import wonderland.random as random
from wonderland import lax
from wonderland.compiler.ir.types import NUMPY
from wonderland.compiler.trace import tree

X, PLACES = np.ones(2), np.array([0, 1])
BF16 = NUMPY["bf16"]


class Units(np.ndarray):
    """An array whose sums are not NumPy's."""

    def __array_ufunc__(self, *args: Any, **options: Any) -> Any:
        return NotImplemented


class Labelled(np.ndarray):
    """An array that computes as NumPy's do."""


class Tensor:
    """Another library's array."""

    def __init__(self, *numbers: float) -> None:
        self.numbers = numbers

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.numbers, dtype)


SUBCLASSES = {
    "masked": np.ma.array([1.0, 2.0], mask=[False, True]),
    "matrix": np.ones((1, 2)).view(np.matrix),
    "units": X.view(Units),
}
ENTRANCES: dict[str, Callable[[Any], Any]] = {
    "jit": lambda m: wl.jit(lambda x: x)(m),
    "interpreter": lambda m: wl.jit(lambda x: x, disable_jit=True)(m),
    "in a tree": lambda m: wl.jit(lambda x: x["a"][0])({"a": [m]}),
    "by keyword": lambda m: wl.jit(lambda x: x)(x=m),
    "compiled": lambda m: wl.jit(lambda x: x).compile(wl.ShapeDtypeStruct(m.shape, m.dtype))(m),
    "grad": lambda m: wl.grad(np.sum)(m),
    "jvp": lambda m: wl.jvp(np.sin, (np.asarray(m),), (m,)),
    "vmap": lambda m: wl.vmap(np.sin)(m),
    "scan": lambda m: lax.scan(lambda c, x: (c, x), 0.0, m),
    "closed over": lambda m: wl.eval_shape(lambda x: x + m, X),
    "before an operand": lambda m: wl.eval_shape(lambda x: m + x, X),
    "in a list": lambda m: wl.eval_shape(lambda x: np.stack([x[0], m]), X),
    "condition": lambda m: wl.eval_shape(lambda x: np.where(m, x, 0), X),
    "index": lambda m: wl.eval_shape(lambda x: x[m], X),
    "update": lambda m: wl.eval_shape(lambda x: x.at[:].set(m), X),
    "constructor": lambda m: wl.eval_shape(lambda x: wnp.asarray(m) + x, X),
    "result": lambda m: wl.eval_shape(lambda x: m, X),
    "callback": lambda m: wl.pure_callback(lambda x: m, wl.ShapeDtypeStruct(m.shape, m.dtype), X),
    "eager": lambda m: wnp.sum(m),
    "eager, in a list": lambda m: wnp.concatenate([X, m]),
    "lax": lambda m: lax.erf(m),
    "activation": lambda m: nn.relu(m),
    "at": lambda m: wnp.at(m)[0].set(1.0),
    "device_put": lambda m: wl.device_put(m),
}


@pytest.mark.parametrize("entrance", ENTRANCES)
@pytest.mark.parametrize("subclass", SUBCLASSES)
def test_arrays_with_an_arithmetic_of_their_own_are_refused(subclass: str, entrance: str) -> None:
    with pytest.raises(TypeError) as caught:
        ENTRANCES[entrance](SUBCLASSES[subclass])
    if entrance not in ("before an operand", "activation"):  # there the class itself may refuse
        assert isinstance(caught.value, wl.ProgramError) and "is required" in str(caught.value)


def test_a_subclass_that_computes_as_numpy_does_is_an_array() -> None:
    assert wl.jit(lambda x: x + 1, disable_jit=True)(X.view(Labelled)).tolist() == [2, 2]


NO_ARRAYS = (array.array("d", [1, 2]), memoryview(b"ab"), bytearray(b"ab"), range(2), "ab", b"ab")


@pytest.mark.parametrize("given", NO_ARRAYS, ids=lambda x: type(x).__name__)
def test_what_is_no_array_is_none_after_calls_of_its_kind_either(given: Any) -> None:
    double = wl.jit(lambda x: x * 2)
    for _ in range(2):
        for call in (double, wl.grad(np.sum), double.compile(X)):
            with pytest.raises(wl.ProgramError, match=type(given).__name__):
                call(given)
        for kind in (float, np.uint8, int):
            double(np.ones(2, kind))


def test_what_gives_an_array_is_one_before_and_after() -> None:
    double = wl.jit(lambda x: x * 2)
    for _ in range(2):
        assert double(Tensor(1, 2)).tolist() == [2, 4]
        assert wl.grad(lambda x: np.sum(x * x))(Tensor(1.0, 2.0)).tolist() == [2, 4]
        assert double.compile(X)(Tensor(1.0, 2.0)).tolist() == [2, 4]
        double(np.ones(2))
    assert wl.jit(lambda x: np.add(x, Tensor(1, 2)), disable_jit=True)(X).tolist() == [2, 3]


def test_traced_values_are_no_keys_and_no_members() -> None:
    table = {1.0: 10.0}
    for function, repair in (
        (lambda x: x in {1.0, 2.0}, "np.isin(x, [1.0, 2.0])"),
        (lambda x: table.get(x, 0.0), "np.isin"),
        (lambda x: {x: 1.0}, "id(x)"),
        (lambda x: len({x}), "id(x)"),
        (lambda x: x in table, "np.isin"),
    ):
        with pytest.raises(wl.ProgramError, match="hash: a number is required, got a traced") as e:
            wl.eval_shape(function, 2.0)
        assert repair in str(e.value)


def test_an_argument_is_differentiated_once() -> None:
    for transformed in (wl.grad, wl.value_and_grad, wl.jacfwd, wl.jacrev):
        for argnums in ((0, 0), (1, -1)):
            with pytest.raises(wl.ProgramError, match="different argnums are required"):
                transformed(lambda x, y: x * y, argnums=argnums)(2.0, 3.0)


BOUNDS = (0, 3, np.int32(0), np.int32(3), np.int64(3), np.uint8(3))


@pytest.mark.parametrize("start", [0.0, 0, np.float32(0), np.int8(0)], ids=str)
def test_a_loop_of_bounds_known_and_traced_is_one(start: Any) -> None:
    """Values, dtypes, and whether it is refused."""

    def made(function: Callable[..., Any], *args: Any) -> Any:
        try:
            return wl.eval_shape(function, *args)
        except wl.ProgramError as error:
            return str(error).split(" at ")[0]

    for low in BOUNDS:
        for high in BOUNDS:
            loop = functools.partial(lax.fori_loop, body_fun=lambda i, c: c + i, init_val=start)
            known = made(functools.partial(loop, low, high))
            assert known == made(loop, low, high), (low, high)


# ---------------------------------------------------------------- names of dtypes

STRINGS = ("?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16", "f")
KEYWORDS = {"dtype", "new_dtype", "index_dtype", "preferred_element_type"}
KEY, KEYED = random.key(0), np.array([0.5, 0.5])
IMAGE = np.ones((1, 1, 1))
NAMED: dict[str, Callable[..., Any]] = {
    "argmax argmin": lambda f, d: f(X, 0, d),
    "broadcasted_iota": lambda f, d: f(d, (2,), 0),
    "iota": lambda f, d: f(d, 2),
    "convert_element_type": lambda f, d: f(X, d),
    "dot": lambda f, d: f(X, X, preferred_element_type=d),
    "dot_general": lambda f, d: f(X, X, (((0,), (0,)), ((), ())), preferred_element_type=d),
    "conv conv_general_dilated conv_transpose": lambda f, d: f(
        IMAGE, IMAGE, (1,), "VALID", preferred_element_type=d
    ),
    "conv_general_dilated_patches": lambda f, d: f(
        IMAGE, (1,), (1,), "VALID", preferred_element_type=d
    ),
    "conv_with_general_padding": lambda f, d: f(
        IMAGE, IMAGE, (1,), "VALID", None, None, preferred_element_type=d
    ),
    "full": lambda f, d: f((2,), 1, d),
    "full_like": lambda f, d: f(X, 1, d),
    "one_hot": lambda f, d: f(PLACES, 2, dtype=d),
    "orthogonal": lambda f, d: f(KEY, (2, 2), dtype=d),
    "randint": lambda f, d: f(KEY, (2,), 0, 2, d),
}
"""How functions of lax, random and nn are given a dtype, beside `dtype=`."""


def taking_dtypes() -> Iterator[tuple[str, Any]]:
    for module in (lax, random, nn, wl):
        for name, function in vars(module).items():
            own = inspect.isfunction(function) and function.__module__.startswith("wonderland")
            own = own and name != "default_dtype"
            if name[0] != "_" and own and KEYWORDS & set(inspect.signature(function).parameters):
                yield f"{module.__name__}.{name}", function


def given(parameters: Any) -> list[Any]:
    """What the parameters without defaults get."""
    known = {"key": KEY, "shape": (2,), "n": 2.0, "p": 0.5}
    free = [p for p in parameters.values() if p.default is p.empty and p.kind < p.VAR_POSITIONAL]
    return [known.get(p.name, 1.0) for p in free if p.name not in KEYWORDS]


def dtype_of(function: Any, name: str, dtype: Any) -> Any:
    call = next((c for names, c in NAMED.items() if name in names.split()), None)
    try:
        if call is not None:
            return dtypes(call(function, dtype))
        return dtypes(function(*given(inspect.signature(function).parameters), dtype=dtype))
    except wl.ProgramError:
        return "refused"


@pytest.mark.parametrize("name", [n for n, _ in taking_dtypes()])
def test_a_string_means_what_it_means_to_numpy(name: str) -> None:
    function = dict(taking_dtypes())[name]
    plain = name.rpartition(".")[2]
    for string in STRINGS:
        got = dtype_of(function, plain, string)
        assert got == dtype_of(function, plain, np.dtype(string)), string
    for ours in set(NUMPY) - {"bool", "i8", "u8", "f16"}:
        assert dtype_of(function, plain, ours) == dtype_of(function, plain, NUMPY[ours]), ours


def test_strings_that_numpy_has_no_meaning_for_are_ours_everywhere() -> None:
    for string, dtype in (("f32", np.float32), ("bf16", BF16), ("u16", np.uint16)):
        for make in (lambda d: wnp.zeros(2, d), lambda d: wnp.full(2, 1, dtype=d)):
            assert make(string).dtype == dtype  # pyright: ignore[reportAttributeAccessIssue]
            assert wl.eval_shape(lambda d=string, make=make: make(d)).numpy == dtype
    with pytest.raises(wl.ProgramError, match=r"float128(.|\n)*try: np.float16, or"):
        wl.eval_shape(lambda x: x.astype("f16"), X)


# ---------------------------------------------------------------- bf16

NARROW = np.linspace(0.1, 0.9, 6).reshape(2, 3).astype(BF16)
MIXED: tuple[Callable[[Any], Any], ...] = (
    lambda x: wnp.multiply(x, 2.0),
    lambda x: wnp.power(2.0, x),
    lambda x: wnp.maximum(x, 0.0),
    lambda x: wnp.where(x > 0.5, x, 0.0),
    lambda x: wnp.clip(x, 0, 1),
    lambda x: wnp.matmul(x, x.T),
    lambda x: wnp.linspace(x[0, 0], 1.0, 3),
    lambda x: wnp.median(x),
    lambda x: wnp.round(x, 1),
    lambda x: wnp.intersect1d(x, np.arange(3, dtype=np.int8), size=1),
    lambda x: wnp.histogram_bin_edges(x, 4, (0.0, 1.0)),
)


def dtypes(x: Any) -> list[Any]:
    return [v.dtype for v in tree.leaves(x)]


@pytest.mark.parametrize("function", MIXED)
def test_bf16_beside_python_numbers_has_one_dtype(function: Callable[[Any], Any]) -> None:
    eager, traced = function(NARROW), wl.jit(function, disable_jit=True)(NARROW)
    assert eager.dtype == traced.dtype == BF16
    assert eager.tobytes() == traced.tobytes()


def activations() -> list[str]:
    """The functions of nn that one array may be given, or two."""
    found = [n for n, f in vars(nn).items() if inspect.isfunction(f) and n[0] != "_"]
    return [n for n in found if "key" not in inspect.signature(getattr(nn, n)).parameters]


def test_activations_and_losses_keep_bf16() -> None:
    tried = 0
    for name in activations():
        function = getattr(nn, name)
        for count in (1, 2):
            try:
                expected = wl.eval_shape(function, *(NARROW,) * count)
            except Exception:
                continue
            tried += 1
            got = function(*(NARROW,) * count)
            assert dtypes(got) == [t.numpy for t in tree.leaves(expected)], name
    assert tried > 20


OPTIMIZERS = {
    "sgd": optim.sgd(0.1),
    "momentum": optim.sgd(0.1, 0.9, True),
    "schedule": optim.sgd(optim.linear_schedule(0.1, 0.01, 10)),
    "adamw": optim.adamw(1e-2),
    "rmsprop": optim.rmsprop(0.1, momentum=0.5, centered=True),
    "ema": optim.ema(0.9),
    "clipped": optim.chain(optim.clip_by_global_norm(0.1), optim.clip(0.5), optim.scale(-1.0)),
    "decayed": optim.chain(optim.add_decayed_weights(0.1), optim.scale(-1.0)),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_eager_step_of_bf16_is_that_of_a_trace(name: str) -> None:
    optimizer, params, grads = OPTIMIZERS[name], {"w": NARROW}, {"w": NARROW - BF16.type(0.5)}

    def step(params: Any, state: Any, grads: Any) -> Any:
        updates, state = optimizer.update(grads, state, params)
        return optim.apply_updates(params, updates), state

    args = params, optimizer.init(params), grads
    eager, traced = step(*args), wl.jit(step, disable_jit=True)(*args)
    assert dtypes(eager) == dtypes(traced) and eager[0]["w"].dtype == BF16
    assert [x.tobytes() for x in tree.leaves(eager)] == [x.tobytes() for x in tree.leaves(traced)]


SHAPES = [(3,), (4,), (3, 4), (3, 3), (2, 3, 4)]
PRODUCTS = ("matmul", "dot", "inner", "vecdot", "matvec", "vecmat")
OF_AXES = [0, 1, 2, 3, np.int64(1), (0, 0), (-1, -1), (1, 2), (2, 0), ([0], [5]), ([0, 0], [0, 1]),
           ([0, 1], [0, 1]), ([0, 1], [0]), (0,), np.array([[0], [0]])]  # fmt: skip


def test_products_take_and_refuse_what_numpys_do_in_their_own_names() -> None:
    calls: list[tuple[str, Any]] = [(n, getattr(np, n)) for n in PRODUCTS]
    calls += [("tensordot", functools.partial(np.tensordot, axes=a)) for a in OF_AXES]
    for (name, call), a, b in itertools.product(calls, SHAPES, SHAPES):
        x, y = np.ones(a), np.ones(b)
        f = wl.jit(lambda x, y, call=call: call(x, y), disable_jit=True)
        try:
            wanted = call(x, y)
        except (ValueError, IndexError):
            with pytest.raises(wl.ProgramError, match=f"^{name}: "):
                f(x, y)
            continue
        np.testing.assert_array_equal(f(x, y), wanted, err_msg=f"{name} of {a} and {b}")
