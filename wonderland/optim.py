"""Optimizers and schedules of their rates, by the names of optax.

    rate = wl.optim.cosine_decay_schedule(1e-3, 1000)
    optimizer = wl.optim.chain(wl.optim.clip_by_global_norm(1.0), wl.optim.adamw(rate))
    state = optimizer.init(params)
    updates, state = optimizer.update(grads, state, params)
    params = wl.optim.apply_updates(params, updates)

An Optimizer is a pair of pure functions: the update compiles into the training step.
Optimizers: sgd, adam, adamw, rmsprop.
Their parts, put together by chain: scale, scale_by_schedule, clip, clip_by_global_norm,
add_decayed_weights, ema.
Of parameters: apply_updates, incremental_update, global_norm.
Rates, each a Schedule, a function of the steps taken: constant_schedule, linear_schedule,
exponential_decay, cosine_decay_schedule, warmup_cosine_decay_schedule,
piecewise_constant_schedule, join_schedules.
States: AdamState, Average, Momentum, RmsState, Steps.
"""

from .models.optim import *  # noqa: F403
from .models.optim import __all__ as __all__
