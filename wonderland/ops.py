"""Reductions of rows by segment, as jax.ops names them: ids say which segment each row is of.

    sums = wl.ops.segment_sum(messages, receivers, num_segments=nodes, indices_are_sorted=True)

segment_sum, segment_prod, segment_min, segment_max, segment_mean and segment_softmax. Rows of ids
that are negative or beyond the last segment take no part.
"""

from .compiler.front.segments import *  # noqa: F403
from .compiler.front.segments import __all__ as __all__
