// <metal_math>: functions of floating-point numbers.
#pragma once
#pragma clang system_header
#include <__mp/lift.h>
#include <__mp/math_arc.h>
#include <__mp/math_log.h>
#include <__mp/math_other.h>
#include <__mp/math_trig.h>

MP_BEGIN
namespace __mp {
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
// What has two versions. Which one has no namespace, the math mode says; divide, fmax, fmin and sqrt are fast without one
// as far as the mode lets the compiler be.
#define MP_SINCOS                                                                                                     \
    template <__mp::floating T> MP_FN T sincos(T x, T &cosine) {                                                      \
        cosine = (cos)(x);                                                                                            \
        return (sin)(x);                                                                                              \
    }                                                                                                                 \
    template <__mp::floating T, int N> MP_FN vec<T, N> sincos(vec<T, N> x, vec<T, N> &cosine) {                       \
        cosine = (cos)(x);                                                                                            \
        return (sin)(x);                                                                                              \
    }
MP_EXACT_BEGIN
namespace precise {
MP_CX_FLOAT2(divide, x / y)
MP_CX_FLOAT2(fmax, __builtin_fmaxf(x, y))
MP_CX_FLOAT2(fmin, __builtin_fminf(x, y))
MP_FLOAT1(sqrt, __mp::math::sqrt(x))
MP_FLOAT1(cos, __mp::math::cos(x))
MP_FLOAT1(exp, __mp::math::exp(x))
MP_FLOAT1(exp2, __mp::math::exp2(x))
MP_FLOAT1(exp10, __mp::math::exp10(x))
MP_FLOAT2(pow, __mp::math::pow(x, y))
MP_FLOAT2(powr, __mp::math::powr(x, y))
MP_FLOAT1(rsqrt, __mp::math::rsqrt(x))
MP_FLOAT1(sin, __mp::math::sin(x))
MP_FLOAT1(tan, __mp::math::tan(x))
MP_SINCOS
} // namespace precise
MP_EXACT_END
namespace fast {
MP_FLOAT1(cos, __mp::math::fast_cos(x))
MP_FLOAT1(exp, __mp::math::fast_exp(x))
MP_FLOAT1(exp2, __mp::math::fast_exp2(x))
MP_FLOAT1(exp10, __mp::math::fast_exp10(x))
MP_FLOAT2(pow, __mp::math::fast_pow(x, y))
MP_FLOAT2(powr, __mp::math::fast_powr(x, y))
MP_FLOAT1(rsqrt, __mp::math::fast_rsqrt(x))
MP_FLOAT1(sin, __mp::math::fast_sin(x))
MP_FLOAT1(tan, __mp::math::fast_tan(x))
MP_SINCOS
} // namespace fast
#undef MP_SINCOS
#if __METALPY_FAST_MATH__
using fast::cos, fast::exp, fast::exp2, fast::exp10, fast::pow, fast::powr, fast::rsqrt, fast::sin, fast::sincos,
    fast::tan;
#else
using precise::cos, precise::exp, precise::exp2, precise::exp10, precise::pow, precise::powr, precise::rsqrt,
    precise::sin, precise::sincos, precise::tan;
#endif

MP_FLOAT1(acos, __mp::math::acos(x))
MP_FLOAT1(acosh, __mp::math::acosh(x))
MP_FLOAT1(asin, __mp::math::asin(x))
MP_FLOAT1(asinh, __mp::math::asinh(x))
MP_FLOAT1(atan, __mp::math::atan(x))
MP_FLOAT2(atan2, __mp::math::atan2(x, y))
MP_FLOAT1(atanh, __mp::math::atanh(x))
MP_FLOAT1(ceil, __builtin_ceilf(x))
MP_CX_FLOAT2(copysign, __builtin_copysignf(x, y))
MP_FLOAT1(cosh, __mp::math::cosh(x))
MP_FLOAT1(cospi, __mp::math::cospi(x))
MP_CX_FLOAT2(divide, x / y)
MP_CX_FLOAT1(fabs, __builtin_fabsf(x))
MP_FLOAT2(fdim, __mp::math::fdim(x, y))
MP_FLOAT1(floor, __builtin_floorf(x))
MP_FLOAT3(fma, __mp::math::fma(x, y, z))
MP_CX_FLOAT2(fmax, __builtin_fmaxf(x, y))
MP_CX_FLOAT2(fmin, __builtin_fminf(x, y))
MP_CX_FLOAT3(fmax3, fmax(x, fmax(y, z)))
MP_CX_FLOAT3(fmin3, fmin(x, fmin(y, z)))
MP_CX_FLOAT3(fmedian3, fmax(fmin(x, y), fmin(fmax(x, y), z)))
MP_FLOAT2(fmod, __mp::math::fmod(x, y))
MP_FLOAT1(log, __mp::math::log(x))
MP_FLOAT1(log2, __mp::math::log2(x))
MP_FLOAT1(log10, __mp::math::log10(x))
MP_FLOAT1(rint, __builtin_rintf(x))
MP_FLOAT1(round, __builtin_roundf(x))
MP_FLOAT1(sinh, __mp::math::sinh(x))
MP_FLOAT1(sinpi, __mp::math::sinpi(x))
MP_FLOAT1(sqrt, __builtin_sqrtf(x))
MP_FLOAT1(tanh, __mp::math::tanh(x))
MP_FLOAT1(tanpi, __mp::math::tanpi(x))
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
MP_FN float ldexp(float x, int k) { return __mp::math::ldexp(x, k); }
MP_FN half ldexp(half x, int k) { return static_cast<half>(__mp::math::ldexp(static_cast<float>(x), k)); }
template <__mp::same<bfloat> T> MP_FN T ldexp(T x, int k) { return static_cast<T>(ldexp(static_cast<float>(x), k)); }
template <__mp::integer T> MP_FN float ldexp(T x, int k) { return ldexp(static_cast<float>(x), k); }
template <__mp::floating T, int N> MP_FN vec<T, N> ldexp(vec<T, N> a, __mp::plain<vec<int, N>> b) { MP_EACH2(T, ldexp) }

MP_FN int ilogb(float x) { return __mp::math::ilogb(x); }
template <__mp::floating T> MP_FN int ilogb(T x) { return ilogb(static_cast<float>(x)); }
template <__mp::floating T, int N> MP_FN vec<int, N> ilogb(vec<T, N> a) { MP_EACH1(int, ilogb) }

template <__mp::floating T> MP_FN T frexp(T x, int &exponent) {
    return static_cast<T>(__mp::math::frexp(static_cast<float>(x), exponent));
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
} // namespace metal
MP_END
