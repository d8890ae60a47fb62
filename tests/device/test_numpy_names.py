"""Functions, methods and habits of NumPy that the array API standard does not have, against NumPy itself."""

from __future__ import annotations

import numpy as np
import pytest

import metalpy as mp

pytestmark = pytest.mark.usefixtures("device")

RNG = np.random.default_rng(7)
A = RNG.normal(size=(3, 4)).astype(np.float32)
B = np.array([3, 1, 2, 3, 0, 1], np.int32)
C = RNG.normal(size=(2, 3, 4)).astype(np.float32)
HOLES = np.array([[1.0, np.nan, 3.0], [-np.inf, 2.0, np.inf]], np.float32)
Z = np.array([1 + 2j, -3j], np.complex64)

# Each is called with NumPy and its arrays, and with metalpy and the same as Arrays.
CALLS = {
    "concatenate": lambda m, a, b, c: m.concatenate([a, a], 1),
    "stack by position": lambda m, a, b, c: m.stack([a, a], 1),
    "vstack": lambda m, a, b, c: m.vstack([b, b]),
    "hstack": lambda m, a, b, c: m.hstack([a, a]),
    "hstack of rows": lambda m, a, b, c: m.hstack([b, b]),
    "dstack": lambda m, a, b, c: m.dstack([a, a]),
    "column_stack": lambda m, a, b, c: m.column_stack([b, b]),
    "append": lambda m, a, b, c: m.append(a, a[:1], 0),
    "append flat": lambda m, a, b, c: m.append(a, b),
    "array_split": lambda m, a, b, c: m.array_split(b, 4)[1],
    "split at places": lambda m, a, b, c: m.split(a, [1, 3], axis=1)[1],
    "hsplit": lambda m, a, b, c: m.hsplit(a, 2)[1],
    "vsplit": lambda m, a, b, c: m.vsplit(a, 3)[2],
    "pad": lambda m, a, b, c: m.pad(a, ((1, 2), (0, 3)), constant_values=5),
    "pad edge": lambda m, a, b, c: m.pad(a, 2, mode="edge"),
    "pad reflect": lambda m, a, b, c: m.pad(a, 2, mode="reflect"),
    "pad wrap": lambda m, a, b, c: m.pad(b, (2, 1), mode="wrap"),
    "ravel": lambda m, a, b, c: m.ravel(a.T),
    "transpose": lambda m, a, b, c: m.transpose(c, (1, 2, 0)),
    "swapaxes": lambda m, a, b, c: m.swapaxes(c, 0, -1),
    "atleast_3d": lambda m, a, b, c: m.atleast_3d(a),
    "rot90": lambda m, a, b, c: m.rot90(a),
    "rot90 thrice": lambda m, a, b, c: m.rot90(a, 3),
    "rot90 twice": lambda m, a, b, c: m.rot90(a, 2),
    "fliplr": lambda m, a, b, c: m.fliplr(a),
    "flip by position": lambda m, a, b, c: m.flip(a, 0),
    "roll by position": lambda m, a, b, c: m.roll(a, 1, 0),
    "take by position": lambda m, a, b, c: m.take(a, b[1:3], 0),
    "repeat by position": lambda m, a, b, c: m.repeat(a, 2, 1),
    "squeeze all": lambda m, a, b, c: m.squeeze(a[None, ..., None]),
    "triu by position": lambda m, a, b, c: m.triu(a, 1),
    "tri": lambda m, a, b, c: m.tri(3, 4, 1),
    "identity": lambda m, a, b, c: m.identity(3),
    "diag of a matrix": lambda m, a, b, c: m.diag(a, 1),
    "diag": lambda m, a, b, c: m.diag(b, 2),
    "diag below": lambda m, a, b, c: m.diag(b, -1),
    "diagonal": lambda m, a, b, c: m.diagonal(c),
    "trace": lambda m, a, b, c: m.trace(c, 1),
    "dot": lambda m, a, b, c: m.dot(a.T, a),
    "dot of more axes": lambda m, a, b, c: m.dot(a, c.swapaxes(1, 2)),
    "dot of a number": lambda m, a, b, c: m.dot(a, 2.0),
    "inner": lambda m, a, b, c: m.inner(c, a),
    "outer": lambda m, a, b, c: m.outer(a, b),
    "vdot": lambda m, a, b, c: m.vdot(a, a),
    "cross": lambda m, a, b, c: m.cross(a[:, :3], a[:, 1:]),
    "cumsum": lambda m, a, b, c: m.cumsum(a),
    "cumprod": lambda m, a, b, c: m.cumprod(a, axis=1),
    "where of one": lambda m, a, b, c: m.where(a > 0)[1],
    "argwhere": lambda m, a, b, c: m.argwhere(a > 0),
    "flatnonzero": lambda m, a, b, c: m.flatnonzero(b),
    "arctan2": lambda m, a, b, c: m.arctan2(a, a[0]),
    "power": lambda m, a, b, c: m.power(a, 2),
    "mod": lambda m, a, b, c: m.mod(b, 2),
    "degrees": lambda m, a, b, c: m.degrees(a),
    "exp2": lambda m, a, b, c: m.exp2(a),
    "round to decimals": lambda m, a, b, c: m.round(a, 2),
    "std with ddof": lambda m, a, b, c: m.std(a, axis=0, ddof=1),
    "median": lambda m, a, b, c: m.median(a),
    "median along an axis": lambda m, a, b, c: m.median(a, axis=1),
    "percentile": lambda m, a, b, c: m.percentile(a, 30, axis=0),
    "quantiles": lambda m, a, b, c: m.quantile(a, [0.1, 0.5, 1.0], axis=1),
    "quantile, kept": lambda m, a, b, c: m.quantile(a, 0.25, axis=1, keepdims=True),
    "quantile of all, kept": lambda m, a, b, c: m.quantile(a, 0.25, keepdims=True),
    "quantile with NaN": lambda m, a, b, c: m.quantile(m.asarray(HOLES[:1]), 0.5, axis=1),
    "ptp": lambda m, a, b, c: m.ptp(a, axis=1),
    "average": lambda m, a, b, c: m.average(b),
    "average with weights": lambda m, a, b, c: m.average(a, axis=1, weights=b[:4]),
    "average, weight for weight": lambda m, a, b, c: m.average(a, weights=a * a),
    "cov": lambda m, a, b, c: m.cov(a),
    "cov of columns": lambda m, a, b, c: m.cov(a, rowvar=False),
    "corrcoef": lambda m, a, b, c: m.corrcoef(a),
    "nansum": lambda m, a, b, c: m.nansum(m.asarray(HOLES), axis=0),
    "nanmean": lambda m, a, b, c: m.nanmean(m.asarray(HOLES), axis=0),
    "nanmax": lambda m, a, b, c: m.nanmax(m.asarray(HOLES), axis=1),
    "nanmin": lambda m, a, b, c: m.nanmin(m.asarray(HOLES)),
    "nan_to_num": lambda m, a, b, c: m.nan_to_num(m.asarray(HOLES), nan=7.0),
    "bincount": lambda m, a, b, c: m.bincount(b, minlength=6),
    "bincount with weights": lambda m, a, b, c: m.bincount(b, weights=b * 0.5),
    "histogram": lambda m, a, b, c: m.histogram(a, bins=5)[0],
    "edges of a histogram": lambda m, a, b, c: m.histogram(a, bins=5, range=(-1, 1))[1],
    "histogram of edges": lambda m, a, b, c: m.histogram(b, bins=m.asarray([0, 1, 3]))[0],
    "digitize": lambda m, a, b, c: m.digitize(a, m.asarray([-1.0, 0.0, 1.0])),
    "unique": lambda m, a, b, c: m.unique(b),
    "unique with counts": lambda m, a, b, c: m.unique(b, return_counts=True)[1],
    "isin": lambda m, a, b, c: m.isin(b, m.asarray([1, 5, 3])),
    "isin, mixed": lambda m, a, b, c: m.isin(m.floor(a), m.asarray([-1, 0])),
    "trapezoid": lambda m, a, b, c: m.trapezoid(c, axis=1),
    "trapezoid at places": lambda m, a, b, c: m.trapezoid(a, m.asarray([0.0, 1.0, 3.0, 4.0])),
    "interp": lambda m, a, b, c: m.interp(a, m.asarray([-1.0, 0.0, 2.0]), m.asarray([5.0, 6.0, 0.0])),
    "interp with ends": lambda m, a, b, c: m.interp(a, m.asarray([-0.1, 0.1]), m.asarray([5.0, 6.0]), left=-1, right=9),
    "around": lambda m, a, b, c: m.around(a, 1),
    "copy": lambda m, a, b, c: m.copy(a.T),
    "isclose": lambda m, a, b, c: m.isclose(m.asarray(HOLES), m.asarray(HOLES) * (1 + 1e-6), equal_nan=True),
    "norm": lambda m, a, b, c: m.linalg.norm(c),
    "norm along an axis": lambda m, a, b, c: m.linalg.norm(a, ord=1, axis=0),
    "norm of matrices": lambda m, a, b, c: m.linalg.norm(c, "nuc", axis=(0, 2), keepdims=True),
    "einsum": lambda m, a, b, c: m.einsum("bij,kj->bki", c, a),
    "einsum, implicit": lambda m, a, b, c: m.einsum("ij,kj", a, a),
    "einsum, diagonal": lambda m, a, b, c: m.einsum("ii->i", a[:, :3]),
    "einsum, trace": lambda m, a, b, c: m.einsum("ii", a[:, :3]),
    "einsum of three": lambda m, a, b, c: m.einsum("ij,bkj,bi->k", a, c, c[:, :, 0]),
    "einsum, sums alone": lambda m, a, b, c: m.einsum("bij->j", c),
    "einsum, element-wise": lambda m, a, b, c: m.einsum("ij,ij->ji", a, a),
    "einsum, outer": lambda m, a, b, c: m.einsum("i,j->ij", b, b),
    "einsum, further axes": lambda m, a, b, c: m.einsum("...ij,...kj->...ik", c, a),
    "einsum, broadcast": lambda m, a, b, c: m.einsum("bij,bij->bi", c, c[:1]),
    "clip": lambda m, a, b, c: a.clip(-0.5, 0.5),
    "a.round": lambda m, a, b, c: a.round(1),
    "a.flatten": lambda m, a, b, c: a.T.flatten(),
    "a.dot": lambda m, a, b, c: a.T.dot(a),
    "a.take": lambda m, a, b, c: a.take([0, 5]),
    "a.repeat": lambda m, a, b, c: a.repeat(2),
    "a.nonzero": lambda m, a, b, c: b.nonzero()[0],
    "a.real": lambda m, a, b, c: m.asarray(Z).real - a.imag[0, 0] + m.asarray(Z).imag,
    "a.conj": lambda m, a, b, c: m.asarray(Z).conj(),
    "a.trace": lambda m, a, b, c: a.trace() + a.diagonal().sum(),
    "a.item": lambda m, a, b, c: [a.item(5), a.item(1, 2)],
}


