// vec<T, N> and packed_vec<T, N>. Their components are plain members of a common base, lanes<T, N>: references to them
// and constant expressions work, and both get the same swizzles and operators.
#pragma once
#pragma clang system_header
#include <__mp/swizzle.h>

MP_BEGIN
// In a namespace of their own: argument-dependent lookup searches the one that a base class is in.
namespace __mp::vectors {
// The operators are friends that only argument-dependent lookup finds; scalars and packed vectors convert on either
// side. No operator of this library is visible to unqualified lookup: where one is, clang takes `v.xy * 2` in a template
// for an operation on built-in types. Shifts go by the low bits of the amount, as on a GPU.
MP_CX bool constant_evaluated() { return __builtin_is_constant_evaluated(); }
template <class T, int N> struct lanes;

template <class T> struct lanes<T, 2> {
    using Vec = vec<T, 2>;
    using Bools = rebind_t<Vec, bool>;
    T x, y;
    static constexpr int bits = sizeof(T) * 8 - 1;
    constexpr T &operator[](long i) { return constant_evaluated() ? (i == 0 ? x : y) : (&x)[i]; }
    constexpr const T &operator[](long i) const { return constant_evaluated() ? (i == 0 ? x : y) : (&x)[i]; }
    friend constexpr Vec operator+(Vec a, Vec b) { return {T(a.x + b.x), T(a.y + b.y)}; }
    friend constexpr Vec operator-(Vec a, Vec b) { return {T(a.x - b.x), T(a.y - b.y)}; }
    friend constexpr Vec operator*(Vec a, Vec b) { return {T(a.x * b.x), T(a.y * b.y)}; }
    friend constexpr Vec operator/(Vec a, Vec b) { return {T(a.x / b.x), T(a.y / b.y)}; }
    friend constexpr Vec operator%(Vec a, Vec b) requires integer<T> { return {T(a.x % b.x), T(a.y % b.y)}; }
    friend constexpr Vec operator&(Vec a, Vec b) requires integer<T> { return {T(a.x & b.x), T(a.y & b.y)}; }
    friend constexpr Vec operator|(Vec a, Vec b) requires integer<T> { return {T(a.x | b.x), T(a.y | b.y)}; }
    friend constexpr Vec operator^(Vec a, Vec b) requires integer<T> { return {T(a.x ^ b.x), T(a.y ^ b.y)}; }
    friend constexpr Vec operator<<(Vec a, Vec b) requires integer<T> {
        return {T(a.x << (b.x & bits)), T(a.y << (b.y & bits))};
    }
    friend constexpr Vec operator>>(Vec a, Vec b) requires integer<T> {
        return {T(a.x >> (b.x & bits)), T(a.y >> (b.y & bits))};
    }
    friend constexpr Bools operator&&(Vec a, Vec b) { return {a.x && b.x, a.y && b.y}; }
    friend constexpr Bools operator||(Vec a, Vec b) { return {a.x || b.x, a.y || b.y}; }
    friend constexpr Bools operator==(Vec a, Vec b) { return {a.x == b.x, a.y == b.y}; }
    friend constexpr Bools operator!=(Vec a, Vec b) { return {a.x != b.x, a.y != b.y}; }
    friend constexpr Bools operator<(Vec a, Vec b) { return {a.x < b.x, a.y < b.y}; }
    friend constexpr Bools operator<=(Vec a, Vec b) { return {a.x <= b.x, a.y <= b.y}; }
    friend constexpr Bools operator>(Vec a, Vec b) { return {a.x > b.x, a.y > b.y}; }
    friend constexpr Bools operator>=(Vec a, Vec b) { return {a.x >= b.x, a.y >= b.y}; }
    friend constexpr Vec operator+(Vec a) { return a; }
    friend constexpr Vec operator-(Vec a) { return {T(-a.x), T(-a.y)}; }
    friend constexpr Bools operator!(Vec a) { return {!a.x, !a.y}; }
    friend constexpr Vec operator~(Vec a) requires integer<T> { return {T(~a.x), T(~a.y)}; }
    template <integer U> requires(integer<T> && !same<T, U>) friend constexpr Vec operator<<(Vec a, vec<U, 2> b) {
        return a << Vec(b);
    }
    template <integer U> requires(integer<T> && !same<T, U>) friend constexpr Vec operator>>(Vec a, vec<U, 2> b) {
        return a >> Vec(b);
    }
    MP_SWIZZLES(2)
};

template <class T> struct lanes<T, 3> {
    using Vec = vec<T, 3>;
    using Bools = rebind_t<Vec, bool>;
    T x, y, z;
    static constexpr int bits = sizeof(T) * 8 - 1;
    constexpr T &operator[](long i) { return constant_evaluated() ? (i == 0 ? x : i == 1 ? y : z) : (&x)[i]; }
    constexpr const T &operator[](long i) const {
        return constant_evaluated() ? (i == 0 ? x : i == 1 ? y : z) : (&x)[i];
    }
    friend constexpr Vec operator+(Vec a, Vec b) { return {T(a.x + b.x), T(a.y + b.y), T(a.z + b.z)}; }
    friend constexpr Vec operator-(Vec a, Vec b) { return {T(a.x - b.x), T(a.y - b.y), T(a.z - b.z)}; }
    friend constexpr Vec operator*(Vec a, Vec b) { return {T(a.x * b.x), T(a.y * b.y), T(a.z * b.z)}; }
    friend constexpr Vec operator/(Vec a, Vec b) { return {T(a.x / b.x), T(a.y / b.y), T(a.z / b.z)}; }
    friend constexpr Vec operator%(Vec a, Vec b) requires integer<T> {
        return {T(a.x % b.x), T(a.y % b.y), T(a.z % b.z)};
    }
    friend constexpr Vec operator&(Vec a, Vec b) requires integer<T> {
        return {T(a.x & b.x), T(a.y & b.y), T(a.z & b.z)};
    }
    friend constexpr Vec operator|(Vec a, Vec b) requires integer<T> {
        return {T(a.x | b.x), T(a.y | b.y), T(a.z | b.z)};
    }
    friend constexpr Vec operator^(Vec a, Vec b) requires integer<T> {
        return {T(a.x ^ b.x), T(a.y ^ b.y), T(a.z ^ b.z)};
    }
    friend constexpr Vec operator<<(Vec a, Vec b) requires integer<T> {
        return {T(a.x << (b.x & bits)), T(a.y << (b.y & bits)), T(a.z << (b.z & bits))};
    }
    friend constexpr Vec operator>>(Vec a, Vec b) requires integer<T> {
        return {T(a.x >> (b.x & bits)), T(a.y >> (b.y & bits)), T(a.z >> (b.z & bits))};
    }
    friend constexpr Bools operator&&(Vec a, Vec b) { return {a.x && b.x, a.y && b.y, a.z && b.z}; }
    friend constexpr Bools operator||(Vec a, Vec b) { return {a.x || b.x, a.y || b.y, a.z || b.z}; }
    friend constexpr Bools operator==(Vec a, Vec b) { return {a.x == b.x, a.y == b.y, a.z == b.z}; }
    friend constexpr Bools operator!=(Vec a, Vec b) { return {a.x != b.x, a.y != b.y, a.z != b.z}; }
    friend constexpr Bools operator<(Vec a, Vec b) { return {a.x < b.x, a.y < b.y, a.z < b.z}; }
    friend constexpr Bools operator<=(Vec a, Vec b) { return {a.x <= b.x, a.y <= b.y, a.z <= b.z}; }
    friend constexpr Bools operator>(Vec a, Vec b) { return {a.x > b.x, a.y > b.y, a.z > b.z}; }
    friend constexpr Bools operator>=(Vec a, Vec b) { return {a.x >= b.x, a.y >= b.y, a.z >= b.z}; }
    friend constexpr Vec operator+(Vec a) { return a; }
    friend constexpr Vec operator-(Vec a) { return {T(-a.x), T(-a.y), T(-a.z)}; }
    friend constexpr Bools operator!(Vec a) { return {!a.x, !a.y, !a.z}; }
    friend constexpr Vec operator~(Vec a) requires integer<T> { return {T(~a.x), T(~a.y), T(~a.z)}; }
    template <integer U> requires(integer<T> && !same<T, U>) friend constexpr Vec operator<<(Vec a, vec<U, 3> b) {
        return a << Vec(b);
    }
    template <integer U> requires(integer<T> && !same<T, U>) friend constexpr Vec operator>>(Vec a, vec<U, 3> b) {
        return a >> Vec(b);
    }
    MP_SWIZZLES(3)
};

template <class T> struct lanes<T, 4> {
    using Vec = vec<T, 4>;
    using Bools = rebind_t<Vec, bool>;
    T x, y, z, w;
    static constexpr int bits = sizeof(T) * 8 - 1;
    constexpr T &operator[](long i) {
        return constant_evaluated() ? (i == 0 ? x : i == 1 ? y : i == 2 ? z : w) : (&x)[i];
    }
    constexpr const T &operator[](long i) const {
        return constant_evaluated() ? (i == 0 ? x : i == 1 ? y : i == 2 ? z : w) : (&x)[i];
    }
    friend constexpr Vec operator+(Vec a, Vec b) { return {T(a.x + b.x), T(a.y + b.y), T(a.z + b.z), T(a.w + b.w)}; }
    friend constexpr Vec operator-(Vec a, Vec b) { return {T(a.x - b.x), T(a.y - b.y), T(a.z - b.z), T(a.w - b.w)}; }
    friend constexpr Vec operator*(Vec a, Vec b) { return {T(a.x * b.x), T(a.y * b.y), T(a.z * b.z), T(a.w * b.w)}; }
    friend constexpr Vec operator/(Vec a, Vec b) { return {T(a.x / b.x), T(a.y / b.y), T(a.z / b.z), T(a.w / b.w)}; }
    friend constexpr Vec operator%(Vec a, Vec b) requires integer<T> {
        return {T(a.x % b.x), T(a.y % b.y), T(a.z % b.z), T(a.w % b.w)};
    }
    friend constexpr Vec operator&(Vec a, Vec b) requires integer<T> {
        return {T(a.x & b.x), T(a.y & b.y), T(a.z & b.z), T(a.w & b.w)};
    }
    friend constexpr Vec operator|(Vec a, Vec b) requires integer<T> {
        return {T(a.x | b.x), T(a.y | b.y), T(a.z | b.z), T(a.w | b.w)};
    }
    friend constexpr Vec operator^(Vec a, Vec b) requires integer<T> {
        return {T(a.x ^ b.x), T(a.y ^ b.y), T(a.z ^ b.z), T(a.w ^ b.w)};
    }
    friend constexpr Vec operator<<(Vec a, Vec b) requires integer<T> {
        return {T(a.x << (b.x & bits)), T(a.y << (b.y & bits)), T(a.z << (b.z & bits)), T(a.w << (b.w & bits))};
    }
    friend constexpr Vec operator>>(Vec a, Vec b) requires integer<T> {
        return {T(a.x >> (b.x & bits)), T(a.y >> (b.y & bits)), T(a.z >> (b.z & bits)), T(a.w >> (b.w & bits))};
    }
    friend constexpr Bools operator&&(Vec a, Vec b) { return {a.x && b.x, a.y && b.y, a.z && b.z, a.w && b.w}; }
    friend constexpr Bools operator||(Vec a, Vec b) { return {a.x || b.x, a.y || b.y, a.z || b.z, a.w || b.w}; }
    friend constexpr Bools operator==(Vec a, Vec b) { return {a.x == b.x, a.y == b.y, a.z == b.z, a.w == b.w}; }
    friend constexpr Bools operator!=(Vec a, Vec b) { return {a.x != b.x, a.y != b.y, a.z != b.z, a.w != b.w}; }
    friend constexpr Bools operator<(Vec a, Vec b) { return {a.x < b.x, a.y < b.y, a.z < b.z, a.w < b.w}; }
    friend constexpr Bools operator<=(Vec a, Vec b) { return {a.x <= b.x, a.y <= b.y, a.z <= b.z, a.w <= b.w}; }
    friend constexpr Bools operator>(Vec a, Vec b) { return {a.x > b.x, a.y > b.y, a.z > b.z, a.w > b.w}; }
    friend constexpr Bools operator>=(Vec a, Vec b) { return {a.x >= b.x, a.y >= b.y, a.z >= b.z, a.w >= b.w}; }
    friend constexpr Vec operator+(Vec a) { return a; }
    friend constexpr Vec operator-(Vec a) { return {T(-a.x), T(-a.y), T(-a.z), T(-a.w)}; }
    friend constexpr Bools operator!(Vec a) { return {!a.x, !a.y, !a.z, !a.w}; }
    friend constexpr Vec operator~(Vec a) requires integer<T> { return {T(~a.x), T(~a.y), T(~a.z), T(~a.w)}; }
    template <integer U> requires(integer<T> && !same<T, U>) friend constexpr Vec operator<<(Vec a, vec<U, 4> b) {
        return a << Vec(b);
    }
    template <integer U> requires(integer<T> && !same<T, U>) friend constexpr Vec operator>>(Vec a, vec<U, 4> b) {
        return a >> Vec(b);
    }
    MP_SWIZZLES(4)
};

// Operators that change a vector: of Self, which is vec<T, N> or packed_vec<T, N>.
template <class Self, class T, int N> struct assigning {
    constexpr Self &operator+=(vec<T, N> b) { return self() = self() + b; }
    constexpr Self &operator-=(vec<T, N> b) { return self() = self() - b; }
    constexpr Self &operator*=(vec<T, N> b) { return self() = self() * b; }
    constexpr Self &operator/=(vec<T, N> b) { return self() = self() / b; }
    constexpr Self &operator%=(vec<T, N> b) { return self() = self() % b; }
    constexpr Self &operator&=(vec<T, N> b) { return self() = self() & b; }
    constexpr Self &operator|=(vec<T, N> b) { return self() = self() | b; }
    constexpr Self &operator^=(vec<T, N> b) { return self() = self() ^ b; }
    constexpr Self &operator<<=(vec<T, N> b) { return self() = self() << b; }
    constexpr Self &operator>>=(vec<T, N> b) { return self() = self() >> b; }
    constexpr Self &operator++() { return self() = self() + vec<T, N>(T(1)); }
    constexpr Self &operator--() { return self() = self() - vec<T, N>(T(1)); }
    constexpr Self operator++(int) { Self old = self(); ++*this; return old; }
    constexpr Self operator--(int) { Self old = self(); --*this; return old; }

private:
    constexpr Self &self() { return static_cast<Self &>(*this); }
};
} // namespace __mp::vectors

