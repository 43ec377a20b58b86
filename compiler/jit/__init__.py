"""From a function to a program that is called: kept by kind of arguments, saved, profiled.

In: a Python function. Out: a callable; `executable` is one program of it, `programs` keeps it for
other processes, `archive` is its file, `profile` its times, `budget` the fastest program within
bytes. Passes are reached through the pipeline alone, which is imported when something is compiled.
Begin with `jit`.

Imports: ir, settings, transform, ops, trace, fuse, plan, pipeline, family,
runtime.native, runtime.rows, runtime.spec, runtime.program, runtime.cpu, runtime.gpu,
runtime.processes.
"""
