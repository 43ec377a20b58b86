"""What the kernels of a GPU compute, executed from their PTX, is what the processor computes.

To the bit where nothing is summed in another order: maps, extremes, counts, random bits, products.
A sum of floats has as many partial sums as there are threads, so its last bits differ.

Whatever runs here is also linked for every architecture, and spills nothing there (resources.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from tests.cuda.interpreted import compiled_for, rounded, run
from tests.cuda.resources import keep_in_registers
from tests.ops.sampling import sample_arrays, sample_graph, samples
from tests.ops.test_derivatives import FORWARD_ONLY
from tests.programs import test_written as programs
from tests.programs.random_graphs import random_arrays, random_graph
from wonderland.compiler.ir.graph import Graph, Op
from wonderland.compiler.ir.types import FLOATS, NAMES, NUMPY
from wonderland.compiler.kernel import Kernel, KernelReduce
from wonderland.compiler.kernel.elimination import Elimination
from wonderland.compiler.kernel.prefix import Prefix
from wonderland.compiler.kernel.product import Product
from wonderland.compiler.optimise.parts import in_memory
from wonderland.compiler.pipeline import Compiled, compile_graph, machine_code
from wonderland.compiler.trace import tree
from wonderland.compiler.transform.interpreter import interpret
from wonderland.compiler.transform.linearize import linearize
from wonderland.compiler.transform.transpose import transpose
from wonderland.models.families import mlp

GRAPHS = 100
# sums of up to a few thousand terms, in another order; f16 and bf16 round what f32 summed
TOLERANCES = {"bf16": 2e-2, "f16": 2e-3, "f32": 3e-5, "f64": 1e-12}


def sums(compiled: Compiled) -> bool:
    """Whether floats may be combined in an order that depends on lanes or threads."""
    for work, _ in compiled.lowered:
        kernel = work.kernel
        if isinstance(kernel, Prefix | Product) and kernel.dtype in FLOATS:
            return True
        for stage in kernel.stages if isinstance(kernel, Kernel) else ():
            for s in stage.body:
                if isinstance(s, KernelReduce) and s.monoid in ("sum", "prod"):
                    return True
    return False


def eliminates(compiled: Compiled) -> bool:
    """Whether a kernel does what LAPACK does beside a GPU."""
    return any(isinstance(work.kernel, Elimination) for work, _ in compiled.lowered)


def same(got: np.ndarray, want: np.ndarray, exact: bool, rough: float = 0.0) -> None:
    assert (got.dtype, got.shape) == (want.dtype, want.shape)
    name = NAMES[want.dtype]
    if name in FLOATS:
        x, y = got.astype(np.float64), want.astype(np.float64)
        tolerance = max(rough, 0.0 if exact else TOLERANCES[name])
        largest = float(np.max(np.abs(y), initial=1.0, where=np.isfinite(y)))
        np.testing.assert_allclose(x, y, tolerance, tolerance * largest)
    else:
        np.testing.assert_array_equal(got, want)


def agree(graphs: Sequence[tuple[Graph, Sequence[np.ndarray]]], exactly: bool = False) -> None:
    """Asserts that both targets give the same; the processor's kernels are compiled together."""
    both = [(compiled_for(g), compile_graph(g, folder=""), a) for g, a in graphs]
    machine_code(low for _, c, _ in both for _, low in c.lowered)
    keep_in_registers(gpu for gpu, _, _ in both)
    for gpu, cpu, arrays in both:
        exact = exactly or not (sums(gpu) or eliminates(cpu))
        wanted = map(in_memory, cpu.program(tuple(arrays)))
        for got, want in zip(map(in_memory, run(gpu, arrays)), wanted, strict=True):
            same(got, want, exact, rounded(gpu.graph))


def agree_on(function: Callable[..., Any], *args: Any, exactly: bool = False) -> None:
    arrays = [np.asarray(x) for x in tree.leaves(args)]
    agree([(wl.trace(function, *args).graph, arrays)], exactly)


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


# ------------------------------------------------------------------ the registry