// Objects in volatile memory are read and written whole. Templates, since a copy that is none leaves vectors trivial.
#define MP_VOLATILE(Self, N)                                                                                          \
    template <class = void> constexpr Self(const volatile Self &v) {                                                  \
        for (int i = 0; i < N; ++i) (*this)[i] = (&v.x)[i];                                                           \
    }                                                                                                                 \
    template <class = void> constexpr void operator=(Self v) volatile {                                               \
        for (int i = 0; i < N; ++i) (&this->x)[i] = v[i];                                                             \
    }
// The bodies of vec and packed_vec; Other is the one of the two that Self is not. Fewer components than the vector has,
// as in `uint4 k = {a, b, c}`, leave the rest zero; a longer vector, as in `float3(color)`, is cut off.
#define MP_VECTOR2(Self, Other)                                                                                       \
    using mp_lanes = __mp::vectors::lanes<T, 2>;                                                                      \
    Self() = default;                                                                                                 \
    MP_VOLATILE(Self, 2)                                                                                              \
    constexpr Self(T s) : mp_lanes{s, s} {}                                                                           \
    template <class S> requires __mp::bfloat_conversion<T, S> constexpr Self(S s) : Self(T(s)) {}                     \
    constexpr Self(T a, T b) : mp_lanes{a, b} {}                                                                      \
    constexpr Self(Other<T, 2> v) : mp_lanes{v.x, v.y} {}                                                             \
    template <class U> explicit constexpr Self(vec<U, 3> v) : mp_lanes{T(v.x), T(v.y)} {}                             \
    template <class U> explicit constexpr Self(vec<U, 4> v) : mp_lanes{T(v.x), T(v.y)} {}                             \
    template <class U> explicit constexpr Self(vec<U, 2> v) : mp_lanes{T(v.x), T(v.y)} {}                             \
    template <class U> explicit constexpr Self(packed_vec<U, 2> v) : mp_lanes{T(v.x), T(v.y)} {}
