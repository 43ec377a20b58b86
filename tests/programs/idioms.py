"""What people type inside of a jitted function, and with what meaning.

The arguments of every program are those of `arguments`. An idiom is an expression, or a body with
its own `return`; in `PEERS` it is followed by what it means in NumPy, `...` where only the refusal
counts.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def arguments() -> dict[str, Any]:
    """Vectors x and y, a matrix m, a symmetric one a, a number t, places i and k, a mask b."""
    rng = np.random.default_rng(3)
    root = rng.normal(size=(3, 3))
    return {
        "x": rng.normal(size=4), "y": rng.normal(size=4), "m": rng.normal(size=(3, 4)),
        "a": root @ root.T + np.eye(3), "t": np.float64(0.7), "i": np.array([2, 0, 1]),
        "k": np.int64(1), "b": np.array([True, False, True, False]),
    }  # fmt: skip


EXPRESSIONS = """\
np.array([x, y])
np.array([[t, 1.0], [2.0, t]])
np.array([t, 2.0, 3])
np.array(x)
np.array(x, dtype=np.float32)
np.asarray(x)
np.asarray(x, np.float32)
np.asanyarray(x)
np.ascontiguousarray(x)
np.zeros(3) + t
np.zeros_like(x)
np.ones_like(m, dtype=int)
np.full(3, t)
np.full_like(x, t)
np.full((2, 2), 7.0) * t
np.empty_like(x) * 0
np.arange(4) * x
np.arange(x.shape[0])
np.arange(0, 1, 0.25) * x
np.linspace(0, 1, 4) * x
np.linspace(0, t, 4)
np.logspace(0, 1, 4) * x
np.eye(3) @ a
np.identity(3) * a
np.diag(x)
np.diag(a)
np.diagonal(a)
np.tri(4) @ x
np.tril(a)
np.triu(a, 1)
np.meshgrid(x, y)
np.mgrid[0:3, 0:4][0] * m
np.ogrid[0:3, 0:4][0] * m
np.r_[x, y]
np.r_[t, x, 1.0]
np.r_[0:4] * x
np.c_[x, y]
np.c_[m, m]
m[np.ix_([0, 2], [1, 3])]
m[np.ix_(i, i)]
np.indices((3, 4))[0] * m
np.fromfunction(lambda i, j: i + j, (3, 4)) * m
np.vander(x, 3)
np.tile(x, 2)
np.tile(x, (2, 3))
np.repeat(x, 2)
np.repeat(m, 2, axis=1)
np.copy(x)
np.block([[a, a], [a, a]])
np.atleast_2d(x)
np.array([f(x) for f in (np.sin, np.cos)])
np.array([x[j] * j for j in range(4)])
np.array(list(x))
np.array([row.sum() for row in m])
np.array([float(j) * t for j in range(3)])
np.stack([x * j for j in range(3)])
np.stack([x, y], axis=-1)
np.vstack([x, y])
np.hstack([x, y])
np.dstack([x, y])
np.column_stack([x, y])
np.concatenate([x, [1.0, 2.0]])
np.concatenate([x, y])
np.concatenate((m, m), axis=1)
np.append(x, 1.0)
np.append(x, y)
np.insert(x, 0, 9.0)
np.delete(x, 1)
np.pad(x, 1)
np.pad(x, (1, 2), mode="edge")
np.pad(m, ((0, 1), (1, 0)), constant_values=2.0)
x[0]
x[-1]
x[1:]
x[:-1]
x[::-1]
x[::2]
x[1:3]
x[None]
x[None, :]
x[:, None]
x[:, np.newaxis]
x[..., None]
x[..., ::-1]
x[...]
x[()]
m[0, 1]
m[0][1]
m[:, 1]
m[1:, :2]
m[..., 0]
m[:, ::-1]
m[:, [0, 2]]
m[[0, 2]]
m[[0, 2], [1, 3]]
m[(0, 1)]
m[i]
m[i, i]
m[:, i]
m[k]
m[k, :]
m[:, k]
m[k, k]
x[k]
x[i]
x[np.array([0, 1])]
x[k:k + 2]
x[:k]
x[i[0]]
x[x > 0]
x[b]
x[b].sum()
m[m > 0].mean()
np.where(b, x, y)
np.where(x > 0)[0]
np.where(x > 0, x, 0)
np.where(b, x, np.nan)
np.nonzero(x)[0]
np.argwhere(x > 0)
np.flatnonzero(x)
np.extract(b, x)
np.compress([True, False, True, False], x)
np.select([x > 0, x < -1], [x, y], 0.0)
np.choose([0, 1, 0, 1], [x, y])
np.piecewise(x, [x < 0, x >= 0], [lambda v: -v, lambda v: v])
np.take(x, i)
np.take(m, i, axis=1)
np.take_along_axis(m, np.argsort(m, axis=1), axis=1)
x.take(i)
x.sum()
x.sum(axis=0)
x.sum(-1)
m.sum(axis=(0, 1))
m.sum(1, keepdims=True)
m.mean(0)
m.std()
m.var(axis=1, ddof=1)
m.max()
m.max(axis=1)
m.min(0)
m.prod()
m.argmax(axis=1)
m.argmin()
m.cumsum(0)
m.cumprod(1)
m.any()
m.all(axis=0)
np.ptp(m)
m.trace()
np.sum(x)
np.sum(m, axis=0, keepdims=True)
np.sum([x, y], axis=0)
np.sum(x, where=b)
np.sum(x * b)
np.mean(m, axis=-1)
np.median(x)
np.average(x, weights=y ** 2)
np.percentile(x, 50)
np.quantile(m, 0.3, axis=1)
np.nanmean(x)
np.nansum(x)
np.nanmax(x)
np.cov(m)
np.corrcoef(m)
np.count_nonzero(x > 0)
np.cumsum(x)
np.diff(x)
np.gradient(x)
np.ediff1d(x)
np.trapezoid(x)
np.convolve(x, y)
np.correlate(x, y)
np.histogram(x, bins=4, range=(-2, 2))[0]
np.bincount(i, minlength=4)
np.digitize(x, [0.0, 1.0])
np.searchsorted(np.array([-1.0, 0.0, 1.0]), x)
np.interp(x, [0.0, 1.0], [2.0, 3.0])
np.sort(x)
np.sort(m, axis=0)[::-1]
np.argsort(-x)
x.argsort()
np.partition(x, 2)[2]
np.unique(i)
np.isin(i, [0, 1])
np.max([t, 1.0])
np.max([np.max(x), np.max(y)])
np.maximum(x, 0)
np.minimum(x, y)
np.clip(x, 0, 1)
np.clip(x, None, 1)
x.clip(0)
x.clip(min=0.0)
x.clip(-1, 1)
np.abs(x)
np.absolute(x)
np.sign(x)
np.sqrt(np.abs(x))
np.exp(x)
np.log(np.abs(x) + 1e-6)
np.log1p(x ** 2)
np.power(x, 2)
np.square(x)
x ** 2
x ** 0.5
x ** -1
2 ** x
t ** 3
x // 2
x % 2
divmod(x, 2)[1]
-x
+x
~b
b & (x > 0)
b | b
b ^ b
x @ y
m @ x
m.dot(x)
np.dot(x, y)
np.dot(m, a[:, :1].repeat(4, 1).T[:, :3])
np.inner(x, y)
np.outer(x, y)
np.vdot(x, y)
np.matmul(m, m.T)
np.cross(a[0], a[1])
np.kron(x, y)
np.tensordot(m, m, axes=([1], [1]))
np.tensordot(a, a, 1)
np.einsum("ij,j->i", m, x)
np.einsum("ij,kj->ik", m, m)
np.einsum("ii", a)
np.einsum("i,i", x, y)
np.einsum("ij,j", m, x, optimize=True)
np.einsum("...j,j->...", m, x)
np.einsum(m, [0, 1], x, [1])
np.linalg.norm(x)
np.linalg.norm(m, axis=1)
np.linalg.norm(m, axis=1, keepdims=True)
np.linalg.inv(a)
np.linalg.solve(a, a[0])
np.linalg.det(a)
np.linalg.slogdet(a)[1]
np.linalg.cholesky(a)
np.linalg.eigh(a)[0]
np.linalg.eigvalsh(a)
np.linalg.svd(a, compute_uv=False)
np.linalg.svd(a, full_matrices=False)[1]
np.linalg.qr(a)[1] ** 2
np.linalg.pinv(m)
np.linalg.lstsq(m.T, x, rcond=None)[0]
np.linalg.matrix_power(a, 3)
np.linalg.matrix_rank(a)
np.linalg.multi_dot([a, a, a])
np.linalg.cond(a)
np.trace(a)
np.fft.fft(x)
np.fft.rfft(x).real
np.fft.ifft(np.fft.fft(x)).real
np.fft.fftshift(x)
x.reshape(2, 2)
x.reshape((2, 2))
x.reshape(-1, 1)
x.reshape([2, -1])
x.reshape(2, 2, order="F")
m.reshape(-1)
m.ravel()
m.flatten()
m.T
m.transpose()
m.transpose(1, 0)
m.transpose((1, 0))
m.transpose(np.array([1, 0]))
m.swapaxes(0, 1)
np.transpose(m)
np.moveaxis(m[None], 0, -1)
np.rollaxis(m, 1)
np.swapaxes(m, 0, 1)
np.expand_dims(x, 0)
np.squeeze(x[None])
x[None].squeeze(0)
np.ravel(m)
np.reshape(m, (4, 3))
np.reshape(m, -1)
np.resize(x, (2, 4))
np.broadcast_to(x, (3, 4))
np.broadcast_arrays(x, t)[1]
np.roll(x, 1)
np.roll(m, 1, axis=0)
np.flip(m)
np.fliplr(m)
np.flipud(m)
np.rot90(m)
np.split(x, 2)[0]
np.split(x, [1, 3])[1]
np.array_split(x, 3)[0]
np.hsplit(m, 2)[1]
x.view()
m.flat[3]
x.astype(np.float32)
x.astype("float32")
x.astype(int)
x.astype(bool)
b.astype(float)
b.astype(np.int32).sum()
x.astype(x.dtype)
np.float32(1.5) * x
np.float32(x)
np.int64(x)
np.float64(t) * x
x.dtype == np.float64
x.dtype.kind == "f"
np.finfo(x.dtype).eps * x
np.issubdtype(x.dtype, np.floating)
np.result_type(x, np.float32) == np.float64
x.shape[0] * x
len(x) * x
m.ndim * x
m.size * x
x.nbytes * x
x.itemsize * x
np.shape(m)[1] * x
np.ndim(m) * x
np.size(m) * x
float(x.shape[0]) * x
x.real
x.imag
x.conj()
np.real(x + 1j)
np.angle(x + 1j * y)
x.copy()
np.add.reduce(m)
np.add.reduce(m, axis=1)
np.multiply.reduce(x)
np.maximum.reduce(m)
np.logical_and.reduce(m > 0)
np.add.accumulate(x)
np.add.outer(x, y)
np.multiply.outer(x, y)
np.subtract.outer(x, y)
np.maximum.outer(x, y)
np.add.reduceat(x, [0, 2])
np.maximum.accumulate(x)
np.vectorize(lambda v: v * 2 + 1)(x)
np.vectorize(lambda v, w: v + w)(x, y)
np.apply_along_axis(lambda r: r.sum(), 1, m)
np.apply_along_axis(np.sort, 1, m)
np.apply_over_axes(np.sum, m, [0, 1])
np.frompyfunc(lambda v: v * 2, 1, 1)(x).astype(float)
np.isnan(x)
np.isfinite(x).all()
np.isclose(x, y)
np.allclose(x, y)
np.array_equal(x, y)
np.array_equiv(x, y)
np.nan_to_num(x)
np.logical_and(x > 0, y > 0)
np.logical_not(b)
np.logical_or(x > 0, b)
np.any(x > 0)
np.all(x)
np.round(x, 1)
np.floor(x)
np.rint(x)
np.trunc(x)
np.fix(x)
x.round(1)
round(t, 1)
abs(x)
sum(x)
sum([x, y])
sum(row.sum() for row in m)
max(t, 0.0)
max(x)
min(x, key=None)
sorted(x)
any(x > 0)
all(b)
list(reversed(x))
list(zip(x, y))[0]
list(enumerate(x))[1][1]
list(map(np.sin, x))
[v * 2 for v in x]
{"a": x, "b": y}["a"]
[*x]
tuple(x)[0]
float(t)
float(x[0])
int(t)
int(k) + 1
bool(t > 0)
t.item()
x.tolist()
x.item(0)
str(x.shape)
complex(t)
math.exp(t)
math.sqrt(abs(t))
math.pi * x
math.log(2) * x
math.floor(t)
math.isnan(t)
math.sin(t) + math.cos(t)
x if t > 0 else y
-t if t > 0 else t
t > 0 and t < 1
t > 0 or k > 0
not t > 0
0 < t < 1
0.0 in x
k in (0, 1)
[x, y][k]
np.iscomplexobj(x)
np.isrealobj(x)
type(x).__name__ != ""
hasattr(x, "shape")
callable(x)
x is not None
np.polyval([1.0, 2.0], x)
np.poly1d([1.0, 2.0])(x)
np.polynomial.polynomial.polyval(x, [1.0, 2.0])
np.polyfit(x, y, 1)
np.heaviside(x, 0.5)
np.sinc(x)
np.hypot(x, y)
np.arctan2(y, x)
np.deg2rad(x)
np.radians(x)
np.unwrap(x)
np.logaddexp(x, y)
np.exp2(x)
np.cbrt(x)
np.reciprocal(x)
np.fmax(x, y)
np.mod(x, 2)
np.fmod(x, 2)
np.copysign(x, y)
np.nextafter(x, y)
np.gcd(i, 6)
np.lcm(i, 6)
np.bitwise_and(i, 1)
i & 1
i << 1
np.left_shift(i, 1)
np.float_power(x, 2)
np.ldexp(x, 2)
np.frexp(x)[0]
np.modf(x)[0]
np.signbit(x)
np.i0(x)
np.kaiser(4, 8.6) * x
np.hanning(4) * x
np.bartlett(4) * x
np.tril_indices(3)[0] * k
a[np.tril_indices(3)]
a[np.triu_indices(3, 1)]
a[np.triu_indices_from(a)]
a[np.diag_indices(3)]
np.unravel_index(np.argmax(m), m.shape)
np.ravel_multi_index((i, i), (3, 4))
np.lib.stride_tricks.sliding_window_view(x, 2)
np.lib.stride_tricks.as_strided(x, (2, 2), (8, 8))
np.nanargmax(x)
np.nanstd(x)
np.isposinf(x)
np.dtype(x.dtype).itemsize * x
list(np.ndenumerate(x))[1][1]
[v for v in np.nditer(x)]
np.may_share_memory(x, y)
np.array2string(x)
np.array_repr(x)
copy.copy(x)
copy.deepcopy(x)
copy.deepcopy({"w": x, "l": [y]})["l"][0]
functools.reduce(np.add, [x, y, x])
operator.add(x, y)
operator.itemgetter(1)(x)
np.trim_zeros(x)
np.setdiff1d(i, [0])
np.union1d(i, [7])
np.triu(np.ones((3, 3))) * a
np.ma.masked_array(x, b)
x.flags
x.strides
x.data
x.base is None
x.tobytes()
np.testing.assert_allclose(x, x)
np.matmul(x[None], y[:, None])
np.multiply(x, y, dtype=np.float32)
np.add(x, y, out=None)
np.add(x, 1, where=b, out=x.copy())
np.divide(x, y, out=np.zeros_like(x), where=y != 0)
np.exp(x, out=np.empty_like(x))
np.emath.sqrt(x)
np.c_[np.ones(4), x]
np.array((x, y)).T
np.vstack([np.ones(4), x]).T
np.squeeze(m[:, :1], axis=1)
np.mean((x - y) ** 2)
np.log(np.sum(np.exp(x - x.max()))) + x.max()
np.exp(x) / np.exp(x).sum()
(x > 0).sum()
(x > 0).mean()
(x > 0) * x
x * (b)
x[:, None] - y[None, :]
((x[:, None] - y) ** 2).sum(-1)
m / np.linalg.norm(m, axis=-1, keepdims=True)
(m - m.mean(0)) / (m.std(0) + 1e-8)
m[np.arange(3), i]
-np.log(np.abs(m[np.arange(len(i)), i])).mean()
np.eye(4)[i]
np.eye(3)[k]
np.zeros((3, 4))[i, 1] + t
(i[:, None] == np.arange(4)).astype(float)
np.add.at(x, [0, 1], 1.0)
np.lexsort((x, y))
np.array(x.shape) * 2
np.array(3.0) * x
np.full(x.shape, 2.0) * x
np.iinfo(i.dtype).max - i
np.expand_dims(x, (0, 2))
np.argmax(x)
x[np.argmax(y)]
x[np.argsort(y)]
m[np.argmax(m, axis=0), np.arange(4)]
x.max() - x.min()
x.nonzero()
x.searchsorted(0.0)
np.matrix_transpose(a)
a.mT
np.linalg.vecdot(x, y)
np.permute_dims(m, (1, 0))
np.concat([x, y])
np.acos(np.clip(x, -1, 1))
np.pow(x, 2)
np.unstack(m)[0]
np.astype(x, np.float32)
np.cumulative_sum(x)
np.isdtype(x.dtype, "real floating")
"""

BODIES = """\
y = x.copy()
y.sort()
return y
---
y = m * 1
y.sort(axis=0)
return y
---
x = x.copy()
x[0] = 5.0
return x
---
x[0] = 5.0
return x
---
x[0] += 1
return x
---
x[i] += 1
return x
---
x[b] = 0.0
return x
---
x[x > 0] *= 2
return x
---
x[1:] = x[:-1]
return x
---
x += 1
return x
---
x *= y
return x
---
x -= 0.1 * y
return x
---
m[:, 0] = x[:3]
return m
---
m[0] += x
return m
---
m[k, 1] = t
return m
---
y = np.zeros(4)
y[0] = t
return y
---
y = np.zeros(4)
for j in range(4):
    y[j] = x[j] * 2
