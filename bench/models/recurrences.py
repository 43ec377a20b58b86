"""Models that go along time: recurrent layers, state spaces, decaying means, linear attention."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import peers
from .model import (
    Model,
    cross_entropy,
    integers,
    layer_norm,
    linear,
    linear_weights,
    model,
    norm_weights,
    parameter,
    torch_linear,
    torch_norm,
    weights,
)

# ---------------------------------------------------------------- gates


def recurrent(
    kind: str, gates: int, batch: int, time: int, size: int, layers: int,
    begin: Callable[..., Any], cell: Callable[..., Any],
) -> Model:  # fmt: skip
    """Classes of the last output of layers of a cell, in the order of gates of torch.nn."""
    parameters = {
        "layers": [
            {
                "w": weights(size, gates * size, seed=4 * n),
                "u": weights(size, gates * size, seed=4 * n + 1),
                "b": weights(gates * size, seed=4 * n + 2) * np.float32(0.1),
                "c": weights(gates * size, seed=4 * n + 3) * np.float32(0.1),
            }
            for n in range(layers)
        ],
        "head": linear_weights(size, 10),
    }
    inputs = peers.random(batch, time, size, seed=7), integers(10, batch)

    def function(m: Any, p: Any, x: Any, y: Any) -> Any:
        x = x.swapaxes(0, 1)
        for one in p["layers"]:

            def step(state: Any, gates: Any, one: Any = one) -> Any:
                return cell(m, state, gates, one)

            _, x = m.lax.scan(step, begin(m, batch, size), x @ one["w"] + one["b"])
        return cross_entropy(m, linear(m, x[-1], p["head"]), y)

    def module(p: Any) -> Any:
        torch = peers.torch

        class Classifier(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.layers = getattr(torch.nn, kind)(size, size, layers, batch_first=True)
                for n, one in enumerate(p["layers"]):
                    for name, key in (("weight_ih", "w"), ("weight_hh", "u")):
                        setattr(self.layers, f"{name}_l{n}", parameter(one[key].T))
                    for name, key in (("bias_ih", "b"), ("bias_hh", "c")):
                        setattr(self.layers, f"{name}_l{n}", parameter(one[key]))
                self.head = torch_linear(**p["head"])

            def forward(self, x: Any, y: Any) -> Any:
                x = self.head(self.layers(x)[0][:, -1])
                return torch.nn.functional.cross_entropy(x, y)

        return Classifier()

    text = f"{layers} x {size}, {batch} of {time} steps"
    return Model(text, parameters, inputs, function, module)


@model("LSTM step", "step", {"batch": 2, "time": 5, "size": 8}, quick=True)
def lstm(batch: int = 32, time: int = 64, size: int = 256, layers: int = 2) -> Model:
    """Hochreiter and Schmidhuber, 1997."""

    def cell(m: Any, state: Any, gates: Any, p: Any) -> Any:
        h, c = state
        i, f, g, o = m.numpy.split(gates + h @ p["u"] + p["c"], 4, axis=-1)
        c = m.nn.sigmoid(f) * c + m.nn.sigmoid(i) * m.numpy.tanh(g)
        h = m.nn.sigmoid(o) * m.numpy.tanh(c)
        return (h, c), h

    def begin(m: Any, batch: int, size: int) -> Any:
        zeros = m.numpy.zeros((batch, size), np.float32)
        return zeros, zeros

    return recurrent("LSTM", 4, batch, time, size, layers, begin, cell)


@model("GRU step", "step", {"batch": 2, "time": 5, "size": 8})
def gru(batch: int = 16, time: int = 128, size: int = 128, layers: int = 2) -> Model:
    """Cho et al., 2014."""

    def cell(m: Any, h: Any, gates: Any, p: Any) -> Any:
        xr, xz, xn = m.numpy.split(gates, 3, axis=-1)
        hr, hz, hn = m.numpy.split(h @ p["u"] + p["c"], 3, axis=-1)
        r, z = m.nn.sigmoid(xr + hr), m.nn.sigmoid(xz + hz)
        n = m.numpy.tanh(xn + r * hn)
        h = n + z * (h - n)
        return h, h

    def begin(m: Any, batch: int, size: int) -> Any:
        return m.numpy.zeros((batch, size), np.float32)

    return recurrent("GRU", 3, batch, time, size, layers, begin, cell)


# ---------------------------------------------------------------- layers beside a residual


def stacked(
    text: str, shape: tuple[int, int, int], layers: list[Any], mix: Callable[..., Any],
    torch_mix: Callable[[Any], Any], torch_compile: bool,
) -> Model:  # fmt: skip
    """Classes of the mean of x + mix(norm(x)), x [batch, time, size], once for each layer."""
    batch, time, size = shape
    parameters = {
        "norms": [norm_weights(size) for _ in layers],
        "layers": layers,
        "head": linear_weights(size, 10),
    }

    def function(m: Any, p: Any, x: Any, y: Any) -> Any:
        for norm, one in zip(p["norms"], p["layers"], strict=True):
            x = x + mix(m, layer_norm(m, x, norm), one)
        return cross_entropy(m, linear(m, m.numpy.mean(x, axis=1), p["head"]), y)

    def module(p: Any) -> Any:
        torch = peers.torch

        class Classifier(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.norms = torch.nn.ModuleList(torch_norm(**n) for n in p["norms"])
                self.layers = torch.nn.ModuleList(map(torch_mix, p["layers"]))
                self.head = torch_linear(**p["head"])

            def forward(self, x: Any, y: Any) -> Any:
                for norm, one in zip(self.norms, self.layers, strict=True):
                    x = x + one(norm(x))
                return torch.nn.functional.cross_entropy(self.head(x.mean(1)), y)

        return Classifier()

    inputs = peers.random(batch, time, size, seed=7), integers(10, batch)
    text = f"{len(layers)} x {text}, {batch} of {time} steps"
    return Model(text, parameters, inputs, function, module, torch_compile=torch_compile)


@model("state space step", "step", {"batch": 2, "time": 6, "size": 8, "states": 4})
def state_space(
    batch: int = 8, time: int = 1024, size: int = 64, states: int = 64, layers: int = 2
) -> Model:
    """h[t] = a h[t - 1] + x[t] B, y[t] = gelu(h[t] C + D x[t]); Smith et al., S5, 2023.

    PyTorch has no scan: there h is a convolution with the powers of a, by Fourier transforms.
    """

    def mix(m: Any, x: Any, p: Any) -> Any:
        a = m.numpy.exp(-m.numpy.exp(p["rate"]))
        b = x @ p["write"]

        def both(one: Any, two: Any) -> Any:
            return one[0] * two[0], one[1] * two[0] + two[1]

        each = m.numpy.broadcast_to(a, b.shape)
        h = m.lax.associative_scan(both, (each, b), axis=1)[1]
        return m.nn.gelu(h @ p["read"] + p["skip"] * x)

    def torch_mix(p: Any) -> Any:
        torch = peers.torch

        class Layer(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.rate, self.skip = parameter(p["rate"]), parameter(p["skip"])
                self.write, self.read = torch_linear(p["write"]), torch_linear(p["read"])

            def forward(self, x: Any) -> Any:
                turns = torch.arange(time, dtype=x.dtype)[:, None]
                powers = torch.exp(-torch.exp(self.rate) * turns)
                fft, n = torch.fft, 2 * time
                each = fft.rfft(self.write(x), n=n, dim=1) * fft.rfft(powers, n=n, dim=0)
                h = fft.irfft(each, n=n, dim=1)[:, :time]
                y = self.read(h) + self.skip * x
                return torch.nn.functional.gelu(y, approximate="tanh")

        return Layer()

    found = [
        {
            "rate": np.linspace(-5, 0, states, dtype=np.float32),
            "write": weights(size, states, seed=4 * n),
            "read": weights(states, size, seed=4 * n + 1),
            "skip": weights(size, seed=4 * n + 2),
        }
        for n in range(layers)
    ]
    shape = batch, time, size
    return stacked(f"{size} by {states} states", shape, found, mix, torch_mix, True)


@model("selective state space step", "step", {"batch": 2, "time": 5, "size": 8, "states": 3})
def selective(
    batch: int = 4, time: int = 256, size: int = 64, states: int = 16, layers: int = 2
) -> Model:
    """h[t] = e^(d[t] A) h[t - 1] + d[t] B[t] u[t], y[t] = C[t] h[t] + D u[t]; d, B, C of u.

    Without the short convolution. Gu and Dao, Mamba, 2023, whose reference in PyTorch is a loop.
    """
    inner, rank = 2 * size, max(1, size // 16)

    def parts(m: Any, x: Any, p: Any) -> Any:
        u, gate = m.numpy.split(x @ p["up"], 2, axis=-1)
        u = m.nn.silu(u)
        d, b, c = m.numpy.split(u @ p["select"], [rank, rank + states], axis=-1)
        return u, gate, m.nn.softplus(linear(m, d, p["step"])), b, c

    def mix(m: Any, x: Any, p: Any) -> Any:
        u, gate, d, b, c = parts(m, x, p)
        a = -m.numpy.exp(p["log_a"])

        def turn(h: Any, now: Any) -> Any:
            d, b, c, u = now
            h = m.numpy.exp(d[..., None] * a) * h + (d * u)[..., None] * b[:, None]
            return h, m.numpy.sum(h * c[:, None], axis=-1)

        start = m.numpy.zeros((batch, inner, states), np.float32)
        steps = tuple(s.swapaxes(0, 1) for s in (d, b, c, u))
        y = m.lax.scan(turn, start, steps)[1].swapaxes(0, 1)
        return ((y + p["skip"] * u) * m.nn.silu(gate)) @ p["down"]

    def torch_mix(p: Any) -> Any:
        torch = peers.torch
        F = torch.nn.functional

        class Layer(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.up, self.select = torch_linear(p["up"]), torch_linear(p["select"])
                self.step, self.down = torch_linear(**p["step"]), torch_linear(p["down"])
                self.log_a, self.skip = parameter(p["log_a"]), parameter(p["skip"])

            def forward(self, x: Any) -> Any:
                u, gate = self.up(x).chunk(2, dim=-1)
                u = F.silu(u)
                d, b, c = self.select(u).split([rank, states, states], dim=-1)
                d = F.softplus(self.step(d))
                kept = torch.exp(d[..., None] * -torch.exp(self.log_a))
                new = (d * u)[..., None] * b[:, :, None]
                h, ys = x.new_zeros(batch, inner, states), []
                for t in range(time):
                    h = kept[:, t] * h + new[:, t]
                    ys.append(torch.einsum("bis,bs->bi", h, c[:, t]))
                y = torch.stack(ys, dim=1)
                return self.down((y + self.skip * u) * F.silu(gate))

        return Layer()

    rates = np.log(np.arange(1, states + 1, dtype=np.float32))
    found = [
        {
            "up": weights(size, 2 * inner, seed=9 * n),
            "select": weights(inner, rank + 2 * states, seed=9 * n + 1),
            "step": {"w": weights(rank, inner, seed=9 * n + 2), "b": np.full(inner, -3, "f")},
            "log_a": rates + np.zeros((inner, 1), np.float32),
            "skip": np.ones(inner, np.float32),
            "down": weights(inner, size, seed=9 * n + 3),
        }
        for n in range(layers)
    ]
    return stacked(f"{inner} by {states} states", (batch, time, size), found, mix, torch_mix, False)


@model("RWKV step", "step", {"batch": 2, "time": 5, "size": 8})
def rwkv(batch: int = 8, time: int = 256, size: int = 128, layers: int = 2) -> Model:
    """A mean of all values so far whose weights e^k decay with time; Peng et al., 2023, version 4.

    Time mixing alone; sums are kept as multiples of e^m, m the greatest exponent so far.
    """
    names = "key", "value", "gate"

    def mixed(x: Any, before: Any, p: Any) -> list[Any]:
        return [x * p[f"mix {n}"] + before * (1 - p[f"mix {n}"]) for n in names]

    def mix(m: Any, x: Any, p: Any) -> Any:
        before = m.numpy.pad(x, ((0, 0), (1, 0), (0, 0)))[:, :-1]
        sides = zip(mixed(x, before, p), names, strict=True)
        k, v, gate = (each @ p[name] for each, name in sides)
        w, u = -m.numpy.exp(p["decay"]), p["first"]

        def turn(sums: Any, now: Any) -> Any:
            above, below, most = sums
            k, v = now
            top = m.numpy.maximum(most, u + k)
            old, new = m.numpy.exp(most - top), m.numpy.exp(u + k - top)
            y = (old * above + new * v) / (old * below + new)
            top = m.numpy.maximum(most + w, k)
            old, new = m.numpy.exp(most + w - top), m.numpy.exp(k - top)
            return (old * above + new * v, old * below + new, top), y

        zero = m.numpy.zeros((batch, size), np.float32)
        steps = k.swapaxes(0, 1), v.swapaxes(0, 1)
        y = m.lax.scan(turn, (zero, zero, zero - 1e30), steps)[1].swapaxes(0, 1)
        return (m.nn.sigmoid(gate) * y) @ p["out"]

    def torch_mix(p: Any) -> Any:
        torch = peers.torch

        class Layer(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.mixes = torch.nn.ParameterList(parameter(p[f"mix {n}"]) for n in names)
                self.sides = torch.nn.ModuleList(torch_linear(p[n]) for n in names)
                self.decay, self.first = parameter(p["decay"]), parameter(p["first"])
                self.out = torch_linear(p["out"])

            def forward(self, x: Any) -> Any:
                before = torch.nn.functional.pad(x, (0, 0, 1, 0))[:, :-1]
                sides = zip(self.sides, self.mixes, strict=True)
                k, v, gate = (f(x * mix + before * (1 - mix)) for f, mix in sides)
                w, u, ys = -torch.exp(self.decay), self.first, []
                above = below = x.new_zeros(batch, size)
                most = above - 1e30
                for t in range(time):
                    now, value = k[:, t], v[:, t]
                    top = torch.maximum(most, u + now)
                    old, new = torch.exp(most - top), torch.exp(u + now - top)
                    ys.append((old * above + new * value) / (old * below + new))
                    top = torch.maximum(most + w, now)
                    old, new = torch.exp(most + w - top), torch.exp(now - top)
                    above, below, most = old * above + new * value, old * below + new, top
                return self.out(torch.sigmoid(gate) * torch.stack(ys, dim=1))

        return Layer()

    part = np.arange(size, dtype=np.float32) / size
    found = [
        {
            **{f"mix {name}": part for name in names},
            **{name: weights(size, size, seed=4 * n + s) for s, name in enumerate(names)},
            "decay": -5 + 8 * part,
            "first": np.full(size, -1.2, np.float32),
            "out": weights(size, size, seed=4 * n + 3),
        }
        for n in range(layers)
    ]
    return stacked(str(size), (batch, time, size), found, mix, torch_mix, False)


@model("linear attention step", "step", {"batch": 2, "time": 8, "size": 8, "chunk": 4})
def linear_attention(
    batch: int = 4, time: int = 1024, size: int = 128, layers: int = 2, chunk: int = 64
) -> Model:
    """f(q) S / f(q) z, S and z the sums of f(k) v and f(k) so far, f = elu + 1, by chunks of time.

    Katharopoulos et al., 2020.
    """
    heads, rows = max(1, size // 32), time // chunk
    shape = batch, rows, chunk, heads, -1

    def attended(tril: Any, q: Any, k: Any, v: Any, states: Callable[..., Any]) -> Any:
        """[batch, heads, rows, chunk, size of a head]; the last of v are ones."""
        inside = tril(q @ k.swapaxes(-1, -2)) @ v
        sums = inside + q @ states(k.swapaxes(-1, -2) @ v)
        y = sums[..., :-1] / sums[..., -1:]
        return y.swapaxes(1, 2).swapaxes(2, 3).reshape(batch, time, size)

    def mix(m: Any, x: Any, p: Any) -> Any:
        def states(each: Any) -> Any:
            until = m.numpy.cumsum(each, axis=2)
            return m.numpy.pad(until, ((0, 0), (0, 0), (1, 0), (0, 0), (0, 0)))[:, :, :-1]

        parts = m.numpy.split(x @ p["qkv"], 3, axis=-1)
        q, k, v = (m.numpy.moveaxis(part.reshape(shape), 3, 1) for part in parts)
        ones = m.numpy.ones((*v.shape[:-1], 1), v.dtype)
        v = m.numpy.concatenate([v, ones], axis=-1)
        y = attended(m.numpy.tril, m.nn.elu(q) + 1, m.nn.elu(k) + 1, v, states)
        return y @ p["out"]

    def torch_mix(p: Any) -> Any:
        torch = peers.torch
        F = torch.nn.functional

        def states(each: Any) -> Any:
            return F.pad(each.cumsum(2), (0, 0, 0, 0, 1, 0))[:, :, :-1]

        class Layer(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.qkv, self.out = torch_linear(p["qkv"]), torch_linear(p["out"])

            def forward(self, x: Any) -> Any:
                parts = self.qkv(x).chunk(3, dim=-1)
                q, k, v = (part.reshape(shape).movedim(3, 1) for part in parts)
                v = F.pad(v, (0, 1), value=1.0)
                return self.out(attended(torch.tril, F.elu(q) + 1, F.elu(k) + 1, v, states))

        return Layer()

    found = [
        {"qkv": weights(size, 3 * size, seed=n), "out": weights(size, size, seed=9 + n)}
        for n in range(layers)
    ]
    text = f"{size}, {heads} heads"
    return stacked(text, (batch, time, size), found, mix, torch_mix, True)
