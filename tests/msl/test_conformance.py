"""Every function of the tables in tests/helpers/conformance.py, for every type and number of components it has."""

from __future__ import annotations

from functools import cache

import ml_dtypes
import numpy as np
import pytest

import metalpy as mp
from tests.helpers import conformance as table
from tests.helpers.accuracy import assert_ulp
from tests.helpers.conformance import FLOATS, INTEGERS, TYPES

pytestmark = pytest.mark.usefixtures("device")

N = 40  # calls of each function
WIDTHS = (1, 2, 3, 4)

# V is S itself or vec<S, N>; arguments and results lie in memory component by component, functions one after another.
PRELUDE = """
#include <metal_stdlib>
using namespace metal;
template <class S, int N> struct shape { using V = vec<S, N>; };
template <class S> struct shape<S, 1> { using V = S; };
template <class S, int N> typename shape<S, N>::V get(const device S* from, uint i) {
  if constexpr (N == 1) return from[i];
  else {
    vec<S, N> v;
    for (int j = 0; j < N; ++j) v[j] = from[N * i + j];
    return v;
  }
}
template <int N, class R, class S> void put(device S* to, uint i, R value) {
  if constexpr (N == 1) to[i] = S(value);
  else if constexpr (is_vector_v<R>) for (int j = 0; j < N; ++j) to[N * i + j] = S(value[j]);
  else for (int j = 0; j < N; ++j) to[N * i + j] = S(value);
}
template <class S> int whole(S x) { return int(x); }
template <class S, int N> vec<int, N> whole(vec<S, N> x) { return vec<int, N>(x); }
template <class V> using ints = decltype(whole(V()));
template <class V> V frexp_fraction(V x) { ints<V> e; return frexp(x, e); }
template <class V> V frexp_exponent(V x) { ints<V> e; frexp(x, e); return V(e); }
template <class V> V modf_fraction(V x) { V w; return modf(x, w); }
template <class V> V modf_whole(V x) { V w; modf(x, w); return w; }
template <class V> V sincos_sine(V x) { V c; return sincos(x, c); }
template <class V> V sincos_cosine(V x) { V c; sincos(x, c); return c; }
"""


def program(rows, out="S", prefix=""):
    """A kernel template of all rows' calls, for arguments x, y, z."""
    body = "\n".join(f"  put<N>(out + {k} * N * n, i, {prefix}{row.call});" for k, row in enumerate(rows))
    return f"""
template <class S, int N, class O>
kernel void all_(device O* out, const device S* xs, const device S* ys, const device S* zs, constant uint& n,
                 uint i [[thread_position_in_grid]]) {{
  using V = typename shape<S, N>::V;
  const V x = get<S, N>(xs, i), y = get<S, N>(ys, i), z = get<S, N>(zs, i);
  (void)x, (void)y, (void)z;
{body}
}}
"""


def instance(name, scalar, width, out=None):
    out = out or scalar
    return f'template [[host_name("{name}")]] kernel decltype(all_<{scalar}, {width}, {out}>) all_<{scalar}, {width}, {out}>;\n'


@cache
def library(group, type_name, width, out=None, prefix=""):
    rows = applicable(group, type_name, width, prefix)
    return mp.mps.compile_shader(PRELUDE + program(rows, prefix=prefix) + instance("run", type_name, width, out)), rows


def applicable(group, type_name, width, prefix=""):
    rows = [r for r in getattr(table, group) if type_name in r.types and width in getattr(r, "widths", WIDTHS)]
    return [r for r in rows if not prefix or r.namespaces]


def results(group, type_name, width, arguments, out=None, prefix=""):
    """The table's rows and what each of them gives, as an array of shape (rows, N, width)."""
    kernels, rows = library(group, type_name, width, out, prefix)
    got = mp.zeros((len(rows), N, width), dtype=TYPES[out or type_name])
    kernels.run(got, *map(mp.array, arguments), N, threads=N)
    return list(zip(rows, np.asarray(got), strict=True))


# ---- functions of floating-point numbers ----


