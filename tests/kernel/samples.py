"""Kernels for tests, written as text; sizes are parameters."""

# ruff: noqa: E501 (a line of a kernel is a line)

from __future__ import annotations

from collections.abc import Callable
from textwrap import dedent

import numpy as np

from wonderland.compiler.kernel import NUMPY, Accumulate, Kernel, Store, parse_kernel, verify


def kernel(text: str) -> Kernel:
    return verify(parse_kernel(dedent(text).strip()))


def softmax(rows: int, n: int, dtype: str = "f32") -> Kernel:
    return kernel(f"""
        def softmax(x: {dtype}[{rows * n}], y: {dtype}[{rows * n}]):
            for i in parallel({rows}):
                for j in stage({n}):
                    m = max(x[{n}*i + j])
                for j in stage({n}):
                    t0 = exp(x[{n}*i + j] - m)
                    e[j] = t0
                    s = sum(t0)
                for j in stage({n}):
                    y[{n}*i + j] = e[j] * (1.0 / s)
    """)


def softmax_columns(rows: int, n: int) -> Kernel:
    """Softmax along the first dimension: lanes are columns, kept rows hold a vector an element."""
    return kernel(f"""
        def softmax_columns(x: f32[{rows * n}], y: f32[{rows * n}]):
            for j in parallel({n}):
                for i in stage({rows}):
                    m = max(x[{n}*i + j])
                for i in stage({rows}):
                    t0 = exp(x[{n}*i + j] - m)
                    e[i] = t0
                    s = sum(t0)
                for i in stage({rows}):
                    y[{n}*i + j] = e[i] / s
    """)


def cross_entropy(rows: int, n: int) -> Kernel:
    return kernel(f"""
        def cross_entropy(x: f32[{rows * n}], label: i32[{rows}], loss: f32[{rows}], dx: f32[{rows * n}]):
            for i in parallel({rows}):
                for j in stage({n}):
                    m = max(x[{n}*i + j])
                for j in stage({n}):
                    t0 = exp(x[{n}*i + j] - m)
                    e[j] = t0
                    s = sum(t0)
                if stage():
                    loss[i] = log(s) + m - x[{n}*i + 1*clip(label[i], {n})]
                for j in stage({n}):
                    t1 = e[j] * (1.0 / s)
                    dx[{n}*i + j] = select(index(j, i32) == label[i], t1 - 1.0, t1) * {1 / rows}
    """)


