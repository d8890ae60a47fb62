"""Reductions of arrays against NumPy in double precision: types, layouts, axes, and elements of all sorts."""

import ml_dtypes
import numpy as np
import pytest

import metalpy as mp

LAYOUTS = {
    "vector": lambda rng: rng((100,)),
    "long vector": lambda rng: rng((70001,)),  # several parts
    "matrix": lambda rng: rng((40, 150)),
    "transposed": lambda rng: rng((150, 40)).T,
    "reversed": lambda rng: rng((40, 66))[::-1, ::-1],
    "steps": lambda rng: rng((60, 180))[::2, 1::3],
    "thin": lambda rng: rng((2000, 3)),
    "long columns": lambda rng: rng((3000, 130)),
    "long rows": lambda rng: rng((3, 20011)),
    "cube": lambda rng: rng((5, 40, 36)),
    "turned cube": lambda rng: rng((5, 40, 36)).transpose(1, 2, 0),
    "repeated": lambda rng: np.broadcast_to(rng((40, 1)), (40, 50)),
}
DTYPES = ["float32", "float16", "bfloat16", "complex64", "bool", "int8", "uint8", "int32", "uint32", "int64", "uint64"]
TOLERANCE = {"float32": 1e-5, "complex64": 1e-5, "float16": 2e-3, "bfloat16": 1e-2}


def host_array(name, dtype, rng):
    """Whole numbers, among them zeros, that make no sum of integers overflow."""

    def values(shape):
        low = 0 if dtype.startswith("u") else -3
        host = rng.integers(low, 4, shape).astype(np.float64)
        if dtype == "complex64":
            host = host + 1j * rng.integers(-2, 3, shape)
        return host.astype(mp.dtypes.as_dtype(dtype))

    return LAYOUTS[name](values)


def on_device(host, device):
    """An array of the same layout."""
    base = host
    while base.base is not None:
        base = base.base
    if host.base is None:
        return mp.array(host, device=device)
    whole = mp.array(base, device=device)
    offset = host.__array_interface__["data"][0] - base.__array_interface__["data"][0]
    return whole._derive(host.dtype, host.shape, host.strides, whole.offset + offset)


def double(host):
    return host.astype(np.complex128 if host.dtype.kind == "c" else np.float64)


def all_axes(ndim):
    return [None, *range(-1, ndim), *([(0, 1)] if ndim > 1 else []), *([(0, 2), (1, 2)] if ndim > 2 else []), ()]


def same(x, expected, dtype):
    assert isinstance(x, mp.Array)
    assert x.dtype == mp.dtypes.as_dtype(dtype)
    assert x.shape == expected.shape
    tolerance = TOLERANCE.get(x.dtype.name, 0)
    np.testing.assert_allclose(double(x.numpy()), expected, tolerance, tolerance * 10)


