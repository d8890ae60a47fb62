// How functions of scalars become the library's overload sets. As in Metal, float and half (and for some the integers)
// have plain overloads, so that a call with exactly these types never competes with a user's template; one constrained
// template each serves vectors, and another mixed arguments, bfloat and packed vectors, which it converts to a common
// type first (see join in scalar.h).
#pragma once
#pragma clang system_header
#include <__mp/vec.h>

// ---- componentwise, for a vector or several of type vec<T, N>, with results of type R ----
#define MP_EACH1(R, f)                                                                                                \
    vec<R, N> r;                                                                                                      \
    r.x = f(a.x);                                                                                                     \
    if constexpr (N > 1) r.y = f(a.y);                                                                                \
    if constexpr (N > 2) r.z = f(a.z);                                                                                \
    if constexpr (N > 3) r.w = f(a.w);                                                                                \
    return r;
#define MP_EACH2(R, f)                                                                                                \
    vec<R, N> r;                                                                                                      \
    r.x = f(a.x, b.x);                                                                                                \
    if constexpr (N > 1) r.y = f(a.y, b.y);                                                                           \
    if constexpr (N > 2) r.z = f(a.z, b.z);                                                                           \
    if constexpr (N > 3) r.w = f(a.w, b.w);                                                                           \
    return r;
#define MP_EACH3(R, f)                                                                                                \
    vec<R, N> r;                                                                                                      \
    r.x = f(a.x, b.x, c.x);                                                                                           \
    if constexpr (N > 1) r.y = f(a.y, b.y, c.y);                                                                      \
    if constexpr (N > 2) r.z = f(a.z, b.z, c.z);                                                                      \
    if constexpr (N > 3) r.w = f(a.w, b.w, c.w);                                                                      \
    return r;

// ---- templates around scalar overloads of f; `args` is __mp::floats, integers or numbers, `to` the common type ----
// Those of one and two arguments also stand in namespaces `fast` and `precise`: (f) is the f of its own namespace, which
// f alone would not be where an argument is of a class of namespace metal.
#define MP_LIFT1(f, args, to)                                                                                         \
    template <class T, int N> requires args<T> MP_CX vec<T, N> f(vec<T, N> a);                                        \
    template <class A> requires args<A> MP_CX to<A> f(A a) {                                                          \
        return static_cast<to<A>>((f)(static_cast<__mp::wide_t<to<A>>>(a)));                                          \
    }                                                                                                                 \
    template <class T, int N> requires args<T> MP_CX vec<T, N> f(vec<T, N> a) { MP_EACH1(T, (f)) }
#define MP_LIFT2(f, args, to)                                                                                         \
    template <class T, int N> requires args<T> MP_CX vec<T, N> f(vec<T, N> a, vec<T, N> b);                           \
    template <class A, class B> requires args<A, B> MP_CX to<A, B> f(A a, B b) {                                      \
        using R = to<A, B>;                                                                                           \
        return static_cast<R>((f)(static_cast<__mp::wide_t<R>>(a), static_cast<__mp::wide_t<R>>(b)));                 \
    }                                                                                                                 \
    template <class T, int N> requires args<T> MP_CX vec<T, N> f(vec<T, N> a, vec<T, N> b) { MP_EACH2(T, (f)) }
#define MP_LIFT3(f, args, to)                                                                                         \
    template <class A, class B, class C> requires args<A, B, C> MP_CX to<A, B, C> f(A a, B b, C c) {                  \
        using R = to<A, B, C>;                                                                                        \
        using W = __mp::wide_t<R>;                                                                                    \
        return static_cast<R>(f(static_cast<W>(a), static_cast<W>(b), static_cast<W>(c)));                            \
    }                                                                                                                 \
    template <class T, int N> requires args<T>                                                                        \
    MP_CX vec<T, N> f(vec<T, N> a, vec<T, N> b, vec<T, N> c) { MP_EACH3(T, f) }

// ---- a function of floats, its half version by way of float, and the rest ----
#define MP_FLOAT1(f, value)                                                                                           \
    MP_FN float f(float x) { return value; }                                                                          \
    MP_FN half f(half x) { return static_cast<half>(f(static_cast<float>(x))); }                                      \
    MP_LIFT1(f, __mp::floats, __mp::float_t)
#define MP_FLOAT2(f, value)                                                                                           \
    MP_FN float f(float x, float y) { return value; }                                                                 \
    MP_FN half f(half x, half y) { return static_cast<half>(f(static_cast<float>(x), static_cast<float>(y))); }       \
    MP_LIFT2(f, __mp::floats, __mp::float_t)
#define MP_FLOAT3(f, value)                                                                                           \
    MP_FN float f(float x, float y, float z) { return value; }                                                        \
    MP_FN half f(half x, half y, half z) {                                                                            \
        return static_cast<half>(f(static_cast<float>(x), static_cast<float>(y), static_cast<float>(z)));             \
    }                                                                                                                 \
    MP_LIFT3(f, __mp::floats, __mp::float_t)
// The same, usable in constant expressions.
#define MP_CX_FLOAT1(f, value)                                                                                        \
    MP_CX float f(float x) { return value; }                                                                          \
    MP_CX half f(half x) { return static_cast<half>(f(static_cast<float>(x))); }                                      \
    MP_LIFT1(f, __mp::floats, __mp::float_t)
#define MP_CX_FLOAT2(f, value)                                                                                        \
    MP_CX float f(float x, float y) { return value; }                                                                 \
    MP_CX half f(half x, half y) { return static_cast<half>(f(static_cast<float>(x), static_cast<float>(y))); }       \
    MP_LIFT2(f, __mp::floats, __mp::float_t)
#define MP_CX_FLOAT3(f, value)                                                                                        \
    MP_CX float f(float x, float y, float z) { return value; }                                                        \
    MP_CX half f(half x, half y, half z) {                                                                            \
        return static_cast<half>(f(static_cast<float>(x), static_cast<float>(y), static_cast<float>(z)));             \
    }                                                                                                                 \
    MP_LIFT3(f, __mp::floats, __mp::float_t)

// X(type) for each integer type.
#define MP_INTEGERS(X) X(char) X(uchar) X(short) X(ushort) X(int) X(uint) X(long) X(ulong)
