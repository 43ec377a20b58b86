"""Runs a table of rows on an accelerator, behind one small protocol.

In: rows whose kernels are texts of PTX or cubins, arrays in its memory. Out: a `DeviceProgram`,
`DeviceArray`s. `device` is the protocol, `cuda` its implementation over cuda.core, `segments` what
it is asked for between two steps, `cublaslt` the library of products, `dlpack` the exchange with
other libraries, `carriers` and `nccl` that with other processes. Begin with `device`.

Imports: errors, native, rows, spec, steps, machine, program, processes.
"""