@pytest.mark.parametrize("name", CALLS)
def test_as_numpy(name):
    with np.errstate(invalid="ignore"):
        expected = np.asarray(CALLS[name](np, A, B, C))
        found = CALLS[name](mp, mp.asarray(A), mp.asarray(B), mp.asarray(C))
    if name != "a.item":
        assert isinstance(found, mp.Array)
    assert np.shape(found) == expected.shape
    np.testing.assert_allclose(np.asarray(found), expected, rtol=2e-5, atol=2e-6)


def test_answers_are_python_bools():
    a = mp.asarray(A)
    assert mp.allclose(a, a * (1 + 1e-6)) is True and mp.allclose(a, a + 1) is False
    assert mp.array_equal(a, A) is True and mp.array_equal(a, a[:1]) is False
    assert mp.array_equal(mp.asarray(HOLES), HOLES) is False
    assert mp.array_equal(mp.asarray(HOLES), HOLES, equal_nan=True) is True


def test_numpys_functions_find_them():
    a = mp.asarray(A)
    for found, expected in (
        (np.vstack([a, a]), np.vstack([A, A])),
        (np.median(a, axis=1), np.median(A, axis=1)),
        (np.linalg.norm(a), np.linalg.norm(A)),
        (np.einsum("ij->j", a), A.sum(0)),
        (np.sort(a), np.sort(A)),
        (np.real(a), A),
        (np.take(a, [1, 2], 1), A[:, 1:3]),
        (np.clip(a, a_min=0, a_max=1), A.clip(0, 1)),
    ):
        assert isinstance(found, mp.Array)
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6)


