"""The stand-in Metal headers, compiled as plain C++ and called through ctypes: no device, no rewriter."""

import ctypes
import pathlib
import platform
import subprocess

import numpy as np
import pytest

ziglang = pytest.importorskip("ziglang")
ml_dtypes = pytest.importorskip("ml_dtypes")

ZIG = str(pathlib.Path(ziglang.__file__).with_name("zig"))
PACKAGE = pathlib.Path(__file__).parents[2] / "metalpy"
HEADERS = PACKAGE / "compiler" / "include"
X86 = platform.machine() in ("x86_64", "AMD64")
FLAGS = [
    *"-x c++ -std=gnu++20 -fdeclspec -nostdinc -nostdinc++ -fno-exceptions -fno-rtti -fno-strict-aliasing".split(),
    *"-fno-math-errno -ffp-contract=off -Xclang -cl-single-precision-constant".split(),
    *"-Xclang -ffloat16-excess-precision=none -Xclang -mdouble=32 -D__METAL_VERSION__=320".split(),
    *(["-mf16c"] if X86 else []),
    f"-I{HEADERS}", f"-I{PACKAGE / 'include'}",
]  # fmt: skip
PUBLIC = [*sorted(p.name for p in HEADERS.iterdir() if p.is_file()), "simd/simd.h", "simd/vector_types.h"]


def clang(source, *options, keywords=True):
    front = ["-include", "__mp/keywords.h"] if keywords else []
    command = [ZIG, "clang", *FLAGS, *front, *options, "-"]
    return subprocess.run(command, input=source, capture_output=True, text=True)


def check(source, *options):
    done = clang(source, "-fsyntax-only", "-Wall", "-Wextra", "-Werror", *options)
    assert done.returncode == 0, done.stderr


def load(source, tmp_path, *options):
    """Compile to a shared object; what it imports comes from this process's libm or from the source itself."""
    objects, library = tmp_path / "k.o", tmp_path / "k.so"
    done = clang(source, "-O2", "-fPIC", "-c", "-o", str(objects), *options)
    assert done.returncode == 0, done.stderr
    subprocess.run([ZIG, "ld.lld", "-shared", "-o", str(library), str(objects)], check=True)
    return ctypes.CDLL(str(library))


@pytest.mark.parametrize("header", PUBLIC)
def test_header_alone(header):
    done = clang(f"#include <{header}>\n", "-fsyntax-only", "-Wall", "-Wextra", "-Wsystem-headers", "-Werror",
                 "-Wno-user-defined-literals")  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_only_macros_in_the_first_pass():
    source = "".join(f"#include <{header}>\n" for header in PUBLIC)
    done = clang(source, "-E", "-P", "-D__METALPY_HARVEST__", keywords=False)
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if line.strip() and not line.startswith("#pragma")] == []


def test_types_need_no_header():
    check("static_assert(sizeof(float3) == 16 && sizeof(packed_float3) == 12 && sizeof(half4x4) == 32 && sizeof(uint) == 4);"
          "static_assert(as_type<uint>(1.0f) == 0x3f800000 && as_type<ushort>(1.0h) == 0x3c00);"
          "kernel void f(device float4 *p, constant uint &n) { threadgroup float t[4]; t[0] = n; p[0] = t[0]; }"
          )  # fmt: skip


