"""Families of models in the words of their field, and what training them needs.

In: the front door. Out: layers and losses (`nn/`), optimisers and schedules (`optim/`), one file a
family (`families/`), real data (`data`), training with progress and results (`train`).
Begin with `families/mlp`.

Imports: compiler.ir, compiler.trace, compiler.front, compiler.jit.
"""
