"""Linear algebra against NumPy's in double precision, and against what defines a factorisation."""

from __future__ import annotations

import numpy as np
import pytest

import metalpy as mp
from metalpy import linalg
from metalpy.errors import LinAlgError
from tests.helpers.operands import values, wide

DTYPES = ["float32", "complex64"]
SIZES = [1, 2, 3, 8, 31, 33, 70]
SHAPES = [(1, 1), (1, 4), (4, 1), (3, 3), (5, 3), (3, 5), (40, 33), (33, 40), (2, 3, 6, 4), (2, 4, 6)]
EMPTY = [(0, 0), (3, 0), (0, 3), (0, 2, 2), (2, 0, 3)]


@pytest.fixture(params=["lapack", "kernels"])
def way(request, device, monkeypatch):
    """Both ways to singular values and eigenvalues, where a device has two."""
    if request.param == "kernels":
        monkeypatch.setattr("metalpy.linalg.host._MATRICES", 0)
    elif device.driver != "software":
        pytest.skip("only the software device shares the host's processors")


def adjoint(host):
    return np.conj(np.swapaxes(host, -1, -2))


def close(x, expected, tolerance=1e-5):
    expected = np.asarray(expected)
    host = wide(np.asarray(x))
    assert host.shape == expected.shape
    np.testing.assert_allclose(host, expected, tolerance, tolerance * np.abs(expected).max(initial=1e-30))


def is_unitary(host):
    close(
        adjoint(wide(host)) @ wide(host),
        np.broadcast_to(np.eye(host.shape[-1]), (*host.shape[:-2], *[host.shape[-1]] * 2)),
    )


def well_conditioned(rng, n, dtype, batch=(2,)):
    return values(rng, (*batch, n, n), dtype) + (2 * np.sqrt(n) * np.eye(n)).astype(dtype)


# ---- factorisations ----


@pytest.mark.parametrize("dtype", DTYPES)
def test_cholesky(device, dtype, rng):
    for n in SIZES:
        a = values(rng, (2, n, n), dtype)
        a = (a @ adjoint(a) + n * np.eye(n)).astype(dtype)
        lower = linalg.cholesky(mp.array(a, device=device))
        assert lower.dtype == dtype
        close(lower, np.linalg.cholesky(wide(a)))
        close(linalg.cholesky(mp.array(a, device=device), upper=True), adjoint(np.linalg.cholesky(wide(a))))
        a[..., np.triu_indices(n, 1)[0], np.triu_indices(n, 1)[1]] = np.nan  # is not read
        close(linalg.cholesky(mp.array(a, device=device)), lower.numpy())


def test_cholesky_needs_positive_matrices(device):
    a = np.stack([np.eye(3), np.diag([1, -1, 1]), np.eye(3)]).astype(np.float32)
    with pytest.raises(LinAlgError, match=r"matrix \(1,\): .*column 1"):
        linalg.cholesky(mp.array(a, device=device))
    with pytest.raises(np.linalg.LinAlgError):
        linalg.cholesky(mp.zeros((2, 2), device=device))


