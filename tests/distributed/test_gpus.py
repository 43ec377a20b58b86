"""The programs over named axes on GPUs that NCCL connects: fakes, of processes that are threads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wonderland as wl
from tests.distributed.programs import PROGRAMS, Program
from tests.distributed.test_programs import same
from tests.runtime.fake_device import FakeDevice
from tests.runtime.fake_processes import Process, Processes
from wonderland.compiler.optimise import buckets
from wonderland.runtime.gpu import cuda

SOME = "psum of (3, 5)", "NaN and infinities", "a tree", "a sum in every turn", "loops in loops"
EVERY = 12


@pytest.fixture(params=["late", "early"])
def processes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Processes:
    """Their transfers are as late as they may be, or as early."""

    def device(rank: int) -> FakeDevice:
        made = FakeDevice(eager=request.param == "early")
        made.index = rank
        return made

    found = Processes(monkeypatch, 2, devices=device)
    monkeypatch.setattr(cuda, "cuda_devices", lambda: tuple(p.device for p in found.all))
    return found


def chosen() -> list[Any]:
    """All programs; those that a run by hand is left for are marked."""
    sweep = [k % EVERY and p.name not in SOME for k, p in enumerate(PROGRAMS)]
    return [
        pytest.param(p, id=p.name, marks=[pytest.mark.sweep] if later else [])
        for p, later in zip(PROGRAMS, sweep, strict=True)
    ]


@pytest.mark.parametrize("program", chosen())
def test_a_program_over_gpus_is_the_one_of_vmap(processes: Processes, program: Program) -> None:
    sizes = program.sizes(2)
    axes = dict(zip(program.axes, sizes, strict=True))
    expected = wl.jit(program.vmapped())(*program.stacked(sizes))
    places = [tuple(map(int, np.unravel_index(rank, sizes))) for rank in range(2)]

    def body(process: Process) -> Any:
        device = f"cuda:{process.rank}"
        step = wl.distributed.spmd(program.function, wl.distributed.mesh(axes), device=device)
        return wl.device_get(step(*program.arguments(sizes, places[process.rank])))

    for place, found in zip(places, processes.run(body), strict=True):
        here = wl.tree.map(lambda x: np.asarray(x)[place], expected)  # noqa: B023
        same(found, here, program.exact, program.name)


def test_what_is_greatest_is_gathered_and_nan_is_kept(processes: Processes) -> None:
    x = np.array([[1, np.nan, -np.inf, 5], [2, 3, np.inf, np.nan]], np.float32)

    def body(process: Process) -> Any:
        step = wl.distributed.spmd(
            lambda x: (wl.lax.pmax(x, "i"), wl.lax.pmin(x, "i")),
            wl.distributed.mesh({"i": 2}),
            device=f"cuda:{process.rank}",
        )
        return wl.device_get(step(x[process.rank]))

    for found in processes.run(body):
        np.testing.assert_array_equal(found, (x.max(0), x.min(0)))
    asked = [e for e in processes.all[0].device.log if e.startswith(("nccl", "download"))]
    assert asked == ["nccl all_gather"] * 2 + ["download 16"] * 2


def layers(w: list[Any], x: Any) -> Any:
    for each in w:
        x = np.tanh(x @ each)
    return (x * x).mean()


def test_gradients_travel_while_those_of_earlier_layers_are_computed(
    processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the device: launches that neither wait for a transfer nor are waited for by it."""
    rng = np.random.default_rng(0)
    w = [rng.standard_normal((24, 24)).astype(np.float32) for _ in range(4)]
    x = rng.standard_normal((2, 8, 24)).astype(np.float32)

    def step(w: Any, x: Any) -> Any:
        return wl.lax.pmean(wl.grad(layers)(w, x), "i")

    def body(process: Process) -> Any:
        here = wl.distributed.mesh({"i": 2})
        found = wl.distributed.spmd(step, here, device=f"cuda:{process.rank}")
        return wl.device_get(found(w, x[process.rank]))

    monkeypatch.setattr(buckets, "BUCKET_BYTES", 0)
    monkeypatch.setattr(buckets, "SMALL_BYTES", 0)
    results = processes.run(body)
    alone = wl.jit(wl.grad(layers))
    for found in results:
        for got, one, other in zip(found, *(alone(w, each) for each in x), strict=True):
            np.testing.assert_allclose(got, (one + other) / 2, 2e-5, 2e-6)
    asked = processes.all[0].device.asked
    sums = [a for a in asked if a.what == "nccl all_reduce"]
    launches = [a for a in asked if a.what == "launch"]
    beside = [sum(not (a.before(s) or s.before(a)) for a in launches) for s in sums]
    assert len(beside) == len(w) and all(beside)


def test_a_call_on_fixed_memory_exchanges_what_is_there(processes: Processes) -> None:
    def body(process: Process) -> Any:
        device = f"cuda:{process.rank}"
        x = wl.device_put(np.full(5, 1.0 + process.rank, np.float32), device)
        total = wl.distributed.spmd(
            lambda x: 2 * wl.lax.psum(3 * x, "i"), wl.distributed.mesh({"i": 2}), device=device
        )
        run = total.compile(x).bind(x)
        times = [time.row for time in total.compile(x).program.profile((x,))]
        return [wl.device_get(run()) for _ in range(2)], [type(row).__name__ for row in times]

    for found, rows in processes.run(body):
        np.testing.assert_array_equal(found, np.full((2, 5), 18, np.float32))
        assert rows == ["DeviceRow", "StartRow", "WaitRow", "DeviceRow"]
