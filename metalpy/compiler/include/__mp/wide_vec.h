// <metal_extended_vector>: vec<T, 8> and vec<T, 16>, which have elements but no names for them.
#pragma once
#pragma clang system_header
#include <__mp/vec.h>

MP_BEGIN
namespace metal {
template <class T, int N> requires(N == 8 || N == 16)
struct alignas(N * sizeof(T)) vec<T, N> : __mp::vectors::assigning<vec<T, N>, T, N> {
    T mp_elements[N];

    vec() = default;
    constexpr vec(T s) {
        for (T &element : mp_elements) element = s;
    }
    template <class S> requires __mp::bfloat_conversion<T, S> constexpr vec(S s) : vec(T(s)) {}
    template <class... S> requires(sizeof...(S) == N) constexpr vec(S... s) : mp_elements{static_cast<T>(s)...} {}
    template <class U> explicit constexpr vec(vec<U, N> v) {
        for (int i = 0; i < N; ++i) mp_elements[i] = static_cast<T>(v[i]);
    }
    constexpr T &operator[](long i) { return mp_elements[i]; }
    constexpr const T &operator[](long i) const { return mp_elements[i]; }
#define MP_EACH(op)                                                                                                   \
    friend constexpr vec operator op(vec a, vec b) {                                                                  \
        for (int i = 0; i < N; ++i) a[i] = static_cast<T>(a[i] op b[i]);                                              \
        return a;                                                                                                     \
    }
    MP_EACH(+)
    MP_EACH(-)
    MP_EACH(*)
    MP_EACH(/)
#undef MP_EACH
    friend constexpr vec operator-(vec a) {
        for (T &element : a.mp_elements) element = -element;
        return a;
    }
};
} // namespace metal
MP_END
