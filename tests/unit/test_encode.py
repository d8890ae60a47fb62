"""Values to argument bytes, compared with NumPy's and struct's packing; a mock device shows what arrives."""

import ctypes
import struct as packing

import ml_dtypes
import numpy as np
import pytest

import metalpy as mp
from tests.helpers import kernels as k

INTEGERS = ["char", "uchar", "short", "ushort", "int", "uint", "long", "ulong"]
FLOAT = k.scalar("float")


def sent(mock, kind, value, reference=True, **options):
    """The bytes that reach the driver when `value` is passed for ``constant kind&`` (or ``*``)."""
    kernel = k.idle_kernel(mock.device, k.constant("x", kind, 0, reference))
    kernel(value, threads=1, **options)
    launch = mock.launches[-1]
    if 0 in launch.buffers:
        buffer, offset = launch.buffers[0]
        _, start, size = mock.buffers[buffer]
        return ctypes.string_at(start + offset, size)
    return launch.values[0]


@pytest.fixture
def send(mock):
    return lambda kind, value, reference=True, **options: sent(mock, kind, value, reference, **options)


@pytest.mark.parametrize("name", INTEGERS)
def test_integers_at_and_beyond_their_limits(send, name):
    dtype = np.dtype(k.SCALARS[name])
    limits = np.iinfo(dtype)
    for value in (limits.min, limits.max, 0, 1, 77):
        expected = np.array(value, dtype).tobytes()
        assert send(k.scalar(name), value) == expected
        assert send(k.scalar(name), dtype.type(value)) == expected
        assert send(k.scalar(name), np.array(value, dtype)) == expected
    for value in (limits.min - 1, limits.max + 1, 1 << 80, -(1 << 80)):
        with pytest.raises(mp.ScalarRangeError, match=f"'x' of kernel 'k'.*{dtype}, {limits.min} to {limits.max}"):
            send(k.scalar(name), value)


@pytest.mark.parametrize("value", [1.0, 0.5, np.float32(2), np.array(3.0)])
def test_floats_are_refused_for_integers(send, value):
    with pytest.raises(mp.LaunchTypeError, match=r"takes integers.*pass int\("):
        send(k.scalar("int"), value)
    with pytest.raises(mp.LaunchTypeError, match="takes integers"):
        send(k.vector("int", 2), [1, value])


def test_bools(send):
    assert send(k.scalar("bool"), True) == b"\1"
    assert send(k.scalar("bool"), np.False_) == b"\0"
    assert send(k.scalar("bool"), 1) == b"\1"
    assert send(k.scalar("int"), True) == b"\1\0\0\0"
    assert send(k.scalar("float"), True) == packing.pack("<f", 1)
    with pytest.raises(mp.ScalarRangeError):
        send(k.scalar("bool"), 2)


def test_floats(send):
    for value in (3.14, -0.0, 1e-45, 3.4e38, float("inf"), float("-inf"), 7, np.float64(0.1), np.array(0.1)):
        assert send(k.scalar("float"), value) == np.float32(value).tobytes()
        with np.errstate(over="ignore"):
            half = np.float16(value)
        if np.isfinite(half) or not np.isfinite(np.float64(value)):
            assert send(k.scalar("half"), value) == half.tobytes()
    assert np.isnan(np.frombuffer(send(k.scalar("float"), float("nan")), np.float32)[0])
    assert np.isnan(np.frombuffer(send(k.scalar("half"), float("nan")), np.float16)[0])
    assert np.isnan(np.frombuffer(send(k.scalar("bfloat"), float("nan")), ml_dtypes.bfloat16)[0])


def test_every_half_and_bfloat_survives(mock, rng):
    kernel = k.idle_kernel(mock.device, k.constant("x", k.scalar("half"), 0, False))
    bits = np.arange(1 << 16, dtype=np.uint16)
    finite = bits[np.isfinite(bits.view(np.float16))][::7]
    assert sent(mock, k.scalar("half"), finite.view(np.float16).tolist(), False)[: finite.nbytes] == finite.tobytes()
    finite = bits[bits & 0x7F80 != 0x7F80][::7]
    values = [float(v) for v in finite.view(ml_dtypes.bfloat16)]
    assert sent(mock, k.scalar("bfloat"), values, False)[: finite.nbytes] == finite.tobytes()
    assert kernel.arguments[0].type.name == "half"
    between = rng.standard_normal(2000).astype(np.float32).tolist()
    expected = np.array(between, np.float32).astype(ml_dtypes.bfloat16).tobytes()
    assert sent(mock, k.scalar("bfloat"), between, False)[: len(expected)] == expected
    expected = np.array(between, np.float16).tobytes()
    assert sent(mock, k.scalar("half"), between, False)[: len(expected)] == expected


