"""Gradients of operations against finite differences in double precision of NumPy's functions."""

import math

import numpy as np
import pytest

import metalpy as mp
from metalpy.fft.stockham import forget_tables
from metalpy.ops import composite

RNG = np.random.default_rng(7)


def uniform(*shape, low=0.5, high=1.5):
    return RNG.uniform(low, high, shape).astype(np.float32)


A, B, ROW, COLUMN = uniform(3, 4), uniform(3, 4), uniform(4), uniform(3, 1)
SIGNED = uniform(3, 4, low=-2, high=2)
CUBE = uniform(2, 3, 4)
SQUARE = uniform(2, 3, 3) + 2 * np.eye(3, dtype=np.float32)
INDEX = np.array([[2, 0], [2, 1]])
SIXES = uniform(2, 6, 2)
ALONG = np.array([[1, 1, 0, 2]])


def softmax(x, axis=-1):
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


# name: (ours, NumPy's, arguments)
CASES = {
    "add": (lambda a, b: a + b, None, (A, ROW)),
    "subtract": (lambda a, b: 2 - a - b, None, (COLUMN, ROW)),
    "multiply": (lambda a, b: 3 * a * b, None, (A, COLUMN)),
    "divide": (lambda a, b: 1 / a + a / b, None, (A, COLUMN)),
    "power": (lambda a, b: a**b + a**3 + 2**b, None, (A, ROW)),
    "remainder": (lambda a, b: a % b, None, (A + 2, B)),
    "negative": (lambda a: -a, None, (A,)),
    "abs": (mp.abs, np.abs, (SIGNED,)),
    "exp": (mp.exp, np.exp, (A,)),
    "expm1": (mp.expm1, np.expm1, (A,)),
    "log": (mp.log, np.log, (A,)),
    "log1p": (mp.log1p, np.log1p, (A,)),
    "log2": (mp.log2, np.log2, (A,)),
    "log10": (mp.log10, np.log10, (A,)),
    "sqrt": (mp.sqrt, np.sqrt, (A,)),
    "square": (mp.square, np.square, (A,)),
    "reciprocal": (mp.reciprocal, np.reciprocal, (A,)),
    "sin": (mp.sin, np.sin, (A,)),
    "cos": (mp.cos, np.cos, (A,)),
    "tan": (mp.tan, np.tan, (A / 2,)),
    "asin": (mp.asin, np.arcsin, (A / 2,)),
    "acos": (mp.acos, np.arccos, (A / 2,)),
    "atan": (mp.atan, np.arctan, (A,)),
    "sinh": (mp.sinh, np.sinh, (A,)),
    "cosh": (mp.cosh, np.cosh, (A,)),
    "tanh": (mp.tanh, np.tanh, (A,)),
    "asinh": (mp.asinh, np.arcsinh, (A,)),
    "acosh": (mp.acosh, np.arccosh, (A + 1,)),
    "atanh": (mp.atanh, np.arctanh, (A / 2,)),
    "erf": (mp.erf, np.vectorize(math.erf), (SIGNED,)),
    "floor": (mp.floor, np.floor, (A,)),
    "atan2": (mp.atan2, np.arctan2, (A, ROW)),
    "hypot": (mp.hypot, np.hypot, (A, ROW)),
    "logaddexp": (mp.logaddexp, np.logaddexp, (A, ROW)),
    "maximum": (mp.maximum, np.maximum, (A, B)),
    "minimum": (mp.minimum, np.minimum, (A, ROW)),
    "clip": (lambda a: mp.clip(a, -1, 1), lambda a: np.clip(a, -1, 1), (SIGNED,)),
    "clip by arrays": (lambda a, b, c: mp.clip(a, b - 1, c), lambda a, b, c: np.minimum(np.maximum(a, b - 1), c),
                       (SIGNED, A, uniform(4))),
    "copysign": (lambda a: mp.copysign(a * a, mp.array(B * SIGNED)), lambda a: np.copysign(a * a, B * SIGNED), (SIGNED,)),
    "where": (lambda a, b: mp.where(mp.array(SIGNED > 0), a, b * 2), lambda a, b: np.where(SIGNED > 0, a, b * 2),
              (A, ROW)),
    "sum": (lambda a: mp.sum(a, axis=1) ** 2, lambda a: np.sum(a, axis=1) ** 2, (A,)),
    "sum of all": (lambda a: mp.sum(a) ** 2, lambda a: np.sum(a) ** 2, (A,)),
    "mean": (lambda a: mp.mean(a, axis=(0, 2), keepdims=True) * a, lambda a: np.mean(a, axis=(0, 2), keepdims=True) * a,
             (CUBE,)),
    "prod": (lambda a: mp.prod(a, axis=0), lambda a: np.prod(a, axis=0), (A,)),
    "prod with zeros": (lambda a: mp.prod(a, axis=1), lambda a: np.prod(a, axis=1),
                        (np.array([[1, 0, 2], [0, 0, 3], [4, 5, 6]], np.float32),)),
    "max": (lambda a: mp.max(a, axis=1), lambda a: np.max(a, axis=1), (A,)),
    "min": (lambda a: mp.min(a), lambda a: np.min(a), (A,)),
    "var": (lambda a: mp.var(a, axis=-1, correction=1), lambda a: np.var(a, axis=-1, ddof=1), (CUBE,)),
    "std": (lambda a: mp.std(a, axis=0), lambda a: np.std(a, axis=0), (A,)),
    "var_mean": (lambda a: _both(composite.var_mean(a, (0, 2))),
                 lambda a: _both((np.var(a, axis=(0, 2), ddof=1), np.mean(a, axis=(0, 2)))), (CUBE,)),
    "var_mean of all": (lambda a: _both(composite.var_mean(a, correction=0.5, keepdim=True)),
                        lambda a: _both((np.var(a, ddof=0.5, keepdims=True), np.mean(a, keepdims=True))), (CUBE,)),
    "native_group_norm": (lambda a, w, b: _all_of(composite.native_group_norm(a, w, b, 2, 6, 2, 3, 0.1)),
                          lambda a, w, b: _all_of(_group_norm(a, w, b, 3, 0.1)), (SIXES, uniform(6), uniform(6))),
    "native_group_norm without weights": (
        lambda a: _all_of(composite.native_group_norm(a, None, None, 2, 6, 2, 2, 0.1)),
        lambda a: _all_of(_group_norm(a, np.ones(6), np.zeros(6), 2, 0.1)), (SIXES,)),
    "logsumexp": (lambda a: mp.logsumexp(a, axis=1), lambda a: np.log(np.exp(a).sum(axis=1)), (A,)),
    "softmax": (lambda a: mp.softmax(a, axis=0) ** 2, lambda a: softmax(a, 0) ** 2, (SIGNED,)),
    "log_softmax": (lambda a: mp.log_softmax(a) * a, lambda a: np.log(softmax(a)) * a, (SIGNED,)),
    "cumulative_sum": (lambda a: mp.cumulative_sum(a, axis=1) ** 2, lambda a: np.cumsum(a, axis=1) ** 2, (A,)),
    "cumulative_prod": (lambda a: mp.cumulative_prod(a, axis=0), lambda a: np.cumprod(a, axis=0), (A,)),
    "cumulative_prod with zeros": (lambda a: mp.cumulative_prod(a, axis=1, include_initial=True),
                                   lambda a: np.cumprod(np.c_[np.ones(2), a], axis=1), (np.array([[1, 2, 0, 3], [0, 2, 0, 4]], np.float32),)),
    "diff": (lambda a: mp.diff(a, axis=0) ** 2, lambda a: np.diff(a, axis=0) ** 2, (A,)),
    "diff with more": (lambda a, b: mp.diff(a, axis=1, prepend=b, append=2 * b) ** 2,
                       lambda a, b: np.diff(a, axis=1, prepend=b, append=2 * b) ** 2, (A, COLUMN)),
    "sort": (lambda a: mp.sort(a, axis=0) * mp.array(B), lambda a: np.sort(a, axis=0) * B, (A,)),
    "matmul": (lambda a, b: (a @ b.T) ** 2, None, (A, B)),
    "matmul of vectors": (lambda a, b: a @ b * a, None, (ROW, ROW + 1)),
    "vector by matrix": (lambda a, b: a @ b.T, None, (ROW, A)),
    "matrix by vector": (lambda a, b: (a @ b) ** 2, None, (CUBE, ROW)),
    "batches": (lambda a, b: (a @ b) ** 2, None, (CUBE, uniform(4, 5))),
    "vecdot": (lambda a, b: mp.vecdot(a, b) ** 2, lambda a, b: (a * b).sum(-1) ** 2, (A, ROW)),
    "tensordot": (lambda a, b: mp.tensordot(a, b, axes=((1, 2), (0, 1))),
                  lambda a, b: np.tensordot(a, b, axes=((1, 2), (0, 1))), (CUBE, A)),
    "inv": (lambda a: mp.linalg.inv(a), np.linalg.inv, (SQUARE,)),
    "solve": (lambda a, b: mp.linalg.solve(a, b), np.linalg.solve, (SQUARE, uniform(2, 3, 4))),
    "solve for a vector": (lambda a, b: mp.linalg.solve(a, b), np.linalg.solve, (SQUARE[0], uniform(3))),
    "det": (lambda a: mp.linalg.det(a), np.linalg.det, (SQUARE,)),
    "slogdet": (lambda a: mp.linalg.slogdet(a)[1], lambda a: np.linalg.slogdet(a)[1], (SQUARE,)),
    "slogdet of complex": (lambda a, b: _turned(mp.linalg.slogdet(a + 1j * b)),
                           lambda a, b: _turned(np.linalg.slogdet(a + 1j * b)), (SQUARE, SQUARE[::-1] - 2)),
    "cholesky": (lambda a: mp.linalg.cholesky(a @ mp.matrix_transpose(a)),
                 lambda a: np.linalg.cholesky(a @ a.swapaxes(-1, -2)), (SQUARE,)),
    "upper cholesky": (lambda a: mp.linalg.cholesky(a @ a.T, upper=True), lambda a: np.linalg.cholesky(a @ a.T).T,
                       (SQUARE[0],)),
    "matrix_power": (lambda a: mp.linalg.matrix_power(a, -2), lambda a: np.linalg.matrix_power(a, -2), (SQUARE,)),
    "diagonal": (lambda a: mp.linalg.diagonal(a, offset=1) ** 2, lambda a: np.diagonal(a, 1, -2, -1) ** 2, (CUBE,)),
    "trace": (lambda a: mp.linalg.trace(a, offset=-1) ** 2, lambda a: np.trace(a, -1, -2, -1) ** 2, (CUBE,)),
    "outer": (lambda a, b: mp.linalg.outer(a, b), np.outer, (ROW, uniform(3))),
    "cross": (lambda a, b: mp.linalg.cross(a, b, axis=0), lambda a, b: np.cross(a, b, axis=0), (A, B)),
    "vector_norm": (lambda a: mp.linalg.vector_norm(a, axis=(0, 2)), lambda a: np.sqrt((a * a).sum((0, 2))), (CUBE,)),
    "matrix_norm": (lambda a: mp.linalg.matrix_norm(a), lambda a: np.linalg.norm(a, axis=(-2, -1)), (CUBE,)),
    "matrix_norm of 1": (lambda a: mp.linalg.matrix_norm(a, ord=1, keepdims=True),
                         lambda a: np.linalg.norm(a, 1, axis=(-2, -1), keepdims=True), (CUBE - 1,)),
    "matrix_norm of infinity": (lambda a: mp.linalg.matrix_norm(a, ord=math.inf),
                                lambda a: np.linalg.norm(a, math.inf, axis=(-2, -1)), (CUBE - 1,)),
    "matrix_norm of 2": (lambda a: mp.linalg.matrix_norm(a, ord=2), lambda a: np.linalg.norm(a, 2, axis=(-2, -1)), (CUBE,)),
    "matrix_norm of -2": (lambda a: mp.linalg.matrix_norm(a, ord=-2), lambda a: np.linalg.norm(a, -2, axis=(-2, -1)),
                          (CUBE,)),
    "nuclear norm": (lambda a: mp.linalg.matrix_norm(a, ord="nuc"), lambda a: np.linalg.norm(a, "nuc", axis=(-2, -1)),
                     (CUBE,)),
    **{f"vector_norm of {n}": (lambda a, n=n: mp.linalg.vector_norm(a, axis=(0, 2), ord=n),
                               lambda a, n=n: np.sum(np.abs(a) ** n, axis=(0, 2)) ** (1 / n), (CUBE - 1,))
       for n in (1, 3, 0.5, -1.5)},
    "vector_norm of infinity": (lambda a: mp.linalg.vector_norm(a, axis=0, ord=math.inf, keepdims=True),
                                lambda a: np.abs(a).max(0, keepdims=True), (SIGNED,)),
    "vector_norm of minus infinity": (lambda a: mp.linalg.vector_norm(a, ord=-math.inf), lambda a: np.abs(a).min(), (SIGNED,)),
    "eigh": (lambda a: _eigh(mp.linalg.eigh(_symmetric(a))), lambda a: _eigh(np.linalg.eigh(_symmetric(a))), (SQUARE,)),
    "eigh of complex": (lambda a, b: _eigh(mp.linalg.eigh(_hermitian(a + 1j * b))),
                        lambda a, b: _eigh(np.linalg.eigh(_hermitian(a + 1j * b))), (SQUARE, uniform(3, 3))),
    "eigvalsh": (lambda a: mp.linalg.eigvalsh(_symmetric(a)) ** 2, lambda a: np.linalg.eigvalsh(_symmetric(a)) ** 2,
                 (SQUARE,)),
    **{f"svd of {name}": (lambda a, full=full: _svd(mp.linalg.svd(a, full_matrices=full)),
                          lambda a: _svd(np.linalg.svd(a, full_matrices=False)), (x,))
       for name, x, full in (("square", SQUARE, True), ("tall", CUBE.swapaxes(1, 2), False), ("wide", CUBE, False))},
    **{f"svd of complex {name}": (lambda a, b: _svd(mp.linalg.svd(a + 1j * b, full_matrices=False)),
                                  lambda a, b: _svd(np.linalg.svd(a + 1j * b, full_matrices=False)), (x, x[..., ::-1, :] - 1))
       for name, x in (("square", SQUARE[0]), ("tall", CUBE[0].T), ("wide", CUBE[0]))},
    "svd of all": (lambda a: mp.linalg.svd(a).S ** 2, lambda a: np.linalg.svd(a)[1] ** 2, (CUBE,)),
    "svdvals": (lambda a: mp.linalg.svdvals(a), lambda a: np.linalg.svd(a)[1], (CUBE,)),
    **{f"qr of {name}": (lambda a, mode=mode: _qr(mp.linalg.qr(a, mode=mode)), lambda a: _qr(_numpy_qr(a)), (x,))
       for name, x, mode in (("square", SQUARE, "reduced"), ("tall", CUBE.swapaxes(1, 2), "reduced"),
                             ("wide", CUBE, "complete"))},
    **{f"qr of complex {name}": (lambda a, b: _qr(mp.linalg.qr(a + 1j * b)), lambda a, b: _qr(_numpy_qr(a + 1j * b)),
                                 (x, x[..., ::-1, :] - 1))
       for name, x in (("square", SQUARE[0]), ("tall", CUBE[0].T), ("wide", CUBE[0]))},
    **{f"pinv of {name}": (lambda a: mp.linalg.pinv(a) ** 2, lambda a: np.linalg.pinv(a) ** 2, (x,))
       for name, x in (("square", SQUARE), ("tall", CUBE.swapaxes(1, 2)), ("wide", CUBE))},
    "pinv of complex": (lambda a, b: mp.abs(mp.linalg.pinv(a + 1j * b)), lambda a, b: np.abs(np.linalg.pinv(a + 1j * b)),
                        (CUBE[0], CUBE[1])),
    "fft": (lambda a: mp.abs(mp.fft.fft(a, n=5, axis=0)), lambda a: np.abs(np.fft.fft(a, n=5, axis=0)), (A,)),
    "ifft": (lambda a: mp.real(mp.fft.ifft(a, n=3, norm="ortho")),
             lambda a: np.real(np.fft.ifft(a, n=3, norm="ortho")), (A,)),
    "rfft": (lambda a: mp.abs(mp.fft.rfft(a, norm="forward")), lambda a: np.abs(np.fft.rfft(a, norm="forward")), (CUBE,)),
    "irfft": (lambda a: mp.fft.irfft(a * (1 + 2j), n=7), lambda a: np.fft.irfft(a * (1 + 2j), n=7), (CUBE,)),
    "irfft of an even length": (lambda a: mp.fft.irfft(a * (2 - 1j)), lambda a: np.fft.irfft(a * (2 - 1j)), (A,)),
    **{f"{name} {options}": (lambda a, b, name=name, options=options: mp.real((2 + 1j) * getattr(mp.fft, name)(a + 1j * b, **options)),
                             lambda a, b, name=name, options=options: np.real((2 + 1j) * getattr(np.fft, name)(a + 1j * b, **options)),
                             (CUBE, CUBE[::-1, :, ::-1] - 1.3))
       for name in ("fftn", "ifftn", "irfftn", "fft", "ifft", "irfft", "hfft")
       for options in (({}, {"norm": "ortho"}, {"s": (4, 3), "axes": (2, 0), "norm": "forward"}) if name.endswith("n") else
                       ({"norm": "ortho", "n": 9}, {"norm": "forward", "axis": 1}))},
    **{f"{name} {options}": (lambda a, name=name, options=options: mp.real((2 + 1j) * getattr(mp.fft, name)(a, **options)),
                             lambda a, name=name, options=options: np.real((2 + 1j) * getattr(np.fft, name)(a, **options)), (CUBE - 0.7,))
       for name in ("rfftn", "fftn", "rfft", "ihfft")
       for options in (({}, {"norm": "ortho"}, {"s": (3, 5), "axes": (2, 1), "norm": "forward"}) if name.endswith("n") else
                       ({"norm": "ortho", "n": 3}, {"norm": "forward", "axis": 1}))},
    "fftshift": (lambda a: mp.fft.fftshift(a)[0] ** 2, lambda a: np.fft.fftshift(a)[0] ** 2, (A,)),
    "asarray": (lambda a: mp.abs(mp.asarray(a, dtype="complex64") * 1j), lambda a: np.abs(a * 1j), (A,)),
    "reshape": (lambda a: a.reshape(2, 6)[0] ** 2, None, (A,)),
    "transpose": (lambda a: a.transpose(2, 0, 1)[1:] ** 2, None, (CUBE,)),
    "permute_dims": (lambda a: mp.permute_dims(a, (1, 2, 0))[1:] ** 2, lambda a: a.transpose(1, 2, 0)[1:] ** 2, (CUBE,)),
    "moveaxis": (lambda a: mp.moveaxis(a, 0, -1)[1:] ** 2, lambda a: np.moveaxis(a, 0, -1)[1:] ** 2, (CUBE,)),
    "T": (lambda a: a.T[1:] ** 2, None, (A,)),
    "slices": (lambda a: a[::2, 1:] * a[None, 1, ..., :3], None, (A,)),
    "index arrays": (lambda a: a[mp.array(INDEX), 1] ** 2, lambda a: a[INDEX, 1] ** 2, (A,)),
    "mask": (lambda a: a[mp.array(SIGNED > 0)] ** 2, lambda a: a[SIGNED > 0] ** 2, (A,)),
    "take": (lambda a: mp.take(a, mp.array([2, 2, 0]), axis=1) ** 2, lambda a: np.take(a, [2, 2, 0], axis=1) ** 2, (A,)),
    "take_along_axis": (lambda a: mp.take_along_axis(a, mp.array(ALONG), axis=0) ** 2,
                        lambda a: np.take_along_axis(a, ALONG, axis=0) ** 2, (A,)),
    "broadcast_to": (lambda a: mp.broadcast_to(a, (2, 3, 4)) ** 2, lambda a: np.broadcast_to(a, (2, 3, 4)) ** 2, (ROW,)),
    "concat": (lambda a, b: mp.concat([a, b, a], axis=1) ** 2, lambda a, b: np.concatenate([a, b, a], axis=1) ** 2,
               (A, COLUMN)),
    "concat flat": (lambda a, b: mp.concat([a, b], axis=None) ** 2, lambda a, b: np.concatenate([a, b], axis=None) ** 2,
                    (A, ROW)),
    "stack": (lambda a, b: mp.stack([a, b], axis=1) ** 2, lambda a, b: np.stack([a, b], axis=1) ** 2, (A, B)),
    "unstack": (lambda a: mp.unstack(a, axis=1)[2] ** 2, lambda a: a[:, 2] ** 2, (A,)),
    "flip": (lambda a: mp.flip(a)[0] ** 2, lambda a: np.flip(a)[0] ** 2, (A,)),
    "roll": (lambda a: mp.roll(a, 1, axis=1)[:, :2] ** 2, lambda a: np.roll(a, 1, axis=1)[:, :2] ** 2, (A,)),
    "tile": (lambda a: mp.tile(a, (2, 1, 2)) ** 2, lambda a: np.tile(a, (2, 1, 2)) ** 2, (A,)),
    "repeat": (lambda a: mp.repeat(a, 2, axis=0) ** 2, lambda a: np.repeat(a, 2, axis=0) ** 2, (A,)),
    "tril": (lambda a: mp.tril(a, k=1) ** 2, lambda a: np.tril(a, k=1) ** 2, (A,)),
    "triu": (lambda a: mp.triu(a) ** 2, lambda a: np.triu(a) ** 2, (A,)),
    "expand and squeeze": (lambda a: mp.squeeze(mp.expand_dims(a, axis=1) ** 2, axis=1), lambda a: a**2, (A,)),
    "in place on new arrays": (lambda a: _in_place(a), lambda a: a * 2 + a * a, (A,)),
    "absolute of complex": (lambda a: mp.abs(a * 1j + a * a), lambda a: np.abs(a * 1j + a * a), (A,)),
}  # fmt: skip


