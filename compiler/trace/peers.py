"""Methods and attributes of other libraries' arrays, and what they are here.

A line is a pattern and its meaning, `x.unsqueeze(dim) --> np.expand_dims(x, dim)`: what a call of
the user's has in the places of the pattern is put into the meaning. A pattern without brackets is
an attribute. A meaning with names that the pattern lacks is told as it is.
"""

from __future__ import annotations

import ast
import functools
from typing import Any

import numpy as np

from ..ir.failed import Failed, Repair

TABLE = """\
x.unsqueeze(dim) --> np.expand_dims(x, dim)
x.unsqueeze_(dim) --> np.expand_dims(x, dim)
x.permute(*dims) --> x.transpose(*dims)
x.t() --> x.T
x.mH --> x.mT.conj()
x.H --> x.T.conj()
x.adjoint() --> x.mT.conj()
x.view(dtype) --> x.astype(dtype), numbers for bits
x.view() --> x
x.view(*shape) --> x.reshape(*shape)
x.view_as(other) --> x.reshape(other.shape)
x.reshape_as(other) --> x.reshape(other.shape)
x.unflatten(dim, sizes) --> x.reshape(new_shape)
x.expand(*sizes) --> np.broadcast_to(x, sizes)
x.expand_as(other) --> np.broadcast_to(x, other.shape)
x.broadcast_to(*sizes) --> np.broadcast_to(x, sizes)
x.tile(*reps) --> np.tile(x, reps)
x.repeat_interleave(repeats, dim=None) --> np.repeat(x, repeats, axis=dim)
x.movedim(source, destination) --> np.moveaxis(x, source, destination)
x.moveaxis(source, destination) --> np.moveaxis(x, source, destination)
x.flip(*dims) --> np.flip(x, axis=dims)
x.fliplr() --> np.fliplr(x)
x.flipud() --> np.flipud(x)
x.rot90(k=1, dims=(0, 1)) --> np.rot90(x, k, dims)
x.roll(shifts, dims=None) --> np.roll(x, shifts, axis=dims)
x.chunk(chunks, dim=0) --> np.array_split(x, chunks, axis=dim)
x.split(size, dim=0) --> np.split(x, np.arange(size, x.shape[dim], size), axis=dim)
x.unbind(dim=0) --> list(np.moveaxis(x, dim, 0))
x.narrow(dim, start, length) --> wl.lax.dynamic_slice_in_dim(x, start, length, axis=dim)
x.select(dim, index) --> np.take(x, index, axis=dim)
x.index_select(dim, index) --> np.take(x, index, axis=dim)
x.gather(dim, index) --> np.take_along_axis(x, index, axis=dim)
x.take_along_dim(index, dim) --> np.take_along_axis(x, index, axis=dim)
x.scatter(dim, index, src) --> x.at[index].set(values)
x.scatter_(dim, index, src) --> x.at[index].set(values)
x.scatter_add(dim, index, src) --> x.at[index].add(values)
x.scatter_add_(dim, index, src) --> x.at[index].add(values)
x.index_add(dim, index, source) --> x.at[index].add(source)
x.index_add_(dim, index, source) --> x.at[index].add(source)
x.masked_fill(mask, value) --> np.where(mask, value, x)
x.masked_fill_(mask, value) --> np.where(mask, value, x)
x.masked_select(mask) --> np.where(mask, x, 0), which keeps the shape
x.where(condition, other) --> np.where(condition, x, other)
x.unfold(dim, size, step) --> np.lib.stride_tricks.sliding_window_view(x, size, axis=dim)
x.tril(k=0) --> np.tril(x, k)
x.triu(k=0) --> np.triu(x, k)
x.diag(k=0) --> np.diag(x, k)
x.numel() --> x.size
x.dim() --> x.ndim
x.ndimension() --> x.ndim
x.nelement() --> x.size
x.element_size() --> x.itemsize
x.size() --> x.shape
x.size(dim) --> x.shape[dim]
x.length --> len(x)
x.float() --> x.astype(np.float32)
x.double() --> x.astype(np.float64)
x.half() --> x.astype(np.float16)
x.bfloat16() --> x.astype('bf16')
x.long() --> x.astype(np.int64)
x.int() --> x.astype(np.int32)
x.short() --> x.astype(np.int16)
x.byte() --> x.astype(np.uint8)
x.bool() --> x.astype(np.bool_)
x.cfloat() --> x.astype(np.complex64)
x.type(dtype) --> x.astype(dtype)
x.type_as(other) --> x.astype(other.dtype)
x.cast(dtype) --> x.astype(dtype)
x.to(dtype) --> x.astype(dtype)
x.to(device) --> x
x.cuda(device=None) --> x
x.cpu() --> x
x.numpy() --> x
x.to_numpy() --> x
x.values --> x
x.data --> x
x.detach() --> wl.stop_gradient(x)
x.detach_() --> wl.stop_gradient(x)
x.clone() --> x.copy()
x.contiguous() --> x
x.block_until_ready() --> x
x.addressable_data(index) --> x
x.copy_to_host_async() --> x
x.requires_grad --> wl.grad(f, argnums=0), which says of what
x.requires_grad_(*on) --> x
x.grad --> wl.grad(f)(x)
x.retain_grad() --> wl.grad(f)(x)
x.backward(*seed) --> wl.grad(f)(x), of the function that computes it
x.register_hook(hook) --> wl.custom_vjp, a rule of your own
x.is_cuda --> wl.jit(f, device='gpu')
x.sharding --> wl.jit(f), on one device
x.devices() --> wl.devices()
x.is_fully_addressable --> True
x.weak_type --> x.dtype
x.aval --> x.shape and x.dtype
x.add(other) --> x + other
x.add_(other) --> x + other
x.sub(other) --> x - other
x.sub_(other) --> x - other
x.mul(other) --> x * other
x.mul_(other) --> x * other
x.div(other) --> x / other
x.div_(other) --> x / other
x.pow(exponent) --> x ** exponent
x.pow_(exponent) --> x ** exponent
x.neg() --> -x
x.matmul(other) --> x @ other
x.mm(other) --> x @ other
x.bmm(other) --> x @ other
x.mv(other) --> x @ other
x.outer(other) --> np.outer(x, other)
x.ger(other) --> np.outer(x, other)
x.cross(other) --> np.cross(x, other)
x.addmm(m, n) --> x + m @ n
x.lerp(end, weight) --> x + weight * (end - x)
x.lerp_(end, weight) --> x + weight * (end - x)
x.eq(other) --> x == other
x.ne(other) --> x != other
x.gt(other) --> x > other
x.ge(other) --> x >= other
x.lt(other) --> x < other
x.le(other) --> x <= other
x.equal(other) --> np.array_equal(x, other)
x.allclose(other) --> np.allclose(x, other)
x.isclose(other) --> np.isclose(x, other)
x.logical_and(other) --> np.logical_and(x, other)
x.logical_or(other) --> np.logical_or(x, other)
x.logical_not() --> np.logical_not(x)
x.maximum(other) --> np.maximum(x, other)
x.minimum(other) --> np.minimum(x, other)
x.clamp(min=None, max=None) --> np.clip(x, min, max)
x.clamp_(min=None, max=None) --> np.clip(x, min, max)
x.clamp_min(min) --> np.maximum(x, min)
x.clamp_max(max) --> np.minimum(x, max)
x.zero_() --> np.zeros_like(x)
x.fill_(value) --> np.full_like(x, value)
x.copy_(other) --> np.copy(other)
x.new_zeros(*shape) --> np.zeros(shape, x.dtype)
x.new_ones(*shape) --> np.ones(shape, x.dtype)
x.new_full(shape, value) --> np.full(shape, value, x.dtype)
x.new_empty(*shape) --> np.empty(shape, x.dtype)
x.new_tensor(values) --> np.array(values, x.dtype)
x.relu() --> np.maximum(x, 0)
x.relu_() --> np.maximum(x, 0)
x.sigmoid() --> wl.nn.sigmoid(x)
x.softmax(dim=-1) --> wl.nn.softmax(x, axis=dim)
x.log_softmax(dim=-1) --> wl.nn.log_softmax(x, axis=dim)
x.logsumexp(dim=None, keepdim=False) --> wl.nn.logsumexp(x, axis=dim, keepdims=keepdim)
x.rsqrt() --> 1 / np.sqrt(x)
x.erf() --> wl.special.erf(x)
x.erfc() --> wl.special.erfc(x)
x.lgamma() --> wl.special.gammaln(x)
x.digamma() --> wl.special.digamma(x)
x.norm(p=None, dim=None, keepdim=False) --> np.linalg.norm(x, p, axis=dim, keepdims=keepdim)
x.amax(dim=None, keepdim=False) --> np.max(x, axis=dim, keepdims=keepdim)
x.amin(dim=None, keepdim=False) --> np.min(x, axis=dim, keepdims=keepdim)
x.ptp(axis=None) --> np.ptp(x, axis=axis)
x.median(dim=None) --> np.median(x, axis=dim)
x.topk(k, dim=-1) --> wl.lax.top_k(x, k)
x.diff(n=1) --> np.diff(x, n)
x.cumsum_(dim) --> np.cumsum(x, axis=dim)
x.count_nonzero(dim=None) --> np.count_nonzero(x, axis=dim)
x.unique() --> wonderland.numpy.unique(x, size=n)
x.isna() --> np.isnan(x)
x.fillna(value) --> np.nan_to_num(x, nan=value)
x.inverse() --> np.linalg.inv(x)
x.det() --> np.linalg.det(x)
x.logdet() --> np.linalg.slogdet(x)[1]
x.pinverse() --> np.linalg.pinv(x)
x.cholesky() --> np.linalg.cholesky(x)
x.svd() --> np.linalg.svd(x, full_matrices=False)
x.qr() --> np.linalg.qr(x)
x.bernoulli() --> wl.random.bernoulli(key, x)
x.normal_(*_) --> wl.random.normal(key, x.shape)
x.uniform_(*_) --> wl.random.uniform(key, x.shape)
x.multinomial(n) --> wl.random.categorical(key, np.log(x))
x.iloc --> x
x.loc --> x
x.columns --> x.shape[1]
x.index --> np.arange(len(x))
x.head(n=5) --> x[:n]
x.tail(n=5) --> x[-n:]
x.apply(f) --> f(x)
x.applymap(f) --> f(x)
x.map(f) --> f(x)
x.append(value) --> np.append(x, value)
x.extend(values) --> np.append(x, values)
x.tobytes() --> the result of the function, outside of the traced function
x.tofile() --> the result of the function, outside of the traced function
x.dump() --> the result of the function, outside of the traced function
x.strides --> x.shape, in C order
x.flags --> x.shape and x.dtype, which are all that is known
x.ctypes --> the result of the function, outside of the traced function
x.setflags() --> x.at[i].set(v), which writes to nothing
x.byteswap() --> x
x.resize(*shape) --> np.resize(x, shape)
"""

