"""What a program is: typed, static, immutable graphs, and the protocol of their ops.

In: nothing. Out: `Graph`, `Node`, `Value`, `Op`, `Type`, for everybody. `text` and `printing` are
graphs as text, `verify` their rules, `walk` the ways to make one graph of another, `source` the
user's lines, `symbolic` values that rules need of ops which stand above. Begin with `graph`.

Imports: runtime.errors.
"""