@pytest.mark.parametrize(
    ("name", "fits", "too_big"),
    [
        ("float", 3.4028235e38, 3.5e38),
        ("half", 65519.99, 65520.0),
        ("bfloat", 3.38e38, 3.4e38),
        ("float", -3.4028235e38, -1e300),
        ("half", 2.0, 10**400),
        ("float", 2.0, 10**400),
    ],
)
def test_finite_floats_do_not_become_infinite(send, name, fits, too_big):
    send(k.scalar(name), fits)
    with pytest.raises(mp.ScalarRangeError, match="out of the range"):
        send(k.scalar(name), too_big)


@pytest.mark.parametrize("value", ["1", b"", {}, object(), 1j, [], [1, 2], np.zeros(3), np.zeros((1,))])
def test_what_is_no_number(send, value):
    with pytest.raises((mp.LaunchTypeError, mp.LaunchValueError), match="'x' of kernel 'k' is constant float&"):
        send(k.scalar("float"), value)


def test_a_list_of_one_is_a_number(send):
    assert send(k.scalar("float"), [2.5]) == send(k.scalar("float"), 2.5)


@pytest.mark.parametrize("count", [2, 3, 4])
@pytest.mark.parametrize("packed", [False, True])
def test_vectors(send, count, packed):
    kind = k.vector("float", count, packed)
    values = [1.5, 2, -3.25, 4][:count]
    expected = np.array(values, np.float32).tobytes().ljust(kind.size, b"\0")
    assert len(expected) == kind.size
    for value in (values, tuple(values), np.array(values), np.array(values, np.float32)):
        assert send(kind, value) == expected
    assert send(kind, range(count)) == np.arange(count, dtype=np.float32).tobytes().ljust(kind.size, b"\0")
    with pytest.raises(mp.LaunchValueError, match=f"has {count} elements, got {count + 1}"):
        send(kind, [*values, 5])
    with pytest.raises(mp.LaunchTypeError, match="needs a sequence"):
        send(kind, 1.0)


def test_complex_numbers_are_float2(send):
    expected = np.complex64(1 + 2j).tobytes()
    assert send(k.vector("float", 2), 1 + 2j) == expected
    assert send(k.vector("float", 2), np.complex64(1 + 2j)) == expected
    with pytest.raises(mp.LaunchTypeError):
        send(k.vector("float", 3), 1 + 2j)


def test_matrices_are_columns(send):
    kind = k.matrix("float", 2, 3)  # two columns of three, each padded to 16 bytes
    columns = [[1, 2, 3], [4, 5, 6]]
    expected = np.array([[1, 2, 3, 0], [4, 5, 6, 0]], np.float32).tobytes()
    assert send(kind, columns) == expected
    assert send(kind, np.array(columns)) == expected
    assert send(kind, [1, 2, 3, 4, 5, 6]) == expected
    for wrong in ([[1, 2], [3, 4], [5, 6]], [1, 2, 3], [[1, 2, 3]]):
        with pytest.raises(mp.LaunchValueError):
            send(kind, wrong)


def test_arrays_by_value(send):
    assert send(k.array(k.scalar("short"), 3), [1, -2, 3]) == packing.pack("<3h", 1, -2, 3)
    nested = k.array(k.vector("float", 2), 2)
    expected = np.array([[1, 2], [3, 4]], np.float32).tobytes()
    assert send(nested, [[1, 2], [3, 4]]) == expected
    assert send(nested, [1, 2, 3, 4]) == expected
    assert send(nested, np.array([[1, 2], [3, 4]])) == expected
    with pytest.raises(mp.LaunchValueError, match="has 3 elements, got 2"):
        send(k.array(k.scalar("short"), 3), [1, 2])


