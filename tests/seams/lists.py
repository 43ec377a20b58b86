"""The public functions that have no seam of their own, by room, and why."""

from __future__ import annotations

LINEAR = {
    "numpy": """
        append array array_split asanyarray asarray ascontiguousarray asfortranarray astype at
        atleast_1d atleast_2d atleast_3d block broadcast_arrays broadcast_to column_stack concat
        concatenate conj conjugate copy copyto cumsum cumulative_sum delete diag diagflat diagonal
        diff dsplit dstack ediff1d expand_dims extract fill_diagonal flip fliplr flipud full
        full_like gradient hsplit hstack imag insert matrix_transpose mean meshgrid moveaxis
        nancumsum nanmean nansum pad permute_dims place polyadd polyder polyint polysub put
        put_along_axis putmask ravel real repeat require reshape resize roll rollaxis rot90 split
        squeeze stack sum swapaxes take take_along_axis tile trace transpose tri tril triu unstack
        vsplit vstack
    """,
    "lax": """
        all_gather all_to_all broadcast broadcast_in_dim broadcast_like broadcast_to_rank collapse
        concatenate conj conv_general_dilated_patches convert_element_type cumsum
        dynamic_index_in_dim dynamic_slice dynamic_slice_in_dim dynamic_update_index_in_dim
        dynamic_update_slice dynamic_update_slice_in_dim expand_dims fft full full_like gather imag
        index_in_dim index_take optimization_barrier pad pbroadcast pcast pmean ppermute pshuffle
        psum psum_scatter pswapaxes real reduce_sum reshape rev scatter scatter_add scatter_sub
        slice slice_in_dim split squeeze stack stage tile transpose unstack
    """,
    "linalg": "diagonal matrix_transpose trace",
    "fft": """
        fft fft2 fftn fftshift hfft ifft ifft2 ifftn ifftshift ihfft irfft irfft2 irfftn rfft rfft2
        rfftn
    """,
    "nn": "avg_pool embedding global_avg_pool identity mixup rotary smooth_labels sum_pool",
    "optim": """
        add_decayed_weights add_noise apply_every apply_updates bias_correction centralize chain ema
        identity incremental_update noisy_sgd optimistic_gradient_descent scale
        scale_by_learning_rate scale_by_optimistic_gradient scale_by_schedule scale_gradient
        set_to_zero sgd trace
        tree_add tree_add_scale tree_cast tree_cast_like tree_conj tree_div tree_mul tree_real
        tree_scale tree_sub tree_sum update_moment
    """,
}
"""They move elements, add them, or scale them by numbers."""

RENAMED = {
    "lax": """
        abs acos acosh add asin asinh atan atan2 atanh cbrt cos cosh exp exp2 expm1 log log1p max
        min mul neg nextafter pow reciprocal sin sinh sqrt square sub tan tanh
    """,
}
"""They call NumPy's function of nearly that name, and its seams are theirs."""

MULTILINEAR = {
    "numpy": """
        convolve correlate cov cross dot einsum inner kron matmul matvec outer polymul tensordot
        vdot vecdot vecmat
    """,
    "lax": """
        batch_matmul conv conv_general_dilated conv_general_dilated_local conv_transpose
        conv_with_general_padding dot dot_general ragged_dot scatter_mul
    """,
    "linalg": "cross matmul multi_dot outer tensordot vecdot",
    "optim": "tree_vdot",
}
"""Sums of products."""

CHOOSING = {
    "numpy": """
        argpartition bincount choose compress histogram histogram2d histogramdd intersect1d
        partition piecewise select setdiff1d setxor1d sort_complex union1d unique unique_all
        unique_counts unique_inverse unique_values unwrap where
    """,
    "lax": """
        approx_max_k approx_min_k cond pmax pmin scatter_max scatter_min select select_n sort
        sort_key_val switch top_k
    """,
    "nn": "cutmix dropout global_max_pool max_pool min_pool",
    "optim": """
        keep_params_nonnegative periodic_update tree_clip tree_max tree_min tree_where
        update_infinity_moment zero_nans
    """,
}
"""They give elements of operands, or sums of them, by places or masks."""

RUNNING = {
    "numpy": """
        apply_along_axis apply_over_axes fromfunction ndenumerate
    """,
    "lax": """
        associative_scan custom_linear_solve custom_root fori_loop map reduce reduce_window scan
        while_loop
    """,
    "nn": "linear_recurrence pool",
    "optim": """
        apply_if_finite conditionally_mask conditionally_transform flatten freeze inject_hyperparams
        lookahead masked multi_transform named_chain selective_transform stateless
        stateless_with_tree_map value_and_grad_from_state with_extra_args_support
    """,
}
"""They are as smooth as what they run."""