def sum_dtype(dtype):
    return {"bool": "int32", "int8": "int32", "uint8": "uint32", "uint16": "uint32"}.get(dtype, dtype)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_layouts(device, rng, layout, dtype):
    host = host_array(layout, dtype, rng)
    x = on_device(host, device)
    assert (x.numpy() == host).all()
    for axis in all_axes(host.ndim):
        same(mp.sum(x, axis=axis), double(host).sum(axis), sum_dtype(dtype))
        same(mp.any(x, axis=axis), host.any(axis), "bool")
        if dtype != "complex64":
            same(mp.max(x, axis=axis), host.max(axis), dtype)
        same(mp.var(x, axis=axis), double(host).var(axis), "float32")


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "complex64", "bool", "int8", "uint16", "int64", "uint64"])
def test_dtypes(device, rng, dtype):
    host = host_array("matrix", dtype, rng)
    x = on_device(host, device)
    inexact = dtype if dtype in TOLERANCE else "float32"
    real = "float32" if dtype == "complex64" else inexact
    for axis in all_axes(host.ndim):
        for keepdims in (False, True):
            wide = double(host)
            options = {"axis": axis, "keepdims": keepdims}
            same(mp.sum(x, **options), wide.sum(**options), sum_dtype(dtype))
            same(mp.mean(x, **options), wide.mean(**options), inexact)
            same(mp.var(x, correction=1, **options), wide.var(ddof=1, **options), real) if axis != () else None
            same(mp.std(x, **options), wide.std(**options), real)
            same(mp.all(x, **options), np.all(host, **options), "bool")
            same(mp.any(x, **options), np.any(host, **options), "bool")
            same(mp.count_nonzero(x, **options), np.count_nonzero(wide, **options) + np.zeros(()), "int64")
            if dtype != "complex64":
                same(mp.max(x, **options), wide.max(**options), dtype)
                same(mp.min(x, **options), wide.min(**options), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_products(device, rng, dtype):
    host = np.where(host_array("matrix", dtype, rng)[:, :20] != 0, 1, 2).astype(mp.dtypes.as_dtype(dtype))
    if dtype == "complex64":
        host[::3] *= 1j
    x = mp.array(host, device=device)
    wide = double(host)
    for axis in (1, -1, (1,)):
        same(mp.prod(x, axis=axis), wide.prod(axis), sum_dtype(dtype))
    same(mp.prod(x[0]), wide[0].prod(), sum_dtype(dtype))


@pytest.mark.parametrize(
    "layout,dtype",
    [*((layout, "int8") for layout in LAYOUTS), *(("matrix", dtype) for dtype in DTYPES if dtype != "complex64")],
)
def test_places_of_extremes(device, rng, layout, dtype):
    host = host_array(layout, dtype, rng)
    x = on_device(host, device)
    for axis in (None, *range(-1, host.ndim)):
        for keepdims in (False, True):
            same(mp.argmax(x, axis=axis, keepdims=keepdims), host.argmax(axis, keepdims=keepdims), "int64")
            same(mp.argmin(x, axis=axis, keepdims=keepdims), host.argmin(axis, keepdims=keepdims), "int64")


@pytest.mark.parametrize("shape", [(7,), (64,), (40000,), (3, 50), (50, 33)])
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_nan_and_infinity(device, rng, shape, dtype):
    host = rng.standard_normal(shape).astype(mp.dtypes.as_dtype(dtype))
    for value in (np.nan, np.inf, -np.inf):
        host.reshape(-1)[host.size // 2] = value
        for place in (host.size // 2, host.size - 1, 3):
            changed = host.copy()
            changed.reshape(-1)[place] = value
            x = mp.array(changed, device=device)
            wide = double(changed)
            for axis in (None, 0, -1):
                for name in ("max", "min", "sum", "argmax", "argmin"):
                    made = getattr(mp, name)(x, axis=axis).numpy().astype(np.float64)
                    np.testing.assert_allclose(made, getattr(np, name)(wide, axis=axis), 1e-2, 1)
    assert mp.all(mp.array([np.nan, 1], device=device)).item() is True


def test_extremes_of_integers(device):
    for dtype in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"):
        limits = np.iinfo(dtype)
        for value in (limits.min, limits.max):
            x = mp.full((100,), value, dtype, device=device)
            assert mp.max(x).item() == mp.min(x).item() == value
    wrapped = mp.sum(mp.full(3, 2**31 - 1, "int32", device=device)).item()
    assert wrapped == 3 * (2**31 - 1) - 2**32
    assert mp.sum(mp.full(3, 2**62, "uint64", device=device)).item() == 3 * 2**62
    assert mp.max(mp.full(40, -np.inf, device=device)).item() == -np.inf


def test_chosen_dtypes(device):
    x = mp.array([100, 100, 100], "int8", device=device)
    assert mp.sum(x, dtype="int8").item() == 44 and mp.sum(x, dtype="int8").dtype == np.int8
    assert mp.sum(x, dtype="float16").dtype == np.float16 and mp.sum(x, dtype=mp.int64).item() == 300
    assert mp.mean(x, dtype=mp.float16).dtype == np.float16
    with pytest.raises(TypeError, match="Metal has no float64"):
        mp.sum(x, dtype="float64")
    with pytest.raises(TypeError, match="cannot have dtype int32"):
        mp.mean(x, dtype="int32")
    with pytest.raises(TypeError, match="cannot have dtype float32"):
        mp.sum(mp.ones(2, "complex64", device=device), dtype="float32")


def test_narrow_floats_are_added_up_in_float(device):
    x = mp.full((4096,), 0.1, "float16", device=device)
    assert mp.sum(x).item() == np.float16(4096 * float(np.float16(0.1)))
    y = mp.full((300, 2), 1, ml_dtypes.bfloat16, device=device)
    assert mp.sum(y, axis=0).tolist() == [300, 300]


def test_sums_are_accurate(device, rng):
    host = rng.random(1 << 20, np.float32)
    exact = host.astype(np.float64).sum()
    assert abs(mp.sum(mp.array(host, device=device)).item() - exact) < exact * 2e-7
    offset = (rng.standard_normal(100_000) + 1000).astype(np.float32)
    assert abs(mp.var(mp.array(offset, device=device)).item() / offset.astype(np.float64).var() - 1) < 1e-5


@pytest.mark.parametrize(
    "name,expected", [("sum", 0), ("prod", 1), ("all", True), ("any", False), ("count_nonzero", 0)]
)
def test_no_elements(device, name, expected):
    x = mp.zeros((3, 0, 2), device=device)
    function = getattr(mp, name)
    assert function(x).item() == expected
    assert function(x, axis=1).tolist() == [[expected] * 2] * 3
    assert function(x, axis=0).shape == (0, 2)
    assert function(x, axis=1, keepdims=True).shape == (3, 1, 2)


def test_no_elements_without_a_neutral_one(device):
    x = mp.zeros((3, 0), device=device)
    for name in ("max", "min", "argmax", "argmin"):
        with pytest.raises(ValueError, match=r"no elements|without elements"):
            getattr(mp, name)(x)
        with pytest.raises(ValueError, match=r"no elements|without elements"):
            getattr(mp, name)(x, axis=1)
        assert getattr(mp, name)(x, axis=0).shape == (0,)
    for name in ("mean", "var", "std"):
        assert np.isnan(getattr(mp, name)(x).item())
        assert np.isnan(getattr(mp, name)(x, axis=1).numpy()).all()


def test_without_axes(device):
    x = mp.array(3.5, device=device)
    for name in ("sum", "prod", "max", "min", "mean"):
        assert getattr(mp, name)(x).item() == 3.5
        assert getattr(mp, name)(x).shape == ()
    assert mp.argmax(x).item() == 0 and mp.var(x).item() == 0


def test_many_axes(device, rng):
    host = rng.integers(0, 5, (2, 3) * 5).astype(np.int32)[:, ::2, :, ::2, :, ::2, :, ::2, :, ::2]
    x = on_device(host, device)
    same(mp.sum(x, axis=(0, 3, 5)), double(host).sum((0, 3, 5)), "int32")
    same(mp.argmax(x, axis=3), host.argmax(3), "int64")


def test_axes_that_cannot_be_joined(device, rng):
    host = rng.integers(0, 5, (3,) * 11).astype(np.int32)[(slice(None, None, 2),) * 11]
    x = on_device(host, device)
    for axes in ((2, 5), tuple(range(10)), (0,)):  # many kept, many reduced
        for keepdims in (False, True):
            expected = double(host).sum(axes, keepdims=keepdims)
            same(mp.sum(x, axis=axes, keepdims=keepdims), expected, "int32")
            same(mp.var(x, axis=axes, keepdims=keepdims), double(host).var(axes, keepdims=keepdims), "float32")
    same(mp.argmax(x, axis=4), host.argmax(4), "int64")


def test_mistakes(device):
    x = mp.zeros((2, 3), device=device)
    for name in ("sum", "max", "mean", "var", "all", "argmin"):
        for error in (IndexError, ValueError):
            with pytest.raises(error, match="axis 2 is out of bounds"):
                getattr(mp, name)(x, axis=2)
        with pytest.raises(TypeError, match="takes an Array, got list"):
            getattr(mp, name)([1, 2])
    with pytest.raises(ValueError, match="named twice"):
        mp.sum(x, axis=(0, -2))
    for name in ("max", "argmax"):
        with pytest.raises(TypeError, match="real numbers"):
            getattr(mp, name)(x.astype("complex64"))


def test_methods(device, rng):
    host = rng.standard_normal((4, 5)).astype(np.float32)
    x = mp.array(host, device=device)
    for name in ("sum", "prod", "mean", "var", "std", "max", "min", "all", "any", "argmax", "argmin"):
        for axis in (None, 0, 1):
            np.testing.assert_allclose(
                getattr(x, name)(axis, keepdims=True).numpy(), getattr(host, name)(axis, keepdims=True), 1e-5, 1e-6
            )
    assert x.var(ddof=1).item() == x.var(correction=1).item() == mp.var(x, correction=1).item()
    with pytest.raises(TypeError, match="out= is not supported"):
        x.sum(out=x)
    for name in ("cumsum", "cumprod"):
        for axis in (None, 0, -1):
            np.testing.assert_allclose(getattr(x.T, name)(axis).numpy(), getattr(host.T, name)(axis), 1e-5, 1e-6)
    np.testing.assert_array_equal(x.argsort(0).numpy(), host.argsort(0))
    assert x.astype("int8").sum(dtype="int64").dtype == np.int64


@pytest.mark.parametrize("name", ["sum", "prod", "mean", "var", "std", "max", "min", "all", "any", "argmax", "cumsum"])
def test_functions_of_numpy(device, rng, name):
    host = rng.standard_normal((4, 5)).astype(np.float32)
    x = mp.array(host, device=device)
    for options in ({}, {"axis": 1}):
        made = getattr(np, name)(x, **options)
        np.testing.assert_allclose(np.asarray(made), getattr(np, name)(host, **options), 1e-5, 1e-6)


def test_recorded(device, rng):
    """Reductions of several launches run again on other elements."""
    host = rng.standard_normal((2, 40000)).astype(np.float32)
    x = mp.array(host[0], device=device)
    mp.var(x), mp.sort(x)  # compiled
    with mp.record(device) as graph:
        variance, in_order = mp.var(x), mp.sort(x)
    x[...] = host[1]
    graph.launch()
    np.testing.assert_allclose(variance.item(), host[1].var(), 1e-4)
    np.testing.assert_array_equal(in_order.numpy(), np.sort(host[1]))


def test_more_results_than_elements_in_memory(device):
    """Nothing else is read: not the places of what elements would be compared with."""
    x = mp.broadcast_to(mp.ones(1, device=device), (1 << 24, 4))
    assert mp.min(mp.sum(x, axis=1)).item() == 4