PARAMS = k.struct(
    "Params",
    count=k.scalar("uint"),
    scale=k.vector("float", 4),
    flag=k.scalar("bool"),
    inner=k.struct("Inner", a=k.scalar("half"), b=k.scalar("long")),
    steps=k.array(k.scalar("short"), 3),
)
PARAMS_DTYPE = np.dtype(
    {
        "names": ["count", "scale", "flag", "inner", "steps"],
        "formats": ["u4", ("f4", 4), "?", np.dtype([("a", "f2"), ("b", "i8")], align=True), ("i2", 3)],
        "offsets": [field.offset for field in PARAMS.fields],
        "itemsize": PARAMS.size,
    }
)


def test_structs(send):
    value = {
        "count": 7,
        "scale": [1, 2, 3, 4],
        "flag": True,
        "inner": {"a": 0.5, "b": -9},
        "steps": (1, 2, 3),
    }
    record = np.zeros((), PARAMS_DTYPE)
    record["count"], record["scale"], record["flag"], record["steps"] = 7, [1, 2, 3, 4], True, [1, 2, 3]
    record["inner"] = (0.5, -9)
    expected = record.tobytes()
    assert PARAMS_DTYPE.itemsize == PARAMS.size
    assert send(PARAMS, value) == expected
    assert send(PARAMS, record) == expected
    assert send(PARAMS, record[()]) == expected
    assert send(PARAMS, [7, [1, 2, 3, 4], True, {"a": 0.5, "b": -9}, [1, 2, 3]]) == expected
    assert send(PARAMS, expected) == expected
    assert send(PARAMS, bytearray(expected)) == expected
    assert send(PARAMS, memoryview(expected)) == expected
    two = np.stack([record, record])
    assert send(PARAMS, two, reference=False) == expected * 2
    assert send(PARAMS, [value, record[()]], reference=False) == expected * 2


def test_structs_of_other_layout_go_by_name(send):
    kind = k.struct("P", a=k.scalar("int"), b=k.scalar("float"))
    other = np.array((2.5, 7), np.dtype([("b", "f8"), ("a", "i8")]))
    assert send(kind, other) == packing.pack("<if", 7, 2.5)
    assert send(kind, np.stack([other, other]), reference=False) == packing.pack("<if", 7, 2.5) * 2


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        ({"a": 1}, mp.LaunchTypeError, "P needs field b too"),
        ({"a": 1, "b": 2, "c": 3}, mp.LaunchTypeError, "P has no field 'c'; it has a, b"),
        ({"a": 1.5, "b": 2}, mp.LaunchTypeError, "field 'a': int32 takes integers"),
        ({"a": 1 << 40, "b": 2}, mp.ScalarRangeError, "field 'a': 1099511627776 is out of the range of int32"),
        ([1, 2, 3], mp.LaunchValueError, "has 2 elements, got 3"),
        (5, mp.LaunchTypeError, "needs a dict"),
        (b"1234567", mp.LaunchValueError, "has 8 bytes, got 7"),
    ],
)
def test_wrong_structs(send, value, kind, message):
    with pytest.raises(kind, match=message):
        send(k.struct("P", a=k.scalar("int"), b=k.scalar("float")), value)


def test_unions_take_one_member(send):
    kind = k.union("U", i=k.scalar("int"), f=k.scalar("float"))
    assert send(kind, {"f": 1.0}) == packing.pack("<f", 1)
    assert send(kind, {"i": 1}) == packing.pack("<i", 1)
    with pytest.raises(mp.LaunchTypeError, match="exactly one"):
        send(kind, {"i": 1, "f": 1})


def test_constant_pointers_take_any_number(send):
    assert send(k.scalar("int"), [1, 2, 3], reference=False) == packing.pack("<3i", 1, 2, 3)
    assert send(k.scalar("int"), 5, reference=False) == packing.pack("<i", 5)
    assert send(k.scalar("int"), np.array([1, 2, 3]), reference=False) == packing.pack("<3i", 1, 2, 3)
    assert send(k.scalar("int"), np.arange(8, dtype=np.int32)[::2], reference=False) == packing.pack("<4i", 0, 2, 4, 6)
    assert send(k.vector("float", 2), [1, 2, 3, 4], reference=False) == packing.pack("<4f", 1, 2, 3, 4)
    assert send(k.vector("float", 2), [[1, 2], [3, 4]], reference=False) == packing.pack("<4f", 1, 2, 3, 4)
    assert send(k.vector("float", 3), np.ones((2, 3)), reference=False) == packing.pack("<8f", 1, 1, 1, 0, 1, 1, 1, 0)
    assert send(k.scalar("int"), b"12345678", reference=False) == b"12345678"
    with pytest.raises(mp.LaunchValueError, match="empty list"):
        send(k.scalar("int"), [], reference=False)
    with pytest.raises(mp.LaunchValueError, match="4 bytes, got 6"):
        send(k.scalar("int"), b"123456", reference=False)
    with pytest.raises(mp.ScalarRangeError, match="element 1"):
        send(k.scalar("char"), [1, 200], reference=False)
    with pytest.raises(mp.LaunchValueError, match="3 numbers do not make whole float2s"):
        send(k.vector("float", 2), [1, 2, 3], reference=False)