def layer_norm(rows: int, n: int, chunk: int = 8) -> Kernel:
    """The loss sum(ln(x)^2) of every row, its gradients, those of scale and shift by chunks of rows."""
    chunks = -(-rows // chunk)
    row = f"{chunk * n}*c + {n}*r + j"
    return kernel(f"""
        def layer_norm(x: f32[{rows * n}], g: f32[{n}], b: f32[{n}], loss: f32[{rows}], dx: f32[{rows * n}],
                       dg: f32[{chunks * n}], db: f32[{chunks * n}]):
            for c in parallel({chunks}):
                for r in ordered(min({chunk}, {rows} - {chunk}*c)):
                    for j in stage({n}):
                        s = sum(x[{row}])
                    for j in stage({n}):
                        t0 = x[{row}] - s * {1 / n}
                        v = sum(t0 * t0)
                    for j in stage({n}):
                        t1 = (x[{row}] - s * {1 / n}) * rsqrt(v * {1 / n} + 1e-05)
                        hat[j] = t1
                        t2 = t1 * g[j] + b[j]
                        t3 = t2 + t2
                        one = sum(t3 * g[j])
                        two = sum(t3 * g[j] * t1)
                        l = sum(t2 * t2)
                        dg[{n}*c + j] += t3 * t1
                        db[{n}*c + j] += t3
                    if stage():
                        loss[{chunk}*c + r] = l
                    for j in stage({n}):
                        t4 = hat[j] * g[j] + b[j]
                        t5 = (t4 + t4) * g[j] - one * {1 / n} - hat[j] * (two * {1 / n})
                        dx[{row}] = t5 * rsqrt(v * {1 / n} + 1e-05)
    """)


def crossed(count: int) -> Kernel:
    """What a concatenation of three columns computes, and the sum and the greatest of each row."""
    pieces = [
        f"(x[3*k + {(i + 1) % 3}] if 0 <= j - {i} < 1 else 0.0)"
        f" * (v[4*k + {i + 1}] if 0 <= j - {i} < 1 else 0.0)"
        for i in range(3)
    ]
    chosen = f"select(index(j) == 0, {pieces[0]}, select(index(j) == 1, {pieces[1]}, {pieces[2]}))"
    return kernel(f"""
        def crossed(x: f32[{count * 3}], v: f32[{count * 4}], y: f32[{count * 3}], z: f32[{count}]):
            for k in parallel({count}):
                for j in stage(3):
                    t0 = {chosen}
                    e[j] = t0
                    s = sum(t0)
                    m = max(t0)
                for j in stage(3):
                    y[3*k + j] = e[j] + s
                if stage():
                    z[k] = s + m
    """)


def small_matrices(count: int, n: int) -> Kernel:
    """y[k] = x[k] @ v[k], of `count` matrices and vectors."""
    return kernel(f"""
        def small_matrices(x: f32[{count * n * n}], v: f32[{count * n}], y: f32[{count * n}]):
            for k in parallel({count}):
                for i in parallel({n}):
                    for j in stage({n}):
                        s = sum(x[{n * n}*k + {n}*i + j] * v[{n}*k + j])
                    if stage():
                        y[{n}*k + i] = s
    """)


def sums_over_rows(rows: int, n: int, chunk: int) -> Kernel:
    """Rows over their lengths, and by chunks of rows the sums of their columns and lengths."""
    chunks, row = -(-rows // chunk), f"{chunk * n}*c + {n}*r + j"
    return kernel(f"""
        def sums_over_rows(x: f32[{rows * n}], y: f32[{rows * n}], columns: f32[{chunks * n}],
                           lengths: f32[{chunks}]):
            for c in parallel({chunks}):
                for r in ordered(min({chunk}, {rows} - {chunk}*c)):
                    for j in stage({n}):
                        s = sum(x[{row}] * x[{row}])
                        columns[{n}*c + j] += x[{row}]
                    if stage():
                        lengths[c] += sqrt(s)
                    for j in stage({n}):
                        y[{row}] = x[{row}] / sqrt(s + 1.0)
    """)


def sums_in_groups(images: int, groups: int, rows: int, n: int) -> Kernel:
    """The squares of all elements of a group, of which an image has some."""
    size = images * groups * rows * n
    return kernel(f"""
        def sums_in_groups(x: f32[{size}], y: f32[{images * groups}]):
            for i in parallel({images}):
                for g in parallel({groups}):
                    for r in ordered({rows}):
                        for j in stage({n}):
                            t0 = x[{groups * rows * n}*i + {n}*g + {groups * n}*r + j]
                            s = sum(t0 * t0)
                        if stage():
                            y[{groups}*i + g] += s
    """)


def column_sums(rows: int, n: int) -> Kernel:
    return kernel(f"""
        def column_sums(x: f32[{rows * n}], y: f32[{n}], z: f32[{n}]):
            for j in parallel({n}):
                for r in stage({rows}):
                    s = sum(x[{n}*r + j])
                    m = max(x[{n}*r + j])
                if stage():
                    y[j] = s
                    z[j] = m
    """)


def column_sum_chunks(rows: int, n: int, chunk: int = 8) -> Kernel:
    chunks = -(-rows // chunk)
    return kernel(f"""
        def column_sum_chunks(x: f32[{rows * n}], y: f32[{chunks * n}]):
            for c in parallel({chunks}):
                for r in ordered(min({chunk}, {rows} - {chunk}*c)):
                    for j in stage({n}):
                        y[{n}*c + j] += x[{chunk * n}*c + {n}*r + j]
    """)


def elementwise(rows: int, n: int) -> Kernel:
    """One operand broadcast along rows, one along columns, one transposed."""
    return kernel(f"""
        def elementwise(a: f32[{rows * n}], b: f32[{n}], c: f32[{n * rows}], d: f32[{rows}], y: f32[{rows * n}]):
            for i in parallel({rows}):
                for j in parallel({n}):
                    if stage():
                        y[{n}*i + j] = tanh(a[{n}*i + j] * b[j]) + c[i + {rows}*j] * d[i]
    """)


def transposed(rows: int, n: int) -> Kernel:
    return kernel(f"""
        def transposed(a: f32[{rows * n}], y: f32[{rows * n}]):
            for i in parallel({rows}):
                for j in parallel({n}):
                    if stage():
                        y[i + {rows}*j] = a[{n}*i + j] + 1.0
    """)


def crosswise(images: int, rows: int, n: int) -> Kernel:
    """Tiles of a batch: two operands turned, one of them read twice, one by an index of rows; other dtypes."""
    size = images * rows * n
    return kernel(f"""
        def crosswise(a: f32[{size}], b: f64[{size}], y: f32[{size}], z: f64[{size}]):
            for k in parallel({images}):
                for i in parallel({rows}):
                    for j in parallel({n}):
                        if stage():
                            t0 = a[{rows * n}*k + i + {rows}*j]
                            y[{rows * n}*k + {n}*i + j] = t0 * a[{rows * n}*k + {n}*i + j] + a[{rows * n}*k + i + {rows}*j]
                            z[{rows * n}*k + i + {rows}*j] = b[{rows * n}*k + i + {rows}*j] + cast(t0, f64)
    """)


def chain(rows: int, n: int) -> Kernel:
    """Contiguous: one axis after normalising. Two results."""
    return kernel(f"""
        def chain(a: f32[{rows * n}], b: f32[{rows * n}], y: f32[{rows * n}], z: bool[{rows * n}]):
            for i in parallel({rows}):
                for j in parallel({n}):
                    if stage():
                        t0 = a[{n}*i + j] * b[{n}*i + j] - 0.3
                        y[{n}*i + j] = sqrt(abs(t0)) + a[{n}*i + j]
                        z[{n}*i + j] = (t0 < 0.0) & (b[{n}*i + j] > 0.5)
    """)


def flipped(rows: int, n: int) -> Kernel:
    """Negative strides."""
    return kernel(f"""
        def flipped(a: f32[{rows * n}], y: f32[{rows * n}]):
            for i in parallel({rows}):
                for j in parallel({n}):
                    if stage():
                        y[{n}*i + j] = a[{-n}*i - j + {rows * n - 1}]
    """)


def sum_chunks(n: int, chunk: int = 64) -> Kernel:
    chunks = -(-n // chunk)
    return kernel(f"""
        def sum_chunks(x: f32[{n}], y: f32[{chunks}]):
            for c in parallel({chunks}):
                for i in stage(min({chunk}, {n} - {chunk}*c)):
                    s = sum(x[{chunk}*c + i])
                if stage():
                    y[c] = s
    """)


def ragged_blocks(rows: int, chunk: int) -> Kernel:
    """Lanes are blocks of rows, and the last block is short: rows in order, then along two stages."""
    blocks = -(-rows // chunk)
    one, row = f"min({chunk}, {rows} - {chunk}*c)", f"{chunk}*c + r"
    return kernel(f"""
        def ragged_blocks(x: f32[{rows}], y: f32[{blocks}], z: f32[{rows}]):
            for c in parallel({blocks}):
                for r in ordered({one}):
                    if stage():
                        y[c] += x[{row}] * x[{row}]
                        z[{row}] = x[{row}] + 1.0
    """)


def ragged_stages(rows: int, chunk: int, n: int = 3) -> Kernel:
    """The same in stages: what is the same in every block, rows that are kept, places, two axes."""
    blocks = -(-rows // chunk)
    one, row = f"min({chunk}, {rows} - {chunk}*c)", f"{5 * chunk}*c + 5*r"
    return kernel(f"""
        def ragged_stages(g: f32[{chunk * 5}], h: f32[{blocks}], x: f32[{5 * rows}], y: f32[{blocks}], z: f32[{blocks}],
                          p: i64[{blocks}], q: i64[{blocks}], w: f32[{rows * n}]):
            for c in parallel({blocks}):
                for r in stage({one}):
                    k[r] = exp(g[5*r])
                    l[r] = x[{row}] * h[c]
                    s = sum(g[5*r])
                    t = sum(x[{row}] * h[c])
                    av, a = argmin(g[5*r], index(r, i64))
                    bv, b = argmax(x[{row}], index({chunk}*c + r, i64))
                for r in stage({one}):
                    u = prod(k[r] * l[r])
                for j in stage({n}):
                    for r in stage({one}):
                        w[{chunk * n}*c + {n}*r + j] = (x[{row}] + s) * l[r]
                if stage():
                    y[c] = s * u
                    z[c] = t
                    p[c] = a
                    q[c] = b
    """)


def whole_sum(n: int) -> Kernel:
    """No outer axes: one point."""
    return kernel(f"""
        def whole_sum(x: f32[{n}], y: f32[1], z: f32[1]):
            for i in stage({n}):
                s = sum(x[i] * x[i])
                p = prod(x[i] + 0.5)
            if stage():
                y[0] = s
                z[0] = p
    """)


def argmax(rows: int, n: int, dtype: str = "f32") -> Kernel:
    return kernel(f"""
        def argmax_argmin(x: {dtype}[{rows * n}], k: i64[{rows}], l: i32[{rows}], v: {dtype}[{rows}]):
            for i in parallel({rows}):
                for j in stage({n}):
                    top, where = argmax(x[{n}*i + j], index(j))
                    low, there = argmin(x[{n}*i + j], index(j, i32))
                if stage():
                    k[i] = where
                    l[i] = there
                    v[i] = top
    """)


def argmax_columns(rows: int, n: int) -> Kernel:
    return kernel(f"""
        def argmax_columns(x: f32[{rows * n}], k: i64[{n}]):
            for j in parallel({n}):
                for i in stage({rows}):
                    top, where = argmax(x[{n}*i + j], index(i))
                if stage():
                    k[j] = where
    """)


def any_all(rows: int, n: int) -> Kernel:
    return kernel(f"""
        def any_all(x: f32[{rows * n}], y: bool[{rows}], z: bool[{rows}], least: f32[{rows}]):
            for i in parallel({rows}):
                for j in stage({n}):
                    p = any(x[{n}*i + j] > 0.9)
                    q = all(x[{n}*i + j] > 0.05)
                    m = min(x[{n}*i + j])
                if stage():
                    y[i] = p
                    z[i] = q
                    least[i] = m
    """)


def padded(rows: int, n: int) -> Kernel:
    """Two more columns left, three right, one row above, filled with 7."""
    m = n + 5
    return kernel(f"""
        def padded(x: f32[{rows * n}], y: f32[{(rows + 1) * m}]):
            for i in parallel({rows + 1}):
                for j in parallel({m}):
                    if stage():
                        y[{m}*i + j] = (x[{n}*i + j - {n + 2}] if 0 <= i - 1 < {rows} and 0 <= j - 2 < {n} else 7.0)
    """)


def concatenated(rows: int, n: int) -> Kernel:
    """Rows of x and rows of z side by side."""
    m = n + 3
    return kernel(f"""
        def concatenated(x: f32[{rows * n}], z: f32[{rows * 3}], y: f32[{rows * m}]):
            for i in parallel({rows}):
                for j in parallel({m}):
                    if stage():
                        t0 = (z[3*i + j - {n}] if {n} <= j < {m} else 0.0)
                        y[{m}*i + j] = (x[{n}*i + j] if 0 <= j < {n} else t0)
    """)


def causal(n: int) -> Kernel:
    """A guard over two axes, a sum of what it leaves, a flipped guard."""
    return kernel(f"""
        def causal(x: f32[{n * n}], y: f32[{n}], z: f32[{n}]):
            for i in parallel({n}):
                for j in stage({n}):
                    s = sum((x[{n}*i + j] if 0 <= i - j < {n} else 0.0))
                    t = sum((x[{n}*i + j] if {n // 2} <= {n} - j < {n - 1} else 1.0))
                if stage():
                    y[i] = s
                    z[i] = t
    """)


def gathered(rows: int, n: int, table: int = 10) -> Kernel:
    """Rows of a table by index: contiguous loads."""
    return kernel(f"""
        def gathered(x: f32[{table * n}], k: i64[{rows}], y: f32[{rows * n}]):
            for i in parallel({rows}):
                for j in parallel({n}):
                    if stage():
                        y[{n}*i + j] = x[{n}*clip(k[i], {table}) + j]
    """)


def picked(rows: int, n: int) -> Kernel:
    """Elements by index: a gather by vector; indices out of range are clamped."""
    return kernel(f"""
        def picked(x: f32[{rows * n}], k: i32[{rows * n}], y: f32[{rows * n}]):
            for i in parallel({rows}):
                for j in parallel({n}):
                    if stage():
                        y[{n}*i + j] = x[{n}*i + 1*clip(k[{n}*i + j] - 2, {n})] * 2.5
    """)


def scattered(rows: int, n: int, table: int = 10) -> Kernel:
    """Adds rows to those of a table, in order; columns in parallel."""
    return kernel(f"""
        def scattered(x: f32[{rows * n}], k: i64[{rows}], y: f32[{table * n}]):
            for j in parallel({n}):
                for i in ordered({rows}):
                    if stage():
                        y[{n}*within(k[i], {table}) + j] += x[{n}*i + j]
    """)


def counted(n: int, table: int = 10) -> Kernel:
    """A histogram with weights: everything in order."""
    return kernel(f"""
        def counted(x: f32[{n}], k: i64[{n}], y: f32[{table}]):
            for i in ordered({n}):
                if stage():
                    y[1*within(k[i], {table})] += x[i]
    """)


def integers(rows: int, n: int) -> Kernel:
    """Integer arithmetic, shifts, casts, indices."""
    return kernel(f"""
        def integers(a: i32[{rows * n}], u: u32[{rows * n}], p: i32[{rows * n}], q: u32[{rows * n}], r: f32[{rows * n}]):
            for i in parallel({rows}):
                for j in parallel({n}):
                    if stage():
                        t0 = u[{n}*i + j]
                        p[{n}*i + j] = a[{n}*i + j] * 1000 // 7 + a[{n}*i + j] % 3 - cast(index({n}*i + 2*j + 1), i32)
                        q[{n}*i + j] = t0 << u32(13) | t0 >> u32(19) ^ u32(466688986)
                        r[{n}*i + j] = cast(index(j), f32) * 0.25 + cast(a[{n}*i + j] > 3, f32)
    """)


def mixed(rows: int, n: int) -> Kernel:
    """Two dtypes in one stage, two inner axes, a row of two axes read crosswise."""
    return kernel(f"""
        def mixed(x: f32[{rows * n * 3}], y: f64[{rows * n * 3}], z: f64[{rows}]):
            for i in parallel({rows}):
                for a in stage({n}):
                    for b in stage(3):
                        t0 = cast(x[{3 * n}*i + 3*a + b], f64) * 1.1
                        k[a, b] = t0
                        s = sum(t0)
                for b in stage(3):
                    for a in stage({n}):
                        y[{3 * n}*i + {n}*b + a] = k[a, b] - s
                if stage():
                    z[i] = s
    """)


CASES: dict[str, Callable[[], Kernel]] = {
    "softmax": lambda: softmax(5, 75),
    "softmax of rows in one vector": lambda: softmax(3, 7),
    "softmax in f64": lambda: softmax(4, 70, "f64"),
    "softmax of short rows": lambda: softmax(150, 3),
    "cross entropy of short rows": lambda: cross_entropy(77, 7),
    "sums over short rows": lambda: sums_over_rows(90, 3, 40),
    "sums over short rows in groups": lambda: sums_in_groups(40, 2, 5, 3),
    "softmax of rows of two registers": lambda: softmax(45, 21),
    "sums over rows of two registers": lambda: sums_over_rows(90, 9, 40),
    "argmax of short rows": lambda: argmax(75, 3),
    "crossed vectors": lambda: crossed(70),
    "small matrices by vectors": lambda: small_matrices(70, 3),
    "softmax of columns": lambda: softmax_columns(13, 37),
    "cross entropy": lambda: cross_entropy(6, 43),
    "layer norm": lambda: layer_norm(19, 45),
    "column sums": lambda: column_sums(21, 50),
    "sums of few columns": lambda: column_sums(150, 3),
    "column sums by chunks": lambda: column_sum_chunks(21, 50),
    "broadcast and transposed": lambda: elementwise(7, 45),
    "transposed store": lambda: transposed(6, 45),
    "crosswise tiles": lambda: crosswise(2, 45, 75),
    "contiguous chain": lambda: chain(5, 23),
    "flipped": lambda: flipped(5, 41),
    "sum by chunks": lambda: sum_chunks(1000),
    "ragged blocks": lambda: ragged_blocks(70, 3),
    "ragged blocks, whole vectors": lambda: ragged_blocks(125, 2),
    "even blocks": lambda: ragged_blocks(70, 7),
    "ragged stages": lambda: ragged_stages(70, 3),
    "ragged stages, whole vectors": lambda: ragged_stages(125, 2),
    "even stages": lambda: ragged_stages(70, 7),
    "whole sum": lambda: whole_sum(75),
    "argmax": lambda: argmax(5, 77),
    "argmax of integers": lambda: argmax(5, 40, "i32"),
    "argmax of columns": lambda: argmax_columns(9, 41),
    "any and all": lambda: any_all(6, 45),
    "padded": lambda: padded(4, 39),
    "concatenated": lambda: concatenated(4, 39),
    "causal": lambda: causal(37),
    "gathered rows": lambda: gathered(6, 39),
    "gathered elements": lambda: picked(4, 41),
    "scattered rows": lambda: scattered(12, 39),
    "histogram": lambda: counted(57),
    "segments of rows": lambda: segments(6, 39),
    "segments of elements": lambda: segment_extremes(7, 57),
    "integers": lambda: integers(4, 41),
    "two dtypes": lambda: mixed(4, 41),
}


def segments(rows: int, n: int, total: int = 10) -> Kernel:
    """Sums of gathered rows: sources and ends of segments."""
    return kernel(f"""
        def segments(x: f32[{10 * n}], k: i64[{total}], p: i64[{rows + 1}], y: f32[{rows * n}]):
            for s in parallel({rows}):
                for j in parallel({n}):
                    for e in stage(p[s], p[s + 1], {total}):
                        r = sum(x[{n}*clip(k[e], 10) + j])
                    if stage():
                        y[{n}*s + j] = r
    """)


def segment_extremes(rows: int, total: int) -> Kernel:
    return kernel(f"""
        def segment_extremes(x: f32[{total}], p: i32[{rows + 1}], y: f32[{rows}], z: f32[{rows}]):
            for s in parallel({rows}):
                for e in stage(p[s], p[s + 1], {total}):
                    r0 = max(x[e] * 2.0)
                    r1 = sum(x[e])
                if stage():
                    y[s] = r0
                    z[s] = r1
    """)


def written(k: Kernel) -> set[str]:
    statements = [s for stage in k.stages for s in stage.body]
    return {s.buffer.name for s in statements if isinstance(s, Store | Accumulate)}


def arrays_for(k: Kernel, seed: int = 0) -> dict[str, np.ndarray]:
    """Random operands, zeros for what is written; integers suit as indices of small tables."""
    rng = np.random.default_rng(seed)
    out: dict[str, np.ndarray] = {}
    for b in k.buffers:
        if b.name in written(k):
            out[b.name] = np.zeros(b.size, NUMPY[b.dtype])
        elif b.dtype in ("f32", "f64"):
            out[b.name] = rng.random(b.size).astype(NUMPY[b.dtype])
        elif b.dtype == "bool":
            out[b.name] = rng.random(b.size) < 0.5
        elif b.dtype == "u32":
            out[b.name] = rng.integers(0, 1 << 32, b.size, np.uint64).astype(np.uint32)
        else:
            out[b.name] = rng.integers(0, 10, b.size).astype(NUMPY[b.dtype])
    return out
