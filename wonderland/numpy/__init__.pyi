"""Written from the functions of wonderland.numpy by tests/front/stubs.py."""

# ruff: noqa

from collections.abc import Sequence
from typing import Any
import builtins
from numpy.typing import NDArray
from numpy import __array_api_version__ as __array_api_version__
from numpy import __array_namespace_info__ as __array_namespace_info__
from numpy import abs as abs
from numpy import absolute as absolute
from numpy import acos as acos
from numpy import acosh as acosh
from numpy import add as add
from numpy import all as all
from numpy import allclose as allclose
from numpy import amax as amax
from numpy import amin as amin
from numpy import angle as angle
from numpy import any as any
from numpy import append as append
from numpy import apply_along_axis as apply_along_axis
from numpy import apply_over_axes as apply_over_axes
from numpy import arange as arange
from numpy import arccos as arccos
from numpy import arccosh as arccosh
from numpy import arcsin as arcsin
from numpy import arcsinh as arcsinh
from numpy import arctan as arctan
from numpy import arctan2 as arctan2
from numpy import arctanh as arctanh
from numpy import argmax as argmax
from numpy import argmin as argmin
from numpy import argpartition as argpartition
from numpy import around as around
from numpy import array as array
from numpy import array_equal as array_equal
from numpy import array_equiv as array_equiv
from numpy import array_repr as array_repr
from numpy import array_split as array_split
from numpy import array_str as array_str
from numpy import asanyarray as asanyarray
from numpy import asarray as asarray
from numpy import ascontiguousarray as ascontiguousarray
from numpy import asfortranarray as asfortranarray
from numpy import asin as asin
from numpy import asinh as asinh
from numpy import astype as astype
from numpy import atan as atan
from numpy import atan2 as atan2
from numpy import atanh as atanh
from numpy import atleast_1d as atleast_1d
from numpy import atleast_2d as atleast_2d
from numpy import atleast_3d as atleast_3d
from numpy import average as average
from numpy import bartlett as bartlett
from numpy import bitwise_and as bitwise_and
from numpy import bitwise_count as bitwise_count
from numpy import bitwise_invert as bitwise_invert
from numpy import bitwise_left_shift as bitwise_left_shift
from numpy import bitwise_not as bitwise_not
from numpy import bitwise_or as bitwise_or
from numpy import bitwise_right_shift as bitwise_right_shift
from numpy import bitwise_xor as bitwise_xor
from numpy import blackman as blackman
from numpy import block as block
from numpy import bool as bool
from numpy import bool_ as bool_
from numpy import broadcast_arrays as broadcast_arrays
from numpy import broadcast_shapes as broadcast_shapes
from numpy import broadcast_to as broadcast_to
from numpy import c_ as c_
from numpy import can_cast as can_cast
from numpy import cbrt as cbrt
from numpy import cdouble as cdouble
from numpy import ceil as ceil
from numpy import choose as choose
from numpy import clip as clip
from numpy import column_stack as column_stack
from numpy import common_type as common_type
from numpy import complex128 as complex128
from numpy import complex64 as complex64
from numpy import complex128 as complex_
from numpy import complexfloating as complexfloating
from numpy import concat as concat
from numpy import concatenate as concatenate
from numpy import conj as conj
from numpy import conjugate as conjugate
from numpy import copy as copy
from numpy import copysign as copysign
from numpy import copyto as copyto
from numpy import corrcoef as corrcoef
from numpy import cos as cos
from numpy import cosh as cosh
from numpy import count_nonzero as count_nonzero
from numpy import cov as cov
from numpy import cross as cross
from numpy import csingle as csingle
from numpy import cumprod as cumprod
from numpy import cumsum as cumsum
from numpy import cumulative_prod as cumulative_prod
from numpy import cumulative_sum as cumulative_sum
from numpy import deg2rad as deg2rad
from numpy import degrees as degrees
from numpy import diag as diag
from numpy import diag_indices as diag_indices
from numpy import diag_indices_from as diag_indices_from
from numpy import diagflat as diagflat
from numpy import diagonal as diagonal
from numpy import diff as diff
from numpy import divide as divide
from numpy import divmod as divmod
from numpy import double as double
from numpy import dsplit as dsplit
from numpy import dtype as dtype
from numpy import e as e
from numpy import ediff1d as ediff1d
from numpy import einsum_path as einsum_path
from numpy import empty as empty
from numpy import empty_like as empty_like
from numpy import equal as equal
from numpy import errstate as errstate
from numpy import euler_gamma as euler_gamma
from numpy import exp as exp
from numpy import exp2 as exp2
from numpy import expand_dims as expand_dims
from numpy import expm1 as expm1
from numpy import eye as eye
from numpy import fabs as fabs
from numpy import finfo as finfo
from numpy import fix as fix
from numpy import flip as flip
from numpy import fliplr as fliplr
from numpy import flipud as flipud
from numpy import float16 as float16
from numpy import float32 as float32
from numpy import float64 as float64
from numpy import float64 as float_
from numpy import float_power as float_power
from numpy import floating as floating
from numpy import floor as floor
from numpy import floor_divide as floor_divide
from numpy import fmax as fmax
from numpy import fmin as fmin
from numpy import fmod as fmod
from numpy import frexp as frexp
from numpy import from_dlpack as from_dlpack
from numpy import frombuffer as frombuffer
from numpy import fromfile as fromfile
from numpy import fromfunction as fromfunction
from numpy import fromiter as fromiter
from numpy import fromstring as fromstring
from numpy import full as full
from numpy import full_like as full_like
from numpy import gcd as gcd
from numpy import generic as generic
from numpy import geomspace as geomspace
from numpy import get_printoptions as get_printoptions
from numpy import gradient as gradient
from numpy import greater as greater
from numpy import greater_equal as greater_equal
from numpy import half as half
from numpy import hamming as hamming
from numpy import hanning as hanning
from numpy import heaviside as heaviside
from numpy import histogram as histogram
from numpy import histogram2d as histogram2d
from numpy import histogram_bin_edges as histogram_bin_edges
from numpy import histogramdd as histogramdd
from numpy import hsplit as hsplit
from numpy import hstack as hstack
from numpy import hypot as hypot
from numpy import i0 as i0
from numpy import identity as identity
from numpy import iinfo as iinfo
from numpy import imag as imag
from numpy import index_exp as index_exp
from numpy import indices as indices
from numpy import inexact as inexact
from numpy import inf as inf
from numpy import insert as insert
from numpy import int16 as int16
from numpy import int32 as int32
from numpy import int64 as int64
from numpy import int8 as int8
from numpy import int_ as int_
from numpy import integer as integer
from numpy import interp as interp
from numpy import intp as intp
from numpy import invert as invert
from numpy import isclose as isclose
from numpy import iscomplex as iscomplex
from numpy import iscomplexobj as iscomplexobj
from numpy import isdtype as isdtype
from numpy import isfinite as isfinite
from numpy import isinf as isinf
from numpy import isnan as isnan
from numpy import isneginf as isneginf
from numpy import isposinf as isposinf
from numpy import isreal as isreal
from numpy import isrealobj as isrealobj
from numpy import isscalar as isscalar
from numpy import issubdtype as issubdtype
from numpy import iterable as iterable
from numpy import ix_ as ix_
from numpy import kaiser as kaiser
from numpy import kron as kron
from numpy import lcm as lcm
from numpy import ldexp as ldexp
from numpy import left_shift as left_shift
from numpy import less as less
from numpy import less_equal as less_equal
from numpy import lexsort as lexsort
from numpy import linspace as linspace
from numpy import load as load
from numpy import log as log
from numpy import log10 as log10
from numpy import log1p as log1p
from numpy import log2 as log2
from numpy import logaddexp as logaddexp
from numpy import logaddexp2 as logaddexp2
from numpy import logical_and as logical_and
from numpy import logical_not as logical_not
from numpy import logical_or as logical_or
from numpy import logical_xor as logical_xor
from numpy import logspace as logspace
from numpy import mask_indices as mask_indices
from numpy import matrix_transpose as matrix_transpose
from numpy import max as max
from numpy import maximum as maximum
from numpy import mean as mean
from numpy import median as median
from numpy import meshgrid as meshgrid
from numpy import mgrid as mgrid
from numpy import min as min
from numpy import min_scalar_type as min_scalar_type
from numpy import minimum as minimum
from numpy import mod as mod
from numpy import modf as modf
from numpy import moveaxis as moveaxis
from numpy import multiply as multiply
from numpy import nan as nan
from numpy import nan_to_num as nan_to_num
from numpy import nanargmax as nanargmax
from numpy import nanargmin as nanargmin
from numpy import nancumprod as nancumprod
from numpy import nancumsum as nancumsum
from numpy import nanmax as nanmax
from numpy import nanmean as nanmean
from numpy import nanmedian as nanmedian
from numpy import nanmin as nanmin
from numpy import nanpercentile as nanpercentile
from numpy import nanprod as nanprod
from numpy import nanquantile as nanquantile
from numpy import nanstd as nanstd
from numpy import nansum as nansum
from numpy import nanvar as nanvar
from numpy import ndarray as ndarray
from numpy import ndenumerate as ndenumerate
from numpy import ndim as ndim
from numpy import ndindex as ndindex
from numpy import negative as negative
from numpy import newaxis as newaxis
from numpy import nextafter as nextafter
from numpy import not_equal as not_equal
from numpy import number as number
from numpy import ogrid as ogrid
from numpy import ones as ones
from numpy import ones_like as ones_like
from numpy import outer as outer
from numpy import packbits as packbits
from numpy import pad as pad
from numpy import partition as partition
from numpy import percentile as percentile
from numpy import permute_dims as permute_dims
from numpy import pi as pi
from numpy import piecewise as piecewise
from numpy import place as place
from numpy import poly as poly
from numpy import polyadd as polyadd
from numpy import polyder as polyder
from numpy import polydiv as polydiv
from numpy import polyfit as polyfit
from numpy import polyint as polyint
from numpy import polymul as polymul
from numpy import polysub as polysub
from numpy import positive as positive
from numpy import pow as pow
from numpy import power as power
from numpy import printoptions as printoptions
from numpy import prod as prod
from numpy import promote_types as promote_types
from numpy import ptp as ptp
from numpy import putmask as putmask
from numpy import quantile as quantile
from numpy import r_ as r_
from numpy import rad2deg as rad2deg
from numpy import radians as radians
from numpy import ravel as ravel
from numpy import ravel_multi_index as ravel_multi_index
from numpy import real as real
from numpy import reciprocal as reciprocal
from numpy import remainder as remainder
from numpy import require as require
from numpy import reshape as reshape
from numpy import resize as resize
from numpy import result_type as result_type
from numpy import right_shift as right_shift
from numpy import rint as rint
from numpy import roll as roll
from numpy import rollaxis as rollaxis
from numpy import roots as roots
from numpy import rot90 as rot90
from numpy import round as round
from numpy import s_ as s_
from numpy import save as save
from numpy import savez as savez
from numpy import select as select
from numpy import set_printoptions as set_printoptions
from numpy import shape as shape
from numpy import sign as sign
from numpy import signbit as signbit
from numpy import signedinteger as signedinteger
from numpy import sin as sin
from numpy import sinc as sinc
from numpy import single as single
from numpy import sinh as sinh
from numpy import size as size
from numpy import sort_complex as sort_complex
from numpy import spacing as spacing
from numpy import split as split
from numpy import sqrt as sqrt
from numpy import square as square
from numpy import squeeze as squeeze
from numpy import stack as stack
from numpy import std as std
from numpy import subtract as subtract
from numpy import sum as sum
from numpy import swapaxes as swapaxes
from numpy import tan as tan
from numpy import tanh as tanh
from numpy import tile as tile
from numpy import trace as trace
from numpy import transpose as transpose
from numpy import trapezoid as trapezoid
from numpy import tri as tri
from numpy import tril as tril
from numpy import tril_indices as tril_indices
from numpy import tril_indices_from as tril_indices_from
from numpy import trim_zeros as trim_zeros
from numpy import triu as triu
from numpy import triu_indices as triu_indices
from numpy import triu_indices_from as triu_indices_from
from numpy import true_divide as true_divide
from numpy import trunc as trunc
from numpy import uint as uint
from numpy import uint16 as uint16
from numpy import uint32 as uint32
from numpy import uint64 as uint64
from numpy import uint8 as uint8
from numpy import uintp as uintp
from numpy import unpackbits as unpackbits
from numpy import unravel_index as unravel_index
from numpy import unsignedinteger as unsignedinteger
from numpy import unstack as unstack
from numpy import unwrap as unwrap
from numpy import vander as vander
from numpy import var as var
from numpy import vectorize as vectorize
from numpy import vsplit as vsplit
from numpy import vstack as vstack
from numpy import where as where
from numpy import zeros as zeros
from numpy import zeros_like as zeros_like
from ..compiler.front.numpy.updates import at as at
from ml_dtypes import bfloat16 as bfloat16
from . import fft as fft
from . import linalg as linalg

