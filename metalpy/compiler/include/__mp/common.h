// min, max, abs, clamp and select, which integers and floating-point numbers share, and <metal_common>.
#pragma once
#pragma clang system_header
#include <__mp/math.h>

MP_BEGIN
namespace metal {
// Of a NaN and a number, min, max and clamp take the number.
#define MP_ORDER(T)                                                                                                   \
    MP_CX T min(T x, T y) { return y < x ? y : x; }                                                                   \
    MP_CX T max(T x, T y) { return x < y ? y : x; }                                                                   \
    MP_CX T clamp(T x, T low, T high) { return min(max(x, low), high); }
MP_INTEGERS(MP_ORDER)
#undef MP_ORDER
MP_CX float min(float x, float y) { return __builtin_fminf(x, y); }
MP_CX float max(float x, float y) { return __builtin_fmaxf(x, y); }
MP_CX float clamp(float x, float low, float high) { return min(max(x, low), high); }
MP_CX half min(half x, half y) { return fmin(x, y); }
MP_CX half max(half x, half y) { return fmax(x, y); }
MP_CX half clamp(half x, half low, half high) { return min(max(x, low), high); }
MP_LIFT2(min, __mp::numbers, __mp::common_t)
MP_LIFT2(max, __mp::numbers, __mp::common_t)
MP_LIFT3(clamp, __mp::numbers, __mp::common_t)

template <class A, class B, class C> requires __mp::numbers<A, B, C> MP_CX auto min3(A a, B b, C c) {
    using R = __mp::common_t<A, B, C>;
    return min(static_cast<R>(a), min(static_cast<R>(b), static_cast<R>(c)));
}
template <class A, class B, class C> requires __mp::numbers<A, B, C> MP_CX auto max3(A a, B b, C c) {
    using R = __mp::common_t<A, B, C>;
    return max(static_cast<R>(a), max(static_cast<R>(b), static_cast<R>(c)));
}
template <class A, class B, class C> requires __mp::numbers<A, B, C> MP_CX auto median3(A a, B b, C c) {
    using R = __mp::common_t<A, B, C>;
    R x = static_cast<R>(a), y = static_cast<R>(b);
    return max(min(x, y), min(max(x, y), static_cast<R>(c)));
}

#define MP_ABS(T)                                                                                                     \
    MP_CX T abs(T x) { return x < 0 ? static_cast<T>(-x) : x; }
MP_ABS(char) MP_ABS(short) MP_ABS(int) MP_ABS(long)
#undef MP_ABS
#define MP_ABS(T)                                                                                                     \
    MP_CX T abs(T x) { return x; }
MP_ABS(uchar) MP_ABS(ushort) MP_ABS(uint) MP_ABS(ulong)
#undef MP_ABS
MP_CX float abs(float x) { return __builtin_fabsf(x); }
MP_CX half abs(half x) { return fabs(x); }
MP_LIFT1(abs, __mp::numbers, __mp::common_t)

MP_FLOAT3(mix, x + (y - x) * z)
MP_CX_FLOAT1(saturate, __builtin_fminf(__builtin_fmaxf(x, 0), 1))
// No sign of integers: generated code brings its own, as a template.
MP_CX float sign(float x) { return x > 0 ? 1 : x < 0 ? -1 : x == x ? x : 0; }
MP_CX half sign(half x) { return static_cast<half>(sign(static_cast<float>(x))); }
MP_LIFT1(sign, __mp::no_integers, __mp::float_t)
MP_CX_FLOAT2(step, y < x ? 0 : 1)
MP_CX float smoothstep(float low, float high, float x) {
    float t = saturate((x - low) / (high - low));
    return t * t * (3 - 2 * t);
}
MP_CX half smoothstep(half low, half high, half x) {
    return static_cast<half>(smoothstep(static_cast<float>(low), static_cast<float>(high), static_cast<float>(x)));
}
MP_LIFT3(smoothstep, __mp::floats, __mp::float_t)

// select(a, b, c): b where c is true. The condition is one bool, or one per component.
template <class A, class B, class C> requires __mp::numbers<A, B> && __mp::numbers<C>
MP_CX auto select(A a, B b, C c) {
    using L = __mp::value_t<A>;
    using R = typename __mp::join<L, __mp::value_t<B>>::t; // keeps bool
    if constexpr (!__mp::is_vec<__mp::value_t<C>>) {
        return c ? static_cast<R>(b) : static_cast<R>(a);
    } else {
        constexpr int N = __mp::shape<C>::lanes;
        static_assert(__mp::shape<R>::lanes == 1 || __mp::shape<R>::lanes == N,
                      "select: the condition has another number of components than the values");
        vec<__mp::element_t<R>, N> x = static_cast<R>(a), y = static_cast<R>(b);
        for (int i = 0; i < N; ++i) x[i] = c[i] ? y[i] : x[i];
        return x;
    }
}

// Functions that are one and the same in fast and in precise math; math.h has the others.
namespace fast {
using metal::abs, metal::acos, metal::acosh, metal::asin, metal::asinh, metal::atan, metal::atan2, metal::atanh,
    metal::ceil, metal::clamp, metal::copysign, metal::cosh, metal::cospi, metal::divide, metal::fabs, metal::fdim,
    metal::floor, metal::fma, metal::fmax, metal::fmax3, metal::fmedian3, metal::fmin, metal::fmin3, metal::fmod,
    metal::fract, metal::frexp, metal::ilogb, metal::ldexp, metal::log, metal::log2, metal::log10, metal::max,
    metal::max3, metal::median3, metal::min, metal::min3, metal::mix, metal::modf, metal::nextafter, metal::rint,
    metal::round, metal::saturate, metal::sign, metal::sinh, metal::sinpi, metal::smoothstep, metal::sqrt,
    metal::step, metal::tanh, metal::tanpi, metal::trunc;
}
namespace precise {
using metal::abs, metal::acos, metal::acosh, metal::asin, metal::asinh, metal::atan, metal::atan2, metal::atanh,
    metal::ceil, metal::clamp, metal::copysign, metal::cosh, metal::cospi, metal::fabs, metal::fdim, metal::floor,
    metal::fma, metal::fmax3, metal::fmedian3, metal::fmin3, metal::fmod, metal::fract, metal::frexp, metal::ilogb,
    metal::ldexp, metal::log, metal::log2, metal::log10, metal::max, metal::max3, metal::median3, metal::min,
    metal::min3, metal::mix, metal::modf, metal::nextafter, metal::rint, metal::round, metal::saturate, metal::sign,
    metal::sinh, metal::sinpi, metal::smoothstep, metal::step, metal::tanh, metal::tanpi, metal::trunc;
}
} // namespace metal
MP_END