NUMPYS = (
    "abs absolute acos acosh arccos arcsin arctan asin asinh atan atan2 atanh ceil cos cosh "
    "deg2rad exp exp2 expm1 floor floor_divide fmod hypot inner isfinite isinf isnan kron log "
    "log10 log1p log2 logaddexp nan_to_num rad2deg reciprocal remainder rint sign sin sinc sinh "
    "sqrt square tan tanh tensordot trunc vdot"
)
"""Functions of NumPy's that other libraries have as methods."""


@functools.cache
def patterns() -> dict[str, list[tuple[ast.expr, str]]]:
    """The lines of the table, by the name of the attribute."""
    found: dict[str, list[tuple[ast.expr, str]]] = {}
    methods = [
        f"x.{n}{end}(*args) --> np.{n}(x, *args)" for n in NUMPYS.split() for end in ("", "_")
    ]
    for line in TABLE.splitlines() + methods:
        left, right = line.split(" --> ")
        pattern = ast.parse(left, mode="eval").body
        attribute = pattern.func if isinstance(pattern, ast.Call) else pattern
        assert isinstance(attribute, ast.Attribute)
        found.setdefault(attribute.attr, []).append((pattern, right))
    return found


def meaning(at: Failed) -> Repair | None:
    """x.unsqueeze(0) --> np.expand_dims(x, 0), by the table."""
    attribute = at.node.func if isinstance(at.node, ast.Call) else at.node
    if not isinstance(attribute, ast.Attribute):
        return None
    above = at.around[0] if at.node is attribute and at.around else at.node
    call = above if isinstance(above, ast.Call) and above.func is attribute else None
    for pattern, right in patterns().get(attribute.attr, ()):
        wanted = isinstance(pattern, ast.Call)
        given = bound(pattern, call) if call and isinstance(pattern, ast.Call) else {}
        if given is None or (wanted and call is None) or not _fits(at, given):
            continue
        text = filled(at, right, {"x": attribute.value, **given})
        if not text:
            continue
        node = call if wanted and call else attribute
        return where_alone(at, node, attribute, text)
    return None