__all__ = ["__array_api_version__", "__array_namespace_info__", "abs", "absolute", "acos", "acosh", "add", "all", "allclose", "amax", "amin", "angle", "any", "append", "apply_along_axis", "apply_over_axes", "arange", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "argmax", "argmin", "argpartition", "argsort", "argwhere", "around", "array", "array_equal", "array_equiv", "array_repr", "array_split", "array_str", "asanyarray", "asarray", "ascontiguousarray", "asfortranarray", "asin", "asinh", "astype", "at", "atan", "atan2", "atanh", "atleast_1d", "atleast_2d", "atleast_3d", "average", "bartlett", "bfloat16", "bincount", "bitwise_and", "bitwise_count", "bitwise_invert", "bitwise_left_shift", "bitwise_not", "bitwise_or", "bitwise_right_shift", "bitwise_xor", "blackman", "block", "bool", "bool_", "broadcast_arrays", "broadcast_shapes", "broadcast_to", "c_", "can_cast", "cbrt", "cdouble", "ceil", "choose", "clip", "column_stack", "common_type", "complex128", "complex64", "complex_", "complexfloating", "compress", "concat", "concatenate", "conj", "conjugate", "convolve", "copy", "copysign", "copyto", "corrcoef", "correlate", "cos", "cosh", "count_nonzero", "cov", "cross", "csingle", "cumprod", "cumsum", "cumulative_prod", "cumulative_sum", "deg2rad", "degrees", "delete", "diag", "diag_indices", "diag_indices_from", "diagflat", "diagonal", "diff", "digitize", "divide", "divmod", "dot", "double", "dsplit", "dstack", "dtype", "e", "ediff1d", "einsum", "einsum_path", "empty", "empty_like", "equal", "errstate", "euler_gamma", "exp", "exp2", "expand_dims", "expm1", "extract", "eye", "fabs", "fft", "fill_diagonal", "finfo", "fix", "flatnonzero", "flip", "fliplr", "flipud", "float16", "float32", "float64", "float_", "float_power", "floating", "floor", "floor_divide", "fmax", "fmin", "fmod", "frexp", "from_dlpack", "frombuffer", "fromfile", "fromfunction", "fromiter", "fromstring", "full", "full_like", "gcd", "generic", "geomspace", "get_printoptions", "gradient", "greater", "greater_equal", "half", "hamming", "hanning", "heaviside", "histogram", "histogram2d", "histogram_bin_edges", "histogramdd", "hsplit", "hstack", "hypot", "i0", "identity", "iinfo", "imag", "index_exp", "indices", "inexact", "inf", "inner", "insert", "int16", "int32", "int64", "int8", "int_", "integer", "interp", "intersect1d", "intp", "invert", "isclose", "iscomplex", "iscomplexobj", "isdtype", "isfinite", "isin", "isinf", "isnan", "isneginf", "isposinf", "isreal", "isrealobj", "isscalar", "issubdtype", "iterable", "ix_", "kaiser", "kron", "lcm", "ldexp", "left_shift", "less", "less_equal", "lexsort", "linalg", "linspace", "load", "log", "log10", "log1p", "log2", "logaddexp", "logaddexp2", "logical_and", "logical_not", "logical_or", "logical_xor", "logspace", "mask_indices", "matmul", "matrix_transpose", "matvec", "max", "maximum", "mean", "median", "meshgrid", "mgrid", "min", "min_scalar_type", "minimum", "mod", "modf", "moveaxis", "multiply", "nan", "nan_to_num", "nanargmax", "nanargmin", "nancumprod", "nancumsum", "nanmax", "nanmean", "nanmedian", "nanmin", "nanpercentile", "nanprod", "nanquantile", "nanstd", "nansum", "nanvar", "ndarray", "ndenumerate", "ndim", "ndindex", "negative", "newaxis", "nextafter", "nonzero", "not_equal", "number", "ogrid", "ones", "ones_like", "outer", "packbits", "pad", "partition", "percentile", "permute_dims", "pi", "piecewise", "place", "poly", "polyadd", "polyder", "polydiv", "polyfit", "polyint", "polymul", "polysub", "polyval", "positive", "pow", "power", "printoptions", "prod", "promote_types", "ptp", "put", "put_along_axis", "putmask", "quantile", "r_", "rad2deg", "radians", "ravel", "ravel_multi_index", "real", "reciprocal", "remainder", "repeat", "require", "reshape", "resize", "result_type", "right_shift", "rint", "roll", "rollaxis", "roots", "rot90", "round", "s_", "save", "savez", "searchsorted", "select", "set_printoptions", "setdiff1d", "setxor1d", "shape", "sign", "signbit", "signedinteger", "sin", "sinc", "single", "sinh", "size", "sort", "sort_complex", "spacing", "split", "sqrt", "square", "squeeze", "stack", "std", "subtract", "sum", "swapaxes", "take", "take_along_axis", "tan", "tanh", "tensordot", "tile", "trace", "transpose", "trapezoid", "tri", "tril", "tril_indices", "tril_indices_from", "trim_zeros", "triu", "triu_indices", "triu_indices_from", "true_divide", "trunc", "uint", "uint16", "uint32", "uint64", "uint8", "uintp", "union1d", "unique", "unique_all", "unique_counts", "unique_inverse", "unique_values", "unpackbits", "unravel_index", "unsignedinteger", "unstack", "unwrap", "vander", "var", "vdot", "vecdot", "vecmat", "vectorize", "vsplit", "vstack", "where", "zeros", "zeros_like"]