return y
---
y = np.empty((3, 4))
for j, row in enumerate(m):
    y[j] = row / row.sum()
return y
---
y = np.zeros_like(x)
y[b] = x[b]
return y
---
y = np.zeros((4, 4))
y[:, 1:3] = m.T[:, :2]
return y
---
y = np.zeros(4)
y[i] = 1.0
return y
---
y = np.zeros(4)
np.add.at(y, i, 1.0)
return y
---
y = np.zeros(4)
y += x
return y
---
y = np.arange(4.0)
y[0] = t
return y
---
y = np.array(x)
y[0] = 9.0
return y
---
y = np.linspace(0, 1, 4)
y[1:] *= t
return y
---
y = np.eye(3)
y[0, 1] = t
return y
---
y = np.ones(4)
y[:] = t
return y
---
y = np.full(4, 1.0)
y.fill(t)
return y
---
out = []
for v in x:
    out.append(v * 2)
return np.array(out)
---
out = []
h = np.zeros(4)
for row in m:
    h = np.tanh(h + row)
    out.append(h)
return np.stack(out)
---
out = np.zeros((0, 4))
for row in m:
    out = np.append(out, [row], axis=0)
return out
---
total = 0
for v in x:
    total += v
return total
---
total = 0.0
for j in range(len(x)):
    total += x[j] * j
