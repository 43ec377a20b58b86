"""The public functions that have no seam of their own, by room, and why."""

from __future__ import annotations

LINEAR = {
    "numpy": """
        append array array_split asarray astype at atleast_1d atleast_2d atleast_3d block
        broadcast_arrays broadcast_to column_stack concat concatenate conj conjugate copy copyto
        cumsum cumulative_sum delete diag diagflat diagonal diff dsplit dstack ediff1d expand_dims
        extract fill_diagonal flip fliplr flipud full full_like gradient hsplit hstack imag insert
        matrix_transpose mean meshgrid moveaxis nancumsum nanmean nansum pad permute_dims put
        put_along_axis putmask ravel real repeat reshape resize roll rollaxis rot90 split squeeze
        stack sum swapaxes take take_along_axis tile trace transpose tri tril triu unstack vsplit
        vstack
    """,
    "lax": """
        all_gather all_to_all broadcast broadcast_in_dim broadcast_to_rank collapse concatenate conj
        conv_general_dilated_patches
        convert_element_type cumsum dynamic_index_in_dim dynamic_slice dynamic_slice_in_dim
        dynamic_update_index_in_dim dynamic_update_slice dynamic_update_slice_in_dim expand_dims fft
        full full_like gather imag index_in_dim pad pmean ppermute psum psum_scatter real reduce_sum
        reshape rev scatter scatter_add slice slice_in_dim split squeeze stack tile transpose
    """,
    "linalg": "diagonal matrix_transpose trace",
    "fft": """
        fft fft2 fftn fftshift hfft ifft ifft2 ifftn ifftshift ihfft irfft irfft2 irfftn rfft rfft2
        rfftn
    """,
    "nn": "avg_pool embedding global_avg_pool identity sum_pool",
    "optim": """
        add_decayed_weights apply_updates chain ema incremental_update scale scale_by_schedule sgd
    """,
}
"""They move elements, add them, or scale them by numbers."""

MULTILINEAR = {
    "numpy": """
        convolve correlate cov cross dot einsum inner kron matmul outer tensordot vdot vecdot
    """,
    "lax": """
        batch_matmul conv conv_general_dilated conv_general_dilated_local conv_transpose
        conv_with_general_padding dot dot_general scatter_mul
    """,
    "linalg": "cross matmul multi_dot outer tensordot vecdot",
}
"""Sums of products."""

CHOOSING = {
    "numpy": """
        argpartition bincount choose compress histogram partition select unique where union1d unwrap
        intersect1d setdiff1d setxor1d
    """,
    "lax": "cond pmax pmin scatter_max scatter_min select select_n sort switch top_k",
    "nn": "dropout global_max_pool max_pool min_pool",
}
"""They give elements of operands, or sums of them, by places or masks."""

RUNNING = {
    "lax": "associative_scan fori_loop map reduce reduce_window scan while_loop",
    "nn": "pool",
}
"""They are as smooth as what they run."""

DISCRETE = {
    "numpy": """
        all allclose any argmax argmin argsort argwhere around array_equal bitwise_and
        bitwise_invert bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift bitwise_xor
        ceil count_nonzero digitize equal fix flatnonzero floor floor_divide greater greater_equal
        histogram_bin_edges invert isclose iscomplex isfinite isin isinf isnan isreal left_shift
        less less_equal lexsort logical_and logical_not logical_or logical_xor nonzero not_equal
        right_shift rint round searchsorted sign signbit trunc
    """,
    "lax": """
        argmax argmin axis_index bitwise_and bitwise_not bitwise_or bitwise_xor ceil eq floor ge gt
        is_finite le lt ne reduce_and reduce_or round shift_left shift_right_arithmetic
        shift_right_logical sign
    """,
    "linalg": "matrix_rank",
    "nn": "accuracy one_hot sparse_sigmoid",
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
        arange bartlett blackman broadcast_shapes can_cast diag_indices empty empty_like eye
        from_dlpack geomspace hamming hanning identity indices iscomplexobj isdtype isrealobj
        issubdtype logspace ndim ones ones_like promote_types result_type shape size tril_indices
        triu_indices zeros zeros_like
    """,
    "lax": """
        axis_size broadcast_shapes broadcasted_iota conv_dimension_numbers iota padtype_to_pads
        stop_gradient
    """,
    "nn": """
        glorot_normal glorot_uniform he_normal he_uniform lecun_normal lecun_uniform orthogonal
    """,
    "optim": """
        constant_schedule cosine_decay_schedule exponential_decay join_schedules linear_schedule
        piecewise_constant_schedule warmup_cosine_decay_schedule Schedule
    """,
    "random": """
        ball cauchy exponential generalized_normal gumbel laplace logistic maxwell normal
        orthogonal
    """,
}
"""No operand has a derivative: shapes, types, numbers of steps, keys."""

OTHER = {
    "numpy": "corrcoef kaiser nanstd nanvar",  # cov over its roots; i0 over i0; var of some
    "linalg": """
        cholesky cond det eig eigh eigvals eigvalsh inv lstsq pinv qr slogdet solve svd svdvals
        tensorinv tensorsolve
    """,  # of matrices: see tests/front/numpy/test_linalg.py
    "random": """
        beta chisquare dirichlet f gamma loggamma multivariate_normal t
    """,  # move by random_gamma_grad; a factor of a matrix
    "optim": "adam adamw rmsprop",  # roots of running means, which eps_root or eps keep from 0
    "lax": "random_gamma_grad",  # a quadrature
    "special": "betainc gammainc gammaincc",  # by quadratures
    "nn": """
        batch_norm dot_product_attention group_norm layer_norm
    """,  # standardize and softmax, and sums of products: see tests/models/nn
}
"""They are held to differences beside their own tests."""
