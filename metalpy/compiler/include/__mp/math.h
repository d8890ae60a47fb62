// <metal_math>: functions of floating-point numbers.
#pragma once
#pragma clang system_header
#include <__mp/lift.h>

MP_BEGIN
namespace __mp {
// sin(pi x) and cos(pi x): x is reduced exactly to a quarter turn around zero, so that multiples of 1/2 come out exact.
struct half_turns {
    float r; // in [-1/4, 1/4]
    int quarter;
};
inline half_turns reduce_half_turns(float x) {
    float whole = __builtin_truncf(x * 0.5f) * 2; // even, and exact: a multiple of 2 no larger than x
    float part = x - whole;                       // in (-2, 2)
    float quarter = __builtin_rintf(part * 2);
    return {part - quarter * 0.5f, static_cast<int>(quarter) & 3};
}
inline float sin_quarter(half_turns t) {
    constexpr float pi = M_PI_F;
    float s = __builtin_sinf(t.r * pi), c = __builtin_cosf(t.r * pi);
    float value = t.quarter & 1 ? c : s;
    return t.quarter & 2 ? -value : value;
}
inline float sinpi(float x) {
    if (!(__builtin_fabsf(x) < 0x1p24f)) return __builtin_isfinite(x) ? __builtin_copysignf(0, x) : NAN;
    float y = sin_quarter(reduce_half_turns(x));
    return y == 0 ? __builtin_copysignf(0, x) : y;
}
inline float cospi(float x) {
    x = __builtin_fabsf(x);
    if (!(x < 0x1p25f)) return __builtin_isfinite(x) ? 1.0f : NAN;
    half_turns t = reduce_half_turns(x);
    t.quarter = (t.quarter + 1) & 3;
    return sin_quarter(t) + 0.0f;
}
inline float tanpi(float x) { return sinpi(x) / cospi(x); }

// 1 / sqrt(x) with one Newton step, after which hardly any result is not the nearest number.
inline float rsqrt(float x) {
    float y = 1 / __builtin_sqrtf(x);
    float h = x * y, l = __builtin_fmaf(x, y, -h); // x y, exactly, is h + l
    float missing = __builtin_fmaf(-h, y, 1) - l * y; // 1 - x y y
    return x > 0 && x < INFINITY ? __builtin_fmaf(y * 0.5f, missing, y) : y;
}

inline float nextafter(float x, float y) {
    if (x != x || y != y) return x + y;
    if (x == y) return y;
    int bits = __builtin_bit_cast(int, x);
    if (x == 0) return __builtin_copysignf(FLT_TRUE_MIN, y);
    bits += (x < y) == (x > 0) ? 1 : -1;
    return __builtin_bit_cast(float, bits);
}
inline half nextafter(half x, half y) {
    if (x != x || y != y) return x + y;
    if (x == y) return y;
    short bits = __builtin_bit_cast(short, x);
    if (x == 0) return static_cast<half>(__builtin_copysignf(0x1p-24f, static_cast<float>(y)));
    bits += (x < y) == (x > 0) ? 1 : -1;
    return __builtin_bit_cast(half, bits);
}
inline bfloat nextafter(bfloat from, bfloat to) {
    float x = from, y = to;
    if (x != x || y != y) return static_cast<bfloat>(x + y);
    if (x == y) return to;
    short bits = __builtin_bit_cast(short, from);
    if (x == 0) return static_cast<bfloat>(__builtin_copysignf(0x1p-133f, y));
    bits += (x < y) == (x > 0) ? 1 : -1;
    return __builtin_bit_cast(bfloat, bits);
}
} // namespace __mp

