"""State spaces beside a few lines of torch: a loop over steps for S4D and S5, dense S4."""

from __future__ import annotations

from typing import Any

import numpy as np

import wonderland as wl
from tests.models.parity.parity import Case, check
from wonderland.models.families.diagonal_state_space import S4D, S5
from wonderland.models.families.state_space import S4

SIGNALS = np.random.default_rng(0).normal(size=(2, 8, 3))


def rates(w: Any) -> Any:
    import torch  # type: ignore[import-not-found]

    return torch.complex(-w["log_decay"].exp(), w["frequency"])


def test_s4d_is_a_loop_over_its_steps() -> None:
    def theirs(w: Any, u: Any) -> Any:
        import torch  # type: ignore[import-not-found]

        a = rates(w)
        factor = (a * w["log_step"].exp()[:, None]).exp()
        c, x, out = torch.view_as_complex(w["c"]), 0, []
        for t in range(8):
            x = factor * x + (factor - 1) / a * u[:, t, :, None]
            out.append(2 * (c * x).sum(-1).real + w["skip"] * u[:, t])
        return torch.stack(out, 1)

    model = lambda: S4D.init(wl.random.key(0), 3, 4)  # noqa: E731
    check(Case("s4d", model, (SIGNALS,), lambda model, u: model(u), theirs))
    check(Case("s4d", model, (SIGNALS,), lambda model, u: model.scan(u)[0], theirs))


def test_s5_is_a_loop_over_its_steps() -> None:
    def theirs(w: Any, u: Any) -> Any:
        import torch  # type: ignore[import-not-found]

        a = rates(w)
        factor = (a * w["log_step"].exp()).exp()
        write, read = torch.view_as_complex(w["write"]), torch.view_as_complex(w["read"])
        x, out = 0, []
        for t in range(8):
            x = factor * x + (factor - 1) / a * (u[:, t].to(write.dtype) @ write)
            out.append(2 * (x @ read).real + w["skip"] * u[:, t])
        return torch.stack(out, 1)

    model = lambda: S5.init(wl.random.key(0), 3, 4)  # noqa: E731
    check(Case("s5", model, (SIGNALS,), lambda model, u: model(u), theirs))


def test_s4_is_a_loop_over_dense_steps() -> None:
    def theirs(w: Any, u: Any) -> Any:
        import torch  # type: ignore[import-not-found]

        def both(x: Any) -> Any:
            x = torch.view_as_complex(x)
            return torch.cat([x, x.conj()], -1)

        rate, p, b = torch.cat([rates(w), rates(w).conj()]), both(w["p"]), both(w["b"])
        dense, one = torch.diag(rate) - torch.outer(p, p.conj()), torch.eye(len(p)).to(p.dtype)
        out = []
        for k, c in enumerate(both(w["c"])):
            half = dense * w["log_step"][k].exp() / 2
            a = torch.linalg.solve(one - half, one + half)
            start = torch.linalg.solve(one - half, b * w["log_step"][k].exp())
            c = torch.linalg.solve((one - torch.linalg.matrix_power(a, 8)).T, c)
            x = torch.zeros(2, len(p)).to(p.dtype)
            for t in range(8):
                x = x @ a.T + u[:, t, k, None] * start
                out.append((x @ c).real + w["skip"][k] * u[:, t, k])
        return torch.stack(out, 1).reshape(2, 3, 8).transpose(1, 2)

    model = lambda: S4.init(wl.random.key(0), 3, 6, 8)  # noqa: E731
    check(Case("s4", model, (SIGNALS,), lambda model, u: model(u), theirs))
