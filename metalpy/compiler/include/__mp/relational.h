// <metal_relational>. Decided on the bits, so that no optimisation setting can assume the answer.
#pragma once
#pragma clang system_header
#include <__mp/common.h>

MP_BEGIN
namespace __mp {
MP_CX uint magnitude(float x) { return __builtin_bit_cast(uint, x) & 0x7fffffff; }
} // namespace __mp

namespace metal {
#define MP_TEST(f, value)                                                                                             \
    MP_CX bool f(float x) { return value; }                                                                           \
    MP_CX bool f(half x) { return f(static_cast<float>(x)); }                                                         \
    template <class A> requires __mp::floats<A> && (__mp::shape<A>::lanes == 1) MP_CX bool f(A a) {                   \
        return f(static_cast<float>(a));                                                                              \
    }                                                                                                                 \
    template <__mp::floating T, int N> MP_CX vec<bool, N> f(vec<T, N> a) { MP_EACH1(bool, f) }
MP_TEST(isfinite, __mp::magnitude(x) < 0x7f800000)
MP_TEST(isinf, __mp::magnitude(x) == 0x7f800000)
MP_TEST(isnan, __mp::magnitude(x) > 0x7f800000)
MP_TEST(signbit, __builtin_bit_cast(int, x) < 0)
// normal in the argument's own format
MP_CX bool isnormal(float x) { return __mp::magnitude(x) - 0x00800000 < 0x7f000000; }
MP_CX bool isnormal(half x) { return __mp::magnitude(x) - 0x38800000 < 0x0f000000u; }
template <__mp::same<bfloat> T> MP_CX bool isnormal(T x) { return isnormal(static_cast<float>(x)); }
template <__mp::floating T, int N> MP_CX vec<bool, N> isnormal(vec<T, N> a) { MP_EACH1(bool, isnormal) }
#undef MP_TEST

template <class A, class B> requires __mp::floats<A, B> MP_CX auto isunordered(A a, B b) {
    using R = __mp::float_t<A, B>;
    return isnan(static_cast<R>(a)) || isnan(static_cast<R>(b));
}
template <class A, class B> requires __mp::floats<A, B> MP_CX auto isordered(A a, B b) { return !isunordered(a, b); }

MP_CX bool all(bool x) { return x; }
MP_CX bool any(bool x) { return x; }
template <int N> MP_CX bool all(vec<bool, N> v) {
    if constexpr (N == 2) return v.x && v.y;
    else if constexpr (N == 3) return v.x && v.y && v.z;
    else return v.x && v.y && v.z && v.w;
}
template <int N> MP_CX bool any(vec<bool, N> v) {
    if constexpr (N == 2) return v.x || v.y;
    else if constexpr (N == 3) return v.x || v.y || v.z;
    else return v.x || v.y || v.z || v.w;
}
} // namespace metal
MP_END
