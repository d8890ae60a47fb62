"""Gradients of array functions against PyTorch's."""

import math

import numpy as np
import pytest

import metalpy as mp
from metalpy.fft.stockham import forget_tables

torch = pytest.importorskip("torch", reason="torch is not installed")
pytestmark = pytest.mark.usefixtures("device")
RNG = np.random.default_rng(17)


def normal(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def positive(*shape):
    return RNG.uniform(0.2, 1.8, shape).astype(np.float32)


X, Y, ROW = normal(3, 4), normal(3, 4), normal(4)
P, Q = positive(3, 4), positive(3, 4)
CUBE = normal(2, 3, 4)
SQUARE = normal(2, 3, 3) + 3 * np.eye(3, dtype=np.float32)
EDGES = np.array([-1.0, -0.0, 0.0, 0.5, 1.0, 2.0], np.float32)
PLACES = np.array([[2, 0, 1, 1], [0, 0, 2, 2]])
WITH_ZEROS = np.array([[1, 0, 2, 0], [3, 1, 4, 2], [0, 5, 0, 6]], np.float32)

SAME = {  # of the same name and arguments in both
    **dict.fromkeys(["abs", "asinh", "atan", "ceil", "cos", "cosh", "erf", "exp", "expm1", "floor", "negative", "positive",
                     "round", "sign", "sin", "sinh", "square", "tan", "tanh", "trunc"], (X,)),
    **dict.fromkeys(["log", "log10", "log1p", "log2", "reciprocal", "sqrt"], (P,)),
    **dict.fromkeys(["acos", "asin", "atanh"], (P / 2,)),
    "acosh": (P + 1,),
    **dict.fromkeys(["add", "atan2", "copysign", "divide", "hypot", "logaddexp", "maximum", "minimum", "multiply",
                     "subtract"], (X, ROW + 0.1)),
    "remainder": (X, ROW + 0.1),
    "pow": (P, ROW),
    **dict.fromkeys(["matmul", "tril", "triu"], ()),
}  # fmt: skip
SAME = {name: given for name, given in SAME.items() if given}

# name: (ours, theirs, arguments)
CASES = {
    **{name: (lambda *x, name=name: getattr(mp, name)(*x), lambda *x, name=name: getattr(torch, name)(*x), given)
       for name, given in SAME.items()},
    "abs at edges": (mp.abs, torch.abs, (EDGES,)),
    "sign at edges": (mp.sign, torch.sign, (EDGES,)),
    "pow of numbers": (lambda x: x**3 + x**2 + x**1 + x**0, lambda x: x**3 + x**2 + x**1 + x**0, (EDGES,)),
    "number to the power": (lambda x: 2**x, lambda x: 2**x, (X,)),
    "pow of zero": (mp.pow, torch.pow, (np.array([0.0, 0.0, 2.0], np.float32), np.array([2.0, 1.0, 0.0], np.float32))),
    "equal maximum": (mp.maximum, torch.maximum, (EDGES, np.abs(EDGES))),
    "clip at its bounds": (lambda x: mp.clip(x, 0, 1), lambda x: torch.clamp(x, 0, 1), (EDGES,)),
    "clip by arrays": (mp.clip, torch.clamp, (X, ROW - 1, ROW + 0.2)),
    "clip the wrong way round": (mp.clip, torch.clamp, (X, ROW + 1, ROW)),
    "where": (lambda x, y: mp.where(x > 0, x * y, y), lambda x, y: torch.where(x > 0, x * y, y), (X, Y)),
    "sum": (lambda x: mp.sum(x, axis=(0, 2)), lambda x: torch.sum(x, (0, 2)), (CUBE,)),
    "mean": (lambda x: mp.mean(x, axis=1, keepdims=True), lambda x: torch.mean(x, 1, keepdim=True), (CUBE,)),
    "prod": (lambda x: mp.prod(x, axis=1), lambda x: torch.prod(x, 1), (WITH_ZEROS,)),
    "prod of all": (mp.prod, torch.prod, (P,)),
    "max": (lambda x: mp.max(x, axis=1), lambda x: torch.amax(x, 1), (WITH_ZEROS,)),
    "min": (lambda x: mp.min(x, axis=(0, 1)), lambda x: torch.amin(x, (0, 1)), (WITH_ZEROS,)),
    "var": (lambda x: mp.var(x, axis=(0, 1), correction=1), lambda x: torch.var(x, (0, 1)), (CUBE,)),
    "std": (lambda x: mp.std(x, axis=2), lambda x: torch.std(x, 2, correction=0), (CUBE,)),
    "std of equal elements": (lambda x: mp.std(x, axis=1), lambda x: torch.std(x, 1, correction=0),
                              (np.array([[2, 2], [1, 3]], np.float32),)),
    "logsumexp": (lambda x: mp.logsumexp(x, axis=(0, 2)), lambda x: torch.logsumexp(x, (0, 2)), (CUBE,)),
    "softmax": (lambda x: mp.softmax(x, axis=1), lambda x: torch.softmax(x, 1), (CUBE,)),
    "log_softmax": (lambda x: mp.log_softmax(x, axis=0), lambda x: torch.log_softmax(x, 0), (CUBE,)),
    "cumulative_sum": (lambda x: mp.cumulative_sum(x, axis=1), lambda x: torch.cumsum(x, 1), (CUBE,)),
    "cumulative_prod": (lambda x: mp.cumulative_prod(x, axis=1), lambda x: torch.cumprod(x, 1), (WITH_ZEROS,)),
    "diff": (lambda x, y: mp.diff(x, n=2, prepend=y), lambda x, y: torch.diff(x, n=2, prepend=y), (X, Y)),
    "sort": (lambda x: mp.sort(x, axis=1, descending=True), lambda x: torch.sort(x, 1, descending=True)[0], (CUBE,)),
    "take_along_axis": (lambda x: mp.take_along_axis(x, mp.array(PLACES), axis=0),
                        lambda x: torch.take_along_dim(x, torch.tensor(PLACES), 0), (X,)),
    "take": (lambda x: mp.take(x, mp.array([1, 1, 2]), axis=1), lambda x: x[:, [1, 1, 2]], (CUBE,)),
    "matmul": (mp.matmul, torch.matmul, (CUBE, normal(4, 5))),
    "matmul of batches": (mp.matmul, torch.matmul, (normal(3, 1, 2, 4), normal(5, 4, 3))),
    "tensordot": (lambda x, y: mp.tensordot(x, y, axes=((1, 2), (0, 1))), lambda x, y: torch.tensordot(x, y, ((1, 2), (0, 1))),
                  (CUBE, X)),
    "vecdot": (mp.vecdot, torch.linalg.vecdot, (X, ROW)),
    "concat": (lambda x, y: mp.concat([x, y, x], axis=1), lambda x, y: torch.cat([x, y, x], 1), (X, Y)),
    "stack": (lambda x, y: mp.stack([x, y], axis=-1), lambda x, y: torch.stack([x, y], -1), (X, Y)),
    "tile": (lambda x: mp.tile(x, (2, 1, 3)), lambda x: torch.tile(x, (2, 1, 3)), (X,)),
    "repeat": (lambda x: mp.repeat(x, mp.array([1, 0, 3]), axis=0),
               lambda x: torch.repeat_interleave(x, torch.tensor([1, 0, 3]), 0), (X,)),
    "roll": (lambda x: mp.roll(x, (1, -1), axis=(0, 1)), lambda x: torch.roll(x, (1, -1), (0, 1)), (X,)),
    "flip": (lambda x: mp.flip(x, axis=(0, 2)), lambda x: torch.flip(x, (0, 2)), (CUBE,)),
    "tril": (lambda x: mp.tril(x, k=-1), lambda x: torch.tril(x, -1), (CUBE,)),
    "triu": (lambda x: mp.triu(x, k=1), lambda x: torch.triu(x, 1), (CUBE,)),
    "broadcast": (lambda x: mp.broadcast_to(x, (3, 4)) * 2, lambda x: torch.broadcast_to(x, (3, 4)) * 2, (ROW,)),
    "inv": (mp.linalg.inv, torch.linalg.inv, (SQUARE,)),
    "solve": (mp.linalg.solve, torch.linalg.solve, (SQUARE, normal(2, 3, 2))),
    "det": (mp.linalg.det, torch.linalg.det, (SQUARE,)),
    "slogdet": (lambda x: mp.linalg.slogdet(x).logabsdet, lambda x: torch.linalg.slogdet(x)[1], (SQUARE,)),
    "cholesky": (lambda x: mp.linalg.cholesky(x @ x.mT), lambda x: torch.linalg.cholesky(x @ x.mT), (SQUARE,)),
    "eigh": (lambda x: abs(mp.linalg.eigh(x + x.mT)[1]) * mp.linalg.eigh(x + x.mT)[0][..., None],
             lambda x: abs(torch.linalg.eigh(x + x.mT)[1]) * torch.linalg.eigh(x + x.mT)[0][..., None], (SQUARE,)),
    "eigvalsh": (lambda x: mp.linalg.eigvalsh(x + x.mT), lambda x: torch.linalg.eigvalsh(x + x.mT), (SQUARE,)),
    **{f"svd of {x.shape}": (lambda x: _whole(mp.linalg.svd(x, full_matrices=False)),
                             lambda x: _whole(torch.linalg.svd(x, full_matrices=False)), (x,))
       for x in (SQUARE, CUBE, CUBE.swapaxes(1, 2).copy())},
    "svdvals": (mp.linalg.svdvals, torch.linalg.svdvals, (CUBE,)),
    **{f"qr of {x.shape}": (lambda x: mp.concat([abs(part) for part in mp.linalg.qr(x)], axis=-1),
                            lambda x: torch.cat([abs(part) for part in torch.linalg.qr(x)], -1), (x,))
       for x in (SQUARE, CUBE)},
    **{f"pinv of {x.shape}": (mp.linalg.pinv, torch.linalg.pinv, (x,)) for x in (SQUARE, CUBE, X)},
    "matrix_power": (lambda x: mp.linalg.matrix_power(x, 3), lambda x: torch.linalg.matrix_power(x, 3), (SQUARE,)),
    "cross": (lambda x, y: mp.linalg.cross(x, y, axis=0), lambda x, y: torch.linalg.cross(x, y, dim=0), (X, Y)),
    "outer": (mp.linalg.outer, torch.outer, (ROW, X[0])),
    "trace": (mp.linalg.trace, lambda x: x.diagonal(dim1=-2, dim2=-1).sum(-1), (SQUARE,)),
    **{f"vector_norm of {n}": (lambda x, n=n: mp.linalg.vector_norm(x, axis=1, ord=n),
                               lambda x, n=n: torch.linalg.vector_norm(x, n, 1), (np.r_[X, WITH_ZEROS[:2]],))
       for n in (1, 2, 3, math.inf, -math.inf)},
    "vector_norm of 0": (lambda x: mp.linalg.vector_norm(x, ord=0), lambda x: torch.linalg.vector_norm(x, 0), (X,)),
    **{f"matrix_norm of {n}": (lambda x, n=n: mp.linalg.matrix_norm(x, ord=n), lambda x, n=n: torch.linalg.matrix_norm(x, n),
                               (CUBE,)) for n in ("fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf)},
    **{f"{name} by {norm}": (
        lambda x, y, name=name, norm=norm: abs(getattr(mp.fft, name)(x + 1j * y, norm=norm)),
        lambda x, y, name=name, norm=norm: abs(getattr(torch.fft, name)(x + 1j * y, norm=norm)), (CUBE, normal(2, 3, 4)))
       for name in ("fft", "ifft", "irfft", "hfft", "fftn", "ifftn", "irfftn") for norm in ("backward", "ortho", "forward")},
    **{f"{name} by {norm}": (lambda x, name=name, norm=norm: abs(getattr(mp.fft, name)(x, norm=norm)),
                             lambda x, name=name, norm=norm: abs(getattr(torch.fft, name)(x, norm=norm)), (CUBE,))
       for name in ("rfft", "ihfft", "rfftn") for norm in ("backward", "ortho", "forward")},
    "real, imag, conj": (lambda x, y: mp.real(mp.conj(x + 1j * y)) * mp.imag((x + 1j * y) ** 2),
                         lambda x, y: torch.real(torch.conj(x + 1j * y)) * torch.imag((x + 1j * y) ** 2), (X, Y)),
    **{f"complex {name}": (lambda x, y, name=name: abs(getattr(mp, name)(x + 1j * y)),
                           lambda x, y, name=name: abs(getattr(torch, name)(x + 1j * y)), (X, Y))
       for name in ("exp", "expm1", "log", "log1p", "log2", "log10", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh",
                    "asin", "acos", "atan", "asinh", "acosh", "atanh", "square", "reciprocal", "negative", "positive")},
    **{f"complex {name}": (lambda x, y, function=function: abs(function(mp, x + 1j * y, y - 1j * x + 0.3)),
                           lambda x, y, function=function: abs(function(torch, x + 1j * y, y - 1j * x + 0.3)), (X, Y))
       for name, function in (("arithmetic", lambda m, a, b: a * b + a / b - 2j * a + 1j / b),
                              ("powers", lambda m, a, b: a**2 + a**-1.5 + 2**b + a**b),
                              ("sum and mean", lambda m, a, b: m.sum(a * b) * m.mean(a)),
                              ("product", lambda m, a, b: m.prod(a) + b[0]), ("matmul", lambda m, a, b: a @ b.T),
                              ("matrices", lambda m, a, b: m.linalg.inv(a.mT @ b + 3 * m.eye(4)) @ b.mT),
                              ("norm", lambda m, a, b: m.linalg.vector_norm(a) * b),
                              ("determinants", lambda m, a, b: m.linalg.det(a @ b.mT)))},
    "complex cumulative product": (lambda x, y: abs(mp.cumulative_prod(x + 1j * y, axis=1)),
                                   lambda x, y: abs(torch.cumprod(x + 1j * y, 1)), (X, Y)),
    "slogdet of complex": (lambda x, y: sum(abs(part + 2j) for part in mp.linalg.slogdet(x + 1j * y)),
                           lambda x, y: sum(abs(part + 2j) for part in torch.linalg.slogdet(x + 1j * y)),
                           (SQUARE, normal(2, 3, 3))),
    "mT": (lambda x: x.mT * 2, lambda x: x.mT * 2, (CUBE,)),
    "T": (lambda x: x.T * 2, lambda x: x.T * 2, (X,)),
}  # fmt: skip


def _whole(found):
    left, values, right = found
    return (left * values[..., None, :] ** 2) @ right


@pytest.fixture(autouse=True)
def no_tables():
    """Tables of transforms stay in memory, which the check for leaks would find."""
    yield
    forget_tables()


@pytest.mark.parametrize("name", CASES)
def test_gradient(name):
    ours, theirs, given = CASES[name]
    tensors = [torch.tensor(x, requires_grad=True) for x in given]
    expected = theirs(*tensors)
    weights = np.random.default_rng(3).normal(size=expected.shape).astype(np.float32)
    (expected * torch.tensor(weights)).sum().backward()

    def total(*arrays):
        found = ours(*arrays)
        return mp.sum(found * mp.array(weights)), found

    numbers = tuple(range(len(given)))
    gradients, found = mp.grad(total, numbers, has_aux=True)(*map(mp.array, given))
    np.testing.assert_allclose(found.numpy(), expected.detach().numpy(), rtol=1e-4, atol=2e-5)
    for n, (gradient, x) in enumerate(zip(gradients, tensors, strict=True)):
        wanted = np.zeros(x.shape) if x.grad is None else x.grad.numpy()
        np.testing.assert_allclose(gradient.numpy(), wanted, rtol=1e-3, atol=1e-3 * max(1, np.abs(wanted).max()) / 10,
                                   err_msg=f"argument {n}")  # fmt: skip


def test_second_derivatives():
    x = np.array([0.3, -0.7, 1.2], np.float32)
    for name in ("tanh", "exp", "sin", "erf", "square"):
        tensor = torch.tensor(x, requires_grad=True)
        (slope,) = torch.autograd.grad((getattr(torch, name)(tensor) * tensor).sum(), tensor, create_graph=True)
        (slope**2).sum().backward()
        first = mp.grad(lambda x, name=name: mp.sum(getattr(mp, name)(x) * x))
        found = mp.grad(lambda x, first=first: mp.sum(first(x) ** 2))(mp.array(x))
        np.testing.assert_allclose(found.numpy(), tensor.grad.numpy(), rtol=1e-4, atol=1e-6, err_msg=name)