def arguments_of(row, type_name, width, seed):
    """Each function has its own ranges, so it gets its own arguments."""
    generator = np.random.default_rng(seed)
    drawn = [generator.uniform(low, high, (N, width)).astype(TYPES[type_name]) for low, high in row.ranges]
    limited = [np.clip(a, low, high) for a, (low, high) in zip(drawn, row.ranges, strict=True)]
    return [a.astype(TYPES[type_name]) for a in limited]


@cache
def separate_library(group, type_name, width, prefix=""):
    """One kernel with a switch, so that functions with different ranges need one compilation."""
    rows = applicable(group, type_name, width, prefix)
    cases = "\n".join(f"    case {k}: put<N>(out, i, {prefix}{row.call}); break;" for k, row in enumerate(rows))
    source = f"""
template <class S, int N>
kernel void all_(device S* out, const device S* xs, const device S* ys, const device S* zs, constant int& which,
                 uint i [[thread_position_in_grid]]) {{
  using V = typename shape<S, N>::V;
  const V x = get<S, N>(xs, i), y = get<S, N>(ys, i), z = get<S, N>(zs, i);
  switch (which) {{
{cases}
  }}
}}
template [[host_name("run")]] kernel decltype(all_<{type_name}, {width}>) all_<{type_name}, {width}>;
"""
    return mp.mps.compile_shader(PRELUDE + source), rows


def check_floats(group, type_name, width, prefix=""):
    kernels, rows = separate_library(group, type_name, width, prefix)
    dtype = TYPES[type_name]
    for k, row in enumerate(rows):
        arguments = arguments_of(row, type_name, width, k)
        out = mp.zeros((N, width), dtype=dtype)
        filled = [*arguments, *[np.zeros((N, width), dtype)] * (3 - len(arguments))]
        kernels.run(out, *map(mp.array, filled), k, threads=N)
        with np.errstate(all="ignore"):
            exact = row.exact(*(a if row.native else a.astype(np.float64) for a in arguments))
        exact = np.asarray(exact).astype(np.float64)
        if type_name == "float":
            limit, wanted = row.ulp, exact
            if prefix == "fast::" and row.fast_ulp is not None:
                limit = row.fast_ulp
        else:  # computed in single precision and rounded once more
            limit, wanted = min(row.ulp, 1), exact
        if not row.ulp:  # exact, but for the type's own rounding
            wanted = exact.astype(dtype).astype(np.float64)
        try:
            assert_ulp(np.asarray(out), wanted, limit)
        except AssertionError as error:
            raise AssertionError(f"{prefix}{row.name} of {type_name}{width}: {error}") from None


# half and bfloat go the way of float, one width shows that their vectors exist
SHAPES = [
    ("float", 1),
    ("float", 2),
    ("float", 3),
    ("float", 4),
    ("half", 1),
    ("half", 3),
    ("bfloat", 1),
    ("bfloat", 2),
]


@pytest.mark.parametrize(("type_name", "width"), SHAPES)
@pytest.mark.parametrize("group", ["MATH", "COMMON"])
def test_floating_point(group, type_name, width):
    check_floats(group, type_name, width)


@pytest.mark.parametrize("width", [1, 2])
@pytest.mark.parametrize("namespace", ["fast", "precise"])
def test_namespaces(namespace, width):
    check_floats("MATH", "float", width, f"{namespace}::")
    check_floats("COMMON", "float", width, f"{namespace}::")


@pytest.mark.parametrize(("type_name", "width"), SHAPES)
def test_relational(type_name, width):
    dtype = TYPES[type_name]
    info = ml_dtypes.finfo(dtype)
    special = np.array([0, -0.0, 1, -1, np.inf, -np.inf, np.nan, info.tiny, -info.smallest_subnormal, info.max], dtype)
    generator = np.random.default_rng(1)
    x, y = generator.choice(special, (2, N, width))
    y[::4] = x[::4]
    for row, got in results("RELATIONAL", type_name, width, (x, y, y), "int"):
        with np.errstate(invalid="ignore"):
            expected = row.exact(*(x, y)[: len(row.ranges)]).astype(int)
        np.testing.assert_array_equal(got, expected, f"{row.name} of {type_name}{width}")


# ---- functions of integers ----


