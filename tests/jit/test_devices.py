"""Programs with device="cuda", end to end: the runtime's own code over a fake device."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wonderland as wl
from tests.cuda.interpreted import rounded
from tests.ops.sampling import sample_arrays, sample_graph, samples
from tests.programs.random_graphs import random_arrays, random_graph
from tests.runtime.fake_device import FakeDevice
from wonderland.compiler import ops
from wonderland.compiler.ir.graph import Graph, Op, Value, apply
from wonderland.compiler.ir.types import NAMES, Type
from wonderland.compiler.jit import ceilings
from wonderland.compiler.pipeline import Compiled, compile_graph
from wonderland.compiler.transform.interpreter import interpret
from wonderland.runtime.gpu import cuda
from wonderland.runtime.gpu.device import DeviceError
from wonderland.runtime.gpu.device_array import DeviceArray


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeDevice:
    made = FakeDevice()
    monkeypatch.setattr(cuda, "cuda_devices", lambda: (made,))
    return made


@pytest.fixture
def gpu() -> Any:
    """The first GPU."""
    if not cuda.cuda_devices():
        pytest.skip(f"no GPU: {cuda.missing()}")
    return cuda.cuda_devices()[0]


@pytest.fixture(params=["fake", "driven", pytest.param("gpu", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> Any:
    """The fake, cuda.core over the driver of the tests, and a GPU where there is one."""
    return request.getfixturevalue(request.param)


# as in test_compiled.py: sums and products round in another order than NumPy's
TOLERANCES = {"bf16": 4e-2, "f16": 5e-3, "f32": 2e-5, "c64": 2e-5, "f64": 1e-11, "c128": 1e-11}

RNG = np.random.default_rng(0)
X = RNG.standard_normal((20, 7)).astype(np.float32)
Y = RNG.standard_normal((20, 3)).astype(np.float32)
W = RNG.standard_normal((7, 3)).astype(np.float32)


def loss(w, x, y):
    return np.mean((np.tanh(x @ w) - y) ** 2)


def close(a, b) -> None:
    for x, y in zip(wl.tree.leaves(a), wl.tree.leaves(b), strict=True):
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=2e-6, atol=1e-6)


def test_a_step_runs_on_the_device_as_on_the_processor(device):
    step = wl.jit(wl.value_and_grad(loss), device="cuda")
    value, gradient = step(W, X, Y)
    assert isinstance(value, DeviceArray) and gradient.shape == (7, 3)
    close((value, gradient), wl.jit(wl.value_and_grad(loss))(W, X, Y))
    assert value.device is device


def test_a_program_runs_where_its_arguments_are(device):
    step = wl.jit(lambda w, x, y: w - 0.1 * wl.grad(loss)(w, x, y))
    x, y = wl.device_put((X, Y), "cuda")
    w = wl.device_put(W, "cuda")
    plain = W
    for _ in range(4):
        w, plain = step(w, x, y), step(plain, X, Y)
        assert isinstance(w, DeviceArray) and isinstance(plain, np.ndarray)
    close(w, plain)
    assert wl.device_get(w).tolist() == np.asarray(w).tolist()
    assert isinstance(wl.jit(np.sin, device="cpu")(w), np.ndarray)
    with wl.disable_jit():
        close(step(w, x, y), step(plain, X, Y))


def test_the_device_is_a_setting(device):
    f = wl.jit(lambda x: x * 2)
    with wl.device("cuda"):
        assert isinstance(f(X), DeviceArray)
        assert isinstance(wl.device_put(X), DeviceArray)
    assert isinstance(f(X), np.ndarray) and isinstance(wl.device_put(X), np.ndarray)
    with wl.device(device):
        assert isinstance(f(X), DeviceArray)


def test_training_with_donated_state_uploads_the_data_only(fake):
    optimizer = wl.optim.adam(1e-2)

    def fit(params, state, x, y):
        value, gradient = wl.value_and_grad(lambda p: loss(p["w"], x, y))(params)
        updates, state = optimizer.update(gradient, state, params)
        return wl.optim.apply_updates(params, updates), state, value

    def trained(place: str):
        params = {"w": W}
        params, state = wl.device_put((params, optimizer.init(params)), place)
        train = wl.jit(fit, donate_argnums=(0, 1))
        values = []
        for _ in range(3):
            params, state, value = train(params, state, X, Y)
            values.append(value)
        return params, values

    close(trained("cuda"), trained("cpu"))
    log = [entry for entry in fake.log if entry.startswith(("upload", "graph"))]
    assert log.count(f"upload {X.nbytes}") == log.count(f"upload {Y.nbytes}") == 3
    assert sum(entry.startswith("graph") for entry in log) == 1


def test_what_a_function_closes_over_is_uploaded_once(fake):
    table = RNG.standard_normal((5, 7)).astype(np.float32)
    f = wl.jit(lambda x: x @ table.T, device="cuda")
    x = wl.device_put(X, "cuda")
    close(f(x), X @ table.T)
    uploads = [entry for entry in fake.log if entry.startswith("upload")]
    close(f(x), X @ table.T)
    assert [entry for entry in fake.log if entry.startswith("upload")] == uploads


def test_nans_are_found_on_the_device_too(device):
    f = wl.jit(lambda x: np.sqrt(x), device="cuda", check_nans=True)
    with pytest.raises(FloatingPointError, match="result 0"):
        f(-np.ones(3, np.float32))


def test_the_stages_of_a_program_on_a_device_are_read(device):
    stages = wl.jit(loss, device="cuda").inspect(W, X, Y)
    assert f"loss on {device.architecture}: 2 kernels" in stages["launches"]
    assert ".visible .entry" in stages["ptx"]


@pytest.mark.parametrize(
    "place",
    [pytest.param("gpu", marks=pytest.mark.gpu), pytest.param("driven", marks=pytest.mark.sweep)],
)
@pytest.mark.parametrize("name", sorted(Op.registry))
def test_every_op_on_a_gpu_means_what_the_interpreter_means(name, place, request):
    """Without a GPU tests/cuda runs their PTX, and a sweep what cuda.core makes of them."""
    device = request.getfixturevalue(place)
    for k, sample in enumerate(samples(name)):
        graph, arrays = sample_graph(sample), sample_arrays(sample, k)
        agree(compile_graph(graph, device=device), arrays)


@pytest.mark.parametrize("seed", range(3))
def test_random_graphs_on_a_device(seed, device):
    graph = random_graph(seed)
    agree(compile_graph(graph, device=device), random_arrays(graph, seed))


def agree(compiled: Compiled, arrays: tuple[np.ndarray, ...]) -> None:
    dtypes = {v.dtype for v in compiled.graph.values}
    tolerance = max(t for d, t in TOLERANCES.items() if d in dtypes or d == "f64")
    tolerance = max(tolerance, rounded(compiled.graph))
    expected = interpret(compiled.graph, *arrays)
    for found, want in zip(map(np.asarray, compiled.program(arrays)), expected, strict=True):
        assert (found.dtype, found.shape) == (want.dtype, want.shape)
        if NAMES[want.dtype] in TOLERANCES:
            wide = np.complex128 if want.dtype.kind == "c" else np.float64
            found, want = found.astype(wide), want.astype(wide)
            np.testing.assert_allclose(found, want, tolerance, tolerance)
        else:
            np.testing.assert_array_equal(found, want)


def test_results_go_to_other_libraries_and_come_back(device):
    x = wl.device_put(X, "cuda")
    double = wl.jit(lambda x: x * 2)
    if isinstance(device, FakeDevice):
        assert np.from_dlpack(double(x)).tolist() == (2 * X).tolist()
        return
    torch = pytest.importorskip("torch")
    there = torch.from_dlpack(double(x)) + 1  # on torch's stream, after ours
    assert there.device.type == "cuda"
    close(double(there), 2 * (2 * X + 1))
    close(double(torch.as_tensor(double(x), device="cuda")), 4 * X)


def test_more_memory_than_there_is_is_an_error_that_leaves_the_rest(device):
    if isinstance(device, FakeDevice):
        device.capacity = 1 << 20
    big = wl.jit(lambda x: np.broadcast_to(x, (1 << 20, *x.shape)) + 1, device="cuda")
    with pytest.raises(MemoryError, match="out of memory"):
        big(np.zeros((1 << 20, 1), np.float32))
    close(wl.jit(loss, device="cuda")(W, X, Y), loss(W, X, Y))


def test_without_a_gpu_it_says_what_is_missing(monkeypatch):
    monkeypatch.setattr(cuda, "cuda_found", lambda: ((), "the NVIDIA driver sees no GPU"))
    with pytest.raises(
        wl.ProgramError, match='jit: a device "cuda" is required: the NVIDIA driver sees no GPU'
    ):
        wl.jit(loss, device="cuda")(W, X, Y)
    assert [str(d) for d in wl.devices()] == ["cpu"]


def test_transformations_without_jit_read_device_arrays(device):
    x = wl.device_put(X, "cuda")
    close(wl.grad(lambda x: np.sum(x * x))(x), 2 * X)


def step(w, x, y):
    value, gradient = wl.value_and_grad(loss)(w, x, y)
    return w - 0.1 * gradient, value


def test_a_bound_program_trains_in_place_and_a_call_is_one_graph(device):
    w, x, y = wl.device_put((W, X, Y), "cuda")
    run = wl.jit(step, donate_argnums=0).compile(w, x, y).bind(w, x, y)
    close(w, W)
    plain = W
    before = len(getattr(device, "log", ()))
    for _ in range(3):
        plain, value = step(plain, X, Y)
        found = run()
        assert found[0] is w
        close(found, (plain, value))
    if isinstance(device, FakeDevice):
        asked = [e for e in device.log[before:] if not e.startswith("download")]
        assert asked == ["launch"] * 3


def test_no_program_takes_the_memory_of_a_bound_one(device):
    x = wl.device_put(X, "cuda")
    double = wl.jit(lambda x: x * 2, donate_argnums=0)
    run = wl.jit(lambda x: x + 1).compile(x).bind(x)
    result = run()
    close((double(result), double(x)), (2 * (X + 1), 2 * X))
    close((run(), x), (X + 1, X))
    assert run() is result
    del run, result
    other = double(x)
    assert x.is_deleted()
    close(other, 2 * X)


@pytest.mark.parametrize("place", ["cpu", "cuda"])
def test_binding_that_fails_leaves_donated_arguments_as_they_were(place, device):
    willing = []

    def look(x):
        if not willing:
            raise ValueError("not now")
        return x

    def f(x):
        y = np.exp(x)
        return x + 1, wl.io_callback(look, wl.ShapeDtypeStruct(y.shape, y.dtype), y)

    (x,) = wl.device_put((X.copy(),), place)
    compiled = wl.jit(f, donate_argnums=0, device=place).compile(x)
    with pytest.raises(ValueError, match="not now"):
        compiled.bind(x)
    close(x, X)
    willing.append(True)
    run = compiled.bind(x)
    close(x, X)
    close(run(), (X + 1, np.exp(X)))


def test_a_bound_call_that_fails_can_be_made_again(fake):
    x = wl.device_put(X, "cuda")
    run = wl.jit(lambda x: x * 2).compile(x).bind(x)
    fake.failing = "launch"
    with pytest.raises(DeviceError, match="launch on cuda:0: planted"):
        run()
    close(run(), 2 * X)


def test_a_bound_loop_turns_as_one_that_is_not(device):
    def f(x, n):
        return wl.lax.while_loop(lambda c: c[0] < n, lambda c: (c[0] + 1, c[1] * 1.5), (0, x))

    x, n = wl.device_put((X, np.int64(4)), "cuda")
    compiled = wl.jit(f).compile(x, n)
    run = compiled.bind(x, n)
    close(run(), compiled(x, n))


def test_what_cannot_be_bound_to_a_device_says_why(device):
    compiled = wl.jit(step, donate_argnums=0, device="cuda").compile(W, X, Y)
    w, x = wl.device_put((W, X), "cuda")
    with pytest.raises(
        wl.ProgramError, match=r"bind: an array f32\[20, 3\] on cuda:0 is required at args\[2\]"
    ):
        compiled.bind(w, x, Y)
    twice = wl.jit(lambda a, b: a + b, donate_argnums=0).compile(x, x)
    with pytest.raises(TypeError, match="share memory with a donated one cannot be bound"):
        twice.bind(x, x)
    close(twice(x, x), 2 * X)


def test_a_profile_has_a_row_of_every_kernel(device, monkeypatch):
    monkeypatch.setattr(ceilings, "MOST_RUNS", 2)
    monkeypatch.setattr(ceilings, "LEAST_RUNS", 1)
    monkeypatch.setattr(ceilings, "MOVED", (1 << 8,))
    monkeypatch.setattr(ceilings, "LARGE_PRODUCT", 8)
    w = wl.device_put(W, "cuda")
    compiled = wl.jit(step, donate_argnums=0, device="cuda").compile(w, X, Y)
    found = compiled.profile(w, X, Y)
    assert [r.kernel for r in found.rows] == [r.name for r in compiled.program.rows]
    assert found.rows and all(r.seconds > 0 and r.bytes > 0 for r in found.rows)
    assert found.ceilings.bytes_per_second > 0
    close(w, W)  # donated, and as before
    assert not w.is_deleted()


def test_what_is_no_array_is_not_put_on_a_device(device):
    with pytest.raises(wl.ProgramError, match="device_put: arrays and numbers are required"):
        wl.device_put({"a": object()}, "cuda")
    with pytest.raises(wl.ProgramError, match="got <U4"):
        wl.device_put({"a": "text"}, "cuda")


def test_arguments_are_on_one_device(fake, monkeypatch):
    other = FakeDevice()
    other.index = 1
    monkeypatch.setattr(cuda, "cuda_devices", lambda: (fake, other))
    x, y = wl.device_put(X, "cuda:0"), wl.device_put(X, "cuda:1")
    with pytest.raises(wl.ProgramError, match="arguments on one device are required, got cuda:0 "):
        wl.jit(np.add)(x, y)
    close(wl.jit(np.add, device="cuda:1")(x, y), 2 * X)
    close(wl.device_put(y, "cuda:0"), X)


def test_a_retrace_for_another_device_says_so(device, caplog):
    f = wl.jit(lambda x: x + 1)
    f(X)
    with caplog.at_level("INFO", "wonderland"):
        f(wl.device_put(X, "cuda"))
    assert "setting device is 'cuda:0', before ''" in caplog.text


class Backwards(Op, abstract=True):
    """An op that no kernel computes; it is in no registry."""

    name = "backwards"

    def type(self, *args: Type) -> Type:
        return args[0]

    def reference(self, *args: np.ndarray) -> np.ndarray:
        return args[0][::-1].copy()


def test_what_has_no_kernel_runs_on_the_host_between_graphs(fake):
    x = Value(Type("f32", (5,)))
    y = ops.exp(apply(Backwards(), ops.sin(x)))
    with wl.verify(False):  # which asks for ops of the registry
        compiled = compile_graph(Graph.of("f", (x,), (y,)), device=fake)
    values = np.arange(5, dtype=np.float32)
    close(compiled.program((values,)), (np.exp(np.sin(values)[::-1]),))
    log = [e for e in fake.log if e.startswith(("launch", "download", "upload"))]
    assert log == ["upload 20", "launch", "download 20", "upload 20", "launch", "download 20"]
