"""The form of kernels: text that reads back, rules and their messages, meaning, normal form."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tests.kernel import samples
from tests.kernel.samples import CASES, arrays_for
from wonderland.compiler.kernel import (
    NUMPY,
    OPS,
    Axis,
    Buffer,
    Const,
    Expr,
    Index,
    Keep,
    Kernel,
    KernelError,
    KernelReduce,
    Load,
    Map,
    Result,
    Stage,
    Store,
    apply,
    expr_axes,
    normalise,
    parse_kernel,
    reference,
    verify,
)


def run(k: Kernel, **arrays: np.ndarray) -> dict[str, np.ndarray]:
    out = {n: a.copy() for n, a in (arrays_for(k) | arrays).items()}
    reference(k, out)
    return out


# ---- text


@pytest.mark.parametrize("make", CASES.values(), ids=CASES)
def test_text_reads_back(make: Callable[[], Kernel]) -> None:
    for k in (make(), normalise(make())):
        assert str(parse_kernel(str(k))) == str(k)


def test_text_is_a_python_function() -> None:
    assert (
        str(samples.softmax(8, 16))
        == """\
def softmax(x: f32[128], y: f32[128]):
    for i in parallel(8):
        for j in stage(16):
            m = max(x[16*i + j])
        for j in stage(16):
            t0 = exp(x[16*i + j] - m)
            e[j] = t0
            s = sum(t0)
        for j in stage(16):
            y[16*i + j] = e[j] * (1.0 / s)"""
    )


@pytest.mark.parametrize("value", [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-300, True, 7])
def test_every_number_reads_back(value: float) -> None:
    dtype = {bool: "bool", int: "i32", float: "f64"}[type(value)]
    b = Buffer("y", dtype, 1)
    k = Kernel("k", (b,), (), (Stage((), (Store(b, Map(), Const(value, dtype)),)),))
    again = parse_kernel(str(verify(k)))
    (store,) = again.stages[0].body
    assert isinstance(store, Store) and isinstance(store.expr, Const)
    assert np.array(store.expr.value).tobytes() == np.array(value).tobytes()


def test_text_grows_with_the_dag_and_not_with_its_paths() -> None:
    x, y, i = Buffer("x", "f32", 8), Buffer("y", "f32", 8), Axis("i", 8)
    e: Expr = Load(x, Map((("i", 1),)))
    for _ in range(40):
        e = e + e
    k = Kernel("k", (x, y), (i,), (Stage((), (Store(y, Map((("i", 1),)), e),)),))
    assert len(str(k)) < 4000


@pytest.mark.parametrize(
    "text, message",
    [
        ("x = 1", "`def name\\(buffers\\):` is required"),
        ("def k(x):\n    pass", "a buffer is `name: dtype\\[size\\]`"),
        ("def k(x: f32[4]):\n    x[0] = 1.0", "a stage is"),
        ("def k(x: f32[4]):\n    if stage():\n        x[0] = sing(x[0])", "unknown operation sing"),
        ("def k(x: f32[4]):\n    if stage():\n        x[0] = y", "not an expression"),
        ("def k(x: f32[4]):\n    if stage():\n        x[i*i] = f32(1.0)", "not an affine index"),
    ],
)
def test_text_that_is_no_kernel_is_refused(text: str, message: str) -> None:
    with pytest.raises(KernelError, match=message):
        parse_kernel(text)


# ---- rules


X, Y, Z = Buffer("x", "f32", 128), Buffer("y", "f32", 128), Buffer("z", "f64", 128)
ROW, COLUMN = Axis("i", 8), Axis("j", 16)
PLACE = Map((("i", 16), ("j", 1)))
READ = Load(X, PLACE)


def two(*stages: Stage, parallel: int = -1) -> Kernel:
    return Kernel("k", (X, Y, Z), (ROW,), stages, parallel)


def one(*body: Store | KernelReduce | Keep) -> Kernel:
    return two(Stage((COLUMN,), body))


@pytest.mark.parametrize(
    "bad, message",
    [
        (one(Store(Y, Map(PLACE.strides, 1), READ)), r"y: f32\[128\] is read or written at 1..128"),
        (
            one(Store(Y, PLACE, Load(X, Map((("i", -16), ("j", 1)))))),
            r"x: f32\[128\] is read or written at -112..15",
        ),
        (one(Store(Y, Map((("j", 1),)), READ)), "points of i write the same element"),
        (one(Store(Y, Map((("i", 8), ("j", 1))), READ)), "points of i write the same element"),
        (one(Store(Z, PLACE, READ)), r"stores f32 to z: f64\[128\]"),
        (one(Store(Y, Map((("i", 16), ("q", 1))), READ)), "no axis q here"),
        (one(Store(Y, PLACE, Result("m", (), "f32"))), "m is not computed by an earlier stage"),
        (
            one(Store(Y, PLACE, Load(Buffer("w", "f32", 128), PLACE))),
            "w is not a buffer of the kernel",
        ),
        (
            one(Store(Y, PLACE, Expr("add", (READ, Load(Z, PLACE)), "f32"))),
            "2 of one dtype .* required, got f32, f64",
        ),
        (one(Store(Y, PLACE, Expr("lt", (READ, READ), "f32"))), "lt gives bool, not f32"),
        (one(Keep("e", ("i",), READ)), "a row has the axes of its stage"),
        (one(Keep("x", ("j",), READ)), "the name x is used twice"),
        (one(KernelReduce(("m",), "any", (READ,))), "any of f32"),
        (one(KernelReduce(("m",), "argmax", (READ,))), "argmax has 2 fields"),
        (
            one(KernelReduce(("m", "k"), "argmax", (READ, READ))),
            "the second field of argmax is an index",
        ),
        (
            one(Store(Y, PLACE, READ + Load(Y, Map((("i", 16),))))),
            "read and written at different places of one stage",
        ),
        (
            two(
                Stage((COLUMN,), (Store(Y, PLACE, READ),)),
                Stage((COLUMN,), (Store(X, PLACE, Load(Y, PLACE)),)),
            ),
            "y was written by an earlier stage",
        ),
        (
            Kernel(
                "k", (X,), (), (Stage((Axis("w", 10**6),), (Keep("e", ("w",), Load(X, Map())),)),)
            ),
            "4000000 bytes of rows exceed 262144",
        ),
        (
            Kernel("k", (X,), (ROW, Axis("r", 4, ("i", 40))), (), 1),
            "8 blocks of 4 are not 40 points",
        ),
        (Kernel("k", (X,), (ROW, Axis("r", 4, ("i", 32))), ()), "the parallel axis r is split"),
        (
            Kernel("k", (X,), (Axis("r", 4, ("c", 16)),), (), 0),
            "split by c, which is no outer axis",
        ),
        (Kernel("k", (X,), (ROW,), (), 2), "2 parallel axes of 1"),
    ],
)
def test_the_verifier_names_the_fault(bad: Kernel, message: str) -> None:
    with pytest.raises(KernelError, match=message):
        verify(bad)


def test_an_accumulation_stays_in_place_along_ordered_axes() -> None:
    with pytest.raises(KernelError, match="stays in place along the ordered axes"):
        samples.kernel("""
            def k(x: f32[128], y: f32[128]):
                for i in ordered(8):
                    for j in stage(16):
                        y[16*i + j] += x[16*i + j]
        """)


@pytest.mark.parametrize("kind", ["parallel({})", "stage({})"])
@pytest.mark.parametrize(
    ("place", "apart"),
    [
        ("8*within(p[i], 100) + i", True),
        ("1*within(p[i], 100) + 100*i", True),
        ("1*within(p[i], 100)", False),
        ("4*within(p[i], 100) + i", False),
        ("1*within(p[i], 100) + 99*i", False),
        ("1*within(p[i], 93) + i", False),
    ],
)
def test_computed_places_of_parallel_points_never_meet(kind: str, place: str, apart: bool) -> None:
    loop = kind.format(8)
    body = "if stage():" if "parallel" in kind else f"for i in {loop}:"
    head = f"for i in {loop}:" if "parallel" in kind else "for z in parallel(1):"
    text = f"""
        def k(x: f32[8], p: i64[8], y: f32[800]):
            {head}
                {body}
                    y[{place}] += x[i]
    """
    if apart:
        samples.kernel(text)
    else:
        with pytest.raises(KernelError, match="write the same element"):
            samples.kernel(text)


def test_a_window_moves_as_a_whole_along_ordered_axes() -> None:
    text = """
        def k(x: f32[24], p: i64[8], y: f32[100]):
            for i in {}(8):
                for j in stage(3):
                    y[1*within(p[i], 98) + j] += x[3*i + j]
    """
    samples.kernel(text.format("ordered"))
    with pytest.raises(KernelError, match="points of i write the same element"):
        samples.kernel(text.format("parallel"))


@pytest.mark.parametrize(("monoid", "known"), [("prod", True), ("any", False), ("sum", True)])
def test_what_meets_combines_by_a_monoid(monoid: str, known: bool) -> None:
    text = f"""
        def k(x: f32[8], p: i64[8], y: f32[9]):
            for i in ordered(8):
                if stage():
                    y[1*within(p[i], 9)] = {monoid}(y[1*within(p[i], 9)], x[i])
    """
    if known:
        k = samples.kernel(text)
        sign = "+=" if monoid == "sum" else f"= {monoid}(y["
        assert sign in str(k)
    else:
        with pytest.raises(KernelError, match="accumulates by any"):
            samples.kernel(text)


def test_operands_of_an_operation_have_one_dtype() -> None:
    with pytest.raises(KernelError, match=r"add: 2 of one dtype of .* required, got f32, f64"):
        apply("add", READ, Load(Z, PLACE))
    with pytest.raises(KernelError, match="select: a bool and 2 of one dtype"):
        apply("select", READ, READ, 1.0)
    with pytest.raises(KernelError, match="cast: a dtype is required, got 'f7'"):
        apply("cast", READ, param="f7")


# ---- meaning


def test_softmax_is_softmax() -> None:
    k = samples.softmax(5, 33)
    out = run(k)
    e = np.exp(out["x"].reshape(5, 33))
    np.testing.assert_allclose(out["y"].reshape(5, 33), e / e.sum(1, keepdims=True), rtol=1e-6)


def test_layer_norm_has_the_gradients_that_differences_give() -> None:
    rows, n = 9, 13
    rng = np.random.default_rng(0)
    x, g, b = rng.standard_normal((rows, n)), rng.standard_normal(n), rng.standard_normal(n)

    def loss(x: np.ndarray, g: np.ndarray, b: np.ndarray) -> float:
        hat = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5)
        return ((hat * g + b) ** 2).sum()

    out = run(
        samples.layer_norm(rows, n),
        **{k: v.astype("f").ravel() for k, v in (("x", x), ("g", g), ("b", b))},
    )
    assert abs(out["loss"].sum() - loss(x, g, b)) < 1e-3
    for name, of in (("dx", 0), ("dg", 1), ("db", 2)):
        got = out[name].reshape(-1, n).sum(0) if of else out[name].reshape(rows, n)[3]
        for j in (0, 7):
            moved = [[v.copy() for v in (x, g, b)] for _ in range(2)]
            for sign, args in zip((1, -1), moved, strict=True):
                args[of][(3, j) if of == 0 else j] += sign * 1e-6
            slope = (loss(*moved[0]) - loss(*moved[1])) / 2e-6
            assert abs(got[j] - slope) < 2e-4 * max(
                1, abs(slope)
            )  # f32 sums against f64 differences


def test_an_accumulation_adds_in_order_and_a_computed_one_adds_to_what_is_there() -> None:
    k = samples.scattered(12, 5)
    arrays = arrays_for(k)
    expected = np.ones((10, 5), np.float32)
    np.add.at(expected, arrays["k"], arrays["x"].reshape(12, 5))
    out = run(k, y=np.ones(50, np.float32))
    np.testing.assert_array_equal(out["y"].reshape(10, 5), expected)


def test_guards_pad_and_concatenate() -> None:
    padded = run(samples.padded(3, 4))
    expected = np.pad(padded["x"].reshape(3, 4), ((1, 0), (2, 3)), constant_values=7.0)
    np.testing.assert_array_equal(padded["y"].reshape(4, 9), expected)
    joined = run(samples.concatenated(3, 4))
    both = np.concatenate([joined["x"].reshape(3, 4), joined["z"].reshape(3, 3)], axis=1)
    np.testing.assert_array_equal(joined["y"].reshape(3, 7), both)


def test_the_first_of_equals_and_the_first_nan_win() -> None:
    k = samples.argmax(3, 6)
    x = np.array([[1, 5, 5, 0, 0, 2], [np.nan, 1, 2, np.nan, 3, 4], [-np.inf] * 6], np.float32)
    out = run(k, x=x.ravel())
    assert out["k"].tolist() == np.argmax(x, 1).tolist() == [1, 0, 0]
    assert out["l"].tolist() == np.argmin(x, 1).tolist() == [3, 0, 0]


def test_split_axes_end_with_a_short_block() -> None:
    out = run(samples.sum_chunks(100, 32))
    np.testing.assert_allclose(
        out["y"], [part.sum() for part in np.split(out["x"], [32, 64, 96])], rtol=1e-6
    )


@pytest.mark.parametrize("name", OPS)
def test_every_operation_keeps_its_result_type(name: str) -> None:
    op = OPS[name]
    for dtype in sorted(op.accepts):
        dtypes = ("bool", dtype, dtype) if name == "select" else (dtype,) * op.arity
        param = "f32" if name == "cast" else None
        args = [np.ones(3, NUMPY[d]) for d in dtypes]
        with np.errstate(all="ignore"):
            got = op.function(*args, *([param] if param else []))
        assert got.dtype == NUMPY[op.result(dtypes, param)]


# ---- normal form


@pytest.mark.parametrize("make", CASES.values(), ids=CASES)
def test_the_normal_form_means_the_same(make: Callable[[], Kernel]) -> None:
    k = make()
    arrays = arrays_for(k)
    one, other = ({n: a.copy() for n, a in arrays.items()} for _ in range(2))
    reference(k, one)
    reference(verify(normalise(k)), other)
    for name, a in one.items():
        np.testing.assert_allclose(
            other[name], a, rtol=1e-5, atol=1e-6
        )  # sums of joined axes in another order


def test_axes_of_all_values_with_one_memo_take_linear_work() -> None:
    class Counted(dict[Expr, frozenset[str]]):
        looks = 0

        def __contains__(self, key: object) -> bool:
            self.looks += 1
            return super().__contains__(key)

    chain: list[Expr] = [Load(Buffer("x", "f32", 8), Map((("i", 1),)))]
    memo = Counted()
    for _ in range(300):
        chain.append(apply("add", chain[-1], chain[-1]))
        assert expr_axes(chain[-1], frozenset(), memo) == {"i"}
    assert memo.looks < 10 * len(chain)


def test_contiguous_axes_become_one() -> None:
    assert normalise(samples.chain(5, 23)).outer == (Axis("j", 115),)


def test_parallel_axes_follow_the_store() -> None:
    k = normalise(
        samples.kernel("""
        def k(x: f32[128], y: f32[128]):
            for i in parallel(8):
                for j in parallel(16):
                    if stage():
                        y[i + 8*j] = x[i + 8*j] * 2.0
    """)
    )
    assert k.outer == (Axis("i", 128),)


def test_a_broadcast_operand_keeps_axes_apart() -> None:
    assert [a.size for a in normalise(samples.elementwise(7, 45)).outer] == [7, 45]


def test_axes_of_one_point_go_away() -> None:
    k = normalise(samples.softmax(1, 45))
    assert k.outer == ()
    assert str(k).count("16*i") == 0


def test_a_split_of_one_block_is_no_split() -> None:
    k = normalise(samples.sum_chunks(20, 64))
    assert k.outer == ()
    assert k.stages[0].axes == (Axis("i", 20),)


def test_inner_axes_join_in_all_stages_or_in_none() -> None:
    k = samples.kernel("""
        def k(x: f32[120], y: f32[120]):
            for i in parallel(5):
                for a in stage(4):
                    for b in stage(6):
                        e[a, b] = exp(x[24*i + 6*a + b])
                        s = sum(x[24*i + 6*a + b])
                for a in stage(4):
                    for b in stage(6):
                        y[24*i + 6*a + b] = e[a, b] / s
    """)
    assert [s.axes for s in normalise(k).stages] == [(Axis("b", 24),)] * 2
    crosswise = samples.mixed(4, 41)
    assert [len(s.axes) for s in normalise(crosswise).stages[:2]] == [2, 2]


def test_an_index_keeps_axes_apart_unless_it_counts_them_as_one() -> None:
    def counting(index: Map) -> Kernel:
        y = Buffer("y", "i64", 32)
        return Kernel(
            "k",
            (y,),
            (Axis("i", 4), Axis("j", 8)),
            (Stage((), (Store(y, Map((("i", 8), ("j", 1))), Index(index)),)),),
        )

    assert len(normalise(counting(Map((("i", 8), ("j", 1)), 5))).outer) == 1
    assert len(normalise(counting(Map((("i", 1),)))).outer) == 2


OF_FLOATS = [name for name, op in OPS.items() if "f32" in op.accepts and name != "cast"]


@pytest.mark.parametrize("name", OF_FLOATS)
def test_an_operation_of_numbers_is_that_of_arrays(name: str) -> None:
    """To the bit: NumPy's scalars are computed with in f32, Python's in f64."""
    op, rng = OPS[name], np.random.default_rng(0)
    for _ in range(20):
        args = [rng.uniform(0.1, 0.9, 1).astype("f4") for _ in range(op.arity)]
        if name == "select":
            args[0] = args[0] > 0.5
        with np.errstate(all="ignore"):
            number, array = op.function(*(a[0] for a in args)), op.function(*args)
        np.testing.assert_array_equal(number, array[0])