VECTORS = """
#include <metal_stdlib>
using namespace metal;
constexpr float4 v = {1, 2, 3, 4};
static_assert(all(v.wzyx == float4(4, 3, 2, 1)) && v.rgb.b == 3 && v[2] == 3 && all(v.xxyy.zw == 2));
static_assert(all(float4(v.xyz, 1) == float4(1, v.yz, 1)) && all(float4(v.xy, v.xy) == float4(1, 2, v.xy)));
static_assert(all(uint4{1, 2, 3} == uint4(1, 2, 3, 0)) && all(float3(packed_float3(1, 2, 3)) == v.xyz));
static_assert(all(char4(100) + char4(100) == char4(-56)) && all((uint2(1) << int2(3, 33)) == uint2(8, 2)));
static_assert(all(uint3(int3(-1)) == 0xffffffff) && all(int2(float2(1.5f, -1.5f)) == int2(1, -1)));
static_assert(sizeof(bool3) == 4 && sizeof(v.x < v) == 4 && any(v > 3.5f) && !all(v > 3.5f));
static_assert(is_same_v<decltype(half4(1) * 2.0f), half4> && is_same_v<decltype(2 * float3(1)), float3>);
static_assert(is_same_v<decltype(packed_float3(1) + 1), float3> && is_same_v<decltype(max(half(1), 1.0f)), float>);
static_assert(min(int8_t(-3), int8_t(4)) == -3 && max(1ll, 2ll) == 2 && abs(int8_t(-3)) == 3);
static_assert(is_same_v<decltype(max(1, 2u)), uint> && is_same_v<decltype(min(ushort(1), ushort(2))), ushort>);
static_assert(is_same_v<decltype(bfloat(1) * bfloat(1)), bfloat> && is_same_v<decltype(bfloat(1) + 1.0f), float>);
static_assert(is_trivially_copyable_v<float3> && is_trivially_default_constructible_v<bfloat4> && alignof(half3) == 8);
static_assert((half)bfloat(2.0f) == 2.0h && (bfloat)0.5h == 0.5_b && BFLT_MAX == numeric_limits<bfloat>::max());
constexpr float3x3 m(2.0f);
static_assert((m * float3(1, 2, 3)).z == 6 && determinant(m) == 8 && sizeof(m) == 48 && m[1][1] == 2 && m[1][0] == 0);
constexpr float2x3 a(1, 2, 3, 4, 5, 6);
static_assert((transpose(a) * a)[0][1] == 32 && all(float3(1) * a == float2(6, 15)) && m * 2 == float3x3(4.0f));
constexpr array<int, 3> list = {{1, 2, 3}};
static_assert(list.size() == 3 && list[2] == 3 && max3(1, 3, 2) == 3 && median3(3, 1, 2) == 2);
static_assert(all(select(float2(1), float2(2), bool2(false, true)) == float2(1, 2)) && clamp(5, 0, 3) == 3);
static_assert(numeric_limits<half>::max() == HALF_MAX && numeric_limits<char>::min() == -128);
template <class T> T twice(T x) { return x * 2; }
template <class V> V swizzled(V v, V w) { // needs all of Metal's operators to stay hidden
    v.xy *= 2, v.zw = v.xy * w.zw + w.xx * 0.5f - -v.yx, v.xy = select(v.xy, v.zw, v.xy < v.zw && v.xy == 1);
    return v;
}
template float4 swizzled(float4, float4);
template <class V> V swizzled_integers(V v) { return (v.xy << v.yx ^ v.xx).xyxy % v.wzyx; }
template uint4 swizzled_integers(uint4);
float use(device float4 *p, device packed_float3 *q, thread half4 &h, bfloat b, int i) {
    p->xy = p->yx, p->rgb *= 2, p[0].xyz = q[0], q[0].xy += 1, q[0] = q[0] * 2 + p[0].xyz, q[0] *= 2;
    thread float &x = p[0].y;
    x += 1, h = half4(p[1]), p[1] = (float4)h, h *= 0.5, p[2] = 0, p[3] = max(p[0], 0) + clamp(p[1], 0.0f, 1.0f);
    union { float4 f; uint4 u; } both;
    both.f = p[0], b = i ? b : 0, b += 1, p[0] *= b, x += b * 2, ++p[0], p[0][i] = -p[0][1];
    return twice(0.5 * x) + both.u.x + pow(x, 2) + mix(x, 1, 0.5) + dot(q[0], p[0].xyz) + length(p[0]) + float(half(b));
}
"""


def test_vectors_and_matrices():
    check(VECTORS)


