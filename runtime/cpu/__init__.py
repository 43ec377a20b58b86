"""Runs a table of rows on the processor, by all of its threads.

In: rows, specs of arguments, constants. Out: a `Program` to call, or tied to fixed memory. `border`
and `guard` look at arguments natively, `context` holds the memory of one call, `walker` is the
native loop over steps (what it means is `machine`), `executor` its team of threads, `fenced` the
slow walk between pages that may not be touched, `record` a program as data. Begin with `program`.

Imports: native, rows, spec, steps, machine, program, processes.
"""