#define MP_VECTOR3(Self, Other)                                                                                       \
    using mp_lanes = __mp::vectors::lanes<T, 3>;                                                                      \
    Self() = default;                                                                                                 \
    MP_VOLATILE(Self, 3)                                                                                              \
    constexpr Self(T s) : mp_lanes{s, s, s} {}                                                                        \
    template <class S> requires __mp::bfloat_conversion<T, S> constexpr Self(S s) : Self(T(s)) {}                     \
    constexpr Self(T a, T b, T c) : mp_lanes{a, b, c} {}                                                              \
    constexpr Self(T a, T b) : mp_lanes{a, b, 0} {}                                                                   \
    constexpr Self(T a, vec<T, 2> b) : mp_lanes{a, b.x, b.y} {}                                                       \
    constexpr Self(vec<T, 2> a, T b) : mp_lanes{a.x, a.y, b} {}                                                       \
    constexpr Self(Other<T, 3> v) : mp_lanes{v.x, v.y, v.z} {}                                                        \
    template <class U> explicit constexpr Self(vec<U, 4> v) : mp_lanes{T(v.x), T(v.y), T(v.z)} {}                     \
    template <class U> explicit constexpr Self(vec<U, 3> v) : mp_lanes{T(v.x), T(v.y), T(v.z)} {}                     \
    template <class U> explicit constexpr Self(packed_vec<U, 3> v) : mp_lanes{T(v.x), T(v.y), T(v.z)} {}