@pytest.mark.parametrize("misuse", [
    "float f(float4 v) { return v.q; }",
    "void f(thread float4 &v) { v.xx = float2(1); }",
    "float4 f(half4 h) { return h; }",
    "float4 f(float4 a, half4 b) { return a + b; }",
    "float3 f(float4 a, float3 b) { return max(a, b); }",
    "float4 f(float4 a) { return a & 1; }",
    "double f() { return 1; }",
    "uint f(half h) { return as_type<uint>(h); }",
    "float f(float a) { return popcount(a); }",
    "void f(device atomic<short> *a) { atomic_store_explicit(a, 1, memory_order_relaxed); }",
    "void f(device atomic_float *a) { atomic_fetch_or_explicit(a, 1, memory_order_relaxed); }",
    "void f(constant float4 &v) { v.x = 1; }",
    "float f(texture2d<float> t) { t.write(0, uint2(0)); return 0; }",
    "float f(texture2d<float, access::write> t) { return t.read(uint2(0)).x; }",
    "float f(texture2d<float, access::read> t, sampler s) { return t.sample(s, float2(0)).x; }",
    "float f(texture3d<float> t, sampler s) { return t.sample(s, float3(0), gradient2d(0, 0)).x; }",
    "texture2d<float4> f(texture2d<float4> t) { return t; }",
    "constexpr sampler s(filter::bicubic);",
    "float f(float4x4 m, float3 v) { return (m * v).x; }",
    "void f() { threadgroup_barrier(1); }",
])  # fmt: skip
def test_misuse_is_refused_in_a_few_lines(misuse):
    source = "#include <metal_stdlib>\nusing namespace metal;\n"
    assert clang(source, "-fsyntax-only").returncode == 0
    done = clang(source + misuse, "-fsyntax-only")
    assert done.returncode != 0
    assert done.stderr.count(" error: ") <= 2, done.stderr


# ---- numbers ----
UNARY = {  # the domain, the largest error in units in the last place of the exact result
    "acos": (-1, 1, 2), "asin": (-1, 1, 2), "atan": (-50, 50, 2), "cos": (-50, 50, 2), "sin": (-50, 50, 2),
    "tan": (-1.5, 1.5, 3), "cosh": (-20, 20, 3), "sinh": (-20, 20, 3), "tanh": (-5, 5, 3), "exp": (-80, 80, 2),
    "exp2": (-100, 100, 2), "exp10": (-30, 30, 2), "log": (0, 1e9, 2), "log2": (0, 1e9, 2), "log10": (0, 1e9, 3),
    "sqrt": (0, 1e9, 1), "rsqrt": (0, 1e9, 2), "ceil": (-9, 9, 0), "floor": (-9, 9, 0), "trunc": (-9, 9, 0),
    "rint": (-9, 9, 0), "round": (-9, 9, 0), "fabs": (-9, 9, 0), "acosh": (1, 99, 3), "asinh": (-99, 99, 3),
    "atanh": (-0.99, 0.99, 3), "sinpi": (-9, 9, 3), "cospi": (-9, 9, 4), "saturate": (-2, 2, 0), "sign": (-2, 2, 0),
    "fract": (-9, 9, 1),
}  # fmt: skip
EXACT = {
    "exp10": lambda x: 10.0**x, "rsqrt": lambda x: 1 / np.sqrt(x), "round": lambda x: np.trunc(x + np.copysign(0.5, x)),
    "sinpi": lambda x: np.sin(np.pi * x), "cospi": lambda x: np.cos(np.pi * x), "saturate": lambda x: np.clip(x, 0, 1),
    "acos": np.arccos, "asin": np.arcsin, "atan": np.arctan, "acosh": np.arccosh, "asinh": np.arcsinh,
    "atanh": np.arctanh, "fract": lambda x: x - np.floor(x),
}  # fmt: skip
BINARY = {
    "atan2": np.arctan2, "copysign": np.copysign, "fdim": lambda x, y: np.maximum(x - y, 0), "fmax": np.fmax,
    "fmin": np.fmin, "fmod": np.fmod, "pow": lambda x, y: np.abs(x) ** y, "nextafter": None, "step": lambda x, y: 1.0 * (y >= x),
    "divide": np.divide,
}  # fmt: skip
INTEGERS = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]
INTEGER2 = ["absdiff", "addsat", "subsat", "hadd", "rhadd", "mulhi", "rotate", "min", "max"]
INTEGER1 = ["clz", "ctz", "popcount", "reverse_bits", "abs"]

