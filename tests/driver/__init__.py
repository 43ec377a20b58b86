"""A CUDA driver for machines without a GPU: cuda.core itself runs, on memory of the host.

runtime/gpu/cuda.py talks to cuda.core, that to libcuda.so.1. Here is such a library: library.py
makes the object that the system's loader finds, the other files are its functions in Python, by
kind, and kernels are executed from their PTX by tests/ptx. So every name, order of arguments,
handle and life time between our code and the driver is as on a machine with a GPU; nothing of
cuda.core or of runtime/gpu/cuda.py is replaced.

It refuses what the documentation of the driver's interface says that it refuses: launches beyond
the limits of the device or of the kernel's attributes, code of another architecture, handles and
addresses that are not there (any more), calls without a context or after a fork. Work is done as
late as may be, when somebody waits for it, and nodes of a graph that may run at the same time run
in the opposite order; a kernel that faults breaks the context for good. `driver.calls` counts what
was called, `driver.refused` and `driver.faults` say what went wrong.

It does not know cuBLASLt, other devices beside this one, capture of streams, or time.

    device = driver.device()        a CudaDevice of its own; the processes' devices are not touched

Where there is no cuda.core, no nvJitLink, or a driver of NVIDIA's, `missing` says so.
"""

from .install import device, driver, missing

__all__ = ["device", "driver", "missing"]