def test_large_values_travel_in_a_buffer(send, mock, rng):
    values = rng.integers(-1000, 1000, 5000).astype(np.int32)
    assert send(k.scalar("int"), values, reference=False)[: values.nbytes] == values.tobytes()
    kernel = k.idle_kernel(mock.device, *[k.constant(f"a{n}", k.array(k.scalar("int"), 300), n) for n in range(8)])
    rows = rng.integers(-1000, 1000, (8, 300))
    kernel(*rows, threads=1)
    launch = mock.launches[-1]
    assert sorted(launch.values) + sorted(launch.buffers) == list(range(8))
    assert launch.buffers  # not all fit
    for index, value in launch.values.items():
        assert value == rows[index].astype(np.int32).tobytes()


ARRAYS = ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "bfloat16",
          "float32", "complex64"]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "accepted"),
    [
        (k.scalar("float"), {"float32"}),
        (k.scalar("bfloat"), {"bfloat16"}),
        (k.scalar("int"), {"int32"}),
        (k.scalar("uint"), {"uint32"}),
        (k.scalar("bool"), {"bool", "uint8"}),
        (k.scalar("char"), set(ARRAYS)),
        (k.scalar("uchar"), set(ARRAYS)),
        (k.VOID, set(ARRAYS)),
        (k.vector("float", 4), {"float32"}),
        (k.vector("float", 2), {"float32", "complex64"}),
        (k.matrix("half", 2, 2), {"float16"}),
        (k.array(k.scalar("int"), 4), {"int32"}),
        (k.pointer(k.scalar("float")), {"uint64"}),
        (k.struct("P", a=k.scalar("int"), b=k.scalar("float")), {"int8", "uint8"}),
        (k.struct("Q", a=k.scalar("float"), b=k.vector("float", 2)), {"int8", "uint8", "float32"}),
    ],
    ids=lambda value: value.name if hasattr(value, "name") else "",
)
def test_which_arrays_a_pointer_takes(mock, kind, accepted):
    kernel = k.idle_kernel(mock.device, k.device_pointer("x", kind, 0))
    taken = set()
    for dtype in ARRAYS:
        try:
            kernel(mp.zeros(64, dtype, mock.device))
            taken.add(dtype)
        except mp.LaunchTypeError as error:
            assert f"argument 'x' of kernel 'k' is device {kind.name}*, got a" in str(error)
            assert dtype in str(error) and "x.view(dtype)" in str(error)
    assert taken == accepted


def test_records_fit_structs_of_their_size(mock):
    kernel = k.idle_kernel(mock.device, k.device_pointer("x", k.struct("P", a=k.scalar("int"), b=k.scalar("float")), 0))
    kernel(mp.zeros(3, np.dtype([("a", "i4"), ("b", "f4")]), mock.device))
    with pytest.raises(mp.LaunchTypeError):
        kernel(mp.zeros(3, np.dtype([("a", "i4"), ("b", "f4"), ("c", "f4")]), mock.device))


def test_arrays_are_bound_where_they_are(mock):
    kernel = k.idle_kernel(
        mock.device, k.device_pointer("x", k.scalar("float"), 0), k.constant("n", k.scalar("float"), 3)
    )
    x = mp.zeros(16, device=mock.device)
    kernel(x[4:], x[2])
    launch = mock.launches[-1]
    assert launch.threads == (12, 1, 1)
    assert [launch.buffers[n][1] for n in (0, 3)] == [16, 8]
    assert launch.buffers[0][0] == launch.buffers[3][0]


