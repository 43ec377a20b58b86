"""Many processes: named axes over them, and functions that all of them call.

    mesh = wl.distributed.mesh({"data": wl.distributed.process_count()})

    def step(w, x):
        return w - 0.1 * wl.lax.pmean(wl.grad(loss)(w, x), "data")

    w = wl.distributed.spmd(step, mesh)(w, x)  # x: the rows of this process

`mpiexec -n 4 python script.py` starts four processes of a script; alone it is one.

Processes: initialize, process_count, process_index, barrier.
Programs: mesh, a Mesh, and spmd; `wl.lax` has what they exchange.
Errors: ProcessError.
"""

from .compiler.jit.distributed import *  # noqa: F403
from .compiler.jit.distributed import __all__ as __all__