def _in_place(a):
    y = a * 2
    y += a * a
    return y


def _turned(found):
    sign, logarithm = found
    return abs(sign - (0.3 + 2j)) + logarithm


def _both(found):
    variance, mean = found
    return variance * mean**2


def _group_norm(a, weight, bias, groups, eps):
    parts = a.reshape(2, groups, -1)
    mean, rstd = parts.mean(-1), 1 / np.sqrt(parts.var(-1) + eps)
    out = ((parts - mean[..., None]) * rstd[..., None]).reshape(a.shape)
    return out * weight[:, None] + bias[:, None], mean, rstd


def _all_of(found):
    out, mean, rstd = found
    return out.reshape(2, -1) ** 2 * (mean * rstd**2)[:, :1]


def _symmetric(a):
    return a + a.swapaxes(-1, -2) if isinstance(a, np.ndarray) else a + mp.matrix_transpose(a)


def _hermitian(a):
    return a + a.conj().swapaxes(-1, -2) if isinstance(a, np.ndarray) else a + mp.conj(mp.matrix_transpose(a))


def _eigh(found):
    """What the phases of vectors do not change."""
    values, vectors = found
    return abs(vectors) ** 2 * values[..., None, :] ** 2


def _svd(found):
    """What the phases of vectors do not change: of their products, each with its own kind."""
    left, values, right = found
    whole = (left * values[..., None, :] ** 2) @ right
    return abs(whole) + (abs(left) ** 2 * values[..., None, :]) @ abs(right) ** 2


