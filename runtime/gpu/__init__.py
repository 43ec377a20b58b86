"""Runs a table of rows on an accelerator, behind one small protocol.

In: rows whose kernels are texts of PTX or cubins, arrays in its memory. Out: a `DeviceProgram`,
`DeviceArray`s. `device` is the protocol, `cuda` its implementation over cuda.core, `cublaslt` the
library of products, `dlpack` the exchange with other libraries. Begin with `device`.

Imports: native, rows, spec.
"""
