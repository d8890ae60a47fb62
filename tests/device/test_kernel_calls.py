"""Launching: grids, arguments by name and by value, order, lifetimes, several Python threads."""

from __future__ import annotations

import gc
import threading
import weakref

import ml_dtypes
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import metalpy as mp

pytestmark = pytest.mark.usefixtures("device")

HEAD = "#include <metal_stdlib>\nusing namespace metal;\n"
compile_shader = mp.mps.compile_shader

COUNTERS = (
    HEAD
    + """
kernel void visit(device atomic_uint* visits, uint3 p [[thread_position_in_grid]], uint3 n [[threads_per_grid]]) {
  atomic_fetch_add_explicit(visits + (p.z * n.y + p.y) * n.x + p.x, 1u, memory_order_relaxed);
}
kernel void shape(device uint* out, uint3 threads [[threads_per_grid]], uint3 groups [[threadgroups_per_grid]],
                  uint3 size [[dispatch_threads_per_threadgroup]], uint3 p [[thread_position_in_grid]]) {
  if (all(p == 0)) {
    for (int axis = 0; axis < 3; ++axis) {
      out[axis] = threads[axis];
      out[3 + axis] = groups[axis];
      out[6 + axis] = size[axis];
    }
  }
}
"""
)


def shape_of(**options):
    out = mp.zeros(9, dtype=mp.uint32)
    compile_shader(COUNTERS).shape(out, **options)
    return tuple(map(tuple, np.asarray(out).reshape(3, 3).tolist()))


# ---- grids ----


def test_threads_as_int_tuple_list_and_array():
    expected = ((6, 1, 1), (1, 1, 1), (6, 1, 1))
    for threads in (6, (6,), [6], np.int64(6), np.array([6]), (6, 1), (6, 1, 1)):
        assert shape_of(threads=threads) == expected, threads


def test_default_threads_are_the_first_array():
    lib = compile_shader(
        "kernel void k(constant int& n, device int* x, uint i [[thread_position_in_grid]]) { x[i] += n; }"
    )
    x = mp.zeros((3, 4), dtype=mp.int32)
    lib.k(5, x)
    np.testing.assert_array_equal(np.asarray(x), 5)
    lib.k(5, x[1])
    np.testing.assert_array_equal(np.asarray(x).sum(1), [20, 40, 20])


def test_groups():
    assert shape_of(groups=(2, 3), group_size=(4, 5)) == ((8, 15, 1), (2, 3, 1), (4, 5, 1))
    assert shape_of(groups=7, group_size=32) == ((224, 1, 1), (7, 1, 1), (32, 1, 1))


def test_default_group_size():
    assert shape_of(threads=5000)[2] == (1024, 1, 1)
    assert shape_of(threads=10)[2] == (10, 1, 1)
    for threads in ((1000, 1000), (3, 1000), (7, 5, 3), (1, 1, 500)):
        group = shape_of(threads=threads)[2]
        assert 1 <= np.prod(group) <= 1024
        assert all(g <= max(n, 32) for g, n in zip(group, (*threads, 1, 1), strict=False)), group


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    threads=st.lists(st.integers(1, 40), min_size=1, max_size=3),
    sizes=st.lists(st.integers(1, 10), min_size=3, max_size=3),
    with_size=st.booleans(),
)
def test_every_thread_runs_exactly_once(threads, sizes, with_size):
    visits = mp.zeros(int(np.prod(threads)), dtype=mp.uint32)
    options = {"group_size": tuple(sizes[: len(threads)])} if with_size else {}
    compile_shader(COUNTERS).visit(visits, threads=tuple(threads), **options)
    np.testing.assert_array_equal(np.asarray(visits), 1)


# ---- arguments ----

NAMED = "kernel void k(device float* out, constant float& a, constant int& b, uint i [[thread_position_in_grid]]) { out[i] = a * b; }"


def test_arguments_by_name():
    kernel = compile_shader(NAMED).k
    for call in (
        lambda x: kernel(x, 1.5, 4),
        lambda x: kernel(x, b=4, a=1.5),
        lambda x: kernel(a=1.5, b=4, out=x),
        lambda x: kernel(x, 1.5, b=4, threads=3),
    ):
        x = mp.zeros(3)
        call(x)
        np.testing.assert_array_equal(np.asarray(x), 6)


SCALARS = {
    "char": (np.int8, -7), "uchar": (np.uint8, 250), "short": (np.int16, -30000), "ushort": (np.uint16, 60000),
    "int": (np.int32, -(2**31)), "uint": (np.uint32, 2**32 - 1), "long": (np.int64, -(2**63)),
    "ulong": (np.uint64, 2**64 - 1), "half": (np.float16, 0.1), "bfloat": (ml_dtypes.bfloat16, 0.1),
    "float": (np.float32, 0.1), "bool": (np.bool_, True),
}  # fmt: skip