DISCRETE = {
    "numpy": """
        all allclose any argmax argmin argsort argwhere around array_equal array_equiv bitwise_and
        bitwise_count bitwise_invert bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift
        bitwise_xor ceil count_nonzero digitize equal fix flatnonzero floor floor_divide gcd greater
        greater_equal histogram_bin_edges invert isclose iscomplex isfinite isin isinf isnan
        isneginf isposinf isreal isscalar iterable lcm left_shift less less_equal lexsort
        logical_and logical_not logical_or logical_xor nanargmax nanargmin nonzero not_equal
        packbits right_shift rint round searchsorted sign signbit spacing trunc unpackbits
    """,
    "lax": """
        argmax argmin axis_index bitwise_and bitwise_not bitwise_or bitwise_xor ceil clz eq floor ge
        gt is_finite le lt ne population_count reduce_and reduce_or reduce_precision reduce_xor
        round shift_left shift_right_arithmetic shift_right_logical sign
    """,
    "linalg": "matrix_rank",
    "nn": "accuracy one_hot sparse_sigmoid",
    "optim": """
        lion rprop scale_by_lion scale_by_rprop scale_by_sign sign_sgd signum skip_large_updates
        skip_not_finite
    """,
    "special": "gammasgn",
    "random": """
        PRNGKey bernoulli binomial bits categorical choice clone fold_in geometric key key_data
        key_impl multinomial permutation poisson rademacher randint split wrap_key_data
    """,
}
"""Truth values, integers, steps: the derivative is none, or 0."""

STATIC = {
    "fft": "fftfreq rfftfreq",
    "numpy": """
        arange array_repr array_str bartlett blackman broadcast_shapes can_cast common_type
        diag_indices diag_indices_from einsum_path empty empty_like eye from_dlpack
        frombuffer fromfile fromiter fromstring geomspace get_printoptions hamming hanning identity
        indices iscomplexobj isdtype isrealobj issubdtype ix_ load logspace mask_indices
        min_scalar_type ndim ones ones_like printoptions promote_types ravel_multi_index
        result_type save savez set_printoptions shape size tril_indices tril_indices_from trim_zeros
        triu_indices triu_indices_from unravel_index zeros zeros_like
    """,
    "lax": """
        axis_size broadcast_shapes broadcasted_iota conv_dimension_numbers dce_sink dtype empty iota
        padtype_to_pads shape_as_value stop_gradient
    """,
    "nn": """
        alibi glorot_normal glorot_uniform he_normal he_uniform layer lecun_normal
        lecun_uniform orthogonal sinusoidal_positions
    """,
    "special": "bernoulli",
    "optim": """
        constant_schedule cosine_decay_schedule cosine_onecycle_schedule exponential_decay
        init_empty_state join_schedules linear_onecycle_schedule linear_schedule
        piecewise_constant_schedule piecewise_interpolate_schedule polynomial_schedule
        safe_increment Schedule sgdr_schedule tree_full_like tree_get
        tree_ones_like tree_random_like tree_set tree_size tree_split_key_like tree_zeros_like
        warmup_constant_schedule warmup_cosine_decay_schedule warmup_exponential_decay_schedule
    """,
    "random": """
        ball cauchy exponential generalized_normal gumbel laplace logistic maxwell normal
        orthogonal
    """,
}
"""No operand has a derivative: shapes, types, numbers of steps, keys."""

OTHER = {
    "numpy": """
        corrcoef frexp kaiser ldexp modf nanstd nanvar poly polydiv polyfit roots
    """,  # cov over its roots; i0 over i0; var of some; numbers in parts; by solving
    "linalg": """
        cholesky cond det eig eigh eigvals eigvalsh inv lstsq pinv qr slogdet solve svd svdvals
        tensorinv tensorsolve
    """,  # of matrices: see tests/front/numpy/test_linalg.py
    "random": """
        beta chisquare dirichlet f gamma loggamma multivariate_normal t
    """,  # move by random_gamma_grad; a factor of a matrix
    "optim": """
        adabelief adadelta adafactor adagrad adam adamax adamaxw adamw adan adaptive_grad_clip
        amsgrad clip_by_block_rms fromage lamb lars lbfgs nadam nadamw normalize_by_update_norm
        novograd optimistic_adam_v2 per_example_global_norm_clip per_example_layer_norm_clip
        polyak_sgd radam rmsprop safe_norm safe_root_mean_squares scale_by_adadelta scale_by_adam
        scale_by_adamax scale_by_adan scale_by_amsgrad scale_by_backtracking_linesearch
        scale_by_belief scale_by_distance_over_gradients scale_by_factored_rms scale_by_lbfgs
        scale_by_novograd scale_by_param_block_norm scale_by_param_block_rms scale_by_polyak
        scale_by_radam scale_by_rms scale_by_rss scale_by_sm3 scale_by_stddev scale_by_trust_ratio
        scale_by_yogi scale_by_zoom_linesearch sm3 tree_norm update_moment_per_elem_norm yogi
    """,  # roots of running means and of norms, which eps_root or eps keep from 0
    "lax": "random_gamma_grad",  # a quadrature
    "special": "betainc gammainc gammaincc",  # by quadratures
    "nn": """
        batch_norm binary_dice_loss convex_kl_divergence cosine_distance cosine_similarity ctc_loss
        ctc_loss_with_forward_probs dice_loss dot_product_attention generalized_kl_divergence
        group_norm kl_divergence kl_divergence_with_log_targets layer_norm make_fenchel_young_loss
        multiclass_generalized_dice_loss multiclass_hinge_loss multiclass_perceptron_loss
        multiclass_sparsemax_loss ntxent poly_loss_cross_entropy ranking_softmax_loss
        safe_softmax_cross_entropy triplet_margin_loss
    """,  # standardize and softmax, and sums of products: see tests/models/nn
}
"""They are held to differences beside their own tests."""