@pytest.mark.parametrize("mode", ["reduced", "complete"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_qr(device, dtype, mode, rng):
    for shape in SHAPES:
        a = values(rng, shape, dtype)
        q, r = (x.numpy() for x in linalg.qr(mp.array(a, device=device), mode=mode))
        expected = np.linalg.qr(wide(a), mode)
        assert (q.shape, r.shape) == (expected.Q.shape, expected.R.shape)
        is_unitary(q)
        close(wide(q) @ wide(r), wide(a))
        assert not np.tril(r, -1).any()
        diagonal = np.diagonal(r, 0, -2, -1)
        np.testing.assert_allclose(np.abs(diagonal), diagonal, 1e-5, 1e-5)
        np.testing.assert_allclose(diagonal.real, np.abs(np.diagonal(expected.R, 0, -2, -1)), 1e-4, 1e-5)


def test_qr_of_dependent_columns(device):
    a = np.array([[1, 2, 0], [1, 2, 0], [1, 2, 0], [1, 2, 1]], np.float32)
    q, r = (x.numpy() for x in linalg.qr(mp.array(a, device=device), mode="complete"))
    is_unitary(q)
    close(q @ r, a)
    q, r = (x.numpy() for x in linalg.qr(mp.zeros((3, 2), device=device)))
    np.testing.assert_array_equal(q, np.eye(3, 2))
    assert not r.any()


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
def test_svd(device, way, dtype, full, rng):
    for shape in SHAPES:
        a = values(rng, shape, dtype)
        u, s, vh = (x.numpy() for x in linalg.svd(mp.array(a, device=device), full_matrices=full))
        expected = np.linalg.svd(wide(a), full)
        assert [u.shape, s.shape, vh.shape] == [x.shape for x in expected]
        assert (u.dtype, s.dtype) == (dtype, "float32")
        close(s, expected.S)
        is_unitary(u)
        is_unitary(adjoint(vh))
        k = s.shape[-1]
        close((wide(u[..., :k]) * s[..., None, :]) @ wide(vh[..., :k, :]), wide(a))
        close(linalg.svdvals(mp.array(a, device=device)), expected.S)


@pytest.mark.parametrize("dtype", DTYPES)
def test_svd_of_low_rank(device, way, dtype, rng):
    """Vectors of singular values that are 0 still make a basis."""
    for a in [
        values(rng, (20, 2), dtype) @ values(rng, (2, 12), dtype),
        np.zeros((5, 3), dtype),
        np.ones((4, 4), dtype),
        np.diag([0, 2, 0, 1]).astype(dtype),
        np.full((40, 1), 1e-3, dtype) @ np.full((1, 40), 1e-3, dtype),
    ]:
        u, s, vh = (x.numpy() for x in linalg.svd(mp.array(a, device=device)))
        is_unitary(u)
        is_unitary(vh)
        k = s.shape[-1]
        close((u[:, :k] * s) @ vh[:k], a)
        close(s, np.linalg.svd(wide(a))[1], 1e-5)


@pytest.mark.parametrize("scale", [1e-30, 1e-10, 1e10, 1e30])
def test_svd_of_large_and_small_numbers(device, way, scale, rng):
    a = (values(rng, (6, 4)) * scale).astype(np.float32)
    close(linalg.svdvals(mp.array(a, device=device)), np.linalg.svd(wide(a))[1])
    symmetric = (a[:4] + a[:4].T).astype(np.float32)
    close(linalg.eigvalsh(mp.array(symmetric, device=device)), np.linalg.eigvalsh(wide(symmetric)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_eigh(device, way, dtype, rng):
    matrices = [values(rng, (2, n, n), dtype) for n in SIZES]
    matrices += [np.diag([3, -3, 0, 0, 3]).astype(dtype), np.zeros((3, 3), dtype), np.ones((6, 6), dtype)]
    for a in matrices:
        hermitian = ((a + adjoint(a)) / 2).astype(dtype)
        n = a.shape[-1]
        found = linalg.eigh(mp.array(np.tril(hermitian), device=device))  # the upper triangle is not read
        w, v = (x.numpy() for x in found)
        assert (w.dtype, v.dtype) == ("float32", dtype)
        close(w, np.linalg.eigvalsh(wide(hermitian)))
        assert (np.diff(w) >= 0).all()
        is_unitary(v)
        close((wide(v) * w[..., None, :]) @ adjoint(wide(v)), wide(hermitian), 1e-5 * max(1, n / 10))
        close(linalg.eigvalsh(mp.array(hermitian, device=device)), np.linalg.eigvalsh(wide(hermitian)))


# ---- equations ----


@pytest.mark.parametrize("dtype", DTYPES)
def test_inverses_and_determinants(device, dtype, rng):
    for n in SIZES:
        a = well_conditioned(rng, n, dtype)
        a[0] = np.roll(a[0], 1, 0)  # so that rows must change places
        x = mp.array(a, device=device)
        close(linalg.inv(x), np.linalg.inv(wide(a)))
        scaled = (a / 2 / np.sqrt(n)).astype(dtype)
        close(linalg.det(mp.array(scaled, device=device)), np.linalg.det(wide(scaled)), 1e-4)
        sign, logarithm = linalg.slogdet(x)
        expected = np.linalg.slogdet(wide(a))
        close(sign, expected.sign)
        close(logarithm, expected.logabsdet)


def test_determinant_of_singular_matrices(device):
    x = mp.array([[1.0, 2.0], [2.0, 4.0]], device=device)
    assert linalg.det(x).item() == 0
    assert [y.item() for y in linalg.slogdet(x)] == [0, -np.inf]
    assert linalg.det(mp.empty((0, 0), device=device)).item() == 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_solve(device, dtype, rng):
    for a_batch, b_shape in [
        ((), (6,)),
        ((), (6, 1)),
        ((), (6, 40)),
        ((3,), (6,)),
        ((3,), (3, 6, 2)),
        ((2, 1), (3, 6, 2)),
        ((), (4, 6, 2)),
    ]:
        a, b = well_conditioned(rng, 6, dtype, a_batch), values(rng, b_shape, dtype)
        right = wide(b)[:, None] if b.ndim == 1 else wide(b)
        expected = np.linalg.solve(wide(a), right)
        found = linalg.solve(mp.array(a, device=device), mp.array(b, device=device))
        close(found, expected[..., 0] if b.ndim == 1 else expected)


def test_singular_matrices(device, rng):
    x = mp.array(np.stack([np.eye(3), np.ones((3, 3))]).astype(np.float32), device=device)
    for call in (
        linalg.inv,
        lambda x: linalg.solve(x, mp.ones(3, device=device)),
        lambda x: linalg.matrix_power(x, -1),
    ):
        with pytest.raises(LinAlgError, match=r"matrix \(1,\): singular: column 1"):
            call(x)


@pytest.mark.parametrize("dtype", DTYPES)
def test_pinv_and_rank(device, dtype, rng):
    for shape, rank in [((5, 3), 3), ((3, 5), 3), ((2, 6, 6), 4), ((40, 30), 7), ((4, 4), 0)]:
        a = values(rng, (*shape[:-1], rank), dtype) @ values(rng, (*shape[:-2], rank, shape[-1]), dtype)
        x = mp.array(a, device=device)
        close(linalg.pinv(x, rtol=1e-5), np.linalg.pinv(wide(a), rcond=1e-5), 1e-4)
        found = linalg.matrix_rank(x, rtol=1e-5)
        assert found.dtype == np.int64
        np.testing.assert_array_equal(found.numpy(), np.full(shape[:-2], rank))


def test_tolerances(device):
    x = mp.array(np.stack([np.diag([1, 1e-3]), np.diag([1, 1e-3])]).astype(np.float32), device=device)
    assert linalg.matrix_rank(x).tolist() == [2, 2]
    assert linalg.matrix_rank(x, rtol=0.01).tolist() == [1, 1]
    assert linalg.matrix_rank(x, rtol=mp.array([1e-2, 1e-4], device=device)).tolist() == [1, 2]
    close(linalg.pinv(x, rtol=mp.array([1e-2, 1e-4], device=device)), np.stack([np.diag([1, 0]), np.diag([1, 1e3])]))


@pytest.mark.parametrize("dtype", ["int32", *DTYPES])
def test_matrix_power(device, dtype, rng):
    a = np.array([[1, 1], [1, 0]], dtype)
    for n in (0, 1, 2, 3, 10, -1, -3):
        found = linalg.matrix_power(mp.array(a, device=device), n)
        close(found, np.linalg.matrix_power(wide(a), n))
        assert found.dtype == (np.float32 if n < 0 and dtype == "int32" else dtype)


# ---- norms ----


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", *DTYPES])
def test_vector_norm(device, dtype, rng):
    a = values(rng, (3, 40, 5), "float32" if dtype.endswith("16") else dtype).astype(mp.dtypes.as_dtype(dtype))
    a[0, 3, 2] = 0
    tolerance = {"float16": 2e-3, "bfloat16": 1e-2}.get(dtype, 1e-5)
    for axis in (None, 0, 1, -1, (0, 2), (2, 0), (0, 1, 2)):
        for order in (0, 1, 2, 3, 1.5, np.inf, -np.inf):
            for keepdims in (False, True):
                x = linalg.vector_norm(mp.array(a, device=device), axis=axis, ord=order, keepdims=keepdims)
                expected = np.linalg.vector_norm(wide(a), axis=axis, ord=order, keepdims=keepdims)
                assert x.dtype.name == ("float32" if dtype == "complex64" else dtype)
                close(x, expected, tolerance)


def test_norms_of_special_numbers(device):
    x = mp.array([[1.0, np.nan], [np.inf, 2.0], [-0.0, 0.0]], device=device)
    for order in (1, 2, np.inf, -np.inf):
        expected = np.linalg.vector_norm(x.numpy(), axis=1, ord=order)
        np.testing.assert_array_equal(linalg.vector_norm(x, axis=1, ord=order).numpy(), expected)
    empty = mp.empty((2, 0), device=device)
    assert linalg.vector_norm(empty, axis=1).tolist() == [0, 0]
    with pytest.raises(ValueError, match="not defined"):
        linalg.vector_norm(empty, axis=1, ord=np.inf)


@pytest.mark.parametrize("dtype", DTYPES)
def test_matrix_norm(device, dtype, rng):
    for shape in [(4, 6), (2, 6, 4), (1, 1)]:
        a = values(rng, shape, dtype)
        for order in ("fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf):
            for keepdims in (False, True):
                x = linalg.matrix_norm(mp.array(a, device=device), ord=order, keepdims=keepdims)
                close(x, np.linalg.matrix_norm(wide(a), ord=order, keepdims=keepdims))
    with pytest.raises(ValueError, match="ord is"):
        linalg.matrix_norm(mp.ones((2, 2), device=device), ord=3)


# ---- structure ----


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int64", "float16", *DTYPES])
def test_diagonals(device, dtype):
    a = np.arange(60).reshape(3, 4, 5).astype(dtype)
    x = mp.array(a, device=device)
    for offset in (0, 1, -1, 4, -3, 9):
        np.testing.assert_array_equal(linalg.diagonal(x, offset=offset).numpy(), np.diagonal(a, offset, 1, 2))
        expected = np.trace(a, offset, 1, 2)
        np.testing.assert_array_equal(linalg.trace(x, offset=offset).numpy(), expected)
    assert linalg.trace(x).dtype.name == {"int8": "int32", "uint16": "uint32"}.get(dtype, dtype)
    assert linalg.trace(x, dtype=mp.complex64).dtype == np.complex64


def test_cross_and_outer(device, rng):
    for a_shape, b_shape, axis in [
        ((3,), (3,), -1),
        ((4, 3), (3,), -1),
        ((3, 5), (3, 5), 0),
        ((2, 3, 4), (2, 3, 1), 1),
    ]:
        for dtype in ("int32", *DTYPES):
            a, b = (values(rng, shape, "float32") * 3 for shape in (a_shape, b_shape))
            a, b = a.astype(dtype), b.astype(dtype)
            found = linalg.cross(mp.array(a, device=device), mp.array(b, device=device), axis=axis)
            moved = [np.broadcast_arrays(a, b)[i] if a.ndim == b.ndim else (a, b)[i] for i in (0, 1)]
            close(found, np.cross(*moved, axis=axis))
    x = mp.array([1, 2, 3], device=device)
    assert linalg.outer(x, x[:2]).tolist() == [[1, 2], [2, 4], [3, 6]]
    with pytest.raises(ValueError, match="3 elements"):
        linalg.cross(x[:2], x[:2])
    with pytest.raises(ValueError, match="vectors"):
        linalg.outer(x, x[None])


# ---- for all ----


@pytest.mark.parametrize("shape", EMPTY)
def test_matrices_without_elements(device, shape):
    x, host = mp.empty(shape, device=device), np.empty(shape, np.float32)
    for name in ("qr", "svd", "svdvals", "pinv", "matrix_rank"):
        found, expected = getattr(linalg, name)(x), getattr(np.linalg, name)(host) if name != "matrix_rank" else None
        if name == "matrix_rank":
            assert found.numpy().shape == shape[:-2]
            assert not found.numpy().any()
            continue
        pairs = zip(found, expected, strict=True) if isinstance(found, tuple) else [(found, expected)]
        for part, host_part in pairs:
            np.testing.assert_array_equal(part.numpy(), host_part)
    if shape[-1] == shape[-2]:
        for name in ("inv", "det", "cholesky", "eigvalsh"):
            np.testing.assert_array_equal(getattr(linalg, name)(x).numpy(), getattr(np.linalg, name)(host))


@pytest.mark.parametrize("dtype", ["int32", "uint8", "bool", "float16", "bfloat16"])
def test_other_types(device, dtype):
    """Integers become float32; narrow floats keep their type and are rounded once."""
    a = np.array([[4, 1], [1, 3]]).astype(mp.dtypes.as_dtype(dtype))
    a[0, 1] = a[1, 0] = 0
    x = mp.array(a, device=device)
    wanted = dtype if dtype.endswith("16") else "float32"
    for name in ("inv", "det", "cholesky", "eigvalsh", "svdvals"):
        found = getattr(linalg, name)(x)
        assert found.dtype.name == wanted
        close(found, getattr(np.linalg, name)(a.astype(np.float64)), 5e-3)


def test_views_are_matrices_too(device, rng):
    a = well_conditioned(rng, 8, "float32", ())
    x = mp.array(a, device=device)
    for view, host in [(x.T, a.T), (x[::-1, ::-1], a[::-1, ::-1]), (x[2:6, 2:6], a[2:6, 2:6])]:
        before = x.numpy().copy()
        close(linalg.inv(view), np.linalg.inv(wide(host)))
        close(linalg.svdvals(view), np.linalg.svd(wide(host))[1])
        close(linalg.qr(view).R, np.linalg.qr(wide(host)).R * np.sign(np.diag(np.linalg.qr(wide(host)).R))[:, None])
        np.testing.assert_array_equal(x.numpy(), before)


def test_numbers_that_are_none(device, way):
    x = mp.array([[np.nan, 1.0], [1.0, 2.0]], device=device)
    assert np.isnan(linalg.svdvals(x).numpy()).all()
    assert np.isnan(linalg.eigvalsh(x).numpy()).all()
    assert np.isnan(linalg.det(x).item())


def test_bad_input(device):
    x = mp.ones((2, 3), device=device)
    for call in (
        linalg.inv,
        linalg.det,
        linalg.slogdet,
        linalg.cholesky,
        linalg.eigh,
        lambda x: linalg.matrix_power(x, 2),
    ):
        with pytest.raises(ValueError, match="square"):
            call(x)
        with pytest.raises(ValueError):
            call(x[0])
    with pytest.raises(TypeError, match="takes arrays"):
        linalg.inv([[1.0]])
    with pytest.raises(ValueError, match="mode"):
        linalg.qr(x, mode="r")
    with pytest.raises(ValueError, match="do not fit"):
        linalg.solve(mp.ones((2, 2), device=device), mp.ones((3, 1), device=device))
    with pytest.raises(IndexError):
        linalg.vector_norm(x, axis=2)


def test_what_does_not_wait(device, monkeypatch):
    monkeypatch.setattr("metalpy.linalg.host._MATRICES", 0)  # LAPACK waits for its matrices
    x = mp.array(np.diag([3.0, 1.0, 2.0]).astype(np.float32), device=device)
    done = device.queue.completed
    found = [linalg.svd(x).S, linalg.eigh(x).eigenvalues, linalg.qr(x).R, linalg.det(x), linalg.pinv(x)]
    assert device.queue.completed == done
    assert found[0].tolist() == pytest.approx([3, 2, 1])