# Each function also runs on vectors of four, which have to agree with the scalar one.
MATH = """
#include <metal_stdlib>
using namespace metal;
extern "C" {
#define U(f) \\
    void f##_float(const float *x, float *y, int n) { for (int i = 0; i < n; ++i) y[i] = metal::f(x[i]); } \\
    void f##_half(const half *x, half *y, int n) { for (int i = 0; i < n; ++i) y[i] = metal::f(x[i]); } \\
    void f##_bfloat(const bfloat *x, bfloat *y, int n) { for (int i = 0; i < n; ++i) y[i] = metal::f(x[i]); } \\
    void f##_float4(const float4 *x, float4 *y, int n) { for (int i = 0; i < n / 4; ++i) y[i] = metal::f(x[i]); }
#define B(f) \\
    void f##_float(const float *x, const float *y, float *z, int n) { for (int i = 0; i < n; ++i) z[i] = metal::f(x[i], y[i]); } \\
    void f##_half(const half *x, const half *y, half *z, int n) { for (int i = 0; i < n; ++i) z[i] = metal::f(x[i], y[i]); }
#define I(f, t) \\
    void f##_##t(const t##_t *x, const t##_t *y, t##_t *z, int n) { for (int i = 0; i < n; ++i) z[i] = metal::f(x[i], y[i]); }
#define J(f, t) \\
    void f##_##t(const t##_t *x, t##_t *z, int n) { for (int i = 0; i < n; ++i) z[i] = metal::f(x[i]); }
%s
#define P(f, from, to) void f##_(const from *x, to *y, int n) { for (int i = 0; i < n; ++i) y[i] = metal::f(x[i]); }
P(pack_float_to_unorm4x8, float4, uint) P(pack_float_to_snorm4x8, float4, uint) P(pack_float_to_unorm2x16, float2, uint)
P(pack_float_to_snorm2x16, float2, uint) P(pack_float_to_unorm10a2, float4, uint) P(pack_float_to_unorm565, float3, ushort)
P(unpack_unorm4x8_to_float, uint, float4) P(unpack_snorm4x8_to_float, uint, float4) P(unpack_unorm2x16_to_float, uint, float2)
P(unpack_snorm2x16_to_float, uint, float2) P(unpack_unorm10a2_to_float, uint, float4) P(unpack_unorm565_to_float, ushort, float3)
P(pack_float_to_srgb_unorm4x8, float4, uint) P(unpack_unorm4x8_srgb_to_float, uint, float4)
int special(void) {
    float c, w;
    int e;
    int bad = 0;
    int number = 0;
#define T(x) ++number, bad = !bad && !(x) ? number : bad
    T(sinpi(1.0f) == 0 && cospi(0.5f) == 0 && sinpi(0.5f) == 1 && cospi(1.0f) == -1 && sinpi(1e10f) == 0 && tanpi(0.25f) == 1);
    T(round(0.5f) == 1 && round(-2.5f) == -3 && rint(2.5f) == 2 && rint(-1.5f) == -2 && round(0.49999997f) == 0);
    T(fract(-1e-10f) == 0x1.fffffep-1f && fract(-1e-4h) < 1 && fract(1.25f) == 0.25f);
    T(min(NAN, 1.0f) == 1 && max(1.0f, NAN) == 1 && fmin(NAN, 2.0h) == 2 && clamp(NAN, 0.0f, 1.0f) == 0);
    T(isnan(NAN) && !isnan(1.0h) && isinf(-INFINITY) && isfinite(HALF_MAX) && signbit(-0.0f) && isnan(bfloat(NAN)));
    T(isnormal(FLT_MIN) && !isnormal(FLT_TRUE_MIN) && isnormal(0x1p-14h) && !isnormal(0x1p-15h) && !isnormal(INFINITY) && !isnormal(half(INFINITY)));
    T(isunordered(NAN, 1) && isordered(1.0f, 2.0f) && any(isnan(float4(1, NAN, 1, 1))));
    T(nextafter(1.0f, 2.0f) == 1 + FLT_EPSILON && nextafter(0.0f, -1.0f) == -FLT_TRUE_MIN && nextafter(1.0h, 0.0h) == 1 - HALF_EPSILON / 2);
    T(frexp(8.0f, e) == 0.5f && e == 4 && modf(-1.25f, w) == -0.25f && w == -1 && ldexp(0.75f, 3) == 6 && ilogb(9.0f) == 3);
    T(sincos(0.5f, c) == sin(0.5f) && c == cos(0.5f) && powr(2.0f, 0.5f) == sqrt(2.0f) && isnan(powr(-1.0f, 2.0f)));
    T(smoothstep(0.0f, 1.0f, 0.5f) == 0.5f && mix(1.0f, 3.0f, 0.5f) == 2 && step(1.0f, 1.0f) == 1 && fmedian3(3.0f, 1.0f, 2.0f) == 2);
    T(fma(3.0h, 2.0h, 1.0h) == 7 && fast::exp2(3.0f) == 8 && precise::sqrt(4.0f) == 2 && exp10(2.0f) == 100);
    T(all(cross(float3(1, 0, 0), float3(0, 1, 0)) == float3(0, 0, 1)) && length(half2(3, 4)) == 5 && distance(float2(1), float2(1)) == 0);
    T(all(normalize(float2(3, 4)) == float2(3, 4) * (1 / 5.0f)) && all(reflect(float2(1, -1), float2(0, 1)) == float2(1, 1)));
    T(mad24(-3, 5, 1) == -14 && madsat(INT_MAX, 2, 1) == INT_MAX && madhi(-1, 1, 1) == 0 && madsat(LONG_MIN, 2l, -1l) == LONG_MIN);
    T(extract_bits(0xabcdu, 4, 8) == 0xbc && extract_bits(-1, 3, 4) == -1 && insert_bits(0u, ~0u, 8, 8) == 0xff00 && insert_bits(1u, 9u, 0, 32) == 9);
    atomic_uint a;
    atomic_store_explicit(&a, 5u, memory_order_relaxed);
    uint expected = 4;
    T(!atomic_compare_exchange_weak_explicit(&a, &expected, 1, memory_order_relaxed, memory_order_relaxed) && expected == 5);
    T(atomic_fetch_add_explicit(&a, 2, memory_order_relaxed) == 5 && atomic_fetch_min_explicit(&a, 3, memory_order_relaxed) == 7);
    T(atomic_exchange_explicit(&a, 9, memory_order_relaxed) == 3 && atomic_load_explicit(&a, memory_order_relaxed) == 9);
    atomic_float f;
    atomic_store_explicit(&f, 1.5f, memory_order_relaxed);
    T(atomic_fetch_add_explicit(&f, 1, memory_order_relaxed) == 1.5f && atomic_fetch_sub_explicit(&f, 0.5f, memory_order_relaxed) == 2.5f);
    return bad;
}
}
"""


