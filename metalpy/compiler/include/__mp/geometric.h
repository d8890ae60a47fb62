// <metal_geometric>. Sums of half and bfloat are kept in float.
#pragma once
#pragma clang system_header
#include <__mp/common.h>

MP_BEGIN
namespace __mp {
template <floating T, int N> MP_CX float dot(vec<T, N> a, vec<T, N> b) {
    float s = static_cast<float>(a.x) * static_cast<float>(b.x) + static_cast<float>(a.y) * static_cast<float>(b.y);
    if constexpr (N > 2) s += static_cast<float>(a.z) * static_cast<float>(b.z);
    if constexpr (N > 3) s += static_cast<float>(a.w) * static_cast<float>(b.w);
    return s;
}
// Packed vectors as arguments, or a vector and a scalar, which stands for a vector of it.
template <class A> concept packed1 = is_packed<A>;
template <class A, class B> concept packed2 = !(is_vec<A> && is_vec<B>) && floats<A, B> && is_vec<float_t<A, B>>;
} // namespace __mp

namespace metal {
template <__mp::floating T, int N> MP_CX T dot(vec<T, N> a, vec<T, N> b) { return static_cast<T>(__mp::dot(a, b)); }
template <__mp::floating T, int N> MP_CX T length_squared(vec<T, N> v) { return dot(v, v); }
template <__mp::floating T, int N> MP_FN T length(vec<T, N> v) {
    return static_cast<T>(__builtin_sqrtf(__mp::dot(v, v)));
}
template <__mp::floating T, int N> MP_CX T distance_squared(vec<T, N> a, vec<T, N> b) { return length_squared(a - b); }
template <__mp::floating T, int N> MP_FN T distance(vec<T, N> a, vec<T, N> b) { return length(a - b); }
template <__mp::floating T, int N> MP_FN vec<T, N> normalize(vec<T, N> v) {
    vec<float, N> wide(v);
    return vec<T, N>(wide * (1 / __builtin_sqrtf(__mp::dot(v, v))));
}
template <__mp::floating T> MP_CX vec<T, 3> cross(vec<T, 3> a, vec<T, 3> b) {
    return a.yzx * b.zxy - a.zxy * b.yzx;
}
template <__mp::floating T, int N>
MP_CX vec<T, N> faceforward(vec<T, N> n, vec<T, N> incident, vec<T, N> reference) {
    return dot(reference, incident) < T(0) ? n : -n;
}
template <__mp::floating T, int N> MP_CX vec<T, N> reflect(vec<T, N> incident, vec<T, N> n) {
    return incident - T(2) * dot(n, incident) * n;
}
template <__mp::floating T, int N> MP_FN vec<T, N> refract(vec<T, N> incident, vec<T, N> n, __mp::plain<T> eta) {
    float along = __mp::dot(n, incident), e = static_cast<float>(eta);
    float k = 1 - e * e * (1 - along * along);
    if (k < 0) return vec<T, N>(T(0));
    return vec<T, N>(vec<float, N>(incident) * e - vec<float, N>(n) * (e * along + __builtin_sqrtf(k)));
}

#define MP_PACKED1(f)                                                                                                 \
    template <__mp::packed1 A> MP_CX auto f(A a) { return f(__mp::value_t<A>(a)); }
#define MP_PACKED2(f)                                                                                                 \
    template <class A, class B> requires __mp::packed2<A, B> MP_CX auto f(A a, B b) {                                 \
        using R = __mp::float_t<A, B>;                                                                                \
        return f(static_cast<R>(a), static_cast<R>(b));                                                               \
    }
MP_PACKED1(length)
MP_PACKED1(length_squared)
MP_PACKED1(normalize)
MP_PACKED2(dot)
MP_PACKED2(distance)
MP_PACKED2(distance_squared)
MP_PACKED2(cross)
MP_PACKED2(reflect)

namespace fast {
using metal::distance, metal::length, metal::normalize;
}
namespace precise {
using metal::distance, metal::length, metal::normalize;
}
} // namespace metal
MP_END