def bound(pattern: ast.Call, call: ast.Call) -> dict[str, Any] | None:
    """The nodes that a call has in the places of a pattern; None where they do not fit."""
    if any(isinstance(a, ast.Starred) for a in call.args) or any(not k.arg for k in call.keywords):
        return None
    defaults = {str(k.arg): k.value for k in pattern.keywords}
    names = [a.id for a in pattern.args if isinstance(a, ast.Name)] + [*defaults]
    rest = [a.value.id for a in pattern.args
            if isinstance(a, ast.Starred) and isinstance(a.value, ast.Name)]  # fmt: skip
    found: dict[str, Any] = dict(defaults)
    if rest:
        return {**found, rest[0]: call.args} if not call.keywords else None
    if len(call.args) > len(names) or any(k.arg not in names for k in call.keywords):
        return None
    found |= dict(zip(names, call.args, strict=False))
    found |= {str(k.arg): k.value for k in call.keywords}
    return found if all(n in found for n in names) else None


def _fits(at: Failed, given: dict[str, Any]) -> bool:
    """Whether what is given for a dtype is one, and what is given for sizes is none."""
    kinds = {k: [_is_dtype(at, n) for n in (v if isinstance(v, list) else [v])]
             for k, v in given.items()}  # fmt: skip
    return all(kinds.get("dtype", ())) and not any(kinds.get("shape", ()))