@pytest.mark.parametrize("name", sorted(Op.registry.keys() - {"slabs"}))  # processors alone
def test_every_op_gives_what_it_gives_on_the_processor(name: str) -> None:
    agree([(sample_graph(s), sample_arrays(s, k)) for k, s in enumerate(samples(name))])


def smooth(name: str) -> list[Any]:
    """A sample of each width whose operands have derivatives."""
    found: dict[str, Any] = {}
    for s in samples(name):
        graph = sample_graph(s)
        if s.smooth and graph.inputs and graph.outputs[0].type.is_float:
            kinds = {v.dtype for v in graph.inputs if v.type.is_float}
            if len(kinds) == 1 and (dtype := min(kinds)) in ("f32", "f64"):
                found.setdefault(dtype, s)
    return list(found.values())


REVERSIBLE = [n for n in sorted(Op.registry) if n not in FORWARD_ONLY and smooth(n)]


def forward_and_backward(name: str) -> list[tuple[Graph, Sequence[np.ndarray]]]:
    """The two halves of the reverse mode of an op's smooth samples, with arrays for both."""
    found: list[tuple[Graph, Sequence[np.ndarray]]] = []
    for s in smooth(name):
        graph, arrays = sample_graph(s), sample_arrays(s)
        forward, linear = linearize(graph, [v.type.is_float for v in graph.inputs])
        found.append((forward, arrays))
        tangents = sum(v.type.is_float for v in graph.inputs)
        residuals = interpret(forward, *arrays)[len(graph.outputs) :]
        marks = [k >= len(linear.inputs) - tangents for k in range(len(linear.inputs))]
        backward = transpose(linear, marks)
        cts = [np.ones(v.shape, v.type.numpy) for v in backward.inputs[len(residuals) :]]
        found.append((backward, (*residuals, *cts)))
    return found


@pytest.mark.parametrize("name", REVERSIBLE)
def test_the_gradient_of_every_op_is_the_processors(name: str) -> None:
    agree(forward_and_backward(name))


def test_random_graphs_give_what_they_give_on_the_processor() -> None:
    seeds = [(random_graph(k), k) for k in range(GRAPHS)]
    agree([(g, random_arrays(g, k)) for g, k in seeds])


# ------------------------------------------------------------------ products


@pytest.mark.parametrize(
    "m, k, n", [(1, 1, 1), (5, 19, 9), (70, 33, 65), (33, 16, 130), (64, 48, 64)]
)
def test_products_of_ragged_sizes_have_the_bits_of_the_processor(m: int, k: int, n: int) -> None:
    x, w, b = normal(m, k), normal(k, n), normal(n)
    agree_on(lambda x, w, b: np.tanh(x @ w + b), x, w, b, exactly=True)


def test_transposed_batched_and_whole_number_products_have_the_same_bits() -> None:
    agree_on(lambda x, y: x.T @ y.T, normal(33, 70), normal(65, 33), exactly=True)
    agree_on(lambda x, y: x @ y, normal(3, 20, 17), normal(3, 17, 10), exactly=True)
    whole, wide = np.arange(35).reshape(5, 7), normal(20, 9).astype(np.float64)
    agree_on(lambda x, y: x @ y.T, whole, whole, exactly=True)
    agree_on(lambda x, y: x @ y, wide, wide.T, exactly=True)


def test_a_long_depth_is_summed_by_teams() -> None:
    agree_on(lambda x, y: x @ y, normal(5, 3000), normal(3000, 6))


def rounded_to_tf32(x: np.ndarray) -> np.ndarray:
    return ((x.view(np.uint32) + np.uint32(0x1000)) & np.uint32(0xFFFFE000)).view(np.float32)


def rounded_to_bf16(x: np.ndarray) -> np.ndarray:
    return x.astype(NUMPY["bf16"]).astype(np.float32)


ROUNDINGS = {"tf32": rounded_to_tf32, "bf16": rounded_to_bf16}


