// Swizzles: v.xy, v.bgr, v.wwzy, as properties with a getter and, where no component repeats, a setter.
#pragma once
#pragma clang system_header
#include <__mp/scalar.h>

// The properties of two to four components, for both sets of names. A property names its setter whether there is one
// or not: assigning to v.xx then says that a setter is missing.
#define MP_SWIZZLE2(b, q, a, p)                                                                                       \
    constexpr vec<T, 2> mp_##a##b() const { return {a, b}; }                                                          \
    __declspec(property(get = mp_##a##b, put = mp_##a##b)) vec<T, 2> a##b, p##q;
#define MP_SWIZZLE3(c, r, b, q, a, p)                                                                                 \
    constexpr vec<T, 3> mp_##a##b##c() const { return {a, b, c}; }                                                    \
    __declspec(property(get = mp_##a##b##c, put = mp_##a##b##c)) vec<T, 3> a##b##c, p##q##r;
#define MP_SWIZZLE4(d, s, c, r, b, q, a, p)                                                                           \
    constexpr vec<T, 4> mp_##a##b##c##d() const { return {a, b, c, d}; }                                              \
    __declspec(property(get = mp_##a##b##c##d, put = mp_##a##b##c##d)) vec<T, 4> a##b##c##d, p##q##r##s;
#define MP_PUT2(a, b)                                                                                                 \
    constexpr void mp_##a##b(vec<T, 2> v) { a = v.x, b = v.y; }
#define MP_PUT3(a, b, c)                                                                                              \
    constexpr void mp_##a##b##c(vec<T, 3> v) { a = v.x, b = v.y, c = v.z; }
#define MP_PUT4(a, b, c, d)                                                                                           \
    constexpr void mp_##a##b##c##d(vec<T, 4> v) { a = v.x, b = v.y, c = v.z, d = v.w; }

// M(component, its colour name, ...) for each of N components; four copies, as a macro does not expand inside itself.
#define MP_A2(M, ...) M(x, r, __VA_ARGS__) M(y, g, __VA_ARGS__)
#define MP_A3(M, ...) MP_A2(M, __VA_ARGS__) M(z, b, __VA_ARGS__)
#define MP_A4(M, ...) MP_A3(M, __VA_ARGS__) M(w, a, __VA_ARGS__)
#define MP_B2(M, ...) M(x, r, __VA_ARGS__) M(y, g, __VA_ARGS__)
#define MP_B3(M, ...) MP_B2(M, __VA_ARGS__) M(z, b, __VA_ARGS__)
#define MP_B4(M, ...) MP_B3(M, __VA_ARGS__) M(w, a, __VA_ARGS__)
#define MP_C2(M, ...) M(x, r, __VA_ARGS__) M(y, g, __VA_ARGS__)
#define MP_C3(M, ...) MP_C2(M, __VA_ARGS__) M(z, b, __VA_ARGS__)
#define MP_C4(M, ...) MP_C3(M, __VA_ARGS__) M(w, a, __VA_ARGS__)
#define MP_D2(M, ...) M(x, r, __VA_ARGS__) M(y, g, __VA_ARGS__)
#define MP_D3(M, ...) MP_D2(M, __VA_ARGS__) M(z, b, __VA_ARGS__)
#define MP_D4(M, ...) MP_D3(M, __VA_ARGS__) M(w, a, __VA_ARGS__)
#define MP_PUTS_2                                                                                                     \
    MP_PUT2(x, y) MP_PUT2(y, x)
#define MP_PUTS_3                                                                                                     \
    MP_PUTS_2 MP_PUT2(x, z) MP_PUT2(y, z) MP_PUT2(z, x) MP_PUT2(z, y) MP_PUT3(x, y, z) MP_PUT3(x, z, y)               \
    MP_PUT3(y, x, z) MP_PUT3(y, z, x) MP_PUT3(z, x, y) MP_PUT3(z, y, x)
#define MP_PUTS_4                                                                                                     \
    MP_PUTS_3 MP_PUT2(x, w) MP_PUT2(y, w) MP_PUT2(z, w) MP_PUT2(w, x) MP_PUT2(w, y) MP_PUT2(w, z) MP_PUT3(x, y, w)    \
    MP_PUT3(x, z, w) MP_PUT3(x, w, y) MP_PUT3(x, w, z) MP_PUT3(y, x, w) MP_PUT3(y, z, w) MP_PUT3(y, w, x)             \
    MP_PUT3(y, w, z) MP_PUT3(z, x, w) MP_PUT3(z, y, w) MP_PUT3(z, w, x) MP_PUT3(z, w, y) MP_PUT3(w, x, y)             \
    MP_PUT3(w, x, z) MP_PUT3(w, y, x) MP_PUT3(w, y, z) MP_PUT3(w, z, x) MP_PUT3(w, z, y) MP_PUT4(x, y, z, w)          \
    MP_PUT4(x, y, w, z) MP_PUT4(x, z, y, w) MP_PUT4(x, z, w, y) MP_PUT4(x, w, y, z) MP_PUT4(x, w, z, y)               \
    MP_PUT4(y, x, z, w) MP_PUT4(y, x, w, z) MP_PUT4(y, z, x, w) MP_PUT4(y, z, w, x) MP_PUT4(y, w, x, z)               \
    MP_PUT4(y, w, z, x) MP_PUT4(z, x, y, w) MP_PUT4(z, x, w, y) MP_PUT4(z, y, x, w) MP_PUT4(z, y, w, x)               \
    MP_PUT4(z, w, x, y) MP_PUT4(z, w, y, x) MP_PUT4(w, x, y, z) MP_PUT4(w, x, z, y) MP_PUT4(w, y, x, z)               \
    MP_PUT4(w, y, z, x) MP_PUT4(w, z, x, y) MP_PUT4(w, z, y, x)

// All of a vector of n components, x aside: the body of lanes<T, n>.
#define MP_SWIZZLES(n) MP_A##n(MP_SWIZZLE1, n) MP_A##n(MP_SWIZZLES2_, n) MP_PUTS_##n
#define MP_SWIZZLE1(a, p, n)                                                                                          \
    constexpr T mp_##a() const { return a; }                                                                          \
    constexpr void mp_##a(T v) { a = v; }                                                                             \
    __declspec(property(get = mp_##a, put = mp_##a)) T p;
#define MP_SWIZZLES2_(a, p, n) MP_B##n(MP_SWIZZLES3_, a, p, n)
#define MP_SWIZZLES3_(b, q, a, p, n) MP_SWIZZLE2(b, q, a, p) MP_C##n(MP_SWIZZLES4_, b, q, a, p, n)
#define MP_SWIZZLES4_(c, r, b, q, a, p, n) MP_SWIZZLE3(c, r, b, q, a, p) MP_D##n(MP_SWIZZLE4, c, r, b, q, a, p)