@pytest.mark.parametrize("name", SCALARS)
def test_scalar_arguments(name):
    dtype, value = SCALARS[name]
    source = f"kernel void k(device {name}* out, constant {name}& value) {{ *out = value; }}"
    kernel = compile_shader(source).k
    expected = np.array([value]).astype(dtype)
    for given_value in (value, expected[0], np.asarray(value), expected):
        if given_value is expected:
            given_value = mp.array(expected)  # a buffer does as well
        out = mp.zeros(1, dtype=dtype)
        kernel(out, given_value)
        np.testing.assert_array_equal(np.asarray(out), expected)


def test_lists_for_pointers_and_vectors():
    lib = compile_shader(
        """
        kernel void pointer(device float* out, constant float* v, uint i [[thread_position_in_grid]]) { out[i] = v[i]; }
        kernel void vector(device int3* out, constant metal::int3& v) { *out = v; }
        kernel void vectors(device float* out, constant metal::float2* v, uint i [[thread_position_in_grid]]) { out[i] = v[i].x - v[i].y; }
        kernel void matrix(device float* out, constant metal::float3x2& m, uint i [[thread_position_in_grid]]) { out[i] = m[i / 2][i % 2]; }
    """.replace("device int3", "device metal::int3")
    )
    out = mp.zeros(4)
    for values in ([1, 2.5, 3, 4], (1, 2.5, 3, 4), np.array([1, 2.5, 3, 4]), mp.array([1, 2.5, 3, 4]), range(1, 5)):
        lib.pointer(out, values)
        np.testing.assert_array_equal(np.asarray(out), [1, 2, 3, 4] if isinstance(values, range) else [1, 2.5, 3, 4])
    whole = mp.zeros(4, dtype=mp.int32)
    lib.vector(whole, (7, 8, 9), threads=1)
    np.testing.assert_array_equal(np.asarray(whole)[:3], [7, 8, 9])
    lib.vectors(out, [(5, 1), (6, 2), (7, 3), (8, 5)])
    np.testing.assert_array_equal(np.asarray(out), [4, 4, 4, 3])
    six = mp.zeros(6)
    lib.matrix(six, [[1, 2], [3, 4], [5, 6]])  # columns
    np.testing.assert_array_equal(np.asarray(six), [1, 2, 3, 4, 5, 6])


def test_values_are_copied_at_the_call():
    kernel = compile_shader(NAMED.replace("constant int& b", "constant int* b").replace("a * b", "a * b[0]")).k
    values = np.array([3], np.int32)
    outs = []
    for _ in range(50):
        out = mp.zeros(1)
        kernel(out, 1.0, values)
        outs.append((out, int(values[0])))
        values += 1
    assert [o.item() for o, _ in outs] == [v for _, v in outs]


def test_offsets_of_views():
    lib = compile_shader("kernel void k(device int* x, uint i [[thread_position_in_grid]]) { x[i] = int(i) + 100; }")
    x = mp.zeros(20, dtype=mp.int32)
    lib.k(x[5:9])
    expected = np.zeros(20)
    expected[5:9] = 100 + np.arange(4)
    np.testing.assert_array_equal(np.asarray(x), expected)


def test_same_array_twice():
    lib = compile_shader(
        "kernel void k(device int* x, device int* y, uint i [[thread_position_in_grid]]) { x[i] += 2 * y[i]; }"
    )
    x = mp.array([1, 2, 3])
    lib.k(x, x)
    np.testing.assert_array_equal(np.asarray(x), [3, 6, 9])


def test_all_31_buffers():
    parameters = ", ".join(f"device int* b{n} [[buffer({n})]]" for n in range(31))
    body = " ".join(f"b{n}[i] += {n};" for n in range(31))
    lib = compile_shader(f"kernel void k({parameters}, uint i [[thread_position_in_grid]]) {{ {body} }}")
    arrays = [mp.full(3, 1000, dtype=mp.int32) for _ in range(31)]
    lib.k(*arrays)
    for n, x in enumerate(arrays):
        np.testing.assert_array_equal(np.asarray(x), 1000 + n)


# ---- order and lifetimes ----

CHAIN = "kernel void step(device int* x, constant int& k, uint i [[thread_position_in_grid]]) { x[i] = x[i] * 3 + k; }"


def test_launches_run_in_order():
    kernel = compile_shader(CHAIN).step
    x = mp.zeros(100, dtype=mp.int32)
    expected = 0
    for k in range(200):
        kernel(x, k)
        expected = (expected * 3 + k + 2**31) % 2**32 - 2**31
    np.testing.assert_array_equal(np.asarray(x), expected)


