"""Optimizers and schedules of their rates, by the names of optax.

    rate = wl.optim.cosine_decay_schedule(1e-3, 1000)
    optimizer = wl.optim.chain(wl.optim.clip_by_global_norm(1.0), wl.optim.adamw(rate))
    state = optimizer.init(params)
    updates, state = optimizer.update(grads, state, params)
    params = wl.optim.apply_updates(params, updates)

An Optimizer is a pair of pure functions: the update compiles into the training step.
Optimizers: sgd, noisy_sgd, sign_sgd, signum, lion, optimistic_gradient_descent, polyak_sgd, rprop,
adagrad, adadelta, rmsprop, adafactor, sm3, lars, fromage, lbfgs, adam, adamw, nadam, nadamw,
optimistic_adam_v2, amsgrad, adamax, adamaxw, adabelief, yogi, radam, adan, novograd, lamb.
Together: chain, named_chain, masked, multi_transform, partition, freeze, selective_transform,
flatten, lookahead, MultiSteps, skip_not_finite, skip_large_updates, apply_if_finite,
conditionally_transform, conditionally_mask, inject_hyperparams.
Their parts: scale, scale_by_learning_rate, scale_by_schedule, scale_by_adam, scale_by_adamax,
scale_by_adan, scale_by_amsgrad, scale_by_belief, scale_by_novograd, scale_by_radam, scale_by_rms,
scale_by_sm3, scale_by_stddev, scale_by_yogi, scale_by_adadelta, scale_by_distance_over_gradients,
scale_by_factored_rms, scale_by_lion, scale_by_optimistic_gradient, scale_by_param_block_norm,
scale_by_param_block_rms, scale_by_polyak, scale_by_rprop, scale_by_rss, scale_by_sign,
scale_by_trust_ratio, normalize_by_update_norm, trace, ema, apply_every, add_decayed_weights,
add_noise, adaptive_grad_clip, clip, clip_by_block_rms, clip_by_global_norm, centralize,
keep_params_nonnegative, zero_nans, identity, set_to_zero, per_example_global_norm_clip,
per_example_layer_norm_clip.
Line searches: scale_by_lbfgs, scale_by_backtracking_linesearch, scale_by_zoom_linesearch,
value_and_grad_from_state.
Your own: stateless, stateless_with_tree_map, with_extra_args_support, init_empty_state, and the
types Optimizer, also called GradientTransformation and GradientTransformationExtraArgs, Params,
Updates, OptState, ScalarOrSchedule, MaskOrFn.
Of parameters: apply_updates, incremental_update, periodic_update, global_norm, scale_gradient.
Rates, each a Schedule, a function of the steps taken: constant_schedule, linear_schedule,
polynomial_schedule, exponential_decay, cosine_decay_schedule, sgdr_schedule,
warmup_constant_schedule, warmup_cosine_decay_schedule, warmup_exponential_decay_schedule,
linear_onecycle_schedule, cosine_onecycle_schedule, piecewise_constant_schedule,
piecewise_interpolate_schedule, join_schedules.
Of one array: safe_increment, safe_int32_increment, safe_norm, safe_root_mean_squares,
bias_correction, update_moment, update_moment_per_elem_norm, update_infinity_moment.
Trees: tree_add, tree_sub, tree_mul, tree_div, tree_scale, tree_add_scale, tree_where, tree_clip,
tree_cast, tree_cast_like, tree_conj, tree_real, tree_zeros_like, tree_ones_like, tree_full_like,
tree_sum, tree_vdot, tree_max, tree_min, tree_norm, tree_size, tree_random_like,
tree_split_key_like, tree_update_moment, tree_update_moment_per_elem_norm,
tree_update_infinity_moment, tree_bias_correction, and of states by names tree_get, tree_set.
States and what is in them: AdamState, AddNoiseState, ApplyEvery, ApplyIfFiniteState, Average,
BacktrackingLinesearchInfo, ConditionallyMaskState, ConditionallyTransformState, EmaState,
EmptyState, FactoredState, InjectHyperparamsState, LookaheadParams, LookaheadState, MaskedNode,
MaskedState, Momentum, MultiStepsState, MultiTransformState, PartitionState, RmsState,
ScaleByAdaDeltaState, ScaleByAdamState, ScaleByAdanState, ScaleByAmsgradState,
ScaleByBacktrackingLinesearchState, ScaleByBeliefState, ScaleByDistanceOverGradientsState,
ScaleByLBFGSState, ScaleByLionState, ScaleByNovogradState, ScaleByOptimisticGradientState,
ScaleByRmsState, ScaleByRpropState, ScaleByRssState, ScaleByRStdDevState, ScaleByScheduleState,
ScaleBySM3State, ScaleByZoomLinesearchState, Schedule, Steps, TraceState, WeightDecaySchedule,
ZeroNansState, ZoomLinesearchInfo.
"""

from .models.optim import *  # noqa: F403
from .models.optim import __all__ as __all__