def test_arrays_that_cannot_be_bound(mock):
    x = mp.zeros((4, 4), device=mock.device)
    kernel = k.idle_kernel(mock.device, k.device_pointer("x", k.scalar("float"), 0))
    with pytest.raises(mp.LaunchValueError, match=r"not contiguous; pass x.copy\(\)"):
        kernel(x[:, :2])
    wide = k.idle_kernel(mock.device, k.device_pointer("x", k.vector("float", 4), 0))
    with pytest.raises(mp.LaunchValueError, match="multiple of 16 bytes, the array starts at byte 4"):
        wide(x.ravel()[1:9])
    with pytest.raises(mp.LaunchValueError, match="one float4 has 16 bytes, the array only 8"):
        wide(x.ravel()[:2])
    wide(x.ravel()[4:8])
    kernel(x.ravel()[:0], threads=0)
    reference = k.idle_kernel(mock.device, k.constant("x", k.scalar("float"), 0))
    with pytest.raises(mp.LaunchValueError, match="one float has 4 bytes, the array only 0"):
        reference(x.ravel()[:0], threads=1)
    host = np.zeros(4, np.float32)
    host.flags.writeable = False
    fixed = mp.asarray(host, copy=False, device=mock.device)
    with pytest.raises(mp.LaunchValueError, match="read-only"):
        kernel(fixed)
    k.idle_kernel(mock.device, k.device_pointer("x", k.scalar("float"), 0, const=True))(fixed)


def test_another_device_is_refused(mock):
    from tests.helpers.mock import MockDriver

    other = MockDriver().open()
    kernel = k.idle_kernel(mock.device, k.device_pointer("x", k.scalar("float"), 0))
    with pytest.raises(mp.LaunchValueError, match="the array is on"):
        kernel(mp.zeros(3, device=other))


def test_host_arrays_are_refused_for_device_pointers(mock):
    for const in (False, True):
        kernel = k.idle_kernel(mock.device, k.device_pointer("x", k.scalar("float"), 0, const))
        with pytest.raises(mp.LaunchTypeError, match=r"pass .*metalpy.array\(...\)"):
            kernel(np.zeros(3, np.float32), threads=1)
    with pytest.raises(mp.LaunchTypeError, match=r"got float 3\.0"):
        k.idle_kernel(mock.device, k.device_pointer("x", k.scalar("float"), 0))(3.0, threads=1)


def test_argument_buffers(mock):
    arrays = [mp.full(128, n, dtype="float32", device=mock.device)[n:] for n in range(70)]
    kind = k.struct("Inputs", args=k.array(k.pointer(k.scalar("float")), 70))
    for value in (tuple(arrays), {"args": arrays}):
        addresses = np.frombuffer(sent(mock, kind, value), np.uint64)
        launch = mock.launches[-1]
        starts = [mock.buffers[handle][1] for handle in launch.resident]
        assert len(set(starts)) == 70
        assert [a - s for a, s in zip(addresses, starts, strict=True)] == [4 * n for n in range(70)]
    pair = k.struct("Pair", a=k.pointer(k.scalar("float")), n=k.scalar("int"))
    raw = sent(mock, pair, {"a": None, "n": 3})
    assert raw == packing.pack("<Qi4x", 0, 3)
    with pytest.raises(mp.LaunchTypeError, match=r"field 'a': a device float\* cannot point to an int32 array"):
        sent(mock, pair, {"a": mp.zeros(3, "int32", mock.device), "n": 3})
    with pytest.raises(mp.LaunchTypeError, match="needs an Array or None, got a NumPy array"):
        sent(mock, pair, [np.zeros(3, np.float32), 3])


def test_resident_memory_is_not_reused_early(mock):
    mock.automatic = False
    x = mp.zeros(256, device=mock.device)
    address = x._block.address
    sent(mock, k.struct("One", p=k.pointer(k.scalar("float"))), [x])
    del x
    assert mp.zeros(256, device=mock.device)._block.address != address


@pytest.mark.parametrize(
    ("cast", "values", "expected"),
    [
        ("fp16", [3.14, 0.5], np.array([3.14, 0.5], np.float16)),
        ("bf16", [3.14, 0.5], np.array([3.14, 0.5], ml_dtypes.bfloat16)),
        ("int32", [1 << 33 | 5, -1], np.array([5, -1], np.int32)),
        ("int16", [70000, 2.9], np.array([70000 - 65536, 2], np.int16)),
        ("int8", [[200, 1], [2, 3]], np.array([-56, 1, 2, 3], np.int8)),
        ("uint8", (-1, 256), np.array([255, 0], np.uint8)),
    ],
)
def test_arg_casts(send, cast, values, expected):
    kind = k.scalar("uchar")
    assert send(kind, values, False, arg_casts=cast) == expected.tobytes()
    assert send(kind, values, False, arg_casts={0: cast}) == expected.tobytes()
    assert send(kind, values, False, arg_casts={"x": cast}) == expected.tobytes()


