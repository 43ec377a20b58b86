"""Ops of matrices: the last two axes, all before are a batch.

LAPACK computes them, through numpy.linalg; many small ones are a kernel's (`kernel/elimination`).
What it refuses to a matrix (a singular one, one that is not positive definite, a number that is not
finite) is NaN in the results of that matrix.
"""

# ruff: noqa: F403  each file says its names

from .determinants import *
from .equations import *
from .exponential import *
from .factors import *
from .singular import *
from .spectral import *