#define MP_VECTOR4(Self, Other)                                                                                       \
    using mp_lanes = __mp::vectors::lanes<T, 4>;                                                                      \
    Self() = default;                                                                                                 \
    MP_VOLATILE(Self, 4)                                                                                              \
    constexpr Self(T s) : mp_lanes{s, s, s, s} {}                                                                     \
    template <class S> requires __mp::bfloat_conversion<T, S> constexpr Self(S s) : Self(T(s)) {}                     \
    constexpr Self(T a, T b, T c, T d) : mp_lanes{a, b, c, d} {}                                                      \
    constexpr Self(T a, T b, T c) : mp_lanes{a, b, c, 0} {}                                                           \
    constexpr Self(T a, T b) : mp_lanes{a, b, 0, 0} {}                                                                \
    constexpr Self(T a, T b, vec<T, 2> c) : mp_lanes{a, b, c.x, c.y} {}                                               \
    constexpr Self(T a, vec<T, 2> b, T c) : mp_lanes{a, b.x, b.y, c} {}                                               \
    constexpr Self(vec<T, 2> a, T b, T c) : mp_lanes{a.x, a.y, b, c} {}                                               \
    constexpr Self(T a, vec<T, 3> b) : mp_lanes{a, b.x, b.y, b.z} {}                                                  \
    constexpr Self(vec<T, 2> a, vec<T, 2> b) : mp_lanes{a.x, a.y, b.x, b.y} {}                                        \
    constexpr Self(vec<T, 3> a, T b) : mp_lanes{a.x, a.y, a.z, b} {}                                                  \
    constexpr Self(Other<T, 4> v) : mp_lanes{v.x, v.y, v.z, v.w} {}                                                   \
    template <class U> explicit constexpr Self(vec<U, 4> v) : mp_lanes{T(v.x), T(v.y), T(v.z), T(v.w)} {}             \
    template <class U> explicit constexpr Self(packed_vec<U, 4> v) : mp_lanes{T(v.x), T(v.y), T(v.z), T(v.w)} {}

