"""State spaces: x' = A x + B u and y = C x, in steps a scan, and at once a convolution.

HiPPO-LegS is the A and B that keep in x the Legendre coefficients of the whole past. S4 begins with
them and learns: its A is diagonal plus rank one, so that the Fourier transform of its kernel is
four sums over the state at each frequency.

    wonderland train state_space

Source: Gu and others, HiPPO, 2020; Efficiently modeling long sequences with structured state
spaces, 2022.
"""

from __future__ import annotations

import math
from typing import Any, Self

import wonderland as wl
import wonderland.numpy as np
from wonderland import lax, nn, random
from wonderland.models import Recipe, data
from wonderland.models.families.classification import class_accuracy, class_loss, majority

# ---------------------------------------------------------------- HiPPO


def hippo_legs(size: int) -> tuple[Any, Any]:
    """A and B of t x' = A x + B u: x are the coefficients of u on [0, t], see `reconstruction`."""
    root = np.sqrt(2.0 * np.arange(size) + 1)
    return -np.tril(np.outer(root, root), -1) - np.diag(np.arange(size) + 1.0), root


def legs_memory(u: Any, size: int) -> Any:
    """After each of so many samples the coefficients of all before, by the bilinear rule."""
    a, b = hippo_legs(size)
    one = np.eye(size)

    def turn(x: Any, now: Any) -> tuple[Any, Any]:
        k, sample = now
        half = a / (2 * k)
        x = x + half @ x + b * sample / k
        x = wl.scipy.linalg.solve_triangular(one - half, x, lower=True)
        return x, x

    return lax.scan(turn, np.zeros(size), (np.arange(len(u)) + 1.0, u))[1]


def reconstruction(x: Any, places: Any) -> Any:
    """sum of x[n] sqrt(2 n + 1) P[n](2 s - 1) at places s of [0, 1], the part of the past."""
    t, size = 2 * places - 1, x.shape[-1]
    legendre = [np.ones_like(t), t]
    for n in range(1, size - 1):
        legendre.append(((2 * n + 1) * t * legendre[n] - n * legendre[n - 1]) / (n + 1))
    return (x * np.sqrt(2.0 * np.arange(size) + 1)) @ np.stack(legendre[:size])


# ---------------------------------------------------------------- steps


def bilinear(a: Any, b: Any, step: Any) -> tuple[Any, Any]:
    """(I - step / 2 A)^-1 times I + step / 2 A and step B: stable where A is."""
    one, half = np.eye(len(a)), a * (step / 2)
    return np.linalg.solve(one - half, one + half), np.linalg.solve(one - half, b * step)


def zero_order_hold(a: Any, b: Any, step: Any) -> tuple[Any, Any]:
    """e^(step A) and its integral times B: exact where u is constant between samples."""
    n = len(a)
    rows = np.concatenate([np.concatenate([a, b[:, None]], 1), np.zeros((1, n + 1))])
    both = wl.scipy.linalg.expm(rows * step)
    return both[:n, :n], both[:n, n]


def scanned(a: Any, b: Any, c: Any, u: Any) -> Any:
    """y[k] = Re(C x[k]) of x[k] = A x[k - 1] + B u[k]"""

    def turn(x: Any, now: Any) -> tuple[Any, Any]:
        x = a @ x + b * now
        return x, np.real(c @ x)

    return lax.scan(turn, np.zeros_like(b), u)[1]


def powers_kernel(a: Any, b: Any, c: Any, length: int) -> Any:
    """C B, C A B, C A^2 B, ...: what an impulse gives."""
    return scanned(a, b, c, np.where(np.arange(length) == 0, 1.0, 0.0))


def convolution(u: Any, kernel: Any) -> Any:
    """y[k] = sum of kernel[i] u[k - i], by Fourier transforms long enough that no end wraps around.

    Shapes: u [batch, length, channels], kernel [channels, length].
    """
    length = u.shape[1]
    n = smooth(2 * length - 1)
    product = np.fft.rfft(np.swapaxes(u, 1, 2), n) * np.fft.rfft(kernel[:, :length], n)
    return np.swapaxes(np.fft.irfft(product, n)[..., :length], 1, 2)


