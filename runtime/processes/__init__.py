"""Processes of one program: who they are, what they give each other, and how they end together.

In: addresses of memory and a `Transfer` each. Out: results there, in the order of starts, with the
same bits on every run; or a `ProcessError` in every process in bounded time. `wire` is the protocol
of messages and `mpi` its implementation, `traffic` makes transfers of messages, `courier` is the
thread that does them beside the program, `launcher` knows who has been started and `vigil` who has
left, `world` is what others call. Begin with `world`.

Imports: errors, rows.
"""