@pytest.fixture(scope="module")
def math(tmp_path_factory):
    rows = [f"U({f})" for f in UNARY] + [f"B({f})" for f in BINARY]
    rows += [f"I({f}, {t})" for f in INTEGER2 for t in INTEGERS] + [f"J({f}, {t})" for f in INTEGER1 for t in INTEGERS]
    return load(MATH % "\n".join(rows), tmp_path_factory.mktemp("math"))


def call(function, *arrays, out):
    pointers = [a.ctypes.data_as(ctypes.c_void_p) for a in (*arrays, out)]
    function(*pointers, ctypes.c_int(max(len(a) for a in (*arrays, out))))
    return out


def ulps(got, exact, dtype):
    """The distance of `got` from the exact result, in units in the last place of numbers of that size."""
    info = ml_dtypes.finfo(dtype)
    spacing = np.exp2(np.floor(np.log2(np.maximum(np.abs(exact), float(info.tiny))))) * float(info.eps)
    return np.max(np.abs(got.astype(np.float64) - exact) / spacing)


@pytest.mark.parametrize("name", UNARY)
def test_unary(math, name):
    low, high, tolerance = UNARY[name]
    x = np.random.default_rng(1).uniform(low, high, 4000).astype(np.float32)
    exact = EXACT.get(name) or getattr(np, name)
    got = call(getattr(math, name + "_float"), x, out=np.empty_like(x))
    if name in ("sinpi", "cospi"):  # near a zero, the reference's own pi * x is what is wrong
        assert np.max(np.abs(got - exact(x.astype(np.float64)))) < 2e-7
    else:
        assert ulps(got, exact(x.astype(np.float64)), np.float32) <= tolerance
    np.testing.assert_array_equal(call(getattr(math, name + "_float4"), x, out=np.empty_like(x)), got)
    for dtype, suffix in ((np.float16, "half"), (ml_dtypes.bfloat16, "bfloat")):
        # exact arguments; results that neither format holds stay out
        narrow = np.random.default_rng(2).uniform(max(low, -10), min(high, 10), 400).astype(dtype)
        narrow = narrow[np.abs(narrow.astype(np.float32)) > 1e-2]
        got = call(getattr(math, f"{name}_{suffix}"), narrow, out=np.empty_like(narrow))
        want = exact(narrow.astype(np.float64))
        inside = np.abs(want) < 6e4
        if name in ("sinpi", "cospi"):
            np.testing.assert_allclose(got.astype(np.float64), want, atol=1e-6, rtol=float(ml_dtypes.finfo(dtype).eps))
        else:
            assert ulps(got[inside], want[inside], dtype) <= 1, suffix


