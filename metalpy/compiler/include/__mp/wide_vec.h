// vec<T, 8> and vec<T, 16>, of <metal_extended_vector> and of ext_vector_type: they have elements but no names for them.
// Template parameters have long names: a program's own macros come first.
#pragma once
#pragma clang system_header
#include <__mp/vec.h>

MP_BEGIN
namespace metal {
template <class Element, int Count> requires(Count == 8 || Count == 16)
struct alignas(Count * sizeof(Element)) vec<Element, Count>
    : __mp::vectors::assigning<vec<Element, Count>, Element, Count> {
    Element mp_elements[Count];

    vec() = default;
    constexpr vec(Element s) {
        for (Element &element : mp_elements) element = s;
    }
    template <class Given> requires __mp::bfloat_conversion<Element, Given> constexpr vec(Given s) : vec(Element(s)) {}
    template <class... Given> requires(sizeof...(Given) == Count)
    constexpr vec(Given... s) : mp_elements{static_cast<Element>(s)...} {}
    template <class Other> explicit constexpr vec(vec<Other, Count> v) {
        for (int i = 0; i < Count; ++i) mp_elements[i] = static_cast<Element>(v[i]);
    }
    constexpr Element &operator[](long i) { return mp_elements[i]; }
    constexpr const Element &operator[](long i) const { return mp_elements[i]; }
#define MP_EACH(op)                                                                                                   \
    friend constexpr vec operator op(vec a, vec b) {                                                                  \
        for (int i = 0; i < Count; ++i) a[i] = static_cast<Element>(a[i] op b[i]);                                      \
        return a;                                                                                                     \
    }
    MP_EACH(+)
    MP_EACH(-)
    MP_EACH(*)
    MP_EACH(/)
#undef MP_EACH
#define MP_EACH(op)                                                                                                   \
    friend constexpr vec operator op(vec a, vec b) requires __mp::integer<Element> {                                  \
        for (int i = 0; i < Count; ++i) a[i] = static_cast<Element>(a[i] op b[i]);                                      \
        return a;                                                                                                     \
    }
    MP_EACH(%)
    MP_EACH(&)
    MP_EACH(|)
    MP_EACH(^)
    MP_EACH(<<)
    MP_EACH(>>)
#undef MP_EACH
#define MP_EACH(op)                                                                                                   \
    friend constexpr vec<bool, Count> operator op(vec a, vec b) {                                                     \
        vec<bool, Count> made = false;                                                                                \
        for (int i = 0; i < Count; ++i) made[i] = a[i] op b[i];                                                         \
        return made;                                                                                                  \
    }
    MP_EACH(==)
    MP_EACH(!=)
    MP_EACH(<)
    MP_EACH(>)
    MP_EACH(<=)
    MP_EACH(>=)
#undef MP_EACH
    friend constexpr vec operator-(vec a) {
        for (Element &element : a.mp_elements) element = -element;
        return a;
    }
};
} // namespace metal
MP_END
