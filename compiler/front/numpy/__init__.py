"""NumPy's names over traced arrays.

Inside of a trace every function gives a traced value; outside, on ndarrays, it is NumPy's own.
NumPy's plain functions on traced values do the same through NumPy's protocols; what only this
namespace has inside of a trace is constructors (`zeros`, `arange`, `array`).

Names of dtypes are NumPy's ("i8" is int64), and where it has none the language's ("f32", "bf16").
Arrays of bf16 keep their dtype beside Python numbers, as f16 does; operators of ndarrays themselves
are those of ml_dtypes, which give f32.

Functions of traced values differ from NumPy's on purpose:

Dtypes: the floats that somebody typed decide: arguments, what `.astype` and `dtype=` made,
constants of f32 and less. Beside them integers of any width, bools, constants of f64 and what is
f64 of these alone take their dtype (they are weak); an array of such takes that of what is written
to it. Alone they are NumPy's, or by the setting default_dtype f32. What NumPy computes in f64
(interp, cov, corrcoef, bincount and histogram of weights, vander, float_power) is so here, too,
and weak.
Casts: floats beyond an integer dtype saturate, and NaN is 0, as in XLA; in NumPy they depend on the
machine. Integers rounded to tens beyond their dtype wrap.
Numbers: integers to negative powers are 0, and 1 / 0 of integers is 0: a compiled program cannot
raise. For the same reason weights that add up to 0 give NaN, and indices beyond an axis are as
`take` says. nanargmax of nothing but NaN is -1. Which of two zeros wins is left open, zeros are
equal: 0.0 and -0.0 in max and min. In quantiles differences of integers do not wrap, what lies
between equal infinities is that infinity, and quantiles of nothing have the shape and dtype of any
others, and so have medians and counts of nothing. The parts of products of infinite complex numbers
may be NaN for infinite. fft: spectra of halves are scaled in f32; what has a spectrum of no points
is 0; compiled transforms of few points are products, so that those of infinite numbers may have
more NaN.
What is refused: Complex numbers have no order (max, argmax, searchsorted, isin; they are sorted by
their parts). nextafter takes f32 and f64; var and std take dtypes of floats; pads are by constant
or by elements of the array; partitions are sorted, and ask for places within the axis; complex
numbers fill no real array. Traced numbers are not written to: they are values, as NumPy's scalars
are.
Polynomials: coefficients are not trimmed, and roots are complex. sort_complex keeps f32.
What is not refused: numbers have an axis 0 in every reduction, clip of bools without bounds.

Derivatives where there is none are JAX's: halves at ties, infinite for sqrt at 0. But that of |x|,
hypot, norms and std is 0 at 0, that of x ** 0 is 0 at 0 as elsewhere, and equal infinities share
that of logaddexp by halves. At the ends of domains higher ones are the limits from within.
"""

# ruff: noqa: F403  each file says its names

from __future__ import annotations

from typing import Any

import numpy
from ml_dtypes import bfloat16
from numpy import (
    __array_api_version__,
    __array_namespace_info__,
    array_repr,
    array_str,
    bool,
    bool_,
    broadcast_shapes,
    cdouble,
    complex64,
    complex128,
    complexfloating,
    csingle,
    diag_indices,
    double,
    dtype,
    e,
    errstate,
    euler_gamma,
    finfo,
    float16,
    float32,
    float64,
    floating,
    from_dlpack,
    generic,
    get_printoptions,
    half,
    iinfo,
    index_exp,
    inexact,
    inf,
    int8,
    int16,
    int32,
    int64,
    int_,
    integer,
    intp,
    isdtype,
    issubdtype,
    load,
    mask_indices,
    mgrid,
    nan,
    ndarray,
    ndindex,
    newaxis,
    number,
    ogrid,
    pi,
    printoptions,
    promote_types,
    s_,
    save,
    savez,
    set_printoptions,
    signedinteger,
    single,
    tril_indices,
    trim_zeros,
    triu_indices,
    uint,
    uint8,
    uint16,
    uint32,
    uint64,
    uintp,
    unsignedinteger,
)

from ...trace.hints import OF_TORCH
from ...trace.tracer import nearest
from . import application as _application
from . import creation as _creation
from . import cumulative as _cumulative
from . import einsum as _einsum
from . import elementwise as _elementwise
from . import fft as fft
from . import grids as _grids
from . import indexing as _indexing
from . import linalg as linalg
from . import order as _order
from . import parts as _parts
from . import places as _places
from . import polynomials as _polynomials
from . import products as _products
from . import quantiles as _quantiles
from . import reductions as _reductions
from . import shapes as _shapes
from . import signals as _signals
from . import tricks as _tricks
from . import ufunc_methods as _ufunc_methods  # noqa: F401  forms of methods alone
from . import updates as _updates
from . import windows as _windows  # noqa: F401  NumPy's function has its name elsewhere
from . import writes as _writes
from .application import *
from .creation import *
from .cumulative import *
from .einsum import *
from .elementwise import *
from .grids import *
from .indexing import *
from .order import *
from .parts import *
from .places import *
from .polynomials import *
from .products import *
from .quantiles import *
from .reductions import *
from .shapes import *
from .signals import *
from .tricks import *
from .updates import *
from .writes import *

float_, complex_ = float64, complex128  # as in JAX: the default ones

__all__ = [
    "__array_api_version__", "__array_namespace_info__", "array_repr", "array_str", "bfloat16",
    "bool", "bool_", "broadcast_shapes", "cdouble", "complex64", "complex128", "complex_",
    "complexfloating", "csingle", "diag_indices", "double", "dtype", "e", "errstate", "euler_gamma",
    "finfo", "float16", "float32", "float64", "float_", "floating", "from_dlpack", "generic",
    "get_printoptions", "half", "iinfo", "index_exp", "inexact", "inf", "int8", "int16", "int32",
    "int64", "int_", "integer", "intp", "isdtype", "issubdtype", "load", "mask_indices", "mgrid",
    "nan", "ndarray", "ndindex", "newaxis", "number", "ogrid", "pi", "printoptions",
    "promote_types", "s_", "save", "savez", "set_printoptions", "signedinteger", "single",
    "tril_indices", "trim_zeros", "triu_indices", "uint", "uint8", "uint16", "uint32", "uint64",
    "uintp", "unsignedinteger",
]  # fmt: skip
__all__ += _application.__all__
__all__ += _creation.__all__
__all__ += _cumulative.__all__
__all__ += _einsum.__all__
__all__ += _elementwise.__all__
__all__ += _grids.__all__
__all__ += _indexing.__all__
__all__ += _order.__all__
__all__ += _parts.__all__
__all__ += _places.__all__
__all__ += _polynomials.__all__
__all__ += _products.__all__
__all__ += _quantiles.__all__
__all__ += _reductions.__all__
__all__ += _shapes.__all__
__all__ += _signals.__all__
__all__ += _tricks.__all__
__all__ += _updates.__all__
__all__ += _writes.__all__


def __getattr__(name: str) -> Any:
    """Names of NumPy's that are not here."""
    if not name.startswith("_") and hasattr(numpy, name):
        hint = nearest(name) or f"numpy.{name}, on what is not traced"
        raise AttributeError(f"wonderland.numpy has no {name}\ntry: {hint}", name=name)
    what = f"module 'wonderland.numpy' has no attribute '{name}'"
    hint = "" if name.startswith("_") else OF_TORCH.get(name) or nearest(name)
    raise AttributeError(f"{what}\ntry: {hint}" if hint else what, name=name)
