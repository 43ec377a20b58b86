# ruff: noqa: E501  a program stands in one line
"""Programs that fail, what follows the repair that their error recommends, and what it must give.

A program begins with `START`; its last line is an expression. Where nothing else is said the line
that failed is replaced by the repair; otherwise `old --> new` says what a user makes of the program
who reads it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

START = """\
import math
import numpy as np
import wonderland as wl
x = np.array([1.0, 4.0, 2.0])
m = np.arange(6.0).reshape(2, 3)
n, t = np.int32(1), np.float64(2.0)
table = np.array([5.0, 6.0, 7.0])
key = np.zeros(2, np.uint32)
"""
X = np.array([1.0, 4.0, 2.0])
M = np.arange(6.0).reshape(2, 3)

Example = tuple[str, str, Any]
"""The program, what follows its repair, what that gives."""

LINES: list[Example] = [
    # ---- what stands elsewhere
    ("wl.jit(lambda x: wl.lax.softmax(x).sum())(x)", "wl.lax.softmax --> wl.nn.softmax", 1.0),
    ("wl.jit(lambda x: wl.nn.reluu(x))(-x)", "wl.nn.reluu --> wl.nn.relu", [0, 0, 0]),
    ("wl.jit(lambda x: wl.numpy.clamp(x, 0, 2))(x)", "clamp --> clip", [1, 2, 2]),
    ("wl.jit(lambda x: wl.numpy.cat([x, x]))(x).shape", "cat --> concatenate", (6,)),
    ("wl.jit(lambda x: wl.numpy.softmax(x).sum())(x)", "wl.numpy.softmax --> wl.nn.softmax", 1.0),
    ("wl.jit(lambda x: x.at[0].sett(9.0))(x)", "sett --> set", [9, 4, 2]),
    # ---- arrays that are no local names, numbers in texts
    (
        "def f(x):\n    table[0] = x[0]\n    return table\nwl.jit(f)(x)",
        "table[0] = x[0]\n    return table --> c = wl.numpy.array(table).copy(); c[0] = x[0]\n    return c",
        [1, 6, 7],
    ),
    ("def f(x):\n    print(f'{float(x[0]):.2f}')\n    return x\nwl.jit(f)(x)", "", X),
    ("def f(x):\n    print(f'{x[0].item():.2f}')\n    return x\nwl.jit(f)(x)", "", X),
    (
        "def f(x):\n    s = f'{float(x[0]):.2f}'\n    return x\nwl.jit(f)(x)",
        "s = f'{float(x[0]):.2f}' --> wl.debug.print('{}', x)",
        X,
    ),
    (
        "def f(x):\n    s = '%.2f' % x[0]\n    return x\nwl.jit(f)(x)",
        "s = '%.2f' % x[0] --> wl.debug.print('{}', x)",
        X,
    ),
    ("wl.optim.sgd(lr=0.5).update(x, wl.optim.sgd(0.5).init(x))[0]", "lr --> learning_rate", -X / 2),
    # ---- methods of ufuncs, counts, bits
    (
        "import functools\nwl.jit(lambda x: np.subtract.reduce(x))(x)",
        "np.subtract.reduce(x) --> functools.reduce(np.subtract, x)",
        -5.0,
    ),
    (
        "import itertools\nwl.jit(lambda x: np.subtract.accumulate(x))(x)",
        "np.subtract.accumulate(x) --> np.stack(list(itertools.accumulate(x, np.subtract)))",
        [1, -3, -5],
    ),
    (
        "wl.jit(lambda x, k: wl.numpy.repeat(x, k))(x, np.array([1, 0, 2]))",
        "repeat(x, k) --> repeat(x, k, total_repeat_length=3)",
        [1, 2, 2],
    ),
    ("wl.jit(lambda x: wl.numpy.packbits(x))(x)", "packbits(x) --> packbits(x != 0)", [224]),
    # ---- searches of a length
    (
        "def f(p):\n    return np.sum(p * p)\no, g = wl.optim.lbfgs(), 2 * x\no.update(g, o.init(x), x)[0].shape",
        "o.init(x), x) --> o.init(x), x, value=f(x), grad=g, value_fn=f)",
        (3,),
    ),
    # ---- matrices
    (
        "def f(x):\n    q, r = np.linalg.qr(x[:, None], mode='complete')\n    return q[0, 0]\nwl.grad(f)(x)",
        "mode='complete' --> mode='reduced'",
        (X - 21 * np.eye(3)[0]) / 21**1.5,
    ),
    (
        "def f(x):\n    u, s, vh = np.linalg.svd(x[:, None])\n    return u[0, 0] * vh[0, 0]\nwl.grad(f)(x)",
        "x[:, None] --> x[:, None], full_matrices=False",
        (21 * np.eye(3)[0] - X) / 21**1.5,
    ),
    # ---- convolutions
    (
        "wl.lax.conv_transpose(np.ones((1, 4, 2)), np.ones((3, 5, 2)), (1,), 'SAME').shape",
        "'SAME' --> 'SAME', transpose_kernel=True",
        (1, 4, 5),
    ),
    (
        "wl.lax.conv(np.ones((1, 2, 4), bool), np.ones((3, 2, 3), bool), (1,), 'SAME')[0, 0]",
        "4), bool) --> 4), bool).astype(np.int32)",
        [4, 6, 6, 4],
    ),
    (
        "wl.lax.conv_general_dilated(np.ones((1, 4, 6)), np.ones((2, 2, 3)), (1,), 'SAME').shape",
        "'SAME' --> 'SAME', feature_group_count=2",
        (1, 2, 6),
    ),
    (
        "wl.lax.conv(np.ones((1, 6, 4)), np.ones((3, 4, 5)), (1,), 'SAME').shape",
        "conv( --> conv_general_dilated( ;; 'SAME' --> 'SAME', dimension_numbers=('NHC', 'HIO', 'NHC')",
        (1, 6, 5),
    ),
    (
        "wl.lax.conv_general_dilated(np.ones((1, 5, 5, 2)), np.ones((3, 3, 2, 4)), (1, 1), 'SAME', dimension_numbers='NHWC').shape",
        "'NHWC' --> ('NHWC', 'HWIO', 'NHWC')",
        (1, 5, 5, 4),
    ),
    (
        "wl.lax.conv(np.ones((1, 2, 4, 4)), np.ones((3, 2, 3, 3)), 2, padding='SAME').shape",
        "2, padding --> window_strides=(2, 2), padding",
        (1, 3, 2, 2),
    ),
    (
        "wl.lax.conv_general_dilated(np.ones((1, 2, 4)), np.ones((3, 2, 3)), (1,), 2).shape",
        ", 2) --> , padding=((2, 2),))",
        (1, 3, 6),
    ),
    (
        "wl.lax.conv(np.ones((2, 4)), np.ones((3, 2, 3)), (1,), 'SAME').shape",
        "np.ones((2, 4)) --> np.ones((2, 4))[None]",
        (1, 3, 4),
    ),
    (
        "wl.lax.conv_general_dilated(np.ones((1, 4, 2)), np.ones((3, 2, 5)), (1,), 'SAME', (2,), None, ('NHC', 'HIO', 'NHC')).shape",
        "conv_general_dilated --> conv_transpose ;; (1,), 'SAME', (2,) --> (2,), 'SAME'",
        (1, 8, 5),
    ),
    (
        "wl.jit(lambda x: np.convolve(x, table))(m)[:, 0]",
        "np.convolve(x, table) --> wl.vmap(lambda row: np.convolve(row, table))(x)",
        [0.0, 15.0],
    ),
    (
        "wl.numpy.linalg.cho_solve(4 * np.eye(2), np.ones(2))",
        "cho_solve(4 * np.eye(2), --> cho_solve(wl.numpy.linalg.cho_factor(4 * np.eye(2)),",
        [0.25, 0.25],
    ),
    # ---- indices
    (
        "wl.jit(lambda x: wl.numpy.r_['0,2', x, x])(x)[1]",
        "r_['0,2', x, x] --> concatenate([x[None], x[None]], axis=0)",
        X,
    ),
    # ---- attributes
    (
        "def f(x):\n    del x[0]\n    return x\nwl.jit(f)(x)",
        "del x[0] --> x = np.delete(x, 0)",
        X[1:],
    ),
    ("def f(x):\n    x.shape = (3, 1)\n    return x\nwl.jit(f)(x)", "", X[:, None]),
    ("def f(m):\n    return m.size(1) * m\nwl.jit(f)(m)", "", 3 * M),
    ("def f(m):\n    return np.sum(m, dim=1, keepdim=True)\nwl.jit(f)(m)", "", [[3.0], [12.0]]),
    (
        "def f(x):\n    return [v * 2 for v in np.nditer(x)]\nwl.jit(f)(x)",
        "[v * 2 for v in np.nditer(x)] --> [x[i] * 2 for i in np.ndindex(x.shape)]",
        2 * X,
    ),
    # ---- losses, optimizers, keys
    (
        "wl.optim.scale_by_sm3().init({'p': np.float64(1)}) and wl.optim.scale_by_sm3().update({'p': np.float64(1)}, wl.optim.scale_by_sm3().init({'p': np.float64(1)}))",
        "np.float64(1) --> np.float64(1).reshape(1)",
        ...,
    ),
    (
        "def f(p):\n    return np.sum(p * p)\nsearch = wl.optim.scale_by_backtracking_linesearch(max_backtracking_steps=5)\nwl.optim.value_and_grad_from_state(f)(x, state=search.init(x))",
        "max_backtracking_steps=5 --> max_backtracking_steps=5, store_grad=True",
        ...,
    ),
    (
        "wl.optim.with_extra_args_support((np.zeros_like, np.ones_like)).init(x)",
        "(np.zeros_like, np.ones_like) --> wl.optim.Optimizer(init=np.zeros_like, update=np.ones_like)",
        0 * X,
    ),
    (
        "optimizer = wl.optim.add_decayed_weights(0.5)\noptimizer.update(x, optimizer.init(x))[0]",
        "update(x, optimizer.init(x)) --> update(x, optimizer.init(x), x)",
        1.5 * X,
    ),
    (
        "optimizer = wl.optim.chain(wl.optim.sgd(1.0), wl.optim.sgd(1.0))\noptimizer.update(x, (), x)[0]",
        "update(x, (), x) --> update(x, optimizer.init(x), x)",
        X,
    ),
    (
        "wl.optim.inject_hyperparams(1e-3)(1e-3)",
        "inject_hyperparams(1e-3)(1e-3) --> inject_hyperparams(wl.optim.adam)(1e-3)",
        ...,
    ),
    (
        "optimizer = wl.optim.lookahead(wl.optim.sgd(1.0), 2, 0.5)\noptimizer.update(x, optimizer.init(x), x)[0]",
        "optimizer.init(x), x) --> optimizer.init(x), wl.optim.LookaheadParams.init_synced(x))",
        ...,
    ),
    (
        "deep = x\nfor _ in range(5000):\n    deep = [deep]\nwl.tree.leaves(deep, is_leaf=lambda _: False)[0]",
        "range(5000) --> range(1)",
        X,
    ),
    # ---- code of others
    (
        "class C:\n    def __init__(self):\n        self.of = iter([3.0, 4.0])\n    def f(self, x):\n        return x * next(self.of)\nc = C()\nwl.jit(wl.port(c.f))(x)",
        "f(self, x) --> f(self, x, v) ;; x * next(self.of) --> x * v ;; (c.f))(x) --> (c.f))(x, next(c.of))",
        3 * X,
    ),
    (
        "class C:\n    t = 0\n    def __init__(self):\n        self.t = 4\n    def f(self, x):\n        self.t += 1\n        return x * self.t\nported = wl.port(C().f)\nwl.jit(ported)(x)",
        "wl.jit(ported)(x) --> result, arrays = ported.step({**ported.arrays, 't': 4}, x)\nresult",
        5 * X,
    ),
    (
        "class C:\n    def __init__(self):\n        self.p = None\n    def f(self, x):\n        y = x if self.p is None else x - self.p\n        self.p = x\n        return y\nported = wl.port(C().f)\nwl.jit(ported)(x)",
        "self.p = None --> self.p = np.zeros(3) ;; wl.jit(ported)(x) --> result, arrays = ported.step(ported.arrays, x)\nresult",
        X,
    ),
    (
        "def f(x):\n    z = x * (1 + 1j)\n    z.real[0] = 9.0\n    return z\nwl.jit(wl.port(f))(x)",
        "z.real[0] = 9.0 --> z[0] = 9.0 + 1j * z.imag[0]",
        [9 + 1j, 4 + 4j, 2 + 2j],
    ),
    (
        "def f(x):\n    y = np.broadcast_to(2 * x, (2, 3))\n    y[0] = 9.0\n    return y[1]\nwl.jit(wl.port(f))(x)",
        "(2, 3))\n --> (2, 3)).copy()\n",
        2 * X,
    ),
    # ---- windows
    (
        "wl.lax.reduce_window(np.ones(4, np.float32), np.int64(0), wl.lax.add, (2,), (2,), 'VALID')",
        "np.int64(0) --> np.float32(0)",
        [2.0, 2.0],
    ),
    (
        "wl.jit(lambda x: np.lib.stride_tricks.sliding_window_view(x, 2))(m).shape",
        "(x, 2) --> (x, 2, axis=(0,))",
        (1, 3, 2),
    ),
    (
        "wl.nn.max_pool(np.ones((1, 4, 4, 2)), 2).shape",
        ", 2).shape --> , window_shape=(2, 2)).shape",
        ...,
    ),
    ("wl.nn.global_max_pool(m)", "(m) --> (m[None])", [[3.0, 4.0, 5.0]]),
    # ---- arrays of numbers
    ("def f(t):\n    return np.array([t, 2.0 * t])\nwl.jit(f)(t)", "", [2.0, 4.0]),
    ("def f(t):\n    y = np.asarray(t)\n    return y\nwl.jit(f)(x)", "", X),
    ("def f(t):\n    return np.full(2, t)\nwl.jit(f)(t)", "", [2.0, 2.0]),
    ("def f(t):\n    return np.full_like(m, t)\nwl.jit(f)(t)", "", np.full((2, 3), 2.0)),
    ("def f(t):\n    return np.max([t, t + 1, 0.0])\nwl.jit(f)(t)", "", 3.0),
    ("def f(t):\n    return np.float32(t + 0) + 1\nwl.jit(f)(t)", "", 3.0),
    ("def f(i):\n    return table[i]\nwl.jit(f)(n)", "", 6.0),
    (
        "def f(i):\n    return m[1, i] + m[i, 0]\nwl.jit(f)(n)",
        "m[1, i] --> wl.numpy.asarray(m)[1, i] ;; m[i, 0] --> wl.numpy.asarray(m)[i, 0]",
        7.0,
    ),
    (
        "class Box:\n    data = table\n    def f(self, i):\n        return 2 * self.data[i]\nwl.jit(Box().f)(n)",
        "",
        12.0,
    ),
    (
        "def f(t):\n    y = np.zeros(3)\n    y[1] = t * 2\n    return y\nwl.jit(f)(t)",
        "",
        [0, 4.0, 0],
    ),
    ("def f(t):\n    y = np.zeros(3)\n    y[:] = t\n    return y\nwl.jit(f)(x)", "", X),
    ("def f(t):\n    y = np.zeros(3)\n    y[0] += t\n    return y\nwl.jit(f)(t)", "", [2.0, 0, 0]),
    ("def f(t):\n    y = np.zeros(3)\n    y += t\n    return y\nwl.jit(f)(x)", "", X),
    (
        "def f(t):\n    y = np.zeros(3)\n    np.add(t, 1.0, out=y)\n    return y\nwl.jit(f)(x)",
        "",
        X + 1,
    ),
    ("def f(t):\n    return np.add(t, 1.0, out=np.zeros(3))\nwl.jit(f)(x)", "", X + 1),
    # ---- truth
    ("def f(t):\n    return t > 0 and t < 3\nwl.jit(f)(t)", "", True),
    (
        "def f(t):\n    return t > 5 or t < 3 or t == 4\nwl.jit(f)(t)",
        "t > 5 or t < 3 or t == 4 --> np.logical_or(np.logical_or(t > 5, t < 3), t == 4)",
        True,
    ),
    ("def f(t):\n    return 0 < t < 3\nwl.jit(f)(t)", "", True),
    ("def f(t):\n    return not t > 0\nwl.jit(f)(t)", "", False),
    ("def f(t):\n    return max(t, 3.0)\nwl.jit(f)(t)", "", 3.0),
    ("def f(t):\n    return min(t, 3.0, 1.0)\nwl.jit(f)(t)", "", 1.0),
    ("def f(t):\n    return -t if t > 0 else t * 3\nwl.jit(f)(t)", "", -2.0),
    ("def f(t):\n    if t > 0:\n        return -t\n    return t\nwl.jit(f)(t)", "", -2.0),
    (
        "def f(t):\n    if t > 0:\n        y = -t\n    else:\n        y = t\n    return y\nwl.jit(f)(t)",
        "",
        -2.0,
    ),
    ("def f(t):\n    y = t\n    if t > 3:\n        y = -t\n    return y\nwl.jit(f)(t)", "", 2.0),
    ("def f(t):\n    assert t > 0, 'a positive number'\n    return t\nwl.jit(f)(t)", "", 2.0),
    (
        "def f(t):\n    while t < 9:\n        t = t * 2\n    return t\nwl.jit(f)(t)",
        "    while t < 9:\n        t = t * 2\n --> ;; return t --> return wl.lax.while_loop(lambda t: t < 9, lambda t: t * 2, t)",
        16.0,
    ),
    (
        "def f(t):\n    return [s for s in (1.0, 2.0) if t > s]\nwl.jit(f)(t)",
        "[s for s in (1.0, 2.0) if t > s] --> [np.where(t > s, s, 0) for s in (1.0, 2.0)]",
        [1.0, 0.0],
    ),
    ("def f(t):\n    return t in {1.0, 2.0}\nwl.jit(f)(t)", "", True),
    ("def f(t):\n    return t not in {1.0, 2.0}\nwl.jit(f)(t)", "", False),
    ("def f(t):\n    return 4.0 in t\nwl.jit(f)(x)", "", True),
    ("def f(t):\n    return {t: 1.0}[t]\nwl.jit(f)(t)", "{t: 1.0}[t] --> {id(t): 1.0}[id(t)]", 1.0),
    (
        "def f(x, train):\n    if train:\n        x = x * 2\n        x = x + 1\n    return x\nwl.jit(f)(x, True)",
        "wl.jit(f) --> wl.jit(f, static_argnames='train')",
        2 * X + 1,
    ),
    (
        "def f(x, train):\n    if train:\n        x = x * 2\n        x = x + 1\n    return x\nwl.jit(f)(x, True)",
        "    if train:\n        x = x * 2\n        x = x + 1\n    return x -->     return wl.lax.cond(train, lambda x: x * 2 + 1, lambda x: x, x)",
        2 * X + 1,
    ),
    (
        "wl.jit(lambda x: x.sum(dim=1, keepdim=True))(m)",
        "dim=1, keepdim=True --> axis=1, keepdims=True",
        [[3.0], [12.0]],
    ),
    ("def f(t):\n    return 1.0 if t else 2.0\nwl.jit(lambda t: f(t > 0))(t)", "", 1.0),
    (
        "def f(t):\n    ok = t > 0\n    y = t\n    if ok:\n        y = -t\n    return y\nwl.jit(f)(t)",
        "",
        -2.0,
    ),
    # ---- one number
    ("def f(t):\n    return math.exp(t) * 2\nwl.jit(f)(t)", "", np.exp(2.0) * 2),
    ("def f(t):\n    return math.floor(t)\nwl.jit(f)(t)", "", 2.0),
    ("def f(t):\n    return float(t + 1) * 2\nwl.jit(f)(t)", "", 6.0),
    ("def f(t):\n    return int(t)\nwl.jit(f)(t)", "", 2),
    ("def f(t):\n    return complex(t)\nwl.jit(f)(t)", "", 2 + 0j),
    ("def f(t):\n    return t.item()\nwl.jit(f)(t)", "", 2.0),
    ("def f(t):\n    return t.tolist()\nwl.jit(f)(x)", "t.tolist() --> list(t)", X),
    ("def f(t):\n    return f'{t:.2f}'\nwl.jit(f)(t)", "return f'{t:.2f}' --> return t\n", 2.0),
    (
        "def f(t, i):\n    for k in range(i):\n        t = t * 2\n    return t\nwl.jit(f)(t, n)",
        "    for k in range(i):\n        t = t * 2\n --> ;; return t --> return wl.lax.fori_loop(0, i, lambda k, t: t * 2, t)",
        4.0,
    ),
    (
        "def f(i):\n    return list(range(i))\nwl.jit(f)(1)",
        "wl.jit(f) --> wl.jit(f, static_argnums=0)",
        [0],
    ),
    ("def f(i):\n    return [5.0, 6.0][i]\nwl.jit(f)(n)", "", 6.0),
    (
        "def f(i):\n    return (1.0, 2.0, 3.0)[i : i + 2]\nwl.jit(f)(n)",
        "(1.0, 2.0, 3.0) --> np.array((1.0, 2.0, 3.0)) ;; np.array((1.0, 2.0, 3.0))[i : i + 2] --> wl.lax.dynamic_slice_in_dim(np.array((1.0, 2.0, 3.0)), i, 2)",
        [2.0, 3.0],
    ),
    ("def f(i):\n    return table[i : i + 2]\nwl.jit(f)(n)", "", [6.0, 7.0]),
    (
        "def f(i):\n    return table[i:3]\nwl.jit(f)(n)",
        "table[i:3] --> wl.lax.dynamic_slice_in_dim(table, i, 2)",
        [6.0, 7.0],
    ),
    (
        "def f(i):\n    return np.zeros(i)\nwl.jit(f)(2)",
        "wl.jit(f) --> wl.jit(f, static_argnums=0)",
        [0, 0],
    ),
    # ---- writes
    ("def f(t):\n    t[0] = 9.0\n    return t\nwl.jit(f)(x)", "", [9.0, 4, 2]),
    ("def f(t):\n    t[t > 1] *= 2\n    return t\nwl.jit(f)(x)", "", [1.0, 8, 4]),
    ("def f(t):\n    np.put(t, [0], 9.0)\n    return t\nwl.jit(f)(x)", "", [9.0, 4, 2]),
    (
        "def f(t):\n    def g():\n        t[0] = 9.0\n    g()\n    return t\nwl.jit(f)(x)",
        "        t[0] = 9.0\n    g()\n    return t -->         return t.at[0].set(9.0)\n    return g()",
        [9.0, 4, 2],
    ),
    (
        "def f(t):\n    y = np.ones(3)\n    np.copyto(y, t)\n    return y\nwl.jit(f)(x)",
        "y = np.ones(3) --> y = wl.numpy.array(np.ones(3)).copy()",
        X,
    ),
]

CALLS: list[Example] = [
    (
        "wl.lax.reduce_or(np.array([0, 1]), (0,))",
        "np.array([0, 1]) --> np.array([0, 1]) != 0",
        True,
    ),
    # ---- arguments
    (
        "class Odd:\n    def __array__(self, *_):\n        raise ValueError('odd')\nwl.jit(lambda x: x + 1)(Odd())",
        "(Odd()) --> (np.ones(2))",
        [2.0, 2.0],
    ),
    (
        "y = np.ma.array([1.0, 2.0], mask=[0, 1])\nwl.jit(lambda x: x + 1)(y)",
        "(y) --> (y.filled(0))",
        [2.0, 1.0],
    ),
    (
        "wl.jit(lambda x: x * x)(np.matrix([[1.0, 2.0]]))",
        "(np.matrix([[1.0, 2.0]])) --> (np.asarray(np.matrix([[1.0, 2.0]])))",
        [[1.0, 4.0]],
    ),
    (
        "wl.jit(lambda x, mode: x + len(mode))(x, 'ab')",
        "wl.jit(lambda x, mode: x + len(mode)) --> wl.jit(lambda x, mode: x + len(mode), static_argnames='mode')",
        X + 2,
    ),
    (
        "wl.jit(lambda x, axes: np.sum(x, tuple(axes)), static_argnums=1)(m, [0, 1])",
        "[0, 1] --> (0, 1)",
        15.0,
    ),
    (
        "import tempfile\nat = tempfile.mkdtemp() + '/p.npz'\nwl.tree.save(at, {'w': x, 'b': 1.0})\nwl.tree.load(at, like={'w': x})['w']",
        "at, like={'w': x} --> at",
        X,
    ),
    (
        "import tempfile\nat = tempfile.mkdtemp() + '/p.npz'\nwl.tree.save(at, {'w': x})\nwl.tree.load(at, like={'w': x.astype('f4')})['w']",
        "x.astype('f4') --> x",
        X,
    ),
    ("wl.tree.reduce(lambda a, b: a + b, {})", "{}) --> {}, initializer=0)", 0),
    (
        "from dataclasses import dataclass\n@dataclass\nclass Net:\n    w: object\n    sizes: wl.tree.Static[object]\nwl.jit(lambda net: net.w * len(net.sizes))(Net(x, [1, 2]))  # compiled",
        "[1, 2] --> (1, 2)",
        2 * X,
    ),
    (
        "from dataclasses import dataclass\n@dataclass\nclass Net:\n    w: object\n    n: int = 2\nwl.jit(lambda net: net.w.repeat(3).reshape(net.n, -1))(Net(m)).shape",
        "n: int --> n: wl.tree.Static[int]",
        (2, 9),
    ),
    (
        "class S:\n    def __init__(self, x):\n        self.x = x\nwl.tree.register(S, lambda s: (s.x,), lambda data, xs: S(*xs))\nwl.tree.leaves(S(1.0))",
        "(s.x,) --> ((s.x,), None)",
        [1.0],
    ),
    (
        "class S:\n    x: float = 1.0\nwl.tree.leaves(wl.tree.register_dataclass(S)())",
        "class S: --> from dataclasses import dataclass\n@dataclass\nclass S:",
        [1.0],
    ),
    (
        "from collections import Counter\nwl.jit(lambda d: d['a'] + 1)(Counter(a=x))",
        "Counter(a=x) --> dict(Counter(a=x))",
        X + 1,
    ),
    ("wl.jit(lambda x: {x.size, 2.0})(x)", "{x.size, 2.0} --> [x.size, 2.0]", [3, 2.0]),
    (
        "kept = []\nwl.jit(lambda x: kept.append(x) or x)(x)\nkept[0] + 1",
        "kept = [] -->  ;; wl.jit(lambda x: kept.append(x) or x)(x)\nkept[0] + 1 --> wl.jit(lambda x: x)(x) + 1",
        X + 1,
    ),
    (
        "kept = []\nwl.jit(lambda x: kept.append(x) or x)(x)\nwl.jit(lambda y: kept[0] + y)(x)",
        "kept = [] -->  ;; wl.jit(lambda x: kept.append(x) or x)(x)\nwl.jit(lambda y: kept[0] + y)(x) --> wl.jit(lambda x, y: x + y)(x, x)",
        2 * X,
    ),
    (
        "def f(x):\n    y = x + 0\n    part = y[:2]\n    y[0] = 9.0\n    return part\nwl.jit(f)(x)",
        "y[:2] --> y[:2].copy()",
        X[:2],
    ),
    ("wl.jit(np.sin, memory_budget='lots')(x)", "'lots' --> '256MB'", np.sin(X)),
    # ---- transformations
    ("wl.grad(lambda x: x * 2)(x)", "x * 2 --> np.sum(x * 2)", [2.0, 2, 2]),
    (
        "wl.grad(lambda x: x * 2)(x)",
        "wl.grad(lambda x: x * 2)(x) --> wl.vjp(lambda x: x * 2, x)[1](x)[0]",
        2 * X,
    ),
    (
        "wl.grad(lambda x: (np.sum(x), x))(x)",
        "wl.grad(lambda x: (np.sum(x), x))(x) --> wl.grad(lambda x: (np.sum(x), x), has_aux=True)(x)[0]",
        [1.0, 1, 1],
    ),
    (
        "wl.grad(lambda x: np.sum(x) + 1j)(x)",
        "np.sum(x) + 1j --> np.real(np.sum(x) + 1j)",
        [1.0, 1, 1],
    ),
    (
        "wl.grad(lambda x: np.real(np.sum(x * x)), holomorphic=True)(x * (1 + 0j))",
        ", holomorphic=True --> , holomorphic=False",
        ...,
    ),
    (
        "wl.grad(lambda x: np.sum(x * x), holomorphic=True)(x)",
        "True)(x) --> True)(x.astype(np.complex64))",
        2 * X,
    ),
    (
        "wl.grad(np.sum)(np.arange(3))",
        "(np.arange(3)) --> (np.arange(3).astype(np.float32))",
        [1.0, 1, 1],
    ),
    (
        "wl.grad(lambda x: np.sum(x), has_aux=True)(x)",
        "lambda x: np.sum(x) --> lambda x: (np.sum(x), 1.0)",
        ...,
    ),
    ("wl.jvp(np.sin, x, x)", "wl.jvp(np.sin, x, x) --> wl.jvp(np.sin, (x,), (x,))", ...),
    (
        "wl.linear_transpose(lambda x: np.sin(x), x)(x)",
        "wl.linear_transpose(lambda x: np.sin(x), x)(x) --> wl.vjp(np.sin, x)[1](x)",
        ...,
    ),
    (
        "wl.jacrev(lambda x: np.arange(3))(x)",
        "wl.jacrev(lambda x: np.arange(3))(x) --> wl.jacrev(lambda x: (x, np.arange(3)), has_aux=True)(x)[0]",
        np.eye(3),
    ),
    (
        "wl.jacfwd(lambda x: x * x)(x + 0j)",
        "lambda x: x * x --> lambda x: x * x, holomorphic=True",
        np.diag(2 * X),
    ),
    ("wl.vmap(np.sin, in_axes=None)(x)", "in_axes=None --> in_axes=0", np.sin(X)),
    (
        "wl.vmap(np.sin, in_axes=None)(x[0])",
        "in_axes=None --> in_axes=None, axis_size=2",
        [np.sin(1.0)] * 2,
    ),
    ("wl.vmap(np.add)(x, 1.0)", "wl.vmap(np.add) --> wl.vmap(np.add, in_axes=(0, None))", X + 1),
    (
        "import functools\nwl.vmap(lambda x, *, k: x * k)(x, k=2.0)",
        "wl.vmap(lambda x, *, k: x * k)(x, k=2.0) --> wl.vmap(functools.partial(lambda x, *, k: x * k, k=2.0))(x)",
        2 * X,
    ),
    ("wl.vmap(np.sin, out_axes=None)(x)", "out_axes=None --> out_axes=0", np.sin(X)),
    ("wl.vmap(np.sin, in_axes='0')(x)", "'0' --> (0,)", np.sin(X)),
    (
        "wl.lax.psum(x, 'i')",
        "wl.lax.psum(x, 'i') --> wl.vmap(lambda x: wl.lax.psum(x, 'i'), axis_name='i')(x)",
        [7.0] * 3,
    ),
    (
        "wl.checkpoint(np.sin, policy='all')(x)",
        "'all' --> wl.checkpoint_policies.everything_saveable",
        np.sin(X),
    ),
    # ---- loops and branches
    (
        "wl.lax.while_loop(lambda x: x < 9, lambda x: x * 2, t, checkpoints=0)",
        ", checkpoints=0 --> ",
        16.0,
    ),
    ("wl.lax.scan(lambda c, _: (c * 2, c), t)", ", t) --> , t, length=3)", (16.0, [2.0, 4, 8])),
    ("wl.lax.while_loop(lambda x: x < 9, lambda x: x * 2, x)", "x < 9 --> np.all(x < 9)", 4 * X),
    ("wl.lax.scan(lambda c, y: c + y, t, x)", "c + y --> (c + y, y)", (9.0, X)),
    (
        "wl.lax.cond(x > 1, np.sin, np.cos, x)",
        "wl.lax.cond(x > 1, np.sin, np.cos, x) --> np.where(x > 1, np.sin(x), np.cos(x))",
        np.where(X > 1, np.sin(X), np.cos(X)),
    ),
    (
        "wl.lax.cond(True, lambda x: x, lambda x: x.astype(np.int32), x)",
        "x.astype(np.int32) --> x.astype(np.int32).astype(np.float64)",
        X,
    ),
    (
        "wl.lax.scan(lambda c, y: (c + 0.5, y), np.int32(1), x)[0]",
        "c + 0.5, y --> (c + 0.5).astype(np.int32), y",
        1,
    ),
    (
        "f = lambda x: wl.lax.while_loop(lambda x: x < 9, lambda x: x * 2, x)\nwl.grad(f)(t)",
        "x * 2, x) --> x * 2, x, checkpoints=10)",
        8.0,
    ),
    (
        "f = lambda x: wl.lax.while_loop(lambda x: x < 9, lambda x: x * x, x, checkpoints=9)\nwl.grad(wl.grad(f))(t)",
        "wl.grad(wl.grad(f))(t) --> wl.jvp(wl.grad(f), (t,), (t,))[1]",
        96.0,
    ),
    # ---- rules
    (
        "import functools\n@functools.partial(wl.custom_jvp, nondiff_argnums=1)\ndef f(x, n):\n    return x * n\nf.defjvps(lambda dx, y, x: dx)\nwl.grad(f)(t, 3)",
        "f.defjvps(lambda dx, y, x: dx) --> f.defjvp(lambda n, x, dx: (x[0] * n, dx[0] * n))",
        3.0,
    ),
    (
        "@wl.custom_jvp\ndef f(x):\n    return x * x\nwl.grad(f)(t)",
        "wl.grad(f) --> f.defjvp(lambda x, dx: (f(*x), 2 * x[0] * dx[0]))\nwl.grad(f)",
        4.0,
    ),
    (
        "@wl.custom_vjp\ndef f(x):\n    return x * x\nwl.grad(f)(t)",
        "wl.grad(f) --> f.defvjp(lambda x: (f(x), x), lambda x, ct: (2 * x * ct,))\nwl.grad(f)",
        4.0,
    ),
    (
        "@wl.custom_vmap\ndef f(x):\n    return x * x\nwl.vmap(f)(x)",
        "wl.vmap(f) --> f.def_vmap(lambda axis_size, in_batched, x: (x * x, in_batched[0]))\nwl.vmap(f)",
        X * X,
    ),
    (
        "def g(y, x):\n    f = wl.custom_vmap(lambda x: x * y)\n    f.def_vmap(lambda n, marks, x: (x * y, True))\n    return f(x)\nwl.vmap(g)(x, x)",
        "lambda x: x * y --> lambda x, y: x * y ;; marks, x: --> marks, x, y: ;; f(x)\n --> f(x, y)\n",
        X * X,
    ),
    (
        "def g(y):\n    f = wl.custom_jvp(lambda x: x * y)\n    f.defjvp(lambda x, dx: (f(*x), dx[0]))\n    return f(1.0)\nwl.grad(g)(t)",
        "def g(y):\n --> def g(y):\n    y = wl.stop_gradient(y)\n",
        0.0,
    ),
    (
        "f = wl.custom_vjp(lambda x: x * x)\nf.defvjp(lambda x: (f(x), x), lambda x, ct: (np.sin(ct) * x,))\nwl.jvp(f, (t,), (t,))",
        "wl.jvp(f, (t,), (t,)) --> wl.grad(f)(t)",
        ...,
    ),
    (
        "@wl.scalar_function\ndef f(x):\n    return np.cumsum(x)\nwl.jit(f)(x)",
        "np.cumsum(x) --> np.where(x > 0, x + 1, x)",
        X + 1,
    ),
    (
        "@wl.scalar_function\ndef f(x):\n    return x if x > 0 else -x\nwl.jit(f)(x)",
        "x if x > 0 else -x --> np.where(x > 0, x, -x)",
        X,
    ),
    # ---- Numba
    (
        "import numba\ndef exp(x):\n    return x + 1\nwl.row_function('(n)->(n)')(exp)(x)",
        "def exp --> def my_exp ;; (exp) --> (my_exp)",
        X + 1,
    ),
    (
        "def plus(x):\n    return x + 1\nwl.row_function('n->n')(plus)(x)",
        "wl.row_function('n->n') --> wl.row_function('(n)->(n)') ;; def plus --> import numba\n@numba.njit\ndef plus",
        X + 1,
    ),
    (
        "def plus(x):\n    return x + 1\nx = x.astype(np.float16)\nwl.row_function('(n)->(n)')(plus)(x)",
        "(plus)(x) --> (plus)(x.astype(np.float32))",
        X + 1,
    ),
    (
        "@wl.row_function('(n)->(n)')\ndef squared(x):\n    return x * x\nwl.grad(lambda x: np.sum(squared(x)))(x)",
        "wl.grad --> squared.defvjp(lambda x: (squared(x), x), lambda x, ct: (2 * x * ct,))\nwl.grad",
        2 * X,
    ),
    (
        "import numba\n@numba.njit\ndef plus(x):\n    return x + 1\nwl.jit(lambda x: plus(x))(x)",
        "@numba.njit --> @wl.row_function('(n)->(n)')\n@numba.njit",
        X + 1,
    ),
    (
        "import numba\n@numba.guvectorize(['(float64[:], float64[:])'], '(n)->(n)')\ndef plus(x, y):\n    y[:] = x + 1\nwl.jit(lambda x: plus(x))(x)",
        "@numba.guvectorize(['(float64[:], float64[:])'], '(n)->(n)') --> @wl.row_function('(n)->(n)')\n@numba.njit ;; (x, y) --> (x) ;; y[:] = --> return",
        X + 1,
    ),
    (
        "wl.scalar_function(lambda x: x + 1)(x)",
        "wl.scalar_function(lambda x: x + 1)(x) --> def f(x):\n    return x + 1\nwl.scalar_function(f)(x)",
        X + 1,
    ),
    (
        "@wl.scalar_function\ndef exp(x):\n    return x + 1\nexp(x)",
        "def exp(x) --> def my_exp(x) ;; \nexp(x) --> \nmy_exp(x)",
        X + 1,
    ),
    (
        "@wl.custom_jvp\ndef f(x):\n    return np.sum(x)\nf.defjvp(lambda x, dx: (f(*x), np.sum(np.sin(dx[0]))))\nwl.grad(f)(x)",
        "wl.grad(f)(x) --> wl.jvp(f, (x,), (x,))[0]",
        7.0,
    ),
    (
        "wl.jit(lambda x: __import__('pickle').dumps(x + 1))(x)",
        "__import__('pickle').dumps(x + 1))(x) --> x + 1)(x)",
        X + 1,
    ),
    ("wl.jit(np.sin, memory_budget=0)(x)", "=0 --> ='none'", np.sin(X)),
    (
        "deep = x\nfor _ in range(400):\n    deep = [deep]\nwl.jit(lambda t: wl.tree.leaves(t)[0])(deep)",
        "deep = [deep] --> deep = [x]",
        X,
    ),
    # ---- effects
    (
        "f = lambda x: wl.pure_callback(np.sin, np.sin, x)\nf(x)",
        "wl.pure_callback(np.sin, np.sin, x) --> wl.pure_callback(np.sin, wl.ShapeDtypeStruct((3,), np.float64), x)",
        np.sin(X),
    ),
    (
        "f = lambda x: np.sum(wl.pure_callback(np.sin, x, x))\nwl.grad(f)(x)",
        "(np.sin, x, x) --> (np.sin, x, wl.stop_gradient(x))",
        [0.0] * 3,
    ),
    (
        "wl.vmap(lambda x: wl.pure_callback(np.sin, x, x))(x)",
        "(np.sin, x, x) --> (np.sin, x, x, vmap_method='sequential')",
        np.sin(X),
    ),
    (
        "wl.vmap(lambda x: wl.io_callback(np.sin, x, x, ordered=True))(x)",
        "ordered=True --> ordered=False",
        np.sin(X),
    ),
    # ---- arrays
    (
        "wl.jit(lambda x, n: np.reshape(x, (n, 2)))(m, n)",
        "np.reshape(x, (n, 2)) --> np.reshape(x, (x.shape[1], 2)) ;; (m, n) --> (m, 0)",
        M.reshape(3, 2),
    ),
    (
        "wl.jit(lambda x, y: wl.numpy.arange(y, y + 3))(x, n)",
        "wl.numpy.arange(y, y + 3) --> wl.numpy.arange(3) + y",
        [1, 2, 3],
    ),
    (
        "wl.jit(lambda x: np.cumulative_sum(x))(m)",
        "np.cumulative_sum(x) --> np.cumulative_sum(x, axis=0)",
        np.cumsum(M, 0),
    ),
    ("wl.jit(lambda x: np.einsum('...i->i', x))(m)", "'...i->i' --> '...i->...'", M.sum(1)),
    (
        "wl.jit(lambda x: np.einsum(x, [0, 1.5], x, [1, 2], [0, 2]))(m)",
        "np.einsum(x, [0, 1.5], x, [1, 2], [0, 2]) --> np.einsum(x, [0, 1], x.T, [1, 2], [0, 2])",
        M @ M.T,
    ),
    (
        "wl.jit(lambda x: np.where(x > 1))(x)",
        "np.where(x > 1) --> np.where(x > 1, x, 0)",
        [0, 4.0, 2],
    ),
    (
        "wl.jit(lambda x: np.where(x > 1))(x)",
        "np.where(x > 1) --> wl.numpy.where(x > 1, size=2)[0]",
        [1, 2],
    ),
    ("wl.jit(lambda x: x ** -1)(np.arange(1, 3))", "x ** -1 --> x.astype(float) ** -1", [1.0, 0.5]),
    (
        "wl.jit(lambda x, i: np.take(x, i))(x, np.float32(1))",
        "np.take(x, i) --> np.take(x, i.astype(np.int32))",
        4.0,
    ),
    (
        "wl.jit(lambda x, k: np.compress(k, x))(x, x > 1)",
        "np.compress(k, x) --> np.where(k, x, 0)",
        [0, 4.0, 2],
    ),
    ("wl.jit(lambda x: x[x > 1])(x)", "x[x > 1] --> np.where(x > 1, x, 0)", [0, 4.0, 2]),
    (
        "wl.jit(lambda x: np.add(x, np.ones(3, np.longdouble)))(x)",
        "np.add(x, np.ones(3, np.longdouble)) --> np.add(x, np.ones(3, np.longdouble).astype(np.float32))",
        X + 1,
    ),
    (
        "wl.jit(lambda x: np.add(x, x, where=x > 1))(x)",
        "np.add(x, x, where=x > 1) --> np.where(x > 1, np.add(x, x), 0)",
        [0, 8.0, 4],
    ),
    (
        "wl.jit(lambda x: np.sum(x, out=np.zeros(())))(x)",
        "np.sum(x, out=np.zeros(())) --> np.sum(x)",
        7.0,
    ),
    (
        "wl.jit(lambda x: np.bincount(x))(np.arange(3))",
        "np.bincount(x) --> wl.numpy.bincount(x, length=3)",
        [1, 1, 1],
    ),
    (
        "wl.jit(lambda x: np.nonzero(x > 1))(x)",
        "np.nonzero(x > 1) --> wl.numpy.nonzero(x > 1, size=2)[0]",
        [1, 2],
    ),
    (
        "wl.jit(lambda x: wl.numpy.nonzero(x, size=1))(t)",
        "wl.numpy.nonzero(x, size=1) --> wl.numpy.nonzero(np.atleast_1d(x), size=1)[0]",
        [0],
    ),
    (
        "wl.jit(lambda x: np.histogram(x, bins='auto'))(x)",
        "np.histogram(x, bins='auto') --> np.histogram(x, bins=10)[0]",
        np.histogram(X)[0],
    ),
    ("wl.jit(lambda x: x @ 2.0)(x)", "x @ 2.0 --> x * 2.0", 2 * X),
    ("wl.jit(lambda x, y: x @ y)(m, m)", "x @ y --> x.T @ y", M.T @ M),
    ("wl.jit(lambda x, y: x @ y)(m, np.ones((4, 3)))", "x @ y --> x @ y.T", M @ np.ones((3, 4))),
    (
        "wl.jit(lambda x: np.max(x, where=x < 3))(x)",
        "np.max(x, where=x < 3) --> np.max(x, initial=0.0, where=x < 3)",
        2.0,
    ),
    ("wl.jit(lambda x: np.max(x))(np.zeros(0))", "np.max(x) --> np.max(x, initial=-1.0)", -1.0),
    ("wl.jit(lambda x, i: x[i:3])(x, n)", "x[i:3] --> x[i + np.arange(2)]", X[1:]),
    ("wl.jit(lambda x, i: x[i:i + 2])(x, n)", "", X[1:]),
    (
        "wl.jit(lambda x: np.stack([x, x[0]]))(x)",
        "[x, x[0]] --> np.broadcast_arrays(x, x[0])",
        [X, [1.0] * 3],
    ),
    ("wl.jit(lambda x: np.split(x, 2))(x)", "np.split --> np.array_split", ([1.0, 4.0], [2.0])),
    ("wl.jit(lambda x: np.pad(x, -1))(x)", "np.pad(x, -1) --> x[1:-1]", [4.0]),
    (
        "# compiled\nwl.jit(lambda x, u, k: x.at[k].mul(u))(x * 1j, x[:2] * 1j, np.array([0, 1]))",
        "mul(u) --> mul(u, unique_indices=True)",
        [-1.0, -16.0, 2j],
    ),
    ("wl.jit(lambda x: np.sort(x, order='f'))(x)", "np.sort(x, order='f') --> np.sort(x)", [1.0, 2.0, 4.0]),
    (
        "wl.jit(lambda x: np.real_if_close(x))(x)",
        "np.real_if_close(x) --> np.real(x)",
        [1.0, 4.0, 2.0],
    ),
    (
        "wl.jit(lambda x: np.round(x, 1))(x > 1)",
        "(x > 1) --> (x > 1.5) ;; np.round(x, 1) --> np.round(x.astype(float), 1)",
        [0.0, 1, 1],
    ),
    (
        "wl.jit(lambda x: np.quantile(x, 0.5))(x > 1)",
        "np.quantile(x, 0.5) --> np.quantile(x.astype(float), 0.5)",
        1.0,
    ),
    (
        "wl.jit(lambda x: np.var(x, dtype=np.int32))(np.arange(3))",
        "dtype=np.int32 --> dtype=np.float64",
        2 / 3,
    ),
    ("wl.jit(lambda x: np.ediff1d(x))(x > 1)", "np.ediff1d(x) --> np.diff(x)", [True, False]),
    (
        "wl.jit(lambda x: np.ediff1d(x, to_end=0.5))(np.arange(3))",
        "to_end=0.5 --> to_end=x.dtype.type(0)",
        [1, 1, 0],
    ),
    ("wl.random.PRNGKey(2**70)", "2**70 --> 2**70 % 2**64", [0, 0]),
    ("wl.jit(lambda x, k: x.at[k].set(x))(x, x > 1)", "x.at[k].set(x) --> np.where(k, x, x)", X),
    (
        "def f(x):\n    y = np.ones_like(x, dtype=np.int32) + 0\n    np.add(y, 1.5, out=y)\n    return y\nwl.jit(f)(x)",
        "    np.add(y, 1.5, out=y) -->     y = y.astype(np.float64)\n    np.add(y, 1.5, out=y)",
        [2.5] * 3,
    ),
    (
        "f = lambda u: np.sum(wl.numpy.at(x)[np.array([0, 0])].mul(u))\nwl.grad(f)(np.ones(2))",
        "mul(u) --> mul(u, unique_indices=True) ;; [0, 0] --> [0, 1]",
        [1.0, 4.0],
    ),
    (
        "wl.jit(lambda x: wl.lax.reduce_or(x, [0]))(x)",
        "wl.lax.reduce_or(x, --> wl.lax.reduce_or(x != 0,",
        True,
    ),
    ("wl.random.normal(0)", "wl.random.normal(0) --> wl.random.normal(wl.random.key(0))", ...),
    (
        "wl.random.randint(key, (2,), 0, 9, np.int8).dtype",
        "wl.random.randint(key, (2,), 0, 9, np.int8).dtype --> wl.random.randint(key, (2,), 0, 9).astype(np.int8)",
        ...,
    ),
    (
        "wl.jit(lambda x, i: wl.ops.segment_sum(x, i))(x, np.array([0, 1, 0]))",
        "segment_sum(x, i) --> segment_sum(x, i, num_segments=2)",
        [3.0, 4.0],
    ),
    (
        "wl.ops.segment_sum(x > 1, np.array([0, 1, 0]))",
        "x > 1 --> (x > 1).astype(np.int32)",
        [1, 1],
    ),
    ("x.astype(float) + wl.jit(lambda x: x.astype('f16'))(x)", "'f16' --> np.float16", 2 * X),
    ("wl.random.key(3, impl='rbg')", "(3, impl='rbg') --> (3)", [0, 3]),
    (
        "q = np.ones((2, 1, 3))\nwl.nn.dot_product_attention(q, q, q, mask=np.ones((2, 2))).shape",
        "mask=np.ones((2, 2)) --> mask=np.ones((2, 2)) != 0",
        (2, 1, 3),
    ),
    (
        "wl.jit(lambda x: wl.numpy.row_stack([x, x]))(x)",
        "wl.numpy.row_stack([x, x]) --> np.vstack([x, x])",
        [[1.0, 4.0, 2.0]] * 2,
    ),
    (
        "wl.jit(lambda x: np.fft.rfft(x))(x + 0j)",
        "np.fft.rfft(x) --> np.fft.rfft(x.real)",
        np.fft.rfft(X),
    ),
]
"""What is called with arguments that do not fit."""
PORTED: list[Example] = [
    (
        "class Node:\n"
        "    pass\n"
        "inner = None\n"
        "for _ in range(3000):\n"
        "    node = Node()\n"
        "    node.inner, node.w = inner, x\n"
        "    inner = node\n"
        "wl.jit(wl.port(lambda x: x + node.w))(x)",
        "range(3000) --> range(30)",
        2 * X,
    ),
    (
        "wl.jit(wl.port(lambda x: np.r_[x, 0:2]))(x)",
        "np.r_[x, 0:2] --> np.concatenate([np.atleast_1d(x), np.arange(2)])",
        np.r_[X, 0:2],
    ),
    (
        "def f(x):\n"
        "    import numpy\n"
        "    y = numpy.empty(3)\n"
        "    np.exp(x, out=y)\n"
        "    return y\n"
        "wl.jit(wl.port(f))(x)",
        "numpy.empty(3) --> np.empty_like(x)",
        np.exp(X),
    ),
    (
        "def f(x):\n"
        "    y = np.zeros((2, 3))\n"
        "    z = np.broadcast_to(y[0], (2, 3))\n"
        "    y[0] = x\n"
        "    return z.sum()\n"
        "wl.jit(wl.port(f))(x)",
        "z.sum() --> y.sum()",
        7.0,
    ),
    (
        "wl.jit(wl.port(lambda x: np.cumsum(x[x > 1])))(x)",
        "x[x > 1] --> np.where(x > 1, x, 0)",
        np.array([0.0, 4.0, 6.0]),
    ),
    (
        "wl.port(lambda x: x * table).apply({'tabel': x}, x)",
        "'tabel' --> 'table'",
        X * X,
    ),
    (
        "class Sum:\n"
        "    def __init__(self):\n"
        "        self.total = x\n"
        "    def add(self, y):\n"
        "        self.total = self.total + y\n"
        "        return self.total\n"
        "ported = wl.port(Sum().add)\n"
        "wl.jit(ported)(x)",
        "wl.jit(ported)(x) --> result, arrays = ported.step(ported.arrays, x)\nresult",
        2 * X,
    ),
    # ---- layers, distributions, training
    ("seed = 0\nwl.random.uniform(None, (2,))", "None --> wl.random.key(seed)", ...),
    (
        "@wl.nn.layer\nclass Net:\n    rate: float\nwl.jit(lambda x: Net(x[0]))(x)",
        "rate: float --> rate: 'Any, whose values are arrays'.__class__",
        ...,
    ),
    (
        "import wonderland.distributions as d\ndistribution = d.Poisson(2.0)\ndistribution.entropy()",
        "distribution.entropy() --> -np.mean(distribution.log_prob(distribution.sample(wl.random.key(0), (10000,))), axis=0).round(0)",
        2.0,
    ),
    (
        "import wonderland.distributions as d\np, q = d.Laplace(0.0, 1.0), d.StudentT(3.0)\nd.kl(p, q)",
        "d.kl(p, q) --> x = p.sample(wl.random.key(0), (10000,)); np.mean(p.log_prob(x) - q.log_prob(x), axis=0) < 1",
        True,
    ),
    (
        "wl.nn.mixup(wl.random.key(0), m, np.array([0, 1]))[1].shape",
        "np.array([0, 1]) --> wl.nn.one_hot(np.array([0, 1]), 3)",
        (2, 3),
    ),
    (
        "wl.nn.Conv.init(wl.random.key(0), 4, 6, (3,), groups=3).weight.shape",
        "groups=3 --> groups=2",
        (3, 2, 6),
    ),
    (
        "wl.nn.softmax_cross_entropy(m, np.array([0, 1])).shape",
        "softmax_cross_entropy --> softmax_cross_entropy_with_integer_labels",
        (2,),
    ),
    (
        "wl.nn.softmax_cross_entropy_with_integer_labels(m, m).shape",
        "softmax_cross_entropy_with_integer_labels --> softmax_cross_entropy",
        (2,),
    ),
    (
        "from dataclasses import dataclass\n@wl.nn.layer\n@dataclass\nclass Net:\n    weight: object\nNet(2.0).weight",
        "@dataclass\n --> ",
        2.0,
    ),
    (
        "positions = np.int32(3)\nwl.jit(lambda x, positions: wl.nn.rotary(x, positions))(np.ones((1, 2, 4)), positions).shape",
        "rotary(x, positions) --> rotary(x, positions[None])",
        (1, 2, 4),
    ),
    (
        "net = wl.nn.GRU.init(wl.random.key(0), 3, 4)\nnet(m.astype('f'))[0].shape",
        "m.astype('f') --> m.astype('f')[None]",
        (1, 2, 4),
    ),
    (
        "layer = wl.nn.GRU.init(wl.random.key(0), 3, 4)\nlayer(m[None].astype('f'), 0.0)[0].shape",
        "0.0 --> layer.start(1)",
        (1, 2, 4),
    ),
    (
        "norm = wl.nn.BatchNorm.init(3)\nnorm(x[None].astype('f'), norm.start())[0].shape",
        "norm.start()) --> norm.start(), train=False)",
        (1, 3),
    ),
    (
        "def loss(w, rows):\n    return np.mean((rows - w) ** 2)\nwl.fit(loss, x[:1], m, wl.optim.sgd(0.1), checkpoint='/tmp/none.npz', resume=True).stopped == 'finished'",
        "checkpoint='/tmp/none.npz', resume=True --> resume=False",
        True,
    ),
    (
        "def loss(w, rows):\n    return np.mean((rows - w) ** 2)\nwl.fit(loss, x[:1], m, wl.optim.sgd(0.1), resume=True).stopped == 'finished'",
        "resume=True --> checkpoint='/tmp/training.npz'",
        True,
    ),
    (
        "def loss(w, rows, state):\n    return np.mean((rows - w) ** 2), state + 1\nwl.fit(loss, x[:1], m, wl.optim.sgd(0.1)).stopped == 'finished'",
        "sgd(0.1)) --> sgd(0.1), state=n)",
        True,
    ),
    (
        "def loss(w, rows):\n    return np.mean((rows - w) ** 2)\nwl.fit(loss, x[:1], m, wl.optim.sgd(0.1), patience=2).stopped == 'finished'",
        "patience=2 --> patience=2, held_out=m",
        True,
    ),
    (
        "def loss(w, rows):\n    return (rows - w) ** 2\nwl.fit(loss, x[:1], m, wl.optim.sgd(0.1)).stopped == 'finished'",
        "(rows - w) ** 2 --> np.mean((rows - w) ** 2)",
        True,
    ),
    (
        "def loss(w, rows):\n    return np.mean((rows - w['w']) ** 2)\nwl.fit(loss, {'w': x[:1], 'name': 'mine'}, m, wl.optim.sgd(0.1)).stopped == 'finished'",
        "{'w': x[:1], 'name': 'mine'} --> {'w': x[:1]}",
        True,
    ),
    (
        "import tempfile\nfile = tempfile.mkdtemp() + '/c.npz'\ndef loss(w, rows):\n    return np.mean((rows - w) ** 2)\nwl.fit(loss, x[:1], m, wl.optim.sgd(0.1), checkpoint=file)\nwl.fit(loss, x[:2, None], m, wl.optim.sgd(0.1), checkpoint=file, resume=True).stopped == 'finished'",
        "resume=True --> resume=False",
        True,
    ),
]
"""Of NumPy code as it is."""

OVER_AXES: list[Example] = [
    (
        "with wl.distributed.mesh({'i': 1}):\n    y = wl.lax.psum(x, 'i')\ny",
        "wl.lax.psum(x, 'i') --> wl.jit(lambda x: wl.lax.psum(x, 'i'))(x)",
        X,
    ),
    (
        "wl.distributed.local_rows(x)",
        "rows(x) --> rows(x, 'data', mesh=wl.distributed.mesh({'data': 1}))",
        X,
    ),
    (
        "wl.distributed.mesh({}).size",
        "mesh({}) --> mesh({'data': wl.distributed.process_count()})",
        1,
    ),
    (
        "mesh = wl.distributed.mesh({'i': 3})\nf = lambda x: wl.lax.psum(x, 'i')\nwl.distributed.spmd(f, mesh)(x)",
        "wl.distributed.mesh({'i': 3}) --> None ;; wl.distributed.spmd(f, mesh)(x) --> wl.vmap(f, axis_name='i')(x)",
        [7, 7, 7],
    ),
    (
        "q = np.ones((2, 1, 4, 3, 2))\nwl.vmap(lambda q: wl.distributed.ulysses_attention(q, q, q, 's'), axis_name='s')(q).shape",
        "ulysses_attention --> ring_attention",
        (2, 1, 4, 3, 2),
    ),
    (
        "def f(y):\n    return wl.distributed.from_last(lambda: wl.lax.psum(y, 'i').sum(), 'i')\nwl.vmap(f, axis_name='i')(x)",
        "return wl.distributed.from_last(lambda: wl.lax.psum(y, 'i').sum(), 'i') --> y = wl.lax.psum(y, 'i'); return wl.distributed.from_last(lambda: y.sum(), 'i')",
        [7, 7, 7],
    ),
    (
        "wl.vmap(lambda a: wl.distributed.shard(x, wl.distributed.PartitionSpec('i')), axis_name='i')(x[:2])[1]",
        "PartitionSpec('i') --> PartitionSpec()",
        X,
    ),
    (
        "net = wl.nn.MultiHeadAttention.init(key, 6, 3)\nwl.vmap(lambda a: wl.distributed.tensor_parallel(wl.distributed.shard(net, wl.distributed.tensor_specs(net, 'i')), 'i')(m[None]).shape[0] * a, axis_name='i')(x[:2])",
        "m[None] --> np.ones((1, 4, 6)) ;; x[:2] --> x",
        X,
    ),
    (
        "optimizer = wl.optim.lbfgs()\ndef f(g):\n    o = wl.distributed.sharded(optimizer, 'i')\n    return o.update(g, o.init(x), x, value=1.0, grad=g, value_fn=np.sum)[0]\nwl.vmap(f, axis_name='i')(m).shape",
        "o = wl.distributed.sharded(optimizer, 'i')\n    return o.update(g, o.init(x), x, value=1.0, grad=g, value_fn=np.sum)[0] --> g = wl.lax.pmean(g, 'i')\n    return optimizer.update(g, optimizer.init(x), x, value=1.0, grad=g, value_fn=np.sum)[0]",
        (2, 3),
    ),
    (
        "optimizer = wl.optim.chain(wl.optim.clip_by_global_norm(1.0), wl.optim.sgd(1.0))\ndef f(g):\n    o = wl.distributed.sharded(optimizer, 'i')\n    return o.update(g, o.init(x), x)[0]\nwl.vmap(f, axis_name='i')(m * 0)",
        "wl.optim.clip_by_global_norm(1.0) --> wl.distributed.clip_by_global_norm(1.0, 'i')",
        M * 0,
    ),
    (
        "def loss(w, rows):\n    return np.mean((rows - w) ** 2)\nwl.fit(loss, x[:1], m, wl.optim.sgd(0.1), shard_optimizer=True).stopped",
        "shard_optimizer=True --> shard_optimizer=True, mesh=wl.distributed.mesh({'data': 1})",
        ...,
    ),
    (
        "def loss(w, rows):\n    return np.mean((rows - w) ** 2)\nwl.fit(loss, x[:1], m, wl.optim.sgd(0.1), mesh=wl.distributed.mesh({'i': 1, 'j': 1})).stopped",
        "{'i': 1, 'j': 1} --> {'data': wl.distributed.process_count()}",
        ...,
    ),
]
"""Over axes of vmap, and of one process."""

EXAMPLES = LINES + CALLS + PORTED + OVER_AXES
NEVER = {
    "'device=\"cpu\"'": "a sort of long rows for a GPU",
    "'wl.device_put(x, device)'": "arrays on two GPUs",
    "'np.real and np.imag of them'": "an op of one's own without a form for complex values",
    "f'batch_size={near}'": "rows that several processes share",
    "'wl.distributed.value_and_grad(loss, names, specs) in a step of your own'": "the same",
    "'pip install hypothesis'": "a package that tests need",
}
"""Repairs that only other machines can follow."""

HINTED: list[tuple[str, str, str]] = [
    ("trim_zeros", "np.trim_zeros(np.append(0, x))", "np.append(0, x)[1:4]"),
    ("bmat", "wl.numpy.bmat([[x, y], [y, x]])", "np.block([[x, y], [y, x]])"),
    ("row_stack", "wl.numpy.row_stack([x, y])", "np.vstack([x, y])"),
    ("real_if_close", "np.real_if_close(x + 0j)", "np.real(x + 0j)"),
    ("isnat", "np.isnat(x)", ""),
    ("array_str", "np.array_str(x)", ""),
    ("may_share_memory", "np.may_share_memory(x, y)", "False"),
    (
        "add.reduceat",
        "np.add.reduceat(x, [0, 2])",
        "wl.ops.segment_sum(x, np.array([0, 0, 1]), 2)",
    ),
    ("nditer", "[v * 2 for v in np.nditer(x)][1]", "[x[i] * 2 for i in np.ndindex(x.shape)][1]"),
]
"""A function without a traced form, a call of it, and what follows its hint."""
