"""A plan is proved to read what was written for it, and a plan with a fault in it is refused."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from tests.programs.random_graphs import random_graph
from wonderland import lax
from wonderland.compiler.codegen.target import DEVICES
from wonderland.compiler.fuse.emission import AnyWork, BodyWork
from wonderland.compiler.fuse.fuse import Fusion
from wonderland.compiler.fuse.waves import Schedule
from wonderland.compiler.ir.errors import CompilerError
from wonderland.compiler.pipeline import Compiled, compile_graph
from wonderland.compiler.plan.plan import Plan, ValuePlace
from wonderland.compiler.plan.verify import verify_plan

F32 = np.float32
X = np.random.default_rng(0).normal(size=(8, 96)).astype(F32)
W = np.random.default_rng(1).normal(size=(8, 8)).astype(F32)
PROGRAMS: dict[str, tuple[Callable[..., Any], tuple[Any, ...], tuple[int, ...]]] = {}


def program(*args: Any, donate: tuple[int, ...] = ()) -> Callable[[Callable[..., Any]], Any]:
    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        PROGRAMS[function.__name__] = function, args, donate
        return function

    return register


@program(W, X)
def chain(w: Any, x: Any) -> Any:
    y = np.tanh(w @ x)
    z = np.exp(y / np.sum(y))
    return w @ z, np.sort(y, axis=1), np.cumsum(z, axis=0)


@program(W, X)
def pieces(w: Any, x: Any) -> Any:
    y = np.concatenate([w @ x, np.sort(x, axis=1), x * 2])
    return w @ y[:8], y[8:16] + np.sum(y)


@program(W, X)
def gradient_of_a_scan(w: Any, x: Any) -> Any:
    def loss(w: Any) -> Any:
        h, hs = lax.scan(lambda h, x: (np.tanh(w @ h + x), h), np.zeros(8, F32), x.T)
        return np.sum(h) + np.sum(hs**2)

    return wl.grad(loss)(w)


@program(X, np.bool_(True))
def branches(x: Any, p: Any) -> Any:
    v = np.sum(x, axis=0)[:, None]
    return v, lax.cond(p, lambda v: np.sort(v * 2, axis=0), lambda v: np.cos(v), v), np.max(x)


@program(X)
def while_two_carries_change_places(x: Any) -> Any:
    def turn(state: Any) -> Any:
        n, a, b = state
        return n + 1, np.cumsum(b, axis=1), np.sort(a, axis=1)

    return lax.while_loop(lambda s: s[0] < 5, turn, (np.int32(0), x, x * 2))


@program(X, np.arange(8), donate=(0,))
def donated_and_written_in_every_turn(x: Any, rows: Any) -> Any:
    at = wl.numpy.at
    return lax.fori_loop(0, 7, lambda i, x: at(x)[rows[i]].add(np.sum(x[i])), x), np.sum(x)


@program(X)
def loop_in_a_loop(x: Any) -> Any:
    def row(c: Any, r: Any) -> Any:
        d = lax.fori_loop(0, 3, lambda i, d: np.sin(d) + r, c)
        return d, (np.sort(d), lax.cond(d[0] > 0, lambda d: d * 2, lambda d: d, d))

    return lax.scan(row, np.zeros(96, F32), x, reverse=True)


def compiled(name: str) -> Compiled:
    function, args, donate = PROGRAMS[name]
    return wl.jit(function, donate_argnums=donate).compile(*args).compiled


def check(c: Compiled, plan: Plan | None = None) -> None:
    verify_plan(plan or c.plan, {id(w): low for w, low in c.lowered})


@pytest.mark.parametrize("name", PROGRAMS)
def test_plans_are_proved(name: str) -> None:
    check(compiled(name))
    function, args, _ = PROGRAMS[name]
    check(compile_graph(wl.trace(function, *args).graph, DEVICES["sm_90"]))


def test_plans_of_random_graphs_are_proved() -> None:
    for seed in range(60):
        for target in (None, DEVICES["sm_90"]):
            check(compile_graph(random_graph(seed), target))


# ---------------------------------------------------------------- planted faults


def inside(plan: Plan) -> Iterator[tuple[Plan, Callable[[Plan], Plan]]]:
    """The plan and those of bodies in it, each with what puts another in its place."""
    yield plan, lambda other: other
    for work in (w for _, w in plan.schedule.works):
        for k, body in enumerate(work.bodies if isinstance(work, BodyWork) else ()):
            for one, put in inside(body):

                def outer(other: Plan, work: Any = work, k: int = k, put: Any = put) -> Plan:
                    bodies = list(work.bodies)
                    bodies[k] = put(other)
                    return with_work(plan, work, replace(work, bodies=tuple(bodies)))

                yield one, outer


def with_work(plan: Plan, work: AnyWork, *others: AnyWork) -> Plan:
    """The plan with works in the place of one."""
    waves = [
        tuple(o for w in wave for o in (others if w is work else (w,)))
        for wave in plan.schedule.waves
    ]
    return replace(plan, schedule=replace(plan.schedule, waves=tuple(waves)))


def refused(c: Compiled, plan: Plan) -> bool:
    try:
        check(c, plan)
    except CompilerError as error:
        assert str(error).startswith("verify_plan: ")
        return True
    return False


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_work_that_does_not_run_is_missed(name: str) -> None:
    c = compiled(name)
    for plan, put in inside(c.plan):
        works = [w for _, w in (*plan.schedule.works, *plan.left_out)]
        writers = Counter(v for w in works for v in w.written)
        for _, work in plan.schedule.works:
            if all(writers[v] == 1 for v in work.written):
                assert refused(c, put(with_work(plan, work))), f"without {work.name}\n{c.plan}"


@pytest.mark.parametrize("name", PROGRAMS)
def test_works_before_what_they_read_are_refused(name: str) -> None:
    c = compiled(name)
    for plan, put in inside(c.plan):
        waves = plan.schedule.waves
        for k, (one, two) in enumerate(itertools.pairwise(waves)):
            written = {v for w in one for v in w.written}
            if any(v in written for w in two for v in w.reads):
                changed = (*waves[:k], two, one, *waves[k + 2 :])
                schedule = replace(plan.schedule, waves=changed)
                assert refused(c, put(replace(plan, schedule=schedule)))
                together = (*waves[:k], (*one, *two), *waves[k + 2 :])
                schedule = Schedule(plan.graph, together)
                left_out = tuple((n - (n > k), w) for n, w in plan.left_out)
                parallel = replace(plan, schedule=schedule, left_out=left_out)
                single = all(not isinstance(w, BodyWork) for w in (*one, *two))
                kernels = all(hasattr(w, "kernel") for w in (*one, *two))
                if single and kernels:
                    assert refused(c, put(parallel)), f"waves {k} and {k + 1} at once\n{plan}"


@pytest.mark.parametrize("name", PROGRAMS)
def test_values_over_what_is_read_later_are_refused(name: str) -> None:
    c, count = compiled(name), 0
    for plan, put in inside(c.plan):
        works = list(plan.schedule.works)
        last = {v: k for k, w in works for v in w.reads if v.type.size}
        wrote = {v: k for k, w in works for v in w.written if v.type.size}
        pinned = {*plan.shared, *plan.shared.values(), *plan.whole, *plan.whole.values()}
        here = [v for v in wrote if plan.places[v].space == "arena" and v not in pinned]
        for u in here:
            for v in here:
                if u is not v and wrote[u] < wrote[v] < last.get(u, 0) and v in last:
                    places = plan.places | {v: ValuePlace("arena", 0, plan.places[u].offset)}
                    count += 1
                    assert refused(c, put(replace(plan, places=places))), f"{v} over {u}\n{plan}"
    assert count or name != "gradient_of_a_scan"


def test_an_operand_that_is_stored_only_as_its_view_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A group that is taken to read the view, while its loop reads what that is a view of."""
    single = Fusion.single

    def of_views(self: Fusion, node: Any) -> Any:
        group = single(self, node)
        args = frozenset(a for a in node.args if a in self.roots.stored)
        return replace(group, reads=args)

    with pytest.raises(CompilerError, match=r"reads .*, which nobody writes"):
        monkeypatch.setattr(Fusion, "single", of_views)
        compiled("branches")


def test_the_setting_proves_what_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Plan] = []
    monkeypatch.setattr(
        "wonderland.compiler.pipeline.verify_plan", lambda plan, _: seen.append(plan)
    )
    wl.jit(lambda x: x + 1, verify=False)(X)
    assert not seen
    wl.jit(lambda x: x + 1, verify=True)(X)
    with wl.verify():
        wl.jit(lambda x: x + 1)(X)
    assert len(seen) == 2


def test_what_has_no_elements_is_not_written_beside_a_sum_of_none() -> None:
    def f(a: Any, b: Any) -> Any:
        total = np.sum(np.where(b, 1, 2))
        return total, np.sin(a) * total, total * np.ones((0,), F32)

    with wl.verify():
        total, *rest = wl.jit(f)(np.zeros((0, 3)), np.zeros((2, 0), np.int8))
    assert total == 0 and all(x.size == 0 for x in rest)