@pytest.mark.parametrize(
    ("type_name", "width"), [*((t, 1) for t in INTEGERS), *zip(INTEGERS, [2, 3, 4, 2, 3, 4, 2, 3], strict=True)]
)
def test_integer(type_name, width):
    dtype = np.dtype(INTEGERS[type_name])
    info, bits = np.iinfo(dtype), 8 * dtype.itemsize
    generator = np.random.default_rng(2)
    x, y, z = generator.integers(info.min, info.max, (3, N, width), dtype, endpoint=True)
    x[:4], y[1:5], z[2:6] = info.min, info.max, 1
    for row, got in results("INTEGER", type_name, width, (x, y, z)):
        for i in np.ndindex(got.shape):
            exact = row.exact(int(x[i]), int(y[i]), int(z[i]), bits, (int(info.min), int(info.max)))
            assert int(got[i]) % 2**bits == exact % 2**bits, (row.name, type_name, width, x[i], y[i], z[i])


# ---- geometric functions ----


@pytest.mark.parametrize("width", [2, 3, 4])
@pytest.mark.parametrize("type_name", FLOATS)
def test_geometric(type_name, width):
    dtype = TYPES[type_name]
    x, y = np.random.default_rng(3).uniform(-2, 2, (2, N, width)).astype(dtype)
    wide = x.astype(np.float64), y.astype(np.float64)
    eps = float(ml_dtypes.finfo(dtype).eps)
    for row, got in results("GEOMETRIC", type_name, width, (x, y, y)):
        # sums of products of numbers up to 2: some of them in the type itself
        np.testing.assert_allclose(
            got.astype(float), np.broadcast_to(row.exact(*wide), got.shape), rtol=4 * eps, atol=40 * eps,
            err_msg=f"{row.name} of {type_name}{width}",
        )  # fmt: skip


# ---- simdgroups and quadgroups ----


def lane_program(group, width):
    prefix = "simd" if group == 32 else "quad"
    return (
        PRELUDE
        + f"""
template <class S, int N>
kernel void lanes(device S* out, const device S* xs, constant int& which, constant uint& n,
                  uint i [[thread_position_in_grid]], ushort t [[thread_index_in_threadgroup]]) {{
  using V = typename shape<S, N>::V;
  const V x = get<S, N>(xs, i);
  constexpr ushort width = {group};
  const ushort lane = t % width;
  switch (which) {{
@CASES@
  }}
}}
"""
    ).replace("@_", f"{prefix}_")


@cache
def lane_library(group, type_name, width):
    prefix = "simd" if group == 32 else "quad"
    rows = [r for r in table.LANES if type_name in r.types and prefix in r.groups]
    calls = [row.call.replace("@_", f"{prefix}_") for row in rows]
    cases = "\n".join(f"    case {k}: put<N>(out, i, {call}); break;" for k, call in enumerate(calls))
    source = lane_program(group, width).replace("@CASES@", cases)
    source += (
        f'template [[host_name("run")]] kernel decltype(lanes<{type_name}, {width}>) lanes<{type_name}, {width}>;\n'
    )
    return mp.mps.compile_shader(source), rows


LANE_TYPES = [(t, 1) for t in TYPES] + [("float", 2), ("float", 3), ("half", 4), ("int", 3), ("ushort", 4), ("long", 2)]


@pytest.mark.parametrize(("type_name", "width"), LANE_TYPES)
@pytest.mark.parametrize("group", [32, 4])
def test_lanes(group, type_name, width):
    kernels, rows = lane_library(group, type_name, width)
    dtype = np.dtype(TYPES[type_name])
    generator = np.random.default_rng(4)
    threads = 64
    for k, row in enumerate(rows):
        # sums and products of these are exact in every type
        low, high = (1, 3) if "product" in row.name else (0 if dtype.kind == "u" else -3, 4)
        x = generator.integers(low, high, (threads, width))
        if "product" in row.name:
            x[np.arange(threads) % 16 > 1] = 1
        x = x.astype(dtype)
        out = mp.zeros((threads, width), dtype=dtype)
        kernels.run(out, mp.array(x), k, threads, threads=threads, group_size=threads)
        lanes = np.arange(group)
        with np.errstate(over="ignore"):
            exact = np.concatenate([np.asarray(row.exact(v, lanes, group)) for v in x.reshape(-1, group, width)])
        np.testing.assert_array_equal(
            np.asarray(out).astype(float), exact.astype(float), f"{row.name} of {type_name}{width}"
        )