def smooth(n: int) -> int:
    """The next number with factors 2, 3 and 5 alone, whose transform is fast."""
    rest = n
    for prime in (2, 3, 5):
        while rest % prime == 0:
            rest //= prime
    return n if rest == 1 else smooth(n + 1)


# ---------------------------------------------------------------- S4


def normal_plus_low_rank(size: int) -> tuple[Any, Any, Any]:
    """HiPPO-LegS as diag(w) - p p*, and b, in the basis of eigenvectors: one of each pair."""
    a, b = hippo_legs(size)
    p = np.sqrt(np.arange(size) + 0.5)
    frequency, basis = np.linalg.eigh(-1j * (a + np.outer(p, p) + np.eye(size) / 2))
    half = np.conj(basis.T)[size // 2 :]  # the others are conjugates
    return frequency[size // 2 :] * 1j - 0.5, half @ p, half @ b


def pairs(x: Any) -> Any:
    """Complex numbers as pairs of floats, which optimizers can move."""
    return np.stack([np.real(x), np.imag(x)], -1).astype(np.float32)


def conjugates(x: Any) -> Any:
    """The complex numbers of pairs, and their conjugates."""
    return np.concatenate([x[..., 0] + 1j * x[..., 1], x[..., 0] - 1j * x[..., 1]], -1)


@nn.layer
class S4:
    """y = K * u + skip u of every channel, K the kernel of a state space of `length` steps.

    A is diag(w) - p p*. In place of C, C (I - A^length) of the steps is learned.
    Shapes: u [batch, time, channels]; of pairs w, p, b [size / 2, 2], c [channels, size / 2, 2].
    """

    log_decay: Any  # [size / 2]; w = -e^log_decay + i frequency
    frequency: Any
    p: Any
    b: Any
    c: Any
    log_step: Any  # [channels]
    skip: Any  # [channels]
    length: int

    @classmethod
    def init(cls, key: Any, channels: int, size: int, length: int) -> Self:
        """HiPPO-LegS, and steps of 0.001 to 0.1."""
        keys = random.split(key, 3)
        w, p, b = normal_plus_low_rank(size)
        log_step = random.uniform(
            keys[0], (channels,), minval=math.log(1e-3), maxval=math.log(1e-1)
        )
        return cls(
            log_decay=np.log(-np.real(w)).astype(np.float32),
            frequency=np.imag(w).astype(np.float32),
            p=pairs(p),
            b=pairs(b),
            c=random.normal(keys[1], (channels, size // 2, 2)) * math.sqrt(0.5),
            log_step=log_step,
            skip=random.normal(keys[2], (channels,)),
            length=length,
        )

    def parts(self) -> tuple[Any, Any, Any, Any]:
        """w, p, b, c with all conjugates."""
        w = conjugates(np.stack([-np.exp(self.log_decay), self.frequency], -1))
        return w, conjugates(self.p), conjugates(self.b), conjugates(self.c)

    def kernel(self) -> Any:
        """K by its transform: C (1 - A z)^-1 B of the bilinear rule, by Woodbury's identity."""
        (w, p, b, c), n = self.parts(), self.length
        angle = np.arange(n // 2 + 1) * (-2 * math.pi / n)
        z = (np.cos(angle) + 1j * np.sin(angle))[:, None]
        near = 1 / ((2 * np.exp(-self.log_step))[:, None, None] * (1 - z) - (1 + z) * w)
        cb, cp, pb, pp = (
            np.sum(near * v, -1)
            for v in (
                c[:, None] * b,
                c[:, None] * p,
                np.conj(p) * b,
                np.conj(p) * p,
            )
        )
        z = 1 + z[:, 0]
        return np.fft.irfft(2 * (cb - z * cp * pb / (1 + z * pp)), n)

    def __call__(self, u: Any) -> Any:
        return convolution(u, self.kernel()) + self.skip * u

    def scan(self, u: Any) -> Any:
        """The same in steps: what is left of a signal is in the state."""

        def channel(c: Any, log_step: Any, u: Any) -> Any:
            a, start = bilinear(np.diag(w) - np.outer(p, np.conj(p)), b, np.exp(log_step))
            whole = np.eye(len(w)) - np.linalg.matrix_power(a, self.length)
            return scanned(a, start, np.linalg.solve(whole.T, c), u)

        w, p, b, c = self.parts()
        each = wl.vmap(wl.vmap(channel, in_axes=(0, 0, 1), out_axes=1), in_axes=(None, None, 0))
        return each(c, self.log_step, u) + self.skip * u


# ---------------------------------------------------------------- classes of signals


@nn.layer
class StateBlock:
    """x + GLU(gelu(states of norm(x))), for a layer of states of any kind"""

    norm: nn.LayerNorm
    states: Any
    mix: nn.Linear

    @classmethod
    def init(cls, key: Any, channels: int, states: Any) -> Self:
        return cls(nn.LayerNorm.init(channels), states, nn.Linear.init(key, channels, 2 * channels))

    def __call__(self, x: Any) -> Any:
        return x + nn.glu(self.mix(nn.gelu(self.states(self.norm(x)))))


@nn.layer
class StateClassifier:
    """Logits of signals [batch, time, features]: blocks, whose mean over time is read."""

    first: nn.Linear
    blocks: tuple[StateBlock, ...]
    last: nn.Linear

    @classmethod
    def init(cls, key: Any, features: int, classes: int, channels: int, states: Any) -> Self:
        """`states` are functions of a key that make a layer, one for each block."""
        first, last, *keys = random.split(key, 2 + 2 * len(states))
        makers = zip(keys[::2], keys[1::2], states, strict=True)
        return cls(
            nn.Linear.init(first, features, channels),
            tuple(StateBlock.init(k, channels, make(of)) for k, of, make in makers),
            nn.Linear.init(last, channels, classes),
        )

    def __call__(self, x: Any) -> Any:
        x = self.first(x)
        for block in self.blocks:
            x = block(x)
        return self.last(np.mean(x, axis=1))


# ---------------------------------------------------------------- recipe


def appliances(seed: int) -> data.Split:
    """The power that appliances take, (series, kind): all of the same length."""
    split = data.time_series("ACSF1", seed)
    (x, _, y), (test_x, _, test_y), names = split
    return data.Split((x, y), (test_x, test_y), names)


def init(key: Any, split: data.Split) -> StateClassifier:
    _, time, features = split.train[0].shape
    blocks = [lambda key: S4.init(key, 32, 32, time)] * 2
    return StateClassifier.init(key, features, len(split.names), 32, blocks)


def picture(model: Any, split: data.Split) -> Any:
    """A sum of waves, and what HiPPO's state at its end tells of it."""
    from matplotlib.figure import Figure

    places = (np.arange(1000) + 0.5) / 1000
    u = np.sin(9 * places) + 0.5 * np.sin(40 * places**2) + 0.2 * np.cos(130 * places)
    figure = Figure(figsize=(8, 3), layout="constrained")
    axes = figure.subplots()
    axes.plot(places, u, color="0.7", linewidth=3, label="the past")
    for size in (8, 32, 64):
        end = wl.jit(lambda u, size=size: legs_memory(u, size)[-1])(u)
        axes.plot(places, reconstruction(end, places), label=f"by {size} numbers")
    title = "HiPPO: the past, told by the state at its end"
    axes.set(ylim=(-2, 2), xlabel="time, as a part of the past", ylabel="signal", title=title)
    axes.legend()
    return figure


RECIPES = (
    Recipe(
        name="state_space",
        chapter="13",
        about="S4: which of ten kinds of appliances takes this power",
        data=appliances,
        init=init,
        loss=class_loss,
        score=class_accuracy,
        measure="accuracy",
        baseline=majority,
        stated=0.67,
        rate=1e-2,
        epochs=40,
        batch_size=20,
        picture=picture,
    ),
)