namespace metal {
template <class T>
struct alignas(2 * sizeof(T)) vec<T, 2> : __mp::vectors::lanes<T, 2>, __mp::vectors::assigning<vec<T, 2>, T, 2> {
    MP_VECTOR2(vec, packed_vec)
};
template <class T>
struct alignas(4 * sizeof(T)) vec<T, 3> : __mp::vectors::lanes<T, 3>, __mp::vectors::assigning<vec<T, 3>, T, 3> {
    MP_VECTOR3(vec, packed_vec)
};
template <class T>
struct alignas(4 * sizeof(T)) vec<T, 4> : __mp::vectors::lanes<T, 4>, __mp::vectors::assigning<vec<T, 4>, T, 4> {
    MP_VECTOR4(vec, packed_vec)
};
#define MP_PACKED_VECTOR(N)                                                                                           \
    template <class T> struct packed_vec<T, N>                                                                        \
        : __mp::vectors::lanes<T, N>, __mp::vectors::assigning<packed_vec<T, N>, T, N> {                              \
        MP_VECTOR##N(packed_vec, vec)                                                                                 \
    };
MP_PACKED_VECTOR(2)
MP_PACKED_VECTOR(3)
MP_PACKED_VECTOR(4)
#undef MP_VOLATILE
#undef MP_VECTOR2
#undef MP_VECTOR3
#undef MP_VECTOR4
#undef MP_PACKED_VECTOR
MP_END
} // namespace metal

