"""From nodes to kernels: clusters of nodes become works, each one kernel over one domain.

`Domain` is the points of a kernel, `Reader` the value of a node at a point of it. `emit` makes the
kernel of a cluster, `emit_product` that of a product with its epilogue, `emit_prefix` that of a
prefix, `emit_order` that of a sort or a search, `emit_elimination` that of small matrices,
`emit_scatter` those of a scatter, `StraightKernels` those of runs of tiny values. Each raises
CannotFuse where a reading needs memory: the fusion pass tries, and keeps what works; an `attempt`
finds it out and makes no kernel.
"""

from ..work import AnyWork, BodyWork, HostWork, Work
from .cluster import emit
from .domain import Domain, squeezed
from .elimination import eliminable, emit_elimination
from .order import emit_order
from .prefix import emit_prefix
from .product import emit_product, plain_operand, run_of_operand
from .scatter import emit_scatter
from .straight import StraightKernels
from .trial import Places, attempt

__all__ = [
    "AnyWork",
    "BodyWork",
    "Domain",
    "HostWork",
    "Places",
    "StraightKernels",
    "Work",
    "attempt",
    "eliminable",
    "emit",
    "emit_elimination",
    "emit_order",
    "emit_prefix",
    "emit_product",
    "emit_scatter",
    "plain_operand",
    "run_of_operand",
    "squeezed",
]