return total
---
total = 0
for j in range(x.shape[0]):
    for l in range(j):
        total = total + x[j] * x[l]
return total
---
for a_, b_ in zip(x, y):
    t = t + a_ * b_
return t
---
while t < 10:
    t = t * 2
return t
---
for j in range(k):
    t = t * 2
return t
---
if t > 0:
    return x
return y
---
if t > 0:
    r = x
else:
    r = y
return r
---
if np.any(x > 0):
    x = x * 2
return x
---
if x.sum() > 0:
    x = -x
return x
---
if x.ndim == 1:
    x = x[None]
return x
---
if len(x) > 2:
    x = x[:2]
return x
---
if x.dtype == np.float64:
    x = x.astype(np.float32)
return x
---
if np.isnan(x).any():
    raise ValueError("nan")
return x
---
assert x.shape == (4,)
return x
---
assert np.all(np.isfinite(x))
return x
---
assert t > 0, "positive"
return x
---
try:
    r = x[0] + 1
except IndexError:
    r = 0
return r
---
print(x)
return x
---
print(f"{x}")
return x
---
print(f"loss {t:.3f}")
return x
---
print("t is %s" % t)
return x
---
print("t is %.3f" % t)
return x
---
print("shape", x.shape, x.dtype)
return x
---
q, r = np.linalg.qr(a)
return np.abs(q @ r)
---
u, s, vt = np.linalg.svd(a)
return u @ np.diag(s) @ vt
---
w, v = np.linalg.eigh(a)
return v @ np.diag(w) @ v.T
---
w, v = np.linalg.eig(a)
return np.sort(w.real)
---
d = {"a": x, "b": [y, t]}
return {n: v for n, v in d.items() if n == "a"}
---
def inner(z, scale=1.0, **options):
    return z * scale