def test_sorting_in_place():
    a = mp.asarray(A)
    assert a.sort(0) is None
    np.testing.assert_array_equal(a.numpy(), np.sort(A, 0))


def test_formats_and_rounding():
    x = mp.array([[1.23456]])
    assert f"{x:.3f}" == f"{x[0, 0]:.3f}" == "1.235"
    assert f"{x}" == str(x)
    assert round(x[0, 0]) == 1 and round(x, 2).item() == pytest.approx(1.23)
    with pytest.raises(TypeError):
        f"{mp.zeros(2):.3f}"


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: mp.split(mp.zeros(5), 2), ValueError, "array_split makes unequal ones"),
        (lambda: mp.einsum("ij,jk->ik", mp.zeros((2, 3)), mp.zeros((4, 2))), ValueError, "axes 'j' have 3 and 4"),
        (lambda: mp.einsum("ij->k", mp.zeros((2, 3))), ValueError, "needs letters of the operands"),
        (lambda: mp.einsum("ij", mp.zeros(3)), ValueError, "does not fit an operand of shape"),
        (lambda: mp.einsum("i,i", mp.zeros(3)), ValueError, "is for 2 operands, got 1"),
        (lambda: mp.quantile(mp.zeros(3), 1.5), ValueError, "from 0 to 1"),
        (lambda: mp.median(mp.zeros(0)), ValueError, "no quantiles"),
        (lambda: mp.bincount(mp.array([-1])), ValueError, "from 0 on"),
        (lambda: mp.bincount(mp.zeros(2)), TypeError, "takes integers"),
        (lambda: mp.pad(mp.zeros(2), 1, "mean"), ValueError, "mode is"),
        (lambda: mp.linalg.norm(mp.zeros((2, 2, 2)), 1), ValueError, "vectors or matrices"),
        (lambda: mp.manual_seed(1), AttributeError, "there is metalpy.mps.manual_seed"),
        (lambda: mp.tensor([1]), AttributeError, "there is metalpy.array"),
        (lambda: mp.zeros(2).cpu(), AttributeError, r"there is x.numpy\(\)"),
        (lambda: mp.zeros(2).exp(), AttributeError, r"there is metalpy.exp\(x\)"),
        (lambda: mp.zeros(2).shpae, AttributeError, "has no attribute 'shpae'$"),
        (lambda: np.add.at(mp.zeros(2), 0, 1), TypeError, r"numpy.add.at\(x.numpy\(\)\) computes on the host"),
        (lambda: np.linalg.lstsq(mp.eye(2), mp.ones(2)), TypeError, "no numpy.linalg.lstsq;"),
    ],
)
def test_mistakes_are_told(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_gradients_go_through():
    """Against central differences of the same function in NumPy, in double precision."""

    def loss(m, x):
        parts = m.pad(x, ((1, 0), (0, 2)))
        spread = m.einsum("ij,kj->ik", parts, m.roll(parts, 1, 1))
        return m.sum(m.concatenate([m.ravel(spread), m.diag(m.stack([x[0], x[1]], 1)[:2])], 0) ** 2) + m.trace(
            x.dot(x.T)
        )

    _, gradient = mp.value_and_grad(lambda x: loss(mp, x))(mp.asarray(A))
    step = 1e-5
    expected = np.zeros(A.shape)
    for place in np.ndindex(A.shape):
        moved = np.zeros(A.shape)
        moved[place] = step
        expected[place] = (loss(np, A.astype(float) + moved) - loss(np, A.astype(float) - moved)) / (2 * step)
    np.testing.assert_allclose(gradient.numpy(), expected, rtol=2e-4, atol=1e-4)


def test_gradients_of_positional_axes():
    x = mp.asarray(A)
    for call in (
        lambda x: mp.concat([x, x * 2], 1),
        lambda x: mp.stack([x, x * 2], 1),
        lambda x: mp.take(x, mp.array([0, 2]), 1),
        lambda x: mp.roll(x, 1, 0),
        lambda x: mp.tril(x, 1),
        lambda x: mp.var(x, 1, ddof=1),
        lambda x: mp.std(x, 1, ddof=1),
    ):
        by_position = mp.grad(lambda x, call=call: mp.sum(call(x) ** 2))(x)
        assert by_position.shape == x.shape
    ddof = mp.grad(lambda x: mp.sum(mp.var(x, 1, ddof=1)))(x)
    correction = mp.grad(lambda x: mp.sum(mp.var(x, 1, correction=1)))(x)
    np.testing.assert_array_equal(ddof.numpy(), correction.numpy())


def test_powers_of_two_are_exact(device):
    exponents = np.arange(-100, 101, dtype=np.float32)
    assert np.array_equal(mp.exp2(mp.asarray(exponents, device=device)).numpy(), np.exp2(exponents))
    assert mp.exp2(mp.asarray([3], device=device)).tolist() == [8.0]