def test_launching_does_not_wait():
    lib = compile_shader("""
        kernel void slow(device float* x, uint i [[thread_position_in_grid]]) {
          for (int k = 0; k < 20000000; ++k) x[i] = x[i] * 0.5f + 1;
        }
    """)
    x = mp.zeros(1)
    lib.slow(x, threads=0)  # loads the code
    import time

    start = time.perf_counter()
    lib.slow(x)
    launched = time.perf_counter() - start
    mp.mps.synchronize()
    done = time.perf_counter() - start
    assert launched < done / 5
    assert x.item() == 2


def test_reading_waits():
    kernel = compile_shader(CHAIN).step
    x = mp.zeros(4, dtype=mp.int32)
    for reader in (
        np.asarray,
        lambda a: a.numpy(),
        lambda a: np.array(a.tolist()),
        lambda a: np.from_dlpack(a),
        lambda a: a.copy().numpy(),
    ):
        before = np.array(x)
        kernel(x, 1)
        np.testing.assert_array_equal(reader(x), before * 3 + 1)


def test_host_writes_come_after_work():
    kernel = compile_shader(CHAIN).step
    x, y = mp.ones(1000, dtype=mp.int32), mp.zeros(1000, dtype=mp.int32)
    lib = compile_shader(
        "kernel void add(device int* y, const device int* x, uint i [[thread_position_in_grid]]) { y[i] += x[i]; }"
    )
    total = 0
    for k in range(30):
        lib.add(y, x)
        total += 1 if k == 0 else k
        x[:] = k + 1
    np.testing.assert_array_equal(np.asarray(y), total + 0)
    kernel(x, 0)


def test_memory_lives_until_the_work_is_done():
    lib = compile_shader(
        "kernel void add(device int* y, const device int* x, uint i [[thread_position_in_grid]]) { y[i] += x[i]; }"
    )
    y = mp.zeros(10_000, dtype=mp.int32)
    for k in range(100):
        x = mp.full(10_000, k, dtype=mp.int32)
        lib.add(y, x)
        del x  # its memory must not be given to the next one before the kernel has run
    np.testing.assert_array_equal(np.asarray(y), sum(range(100)))


def test_wrapped_memory_is_let_go():
    lib = compile_shader(
        "kernel void add(device int* y, const device int* x, uint i [[thread_position_in_grid]]) { y[i] += x[i]; }"
    )

    class Host(np.ndarray):
        pass

    host = np.arange(1024, dtype=np.int32).view(Host)
    alive = weakref.ref(host)
    y, x = mp.zeros(1024, dtype=mp.int32), mp.from_dlpack(host)
    lib.add(y, x)
    del host, x
    np.testing.assert_array_equal(np.asarray(y), np.arange(1024))
    mp.mps.synchronize()
    gc.collect()
    assert alive() is None


def test_nothing_stays_allocated():
    kernel = compile_shader(CHAIN).step
    mp.mps.synchronize()
    gc.collect()
    before = mp.mps.current_allocated_memory()
    for k in range(50):
        x = mp.zeros(1000, dtype=mp.int32)
        kernel(x, k)
    del x
    mp.mps.synchronize()
    gc.collect()
    assert mp.mps.current_allocated_memory() == before


# ---- many launches, several Python threads ----


def test_ten_thousand_launches():
    lib = compile_shader(
        "kernel void k(device int* x, constant int& by, uint i [[thread_position_in_grid]]) { x[i] += by; }"
    )
    x = mp.zeros(8, dtype=mp.int32)
    for k in range(10_000):
        lib.k(x, k & 1)
    np.testing.assert_array_equal(np.asarray(x), 5000)


def test_two_threads_launch_at_once():
    lib = compile_shader(
        "kernel void k(device int* x, constant int& by, uint i [[thread_position_in_grid]]) { x[i] += by; }"
    )
    arrays = [mp.zeros(64, dtype=mp.int32) for _ in range(2)]
    shared = mp.zeros(64, dtype=mp.int32)
    failures = []
    start = threading.Barrier(2)

    def work(x, by):
        try:
            start.wait()
            for k in range(1500):
                lib.k(x, by)
                lib.k(shared, by)
                if k % 100 == 0:
                    assert (np.asarray(x) == by * (k + 1)).all()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(x, by)) for x, by in zip(arrays, (1, 1000), strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    np.testing.assert_array_equal(np.asarray(arrays[0]), 1500)
    np.testing.assert_array_equal(np.asarray(arrays[1]), 1_500_000)
    np.testing.assert_array_equal(np.asarray(shared), 1_501_500)


def test_threads_compile_and_launch_at_once():
    failures = []

    def work(number):
        try:
            lib = compile_shader(
                f"kernel void k(device int* x, uint i [[thread_position_in_grid]]) {{ x[i] = i + {number}; }}"
            )
            x = mp.zeros(100, dtype=mp.int32)
            lib.k(x)
            np.testing.assert_array_equal(np.asarray(x), np.arange(100) + number)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(n % 4,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures
