// vec<T, 1> and packed_vec<T, 1>, which templates make for a width of one. No scalar: only its element is. Template
// parameters have long names: a program's own macros come first.
#pragma once
#pragma clang system_header
#include <__mp/vec.h>

#define MP_NUMBER(op)                                                                                                 \
    friend constexpr Vec operator op(Vec a, Vec b) { return static_cast<Element>(a.x op b.x); }
#define MP_INTEGER(op)                                                                                                \
    friend constexpr Vec operator op(Vec a, Vec b) requires integer<Element> { return static_cast<Element>(a.x op b.x); }
#define MP_TRUTH(op)                                                                                                  \
    friend constexpr Bools operator op(Vec a, Vec b) { return a.x op b.x; }
#define MP_SINGLE(Self, Other)                                                                                        \
    template <class Element> struct Self<Element, 1>                                                                  \
        : __mp::vectors::lanes<Element, 1>, __mp::vectors::assigning<Self<Element, 1>, Element, 1> {                  \
        Self() = default;                                                                                             \
        constexpr Self(Element s) : __mp::vectors::lanes<Element, 1>{s} {}                                            \
        constexpr Self(Other<Element, 1> v) : Self(v.x) {}                                                            \
        template <class From> explicit constexpr Self(vec<From, 1> v) : Self(static_cast<Element>(v.x)) {}            \
    };

MP_BEGIN
namespace __mp::vectors {
template <class Element> struct lanes<Element, 1> {
    using Vec = vec<Element, 1>;
    using Bools = rebind_t<Vec, bool>;
    Element x;
    constexpr Element &operator[](long) { return x; }
    constexpr const Element &operator[](long) const { return x; }
    constexpr Element mp_x() const { return x; }
    constexpr void mp_x(Element v) { x = v; }
    constexpr vec<Element, 2> mp_xx() const { return x; }
    constexpr vec<Element, 3> mp_xxx() const { return x; }
    constexpr vec<Element, 4> mp_xxxx() const { return x; }
    __declspec(property(get = mp_x, put = mp_x)) Element r;
    __declspec(property(get = mp_xx)) vec<Element, 2> xx, rr;
    __declspec(property(get = mp_xxx)) vec<Element, 3> xxx, rrr;
    __declspec(property(get = mp_xxxx)) vec<Element, 4> xxxx, rrrr;
    MP_NUMBER(+) MP_NUMBER(-) MP_NUMBER(*) MP_NUMBER(/)
    MP_INTEGER(%) MP_INTEGER(&) MP_INTEGER(|) MP_INTEGER(^)
    MP_TRUTH(==) MP_TRUTH(!=) MP_TRUTH(<) MP_TRUTH(<=) MP_TRUTH(>) MP_TRUTH(>=) MP_TRUTH(&&) MP_TRUTH(||)
    friend constexpr Vec operator-(Vec a) { return static_cast<Element>(-a.x); }
    friend constexpr Bools operator!(Vec a) { return !a.x; }
};
} // namespace __mp::vectors

namespace metal {
MP_SINGLE(vec, packed_vec)
MP_SINGLE(packed_vec, vec)
} // namespace metal
MP_END
#undef MP_SINGLE
#undef MP_NUMBER
#undef MP_INTEGER
#undef MP_TRUTH