@pytest.mark.parametrize("name", [n for n in BINARY if BINARY[n]])
def test_binary(math, name):
    r = np.random.default_rng(3)
    x, y = r.uniform(0.1, 9, 4000), r.uniform(-9, 9, 4000)
    x = x if name == "pow" else x * np.sign(r.uniform(-1, 1, 4000))
    for dtype, suffix in ((np.float32, "float"), (np.float16, "half")):
        a, b = x.astype(dtype), y.astype(dtype)
        got = call(getattr(math, f"{name}_{suffix}"), a, b, out=np.empty_like(a))
        want = BINARY[name](a.astype(np.float64), b.astype(np.float64))
        inside = np.abs(want) < 6e4
        assert ulps(got[inside], want[inside], dtype) <= 3


def python_integer(name, bits, signed, x, y=None):
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    raw = x & (1 << bits) - 1
    value = {
        "absdiff": lambda: abs(x - y), "addsat": lambda: min(max(x + y, low), high),
        "subsat": lambda: min(max(x - y, low), high), "hadd": lambda: (x + y) >> 1, "rhadd": lambda: (x + y + 1) >> 1,
        "mulhi": lambda: (x * y) >> bits, "min": lambda: min(x, y), "max": lambda: max(x, y), "abs": lambda: abs(x),
        "rotate": lambda: (raw << y % bits | raw >> (bits - y % bits)) & (1 << bits) - 1,
        "clz": lambda: bits - raw.bit_length(), "ctz": lambda: (raw & -raw).bit_length() - 1 if raw else bits,
        "popcount": lambda: raw.bit_count(), "reverse_bits": lambda: int(f"{raw:0{bits}b}"[::-1], 2),
    }[name]() & (1 << bits) - 1  # fmt: skip
    return value - (1 << bits) if signed and value > high else value


@pytest.mark.parametrize("name", INTEGER2 + INTEGER1)
def test_integer(math, name):
    for kind in INTEGERS:
        check_integer(math, name, kind)


