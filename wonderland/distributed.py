"""Many processes: named axes over them, and functions that all of them call.

    mesh = wl.distributed.mesh({"data": wl.distributed.process_count()})

    def step(w, x):
        return w - 0.1 * wl.lax.pmean(wl.grad(loss)(w, x), "data")

    w = wl.distributed.spmd(step, mesh)(w, x)  # x: the rows of this process

`mpiexec -n 4 python script.py` starts four processes of a script; alone it is one.

Processes: initialize, process_count, process_index, barrier.
Programs: mesh, a Mesh, and spmd; `wl.lax` has what they exchange.
Trees of arrays: broadcast, those of one process in all; local_rows, the rows of this process; save
and load, by one process for all. `wl.fit(..., mesh=mesh)` trains.
Errors: ProcessError.
Training, also over named axes of `wl.vmap`:
Parts of arrays: PartitionSpec, shard, unshard.
Gradients by data, tensor and pipeline parallel losses: value_and_grad, psum_whole.
Optimizer state that processes share out (ZeRO): sharded, shard_state, unshard_state,
clip_by_global_norm.
Heads, units and rows shared out: tensor_parallel and tensor_specs of a model, ColumnParallel,
RowParallel, HeadParallel, VocabularyParallel, vocabulary_parallel_cross_entropy.
Stages one after another: gpipe, microbatches, from_last.
Sequences shared out: context_parallel of a model, ContextParallel, ring_attention,
ulysses_attention.
"""

from .compiler.front.shared_trees import broadcast_tree as broadcast
from .compiler.front.shared_trees import load_once as load
from .compiler.front.shared_trees import local_rows
from .compiler.front.shared_trees import save_once as save
from .compiler.jit import distributed as _programs
from .compiler.jit.distributed import *  # noqa: F403
from .models import parallel as _parallel
from .models.parallel import *  # noqa: F403

__all__ = ["broadcast", "load", "local_rows", "save"]
__all__ += _programs.__all__
__all__ += _parallel.__all__


def __dir__() -> list[str]:
    return __all__