// float4, packed_float4, vector_float4 and so on: names that Metal knows without any header.
#define MP_VECTORS(name, type)                                                                                        \
    using name##2 = metal::vec<type, 2>;                                                                              \
    using name##3 = metal::vec<type, 3>;                                                                              \
    using name##4 = metal::vec<type, 4>;                                                                              \
    using packed_##name##2 = metal::packed_vec<type, 2>;                                                              \
    using packed_##name##3 = metal::packed_vec<type, 3>;                                                              \
    using packed_##name##4 = metal::packed_vec<type, 4>;                                                              \
    using vector_##name##2 = name##2;                                                                                 \
    using vector_##name##3 = name##3;                                                                                 \
    using vector_##name##4 = name##4;                                                                                 \
    namespace metal {                                                                                                 \
    using ::name##2, ::name##3, ::name##4, ::packed_##name##2, ::packed_##name##3, ::packed_##name##4;                \
    }
MP_VECTORS(bool, bool)
MP_VECTORS(char, char)
MP_VECTORS(uchar, uchar)
MP_VECTORS(short, short)
MP_VECTORS(ushort, ushort)
MP_VECTORS(int, int)
MP_VECTORS(uint, uint)
MP_VECTORS(long, long)
MP_VECTORS(ulong, ulong)
MP_VECTORS(half, half)
MP_VECTORS(bfloat, bfloat)
MP_VECTORS(float, float)

// Headers for both sides call simd::min.
namespace simd {
using namespace metal;
}

MP_BEGIN
// The same bits as another type; a keyword in Metal.
template <class To, class From> MP_CX To as_type(From value) {
    static_assert(sizeof(To) == sizeof(From), "as_type: the types differ in size");
    return __builtin_bit_cast(To, value);
}
MP_END
namespace metal {
using ::as_type;
}

#include <__mp/single_vec.h>