def check_integer(math, name, kind):
    info, r = np.iinfo(kind), np.random.default_rng(4)
    edges = np.array([info.min, info.max, 0, 1, info.max - 1, info.min + 1], kind)
    x = np.concatenate([np.repeat(edges, 6), r.integers(info.min, info.max, 100, kind, endpoint=True)])
    y = np.concatenate([np.tile(edges, 6), r.integers(info.min, info.max, 100, kind, endpoint=True)])
    arguments = (x, y) if name in INTEGER2 else (x,)
    got = call(getattr(math, f"{name}_{kind}"), *arguments, out=np.empty_like(x))
    want = [python_integer(name, info.bits, info.min < 0, *map(int, row)) for row in zip(*arguments, strict=True)]
    assert got.tolist() == want, kind


@pytest.mark.parametrize("name, fields", [
    ("unorm4x8", [8] * 4), ("snorm4x8", [8] * 4), ("unorm2x16", [16] * 2), ("snorm2x16", [16] * 2),
    ("unorm10a2", [10, 10, 10, 2]), ("unorm565", [5, 6, 5]),
])  # fmt: skip
def test_pack(math, name, fields):
    word = np.uint16 if name == "unorm565" else np.uint32
    words = np.random.default_rng(5).integers(0, np.iinfo(word).max, 500, word, endpoint=True)
    stride = 4 if len(fields) == 3 else len(fields)  # a float3 takes the room of four
    got = call(getattr(math, f"unpack_{name}_to_float_"), words, out=np.empty((500, stride), np.float32))
    shift = 0
    order = list(enumerate(fields))[:: -1 if name == "unorm565" else 1]
    for i, bits in order:
        field = words >> shift & (1 << bits) - 1
        shift += bits
        if name.startswith("snorm"):
            half = 1 << bits - 1
            want = np.maximum(((field.astype(np.int64) ^ half) - half) / (half - 1), -1)
        else:
            want = field / ((1 << bits) - 1)
        np.testing.assert_allclose(got[:, i], want, rtol=1e-6)
    back = call(getattr(math, f"pack_float_to_{name}_"), got, out=np.empty(500, word))
    if name.startswith("snorm"):  # -128 and -127 mean the same
        again = call(getattr(math, f"unpack_{name}_to_float_"), back, out=np.empty((500, stride), np.float32))
        np.testing.assert_array_equal(again, got)
    else:
        np.testing.assert_array_equal(back, words)


def test_srgb_round_trip(math):
    words = np.random.default_rng(6).integers(0, 2**32, 500, np.uint32)
    linear = call(math.unpack_unorm4x8_srgb_to_float_, words, out=np.empty((500, 4), np.float32))
    np.testing.assert_array_equal(call(math.pack_float_to_srgb_unorm4x8_, linear, out=np.empty(500, np.uint32)), words)


def test_special_values(math):
    assert math.special() == 0, "the T(...) of MATH that failed first"