return inner(x, scale=t, other=3)
---
f = lambda z: z ** 2
return f(x)
---
rows, cols = m.shape
return m.reshape(cols, rows)
---
first, *rest = x
return first + rest[-1]
---
p, q, r = m
return p * q + r
---
h, w = np.split(x, 2)
return h @ w
---
x, y = y, x
return x - y
---
lo, hi = x.min(), x.max()
return (x - lo) / (hi - lo)
---
z = x
for W in (np.eye(4), 2 * np.eye(4)):
    z = np.maximum(W @ z, 0)
return z
---
idx = np.argsort(x)[::-1][:2]
return x[idx]
---
idx = np.where(x > 0)[0]
return x[idx]
---
with np.errstate(divide="ignore"):
    return 1 / x
---
y = x.reshape(2, 2)
y[0, 0] = 7.0
return y
---
np.fill_diagonal(a, 0.0)
return a
---
np.put(x, [0], 3.0)
return x
---
np.copyto(x, y)
return x
---
np.place(x, x > 0, 3.0)
return x
---
np.putmask(x, x > 0, 3.0)
return x
---
np.add(x, y, out=x)
return x
---
z = np.zeros(4)
np.add(x, y, out=z)
return z
---
z = np.zeros_like(x)
np.multiply(x, 2, out=z)
return z
---
np.maximum(x, 0, out=x)
return x
---
d = np.diagonal(a).copy()
return d
---
a[np.diag_indices(3)] = 1.0
return a
---
a[np.arange(3), np.arange(3)] += t
return a
---
a[a < 0.5] = 0
return a
---
m[:, k] = 0.0
return m
---
m[1, 2:4] = [1.0, 2.0]
return m
---
x[...] = 0.0
return x
---
x[:] = y
return x
---
x[-1], x[0] = x[0], x[-1]
return x
---
del x[0]
return x
---
x.shape = (2, 2)
return x
---
global_table = np.array([1.0, 2.0, 3.0, 4.0])
return global_table[k]
---
table = [1.0, 2.0, 3.0, 4.0]
return table[k]
---
table = {0: x, 1: y}
return table[k]
---
table = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
return table[i]
---
n = int(x.shape[0] / 2)
return x[:n]
---
n = x.shape[0] // 2
return np.zeros(n) + x[:n]
---
n = int(k)
return x[:n]
---
s = x.sum()
s += 1
return s
---
from collections import namedtuple
P = namedtuple("P", "w b")
p = P(x, y)
return p.w + p.b
---
import itertools
return sum(x[p] * x[q] for p, q in itertools.combinations(range(4), 2))
---
z = [[None] * 2 for _ in range(2)]
for p in range(2):
    for q in range(2):
        z[p][q] = x[p] * y[q]