def argsort(a: Any, axis: int | None = ..., kind: Any = ..., order: Any = ..., *, stable: Any = ..., descending: builtins.bool = ...) -> NDArray[Any]: ...
def argwhere(a: Any, *, size: int | None = ..., fill_value: Any = ...) -> Any: ...
def bincount(x: Any, /, weights: Any = ..., minlength: Any = ..., *, length: int | None = ...) -> Any: ...
def compress(condition: Any, a: Any, axis: int | None = ..., out: Any = ..., *, size: int | None = ..., fill_value: Any = ...) -> NDArray[Any]: ...
def convolve(a: Any, v: Any, mode: Any = ..., *, precision: Any = ..., preferred_element_type: Any = ...) -> NDArray[Any]: ...
def correlate(a: Any, v: Any, mode: Any = ..., *, precision: Any = ..., preferred_element_type: Any = ...) -> NDArray[Any]: ...
def delete(arr: Any, obj: Any, axis: int | None = ..., *, assume_unique_indices: builtins.bool = ...) -> NDArray[Any]: ...
def digitize(x: Any, bins: Any, right: builtins.bool = ..., *, method: Any = ...) -> NDArray[Any]: ...
def dot(a: Any, b: Any, out: Any = ..., *, precision: Any = ..., preferred_element_type: Any = ...) -> NDArray[Any]: ...
def dstack(tup: Sequence[Any], dtype: Any = ...) -> NDArray[Any]: ...
def einsum(subscripts: Any, /, *operands: Any, out: Any = ..., optimize: Any = ..., dtype: Any = ..., precision: Any = ..., preferred_element_type: Any = ...) -> NDArray[Any]: ...
def extract(condition: Any, arr: Any, *, size: int | None = ..., fill_value: Any = ...) -> NDArray[Any]: ...
def fill_diagonal(a: Any, val: Any, wrap: builtins.bool = ..., *, inplace: builtins.bool = ...) -> Any: ...
def flatnonzero(a: Any, *, size: int | None = ..., fill_value: Any = ...) -> Any: ...
def inner(a: Any, b: Any, /, *, precision: Any = ..., preferred_element_type: Any = ...) -> NDArray[Any]: ...
def intersect1d(ar1: Any, ar2: Any, assume_unique: Any = ..., return_indices: Any = ..., *, size: int | None = ..., fill_value: Any = ...) -> Any: ...
def isin(element: Any, test_elements: Any, assume_unique: builtins.bool = ..., invert: builtins.bool = ..., *, kind: Any = ..., method: Any = ...) -> NDArray[Any]: ...
def matmul(x1: Any, x2: Any, /, out: Any = ..., *, dtype: Any = ..., precision: Any = ..., preferred_element_type: Any = ...) -> NDArray[Any]: ...
def matvec(x1: Any, x2: Any, /, *, precision: Any = ..., preferred_element_type: Any = ...) -> NDArray[Any]: ...
def nonzero(a: Any, *, size: int | None = ..., fill_value: Any = ...) -> Any: ...
def polyval(p: Any, x: Any, *, unroll: int = ...) -> NDArray[Any]: ...
def put(a: Any, ind: Any, v: Any, mode: str | None = ..., *, inplace: builtins.bool = ...) -> Any: ...
def put_along_axis(arr: Any, indices: Any, values: Any, axis: int | None, inplace: builtins.bool = ..., *, mode: str | None = ...) -> Any: ...
def repeat(a: Any, repeats: Any, axis: int | None = ..., *, total_repeat_length: int | None = ...) -> NDArray[Any]: ...
def searchsorted(a: Any, v: Any, side: str = ..., sorter: Any = ..., *, method: Any = ...) -> NDArray[Any]: ...
def setdiff1d(ar1: Any, ar2: Any, assume_unique: Any = ..., *, size: int | None = ..., fill_value: Any = ...) -> Any: ...
def setxor1d(ar1: Any, ar2: Any, assume_unique: Any = ..., *, size: int | None = ..., fill_value: Any = ...) -> Any: ...
def sort(a: Any, axis: int | None = ..., kind: Any = ..., order: Any = ..., *, stable: Any = ..., descending: builtins.bool = ...) -> NDArray[Any]: ...
def take(a: Any, indices: Any, axis: int | None = ..., out: Any = ..., mode: str | None = ..., unique_indices: builtins.bool = ..., indices_are_sorted: builtins.bool = ..., fill_value: Any = ...) -> NDArray[Any]: ...
def take_along_axis(arr: Any, indices: Any, axis: int | None = ..., mode: str | None = ..., fill_value: Any = ...) -> NDArray[Any]: ...
def tensordot(a: Any, b: Any, axes: Any = ..., *, precision: Any = ..., preferred_element_type: Any = ...) -> NDArray[Any]: ...
def union1d(ar1: Any, ar2: Any, *, size: int | None = ..., fill_value: Any = ...) -> Any: ...
def unique(ar: Any, return_index: Any = ..., return_inverse: Any = ..., return_counts: Any = ..., axis: Any = ..., *, equal_nan: Any = ..., sorted: Any = ..., size: int | None = ..., fill_value: Any = ...) -> Any: ...
def unique_all(x: Any, *, size: int | None = ..., fill_value: Any = ...) -> Any: ...
def unique_counts(x: Any, *, size: int | None = ..., fill_value: Any = ...) -> Any: ...
def unique_inverse(x: Any, *, size: int | None = ..., fill_value: Any = ...) -> Any: ...
def unique_values(x: Any, *, size: int | None = ..., fill_value: Any = ...) -> Any: ...
def vdot(a: Any, b: Any, /, *, precision: Any = ..., preferred_element_type: Any = ...) -> NDArray[Any]: ...
def vecdot(x1: Any, x2: Any, /, *, axis: int = ..., precision: Any = ..., preferred_element_type: Any = ...) -> NDArray[Any]: ...
def vecmat(x1: Any, x2: Any, /, *, precision: Any = ..., preferred_element_type: Any = ...) -> NDArray[Any]: ...