def test_arg_casts_override_the_declaration(send, mock):
    assert send(k.scalar("short"), 1.0, arg_casts="fp16") == np.float16(1).tobytes()
    assert send(k.vector("half", 2), [3.14, 0.5], arg_casts="fp16") == np.array([3.14, 0.5], np.float16).tobytes()
    kernel = k.idle_kernel(
        mock.device,
        k.device_pointer("x", k.scalar("half"), 0),
        k.constant("start", k.scalar("half"), 1),
        k.constant("step", k.scalar("float"), 2),
    )
    kernel(mp.zeros(3, "float16", mock.device), 3.14, 0.5, arg_casts={1: "fp16"})
    assert mock.launches[-1].values == {1: np.float16(3.14).tobytes(), 2: np.float32(0.5).tobytes()}


@pytest.mark.parametrize(
    ("casts", "kind", "message"),
    [
        ("fp8", mp.LaunchValueError, "arg_casts knows fp16, bf16"),
        (3, mp.LaunchTypeError, "a str or a dict, got int"),
        ({0: 1}, mp.LaunchTypeError, "names of types, got 1"),
        ({5: "fp16"}, mp.LaunchValueError, "argument 5, which kernel 'k' does not have"),
        ("fp16", mp.LaunchValueError, "constant float&, 4 bytes, but arg_casts='fp16' makes 2"),
    ],
)
def test_wrong_arg_casts(send, casts, kind, message):
    with pytest.raises(kind, match=message):
        send(k.scalar("float"), 1.0, arg_casts=casts)


def test_none_is_for_optional_arguments(mock):
    kernel = k.idle_kernel(mock.device, k.constant("x", k.scalar("float"), 0, optional=True))
    kernel(None, threads=1)
    assert mock.launches[-1].buffers == {0: (None, 0)}
    kernel(threads=1)
    assert mock.launches[-1].buffers == {0: (None, 0)}
    kernel(x=1.0, threads=1)
    assert mock.launches[-1].values == {0: packing.pack("<f", 1)}
    with pytest.raises(mp.LaunchTypeError, match="cannot be None"):
        sent(mock, k.scalar("float"), None)


def test_a_failed_launch_records_nothing(mock):
    kernel = k.idle_kernel(
        mock.device, k.device_pointer("x", k.scalar("float"), 0), k.constant("n", k.scalar("int"), 1)
    )
    x = mp.zeros(3, device=mock.device)
    with pytest.raises(mp.LaunchTypeError):
        kernel(x, "three")
    assert mock.launches == []
    kernel(x, 3)
    assert mock.launches[-1].values == {1: packing.pack("<i", 3)}


def test_a_conversion_may_launch_a_kernel_itself(mock):
    inner = k.idle_kernel(mock.device, k.constant("n", k.scalar("int"), 0), name="inner")
    outer = k.idle_kernel(mock.device, k.constant("a", k.scalar("int"), 0), k.constant("b", k.scalar("int"), 1))

    class Number:
        def __index__(self):
            inner(99, threads=1)
            return 7

    outer(5, Number(), threads=1)
    assert [launch.values for launch in mock.launches] == [
        {0: packing.pack("<i", 99)},
        {0: packing.pack("<i", 5), 1: packing.pack("<i", 7)},
    ]


def test_a_conversion_may_drop_an_argument(mock):
    mock.automatic = False
    kind = k.struct("One", p=k.pointer(k.scalar("float")))
    kernel = k.idle_kernel(mock.device, k.constant("a", kind, 0), k.constant("b", k.scalar("int"), 1))
    arrays = [mp.zeros(256, device=mock.device)]
    address = arrays[0]._block.address

    class Number:
        def __index__(self):
            arrays.clear()
            return 7

    kernel(arrays, Number(), threads=1)
    assert mp.zeros(256, device=mock.device)._block.address != address