namespace metal {
MP_FLOAT1(acos, __builtin_acosf(x))
MP_FLOAT1(acosh, __builtin_acoshf(x))
MP_FLOAT1(asin, __builtin_asinf(x))
MP_FLOAT1(asinh, __builtin_asinhf(x))
MP_FLOAT1(atan, __builtin_atanf(x))
MP_FLOAT2(atan2, __builtin_atan2f(x, y))
MP_FLOAT1(atanh, __builtin_atanhf(x))
MP_FLOAT1(ceil, __builtin_ceilf(x))
MP_CX_FLOAT2(copysign, __builtin_copysignf(x, y))
MP_FLOAT1(cos, __builtin_cosf(x))
MP_FLOAT1(cosh, __builtin_coshf(x))
MP_FLOAT1(cospi, __mp::cospi(x))
MP_CX_FLOAT2(divide, x / y)
MP_FLOAT1(exp, __builtin_expf(x))
MP_FLOAT1(exp2, __builtin_exp2f(x))
MP_FLOAT1(exp10, __builtin_exp10f(x))
MP_CX_FLOAT1(fabs, __builtin_fabsf(x))
MP_FLOAT2(fdim, __builtin_fdimf(x, y))
MP_FLOAT1(floor, __builtin_floorf(x))
MP_FLOAT3(fma, __builtin_fmaf(x, y, z))
MP_CX_FLOAT2(fmax, __builtin_fmaxf(x, y))
MP_CX_FLOAT2(fmin, __builtin_fminf(x, y))
MP_CX_FLOAT3(fmax3, fmax(x, fmax(y, z)))
MP_CX_FLOAT3(fmin3, fmin(x, fmin(y, z)))
MP_CX_FLOAT3(fmedian3, fmax(fmin(x, y), fmin(fmax(x, y), z)))
MP_FLOAT2(fmod, __builtin_fmodf(x, y))
MP_FLOAT1(log, __builtin_logf(x))
MP_FLOAT1(log2, __builtin_log2f(x))
MP_FLOAT1(log10, __builtin_log10f(x))
MP_FLOAT2(pow, __builtin_powf(x, y))
MP_FLOAT2(powr, x >= 0 ? __builtin_powf(x, y) : NAN)
MP_FLOAT1(rint, __builtin_rintf(x))
MP_FLOAT1(round, __builtin_roundf(x))
MP_FLOAT1(rsqrt, __mp::rsqrt(x))
MP_FLOAT1(sin, __builtin_sinf(x))
MP_FLOAT1(sinh, __builtin_sinhf(x))
MP_FLOAT1(sinpi, __mp::sinpi(x))
MP_FLOAT1(sqrt, __builtin_sqrtf(x))
MP_FLOAT1(tan, __builtin_tanf(x))
MP_FLOAT1(tanh, __builtin_tanhf(x))
MP_FLOAT1(tanpi, __mp::tanpi(x))
MP_FLOAT1(trunc, __builtin_truncf(x))

// fract stays below 1, also in half precision.
MP_FN float fract(float x) { return __builtin_fminf(x - __builtin_floorf(x), 0x1.fffffep-1f); }
MP_FN half fract(half x) {
    float wide = x;
    return static_cast<half>(__builtin_fminf(wide - __builtin_floorf(wide), 0x1.ffcp-1f));
}
template <class A> requires __mp::floats<A> MP_CX __mp::float_t<A> fract(A x) {
    if constexpr (__mp::same<__mp::float_t<A>, bfloat>)
        return static_cast<bfloat>(__builtin_fminf(fract(static_cast<float>(x)), 0x1.fep-1f));
    else
        return fract(static_cast<__mp::float_t<A>>(x));
}
template <__mp::floating T, int N> MP_CX vec<T, N> fract(vec<T, N> a) { MP_EACH1(T, fract) }

MP_FN float nextafter(float x, float y) { return __mp::nextafter(x, y); }
MP_FN half nextafter(half x, half y) { return __mp::nextafter(x, y); }
template <__mp::same<bfloat> T> MP_FN T nextafter(T x, T y) { return __mp::nextafter(x, y); }
template <__mp::floating T, int N> MP_FN vec<T, N> nextafter(vec<T, N> a, vec<T, N> b) { MP_EACH2(T, nextafter) }

// ---- functions with an integer: its vector has as many components ----
MP_FN float ldexp(float x, int k) { return __builtin_ldexpf(x, k); }
MP_FN half ldexp(half x, int k) { return static_cast<half>(__builtin_ldexpf(static_cast<float>(x), k)); }
template <__mp::same<bfloat> T> MP_FN T ldexp(T x, int k) { return static_cast<T>(ldexp(static_cast<float>(x), k)); }
template <__mp::integer T> MP_FN float ldexp(T x, int k) { return ldexp(static_cast<float>(x), k); }
template <__mp::floating T, int N> MP_FN vec<T, N> ldexp(vec<T, N> a, __mp::plain<vec<int, N>> b) { MP_EACH2(T, ldexp) }

MP_FN int ilogb(float x) {
    if (x == 0 || x != x) return FP_ILOGB0;
    return __builtin_fabsf(x) == INFINITY ? INT_MAX : __builtin_ilogbf(x);
}
template <__mp::floating T> MP_FN int ilogb(T x) { return ilogb(static_cast<float>(x)); }
template <__mp::floating T, int N> MP_FN vec<int, N> ilogb(vec<T, N> a) { MP_EACH1(int, ilogb) }

template <__mp::floating T> MP_FN T frexp(T x, int &exponent) {
    return static_cast<T>(__builtin_frexpf(static_cast<float>(x), &exponent));
}
template <__mp::floating T, int N> MP_FN vec<T, N> frexp(vec<T, N> x, vec<int, N> &exponent) {
    vec<T, N> r;
    for (int i = 0; i < N; ++i) r[i] = frexp(x[i], exponent[i]);
    return r;
}
template <__mp::floating T> MP_FN T modf(T x, T &whole) {
    float wide = x, integral = __builtin_truncf(wide);
    whole = static_cast<T>(integral);
    return static_cast<T>(__builtin_copysignf(wide - integral == wide - integral ? wide - integral : 0, wide));
}
template <__mp::floating T, int N> MP_FN vec<T, N> modf(vec<T, N> x, vec<T, N> &whole) {
    vec<T, N> r;
    for (int i = 0; i < N; ++i) r[i] = modf(x[i], whole[i]);
    return r;
}
template <__mp::floating T> MP_FN T sincos(T x, T &cosine) {
    T s = sin(x);
    cosine = cos(x);
    return s;
}
template <__mp::floating T, int N> MP_FN vec<T, N> sincos(vec<T, N> x, vec<T, N> &cosine) {
    vec<T, N> s = sin(x);
    cosine = cos(x);
    return s;
}
} // namespace metal
MP_END