def _is_dtype(at: Failed, node: ast.AST) -> bool:
    match node:
        case ast.Constant(value=str(name)):
            return hasattr(np, name)
        case ast.Attribute(attr=name) if at.value(node) is None:
            return hasattr(np, name)
    found = at.value(node)
    return isinstance(found, (type, np.dtype))


class _Filling(ast.NodeTransformer):
    def __init__(self, at: Failed, given: dict[str, Any]) -> None:
        self.at, self.nodes, self.unknown = at, given, False

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id in ("np", "wl", "wonderland"):
            called = {"np": self.at.numpy, "wl": self.at.module("wonderland")}
            return ast.parse(called.get(node.id, node.id), mode="eval").body
        if node.id not in self.nodes:
            self.unknown |= node.id not in ("list", "len")
            return node
        found = self.nodes[node.id]
        if isinstance(found, list):
            return found[0] if len(found) == 1 else ast.Tuple(found, ast.Load())
        return found

    def visit_Call(self, node: ast.Call) -> ast.AST:
        node.keywords = [k for k in node.keywords if not self._is_usual(k.value)]
        for k, x in enumerate(node.args):
            if isinstance(x, ast.Starred) and isinstance(x.value, ast.Name):
                node.args[k : k + 1] = self.nodes[x.value.id]
        self.generic_visit(node)
        return node

    def _is_usual(self, node: ast.expr) -> bool:
        """Whether it is a parameter for which None or False is given, as by default."""
        found = self.nodes.get(node.id) if isinstance(node, ast.Name) else None
        return isinstance(found, ast.Constant) and (found.value is None or found.value is False)


def filled(at: Failed, meaning: str, given: dict[str, Any]) -> str:
    """The meaning with what is given in it; "" where there is no such expression."""
    try:
        tree = ast.parse(meaning, mode="eval").body
    except SyntaxError:
        return ""
    filling = _Filling(at, given)
    made = filling.visit(tree)
    return "" if filling.unknown else ast.unparse(ast.fix_missing_locations(made))


def where_alone(at: Failed, node: ast.expr, attribute: ast.Attribute, text: str) -> Repair:
    """x.add_(y) --> x = x + y, where it stands alone."""
    alone = isinstance(at.statement, ast.Expr) and at.statement.value is node
    if attribute.attr.endswith("_") and alone and isinstance(attribute.value, ast.Name):
        return at.statement, f"{attribute.value.id} = {text}"
    return node, text if isinstance(node, ast.Attribute) else _bracketed(at, node, text)


def _bracketed(at: Failed, node: ast.expr, text: str) -> str:
    """The text in brackets, where more than a comma or a statement is around it."""
    tree = ast.parse(text, mode="eval").body
    plain = isinstance(tree, (ast.Name, ast.Attribute, ast.Subscript, ast.Call))
    around = next((a for k, a in enumerate(at.around) if a is not node), None)
    return text if plain or isinstance(around, (ast.stmt, ast.Call)) else f"({text})"


def told(name: str) -> str:
    """What the table says of a name, for calls that it does not know."""
    found = patterns().get(name)
    return found[0][1] if found else ""


def nearest_attribute(names: list[str]) -> Any:
    """A rule: x.resahpe --> x.reshape, of the attributes that there are."""

    def rule(at: Failed) -> Repair | None:
        if isinstance(at.node, ast.Attribute) and not told(at.node.attr) and len(at.node.attr) > 3:
            import difflib  # only errors need it

            near = difflib.get_close_matches(at.node.attr, names, n=1, cutoff=0.75)
            if near:
                return at.node, f"{at.text(at.node.value)}.{near[0]}"
        return None

    return rule