# ---- simdgroups: a stand-in runtime replays the lanes one by one ----
# In the first round each lane leaves the values that it passes to shuffles; in the second it reads the others'.
SIMD = """
#include <metal_stdlib>
using namespace metal;
extern "C" {
uint lane, active = ~0u, turn, left[32][64], round_;
MP_KERNEL_CALL uint mp_simd_lane(void) { return lane; }
MP_KERNEL_CALL ulong mp_simd_active(void) { return active; }
MP_KERNEL_CALL uint mp_simd_shuffle_u32(uint value, uint from) {
    uint call = turn++;
    if (!round_) left[lane][call] = value;
    return round_ && from < 32 && (active >> from & 1) ? left[from][call] : value;
}
MP_KERNEL_CALL ulong mp_simd_shuffle_u64(ulong value, uint from) {
    uint low = mp_simd_shuffle_u32((uint)value, from), high = mp_simd_shuffle_u32((uint)(value >> 32), from);
    return (ulong)high << 32 | low;
}
}
template <class T, class F> void lanes(T *out, F f) {
    for (round_ = 0; round_ < 2; ++round_)
        for (lane = 0; lane < 32; ++lane)
            if (active >> lane & 1) turn = 0, out[lane] = f(lane);
}
#define S(name, expression) \\
    extern "C" MP_KERNEL_ABI void name(int *out) { lanes(out, [](int i) -> int { (void)i; return expression; }); }
S(shuffle, simd_shuffle(i * 10, (i * 7) % 32))
S(shuffle_char, simd_shuffle(char(i), 5))
S(shuffle_half4, int(simd_shuffle(half4(i, 1, 2, i), 9).w))
S(shuffle_float3, int(simd_shuffle(float3(i, 1, 2 * i), 9).z))
S(shuffle_up, simd_shuffle_up(i, 3))
S(shuffle_down, simd_shuffle_down(i, 3))
S(shuffle_xor, int(simd_shuffle_xor(bfloat(i), 5)))
S(rotate_up, simd_shuffle_rotate_up(ushort(i), 3))
S(rotate_down, simd_shuffle_rotate_down(long(i), 3))
S(fill_up, simd_shuffle_and_fill_up(i, 100 + i, 3))
S(fill_down, simd_shuffle_and_fill_down(i, 100 + i, 3))
S(fill_up_8, simd_shuffle_and_fill_up(i, 100 + i, 3, 8))
S(fill_down_8, simd_shuffle_and_fill_down(i, 100 + i, 3, 8))
S(broadcast_first, simd_broadcast_first(i))
S(is_first, simd_is_first())
S(quad_total, quad_sum(i))
S(quad_most, int(quad_max(float2(i, -i)).y))
S(quad_before, quad_prefix_exclusive_sum(i))
S(quad_upto, quad_prefix_inclusive_product(i % 4 + 1))
S(quad_up, quad_shuffle_up(i, 1))
S(quad_rotate, quad_shuffle_rotate_down(i, 1))
S(quad_cast, quad_broadcast(i, 2))
extern "C" MP_KERNEL_ABI void set_active(uint mask) { active = mask; }
"""


@pytest.mark.parametrize(
    "convention", ["default", pytest.param("regcall", marks=pytest.mark.skipif(not X86, reason="x86-64"))]
)
def test_simdgroup_functions(tmp_path, convention):
    simd = load(SIMD, tmp_path, *([] if convention == "default" else ["-Xclang", "-fdefault-calling-conv=regcall"]))

    def run(name):
        return call_out(getattr(simd, name))

    def call_out(function):
        out = np.full(32, -1, np.int32)
        function(out.ctypes.data_as(ctypes.c_void_p))
        return out.tolist()

    i = np.arange(32)
    chunk, at = i & ~7, i & 7
    expected = {
        "shuffle": i * 7 % 32 * 10, "shuffle_char": i * 0 + 5, "shuffle_half4": i * 0 + 9, "shuffle_float3": i * 0 + 18,
        "shuffle_up": np.where(i < 3, i, i - 3), "shuffle_down": np.where(i > 28, i, i + 3), "shuffle_xor": i ^ 5,
        "rotate_up": (i - 3) % 32, "rotate_down": (i + 3) % 32,
        "fill_up": np.where(i < 3, 129 + i, i - 3), "fill_down": np.where(i > 28, 100 + i - 29, i + 3),
        "fill_up_8": np.where(at < 3, 100 + chunk + 5 + at, i - 3),
        "fill_down_8": np.where(at > 4, 100 + chunk + at - 5, i + 3),
        "broadcast_first": i * 0, "is_first": i == 0, "quad_total": (i & ~3) * 4 + 6, "quad_most": -(i & ~3),
        "quad_before": (i & ~3) * (i & 3) + np.array([0, 0, 1, 3])[i & 3], "quad_upto": np.array([1, 2, 6, 24])[i & 3],
        "quad_up": np.where(i & 3, i - 1, i), "quad_rotate": (i & ~3) | ((i + 1) & 3), "quad_cast": i & ~3 | 2,
    }  # fmt: skip
    for name, want in expected.items():
        assert run(name) == want.astype(int).tolist(), name
    simd.set_active(0xFFFFFFF6)  # lanes 0 and 3 have ended
    assert run("broadcast_first")[1] == 1
    assert run("is_first")[:4] == [-1, 1, 0, -1]
    assert run("quad_total")[1:3] == [3, 3]
    assert run("quad_before")[1:3] == [0, 1]