def _numpy_qr(a):
    """With a diagonal of R that is not negative."""
    q, r = np.linalg.qr(a)
    phases = np.diagonal(r, 0, -2, -1)
    phases = phases / abs(phases)
    return q * phases[..., None, :], r * phases.conj()[..., :, None]


def _qr(found):
    q, r = found
    if isinstance(q, np.ndarray):
        return np.concatenate(
            [(q * (2 + 1j)).real, abs(r) ** 2 + (r * (1 + 1j)).real], axis=-1 if q.shape[-2] == r.shape[-2] else -2
        )
    parts = [mp.real(q * (2 + 1j)), abs(r) ** 2 + mp.real(r * (1 + 1j))]
    return mp.concat(parts, axis=-1 if q.shape[-2] == r.shape[-2] else -2)


def weights(shape):
    return np.cos(np.arange(math.prod(shape), dtype=np.float32)).reshape(shape)


def differences(function, arguments, number, step=1e-4):
    """The gradient of ``sum(function * weights)`` by central differences, in double precision."""
    gradient = np.zeros(arguments[number].shape)
    for place in np.ndindex(gradient.shape):
        sides = []
        for sign in (1, -1):
            moved = [x.astype(np.float64) for x in arguments]
            moved[number][place] += sign * step
            value = np.asarray(function(*moved))
            sides.append((value * weights(value.shape)).sum())
        gradient[place] = (sides[0] - sides[1]) / (2 * step)
    return gradient


@pytest.fixture(autouse=True)
def no_tables():
    """Tables of transforms stay in memory, which the check for leaks would find."""
    yield
    forget_tables()


@pytest.mark.parametrize("name", CASES)
def test_gradient(device, name):
    ours, reference, arguments = CASES[name]

    def total(*arrays):
        value = ours(*arrays)
        return mp.sum(value * mp.array(weights(value.shape), device=device))

    given = [mp.array(x, device=device) for x in arguments]
    _, gradients = mp.value_and_grad(total, argnums=tuple(range(len(given))))(*given)
    for number, gradient in enumerate(gradients):
        expected = differences(reference or ours, arguments, number)
        assert gradient.dtype == np.float32
        assert gradient.shape == expected.shape
        np.testing.assert_allclose(gradient.numpy(), expected, rtol=2e-3, atol=2e-4)