return np.array(z)
---
best = -np.inf
for v in x:
    best = max(best, v)
return best
---
best = -np.inf
for v in x:
    if v > best:
        best = v
return best
---
count = 0
for v in x:
    if v > 0:
        count += 1
return count
---
z = x.astype(np.float32)
z[0] = 1
return z
---
for j in range(3):
    x = np.where(x > 0, x / 2, 3 * x + 1)
return x
---
scores = m @ x
probs = np.exp(scores - np.max(scores)) / np.sum(np.exp(scores - np.max(scores)))
return -np.log(probs[k])
---
kernel = np.array([1.0, 2.0, 1.0])
return np.array([x[j:j + 3] @ kernel for j in range(len(x) - 2)])
---
z = np.zeros(3)
for j in range(3):
    z[j] = np.dot(m[j], x)
return z
---
z = np.zeros((3, 3))
for p in range(3):
    for q in range(p, 3):
        z[p, q] = z[q, p] = m[p] @ m[q]
return z
---
z = np.ones(5)
for j in range(1, 5):
    z[j] = z[j - 1] * t
return z
---
z = []
z += [x, y]
z.extend([x])
return np.mean(z, axis=0)
---
z = ()
for v in x:
    z += (v,)
return np.array(z)
---
mask = np.tril(np.ones((3, 3), dtype=bool))
s = np.where(mask, a, -np.inf)
return np.exp(s - s.max(-1, keepdims=True))
---
mask = np.tril(np.ones((3, 3)))
a[mask == 0] = -np.inf
return a
---
q = m.reshape(3, 2, 2).transpose(1, 0, 2)
return q @ q.swapaxes(-1, -2)
---
'docstring'
return x.mean(), {"std": x.std()}
---
return x, None
---
return x, "done"
---
return x.shape
---
return x.tolist()
---
return None
---
return [x, (y, {"k": t})]
"""
"""Separated by lines of dashes."""

PEERS = """\
x.unsqueeze(0) --> x[None]
x.unsqueeze(-1) --> x[:, None]
m.permute(1, 0) --> m.T
m.view(4, 3) --> m.reshape(4, 3)
m.view(-1) --> m.ravel()
x.detach() --> x
x.float() --> x.astype(np.float32)
x.double() --> x
x.half() --> x.astype(np.float16)
x.long() --> x.astype(np.int64)
x.int() --> x.astype(np.int32)
x.bool() --> x.astype(bool)
x.cuda() --> x
x.cpu() --> x
x.numpy() --> x
x.detach().cpu().numpy() --> x
x.to(np.float32) --> x.astype(np.float32)
x.to("cpu") --> x
x.type(np.float32) --> x.astype(np.float32)
x.contiguous() --> x
m.matmul(x) --> m @ x
m.mm(m.T) --> m @ m.T
m[None].bmm(m.T[None]) --> m[None] @ m.T[None]
m.t() --> m.T
x.size() --> x.shape
m.size(0) --> 3
x.dim() --> 1
x.numel() --> 4
x.expand(3, 4) --> np.broadcast_to(x, (3, 4))
x.chunk(2)[0] --> x[:2]
x.split(2)[0] --> x[:2]
m.gather(1, i[:, None]) --> np.take_along_axis(m, i[:, None], 1)
m.scatter_(1, i[:, None], 1.0) --> ...
x.scatter_add_(0, i, y[:3]) --> ...
x.index_select(0, i) --> x[i]
x.masked_fill(b, 0.0) --> np.where(b, 0.0, x)
x.masked_select(b) --> x[b]
x.clamp(0, 1) --> np.clip(x, 0, 1)
x.clamp(min=0) --> np.clip(x, 0, None)
x.clamp_(0, 1) --> np.clip(x, 0, 1)
x.pow(2) --> x ** 2
x.abs() --> np.abs(x)
x.exp() --> np.exp(x)
x.log() --> np.log(x)
x.sqrt() --> np.sqrt(x)
x.rsqrt() --> 1 / np.sqrt(x)
x.sin() --> np.sin(x)
x.neg() --> -x
x.sign() --> np.sign(x)
x.floor() --> np.floor(x)
x.relu() --> np.maximum(x, 0)
x.sigmoid() --> 1 / (1 + np.exp(-x))
x.tanh() --> np.tanh(x)
x.softmax(dim=-1) --> np.exp(x) / np.exp(x).sum()
x.log_softmax(-1) --> x - np.log(np.exp(x).sum())
x.logsumexp(0) --> np.log(np.exp(x).sum())
x.norm() --> np.sqrt((x * x).sum())
m.flip(0) --> m[::-1]
m.roll(1, 0) --> np.roll(m, 1, 0)
x.add(y) --> x + y
x.add_(y) --> x + y
x.mul(y) --> x * y
x.mul_(2) --> x * 2
x.sub(y) --> x - y
x.div(y) --> x / y
x.zero_() --> x * 0
x.fill_(1.0) --> np.ones(4)
x.copy_(y) --> y
x.eq(y) --> x == y
x.gt(0) --> x > 0
x.requires_grad --> ...
x.requires_grad_() --> x
x.grad --> ...
x.backward() --> ...
x.clone() --> x
x.device --> ...
x.is_cuda --> ...
x.type_as(y) --> x
x.new_zeros(3) --> np.zeros(3)
x.sum(dim=0) --> x.sum()
m.sum(dim=1, keepdim=True) --> m.sum(1, keepdims=True)
m.mean(dim=-1) --> m.mean(-1)
m.max(dim=1)[0] --> m.max(1)
m.argmax(dim=1) --> m.argmax(1)
m.std(dim=0, unbiased=False) --> m.std(0)
x.topk(2)[0] --> np.sort(x)[::-1][:2]
m.narrow(1, 0, 2) --> m[:, :2]
m.select(0, 1) --> m[1]
m.unbind(0)[1] --> m[1]
m.tril() --> np.tril(m)
m.triu() --> np.triu(m)
a.inverse() --> np.linalg.inv(a)
a.det() --> np.linalg.det(a)
a.diag() --> np.diag(a)
x.isnan() --> np.isnan(x)
x.any() --> x.any()
x.outer(y) --> np.outer(x, y)
x.view_as(y) --> x
x.reshape_as(y) --> x
x.unique() --> np.unique(x)
x.nonzero() --> np.nonzero(x)
x.where(b, y) --> np.where(b, x, y)
x.data --> x
x.register_hook(print) --> ...
m.unfold(1, 2, 1) --> ...
x.repeat_interleave(2) --> np.repeat(x, 2)
x.cumsum(dim=0) --> np.cumsum(x)
x.dot(y) --> x @ y
m.mv(x) --> m @ x
x.lerp(y, 0.5) --> x + 0.5 * (y - x)
x.amax(0) --> x.max(0)
np.sum(m, dim=1) --> m.sum(1)
np.sum(m, axes=1) --> m.sum(1)
np.sum(m, axis=1, keepdim=True) --> m.sum(1, keepdims=True)
np.concatenate([x, y], dim=0) --> np.concatenate([x, y])
np.max(m, dim=1) --> m.max(1)
np.stack([x, y], dim=1) --> np.stack([x, y], 1)
x.block_until_ready() --> x
x.device() --> ...
x.devices() --> ...
x.addressable_data(0) --> x
x.at[0].set(1.0) --> np.array([1.0, *x[1:]])
x.at[i].add(1.0) --> ...
x.at[0].get() --> x[0]
x.at[0].mul(2.0) --> ...
x.weak_type --> ...
x.aval --> ...
x.sharding --> ...
x.is_fully_addressable --> ...
x.iloc[0] --> x[0]
x.loc[0] --> x[0]
x.values --> x
x.to_numpy() --> x
x.columns --> ...
x.apply(np.sin) --> np.sin(x)
x.map(np.sin) --> np.sin(x)
x.fillna(0) --> np.nan_to_num(x)
x.head(2) --> x[:2]
x.append(1.0) --> np.append(x, 1.0)
x.nosuch --> ...
x.shap --> ...
x.resahpe(2, 2) --> x.reshape(2, 2)
x.length --> ...
x.count_nonzero() --> ...
x.isna() --> np.isnan(x)
wl.lax.fori_loop(0, k, lambda j, s: s + x[j], 0.0) --> ...
wl.lax.cond(t > 0, lambda: x, lambda: y) --> ...
wl.lax.cond(t > 0, lambda v: v, lambda v: -v, x) --> ...
wl.lax.scan(lambda c, v: (c + v, c), 0.0, x)[0] --> x.sum()
wl.lax.while_loop(lambda s: s < 10, lambda s: s * 2, t) --> ...
wl.lax.stop_gradient(x) --> x
wl.lax.select(b, x, y) --> np.where(b, x, y)
wl.lax.dynamic_slice(x, (k,), (2,)) --> x[1:3]
wl.lax.map(lambda v: v * 2, x) --> x * 2
wl.lax.switch(k, [lambda v: v, lambda v: -v], x) --> -x
wl.vmap(lambda r: r.sum())(m) --> m.sum(1)
wl.vmap(lambda r, s: r * s, (0, None))(m, t) --> m * t
wl.grad(lambda z: (z ** 2).sum())(x) --> 2 * x
wl.jit(lambda z: z + 1)(x) --> x + 1
wl.lax.top_k(x, 2)[0] --> np.sort(x)[::-1][:2]
wl.nn.softmax(x) --> np.exp(x) / np.exp(x).sum()
wl.nn.relu(x) --> np.maximum(x, 0)
wl.tree.map(lambda v: v * 2, {"a": x})["a"] --> x * 2
scipy.special.expit(x) --> 1 / (1 + np.exp(-x))
scipy.special.logsumexp(x) --> np.log(np.exp(x).sum())
scipy.special.softmax(x) --> np.exp(x) / np.exp(x).sum()
scipy.special.erf(x) --> scipy.special.erf(x)
scipy.linalg.solve(a, a[0]) --> np.linalg.solve(a, a[0])
scipy.stats.norm.pdf(x) --> scipy.stats.norm.pdf(x)
scipy.stats.norm.logpdf(x) --> scipy.stats.norm.logpdf(x)
scipy.spatial.distance.cdist(m, m) --> scipy.spatial.distance.cdist(m, m)
scipy.signal.convolve(x, y) --> np.convolve(x, y)
scipy.ndimage.gaussian_filter(x, 1.0) --> scipy.ndimage.gaussian_filter(x, 1.0)
"""
"""What PyTorch, JAX, pandas and SciPy people type."""