@pytest.mark.parametrize("m, k, n", [(5, 19, 9), (70, 33, 65), (200, 48, 64)])
@pytest.mark.parametrize("precision", ROUNDINGS)
def test_tensor_cores_multiply_rounded_factors(precision: str, m: int, k: int, n: int) -> None:
    rounded = ROUNDINGS[precision]
    x, w = normal(m, k), normal(k, n)
    want = rounded(x).astype(np.float64) @ rounded(w) + 1
    for product, args in ((np.matmul, (x, w)), (lambda a, b: a.T @ b.T, (x.T.copy(), w.T.copy()))):
        with wl.default_matmul_precision(precision):
            graph = wl.trace(lambda a, b, of=product: of(a, b) + np.float32(1), *args).graph
        compiled = compiled_for(graph)
        assert any("mma_" in low.text for _, low in compiled.lowered)
        keep_in_registers([compiled])
        (got,) = run(compiled, args)
        np.testing.assert_allclose(got, want, 1e-5, 1e-5)  # sums in f32


# ------------------------------------------------------------------ rows


def softmax(x: Any) -> Any:
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


@pytest.mark.parametrize("shape", [(1, 1), (7, 10), (9, 33), (5, 256), (3, 1001)])
def test_rows_of_any_length(shape: tuple[int, int]) -> None:
    agree_on(softmax, normal(*shape))
    agree_on(lambda x: (np.argmax(x, 1), np.max(x, 0), np.any(x > 2, 1)), normal(*shape))


@pytest.mark.parametrize("rows", [40, 600])
def test_layer_norm_forward_and_backward(rows: int) -> None:
    def loss(x: Any, gain: Any, bias: Any) -> Any:
        return np.sum(np.sin(programs.layer_norm(x, gain, bias)))

    agree_on(wl.value_and_grad(loss, argnums=(0, 1, 2)), normal(rows, 96), normal(96), normal(96))


def test_sums_of_everything_and_of_columns() -> None:
    agree_on(lambda x: (np.sum(x * x), np.sum(x, 0), np.mean(x, 1)), normal(300, 200))


def test_operands_that_lie_crosswise_are_turned_to_the_bit() -> None:
    agree_on(lambda x, y: x.T * 2 + y, normal(70, 33), normal(33, 70), exactly=True)
    agree_on(lambda x: np.transpose(x, (2, 0, 1)) + 1, normal(5, 40, 36), exactly=True)
    agree_on(lambda x, y: x.T * y.T, normal(65, 64), normal(65, 64), exactly=True)


@pytest.mark.parametrize("operands", [6, 30])
def test_more_crosswise_operands_than_shared_memory_has_room_for(operands: int) -> None:
    xs = [normal(33, 65).astype(np.float64) + k for k in range(operands)]
    agree_on(lambda *xs: sum(x.T for x in xs), *xs, exactly=True)


def test_prefixes_of_long_rows_are_a_blocks() -> None:
    agree_on(lambda x: (np.cumsum(x, 1), wl.lax.cummax(x, 1, reverse=True)), normal(3, 700))
    agree_on(lambda x: (wl.lax.cumlogsumexp(x, 0), np.cumprod(x, 0)), normal(515, 2))
    agree_on(lambda x: np.cumsum(x), np.arange(600, dtype=np.int32), exactly=True)


# ------------------------------------------------------------------ programs

RUN = [n for n in programs.PROGRAMS if "second" not in n]


@pytest.mark.parametrize("name", RUN)
def test_programs_of_users(name: str) -> None:
    function, args = programs.PROGRAMS[name]
    agree_on(function, *args)


def training_step() -> tuple[Any, ...]:
    """A step of a small network, and its arguments."""
    optimizer = wl.optim.adam(1e-3)
    params = mlp.init(wl.random.key(0), (12, 20, 9, 4))

    def step(params: Any, state: Any, x: Any, y: Any) -> Any:
        value, gradient = wl.value_and_grad(mlp.loss)(params, (x, y))
        updates, state = optimizer.update(gradient, state, params)
        return wl.optim.apply_updates(params, updates), state, value

    labels = np.random.default_rng(0).integers(0, 4, 33)
    return step, params, optimizer.init(params), normal(33, 12), labels


def test_a_training_step_of_a_network() -> None:
    function, *args = training_step()
    agree_on(function, *args)