@pytest.mark.parametrize(("prefix", "group"), [("simd", 32), ("quad", 4)])
def test_votes(prefix, group):
    calls = [call.replace("@_", f"{prefix}_") for call in table.VOTES]
    body = "\n".join(f"  out[{k} * n + i] = {call};" for k, call in enumerate(calls))
    source = f"""
#include <metal_stdlib>
using namespace metal;
kernel void votes(device ulong* out, constant uint& n, uint i [[thread_position_in_grid]]) {{
  constexpr uint width = {group};
  const uint lane = i % width;
{body}
}}
"""
    out = mp.zeros((len(calls), 64), dtype=np.uint64)
    mp.mps.compile_shader(source).votes(out, 64, threads=64, group_size=64)
    lanes = np.arange(group)
    for call, exact, got in zip(calls, table.VOTES.values(), np.asarray(out), strict=True):
        expected = np.tile(np.broadcast_to(exact(lanes, group), group), 64 // group)
        np.testing.assert_array_equal(got, expected, call)


# ---- atomics ----

ATOMIC_TYPES = {"int": np.int32, "uint": np.uint32, "bool": np.bool_, "float": np.float32, "ulong": np.uint64}


@pytest.mark.parametrize("space", ["device", "threadgroup"])
@pytest.mark.parametrize("type_name", ATOMIC_TYPES)
def test_atomics(type_name, space):
    rows = [row for row in table.ATOMICS if type_name in row.types]
    slot = (
        "device A* a = memory + t;" if space == "device" else "threadgroup A slots[64]; threadgroup A* a = slots + t;"
    )
    cases = "\n".join(f"    case {k}: result = {row.call}; break;" for k, row in enumerate(rows))
    source = f"""
#include <metal_stdlib>
using namespace metal;
using T = {type_name};
using A = atomic<T>;
// The first attempt is refused and says what is there; the second one, which may fail at times, succeeds.
T exchanged({space} A* a, T old, T x) {{
  T expected = old == T(1) ? T(0) : T(1);
  if (atomic_compare_exchange_weak_explicit(a, &expected, x, memory_order_relaxed, memory_order_relaxed)) return T(x + 5);
  while (!atomic_compare_exchange_weak_explicit(a, &expected, x, memory_order_relaxed, memory_order_relaxed)) {{}}
  return expected;
}}
kernel void run(device A* memory, device T* results, const device T* xs, constant int& which,
                uint t [[thread_index_in_threadgroup]]) {{
  const T x = xs[t], old = atomic_load_explicit(memory + t, memory_order_relaxed);
  {slot}
  atomic_store_explicit(a, old, memory_order_relaxed);
  T result = old;
  switch (which) {{
{cases}
  }}
  results[t] = result;
  atomic_thread_fence(mem_flags::mem_device, memory_order_seq_cst, thread_scope_device);
  atomic_store_explicit(memory + t, atomic_load_explicit(a, memory_order_relaxed), memory_order_relaxed);
}}
"""
    kernels = mp.mps.compile_shader(source)
    dtype = ATOMIC_TYPES[type_name]
    generator = np.random.default_rng(6)
    for k, row in enumerate(rows):
        old, x = generator.integers(0, 2 if type_name == "bool" else 100, (2, 64)).astype(dtype)
        if type_name == "int":
            old -= 50
        memory, got = mp.array(old), mp.zeros(64, dtype=dtype)
        kernels.run(memory, got, mp.array(x), k, threads=64, group_size=64)
        after = [row.after(a, b) for a, b in zip(old.tolist(), x.tolist(), strict=True)]
        after = [value % 2**32 for value in after] if type_name == "uint" else after
        np.testing.assert_array_equal(np.asarray(memory), after, row.name)
        np.testing.assert_array_equal(np.asarray(got), old, row.name)
