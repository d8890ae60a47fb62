// <metal_integer>.
#pragma once
#pragma clang system_header
#include <__mp/common.h>

MP_BEGIN
namespace __mp {
// The next wider integer, where there is one, and the type of the other signedness.
template <integer T, bool Signed> consteval auto wider() {
    if constexpr (sizeof(T) <= 2 && Signed) return int();
    else if constexpr (sizeof(T) <= 2) return static_cast<unsigned>(0);
    else if constexpr (sizeof(T) == 4 && Signed) return long();
    else if constexpr (sizeof(T) == 4) return static_cast<unsigned long>(0);
    else if constexpr (Signed) return static_cast<__int128>(0);
    else return static_cast<unsigned __int128>(0);
}
template <class T> inline constexpr bool is_signed = static_cast<T>(-1) < static_cast<T>(0);
template <class T> using wider_t = decltype(wider<T, is_signed<T>>());
template <integer T> using unsigned_t = __make_unsigned(T);
template <class T>
inline constexpr T lowest = is_signed<T> ? static_cast<T>(unsigned_t<T>(1) << (sizeof(T) * 8 - 1)) : 0;
template <class T> inline constexpr T highest = static_cast<T>(~lowest<T>);

template <integer T> MP_CX T saturated(wider_t<T> value) {
    return value < lowest<T> ? lowest<T> : value > highest<T> ? highest<T> : static_cast<T>(value);
}
template <integer T> MP_CX T absdiff_(T x, T y) {
    return static_cast<T>(x > y ? static_cast<unsigned_t<T>>(x) - static_cast<unsigned_t<T>>(y)
                                : static_cast<unsigned_t<T>>(y) - static_cast<unsigned_t<T>>(x));
}
template <integer T> MP_CX T addsat_(T x, T y) {
    T r{};
    return __builtin_add_overflow(x, y, &r) ? (is_signed<T> && x < 0 ? lowest<T> : highest<T>) : r;
}
template <integer T> MP_CX T subsat_(T x, T y) {
    T r{};
    return __builtin_sub_overflow(x, y, &r) ? (!is_signed<T> || x < 0 ? lowest<T> : highest<T>) : r;
}
template <integer T> MP_CX T hadd_(T x, T y) { return static_cast<T>((x & y) + ((x ^ y) >> 1)); }
template <integer T> MP_CX T rhadd_(T x, T y) { return static_cast<T>((x | y) - ((x ^ y) >> 1)); }
template <integer T> MP_CX T mulhi_(T x, T y) {
    return static_cast<T>(static_cast<wider_t<T>>(x) * static_cast<wider_t<T>>(y) >> (sizeof(T) * 8));
}
template <integer T> MP_CX T madhi_(T x, T y, T z) {
    return static_cast<T>(static_cast<unsigned_t<T>>(mulhi_(x, y)) + static_cast<unsigned_t<T>>(z));
}
template <integer T> MP_CX T madsat_(T x, T y, T z) {
    if constexpr (sizeof(T) < 8)
        return saturated<T>(static_cast<wider_t<T>>(x) * y + z);
    else {
        // products of 64-bit integers stay clear of the end of 128 bits, with one more addend
        return saturated<T>(static_cast<wider_t<T>>(x) * static_cast<wider_t<T>>(y) + z);
    }
}
// the low 24 bits, sign-extended
template <integer T> MP_CX T low24(T x) {
    return is_signed<T> ? static_cast<T>(static_cast<int>(static_cast<uint>(x) << 8) >> 8)
                        : static_cast<T>(static_cast<uint>(x) & 0xffffff);
}
template <integer T> MP_CX T mul24_(T x, T y) {
    return static_cast<T>(static_cast<uint>(low24(x)) * static_cast<uint>(low24(y)));
}
template <integer T> MP_CX T mad24_(T x, T y, T z) {
    return static_cast<T>(static_cast<uint>(mul24_(x, y)) + static_cast<uint>(z));
}
template <integer T> MP_CX T rotate_(T x, T amount) {
    constexpr int bits = sizeof(T) * 8;
    unsigned_t<T> u = static_cast<unsigned_t<T>>(x);
    int n = static_cast<int>(amount & (bits - 1));
    return static_cast<T>(u << n | u >> ((bits - n) & (bits - 1)));
}
template <integer T> MP_CX T clz_(T x) {
    return static_cast<T>(__builtin_clzg(static_cast<unsigned_t<T>>(x), static_cast<int>(sizeof(T) * 8)));
}
template <integer T> MP_CX T ctz_(T x) {
    return static_cast<T>(__builtin_ctzg(static_cast<unsigned_t<T>>(x), static_cast<int>(sizeof(T) * 8)));
}
template <integer T> MP_CX T popcount_(T x) {
    return static_cast<T>(__builtin_popcountg(static_cast<unsigned_t<T>>(x)));
}
template <integer T> MP_CX T reverse_bits_(T x) {
    if constexpr (sizeof(T) == 1) return static_cast<T>(__builtin_bitreverse8(static_cast<uchar>(x)));
    else if constexpr (sizeof(T) == 2) return static_cast<T>(__builtin_bitreverse16(static_cast<ushort>(x)));
    else if constexpr (sizeof(T) == 4) return static_cast<T>(__builtin_bitreverse32(static_cast<uint>(x)));
    else return static_cast<T>(__builtin_bitreverse64(static_cast<ulong>(x)));
}
template <integer T> MP_CX T extract_bits_(T x, uint offset, uint count) {
    constexpr uint bits = sizeof(T) * 8;
    if (count == 0 || offset >= bits) return 0;
    if (count > bits - offset) count = bits - offset;
    T up = static_cast<T>(static_cast<unsigned_t<T>>(x) << (bits - offset - count));
    return static_cast<T>(up >> (bits - count));
}
template <integer T> MP_CX T insert_bits_(T base, T insert, uint offset, uint count) {
    using U = unsigned_t<T>;
    constexpr uint bits = sizeof(T) * 8;
    if (count == 0 || offset >= bits) return base;
    U ones = count >= bits ? static_cast<U>(-1) : static_cast<U>((static_cast<ulong>(1) << count) - 1);
    U mask = static_cast<U>(ones << offset);
    U moved = static_cast<U>(static_cast<U>(insert) << offset);
    return static_cast<T>((static_cast<U>(base) & ~mask) | (moved & mask));
}
} // namespace __mp

namespace metal {
#define MP_INTEGER1(f)                                                                                                \
    template <class A> requires __mp::integers<A> MP_CX __mp::common_t<A> f(A a) {                                    \
        if constexpr (__mp::shape<A>::lanes == 1) return __mp::f##_(static_cast<__mp::common_t<A>>(a));               \
        else return f(static_cast<__mp::common_t<A>>(a));                                                             \
    }                                                                                                                 \
    template <__mp::integer T, int N> MP_CX vec<T, N> f(vec<T, N> a) { MP_EACH1(T, __mp::f##_) }
#define MP_INTEGER2(f)                                                                                                \
    template <class A, class B> requires __mp::integers<A, B> MP_CX __mp::common_t<A, B> f(A a, B b) {                \
        using R = __mp::common_t<A, B>;                                                                               \
        if constexpr (__mp::integer<R>) return __mp::f##_(static_cast<R>(a), static_cast<R>(b));                      \
        else return f(static_cast<R>(a), static_cast<R>(b));                                                          \
    }                                                                                                                 \
    template <__mp::integer T, int N> MP_CX vec<T, N> f(vec<T, N> a, vec<T, N> b) { MP_EACH2(T, __mp::f##_) }
#define MP_INTEGER3(f)                                                                                                \
    template <class A, class B, class C> requires __mp::integers<A, B, C>                                             \
    MP_CX __mp::common_t<A, B, C> f(A a, B b, C c) {                                                                  \
        using R = __mp::common_t<A, B, C>;                                                                            \
        if constexpr (__mp::integer<R>) return __mp::f##_(static_cast<R>(a), static_cast<R>(b), static_cast<R>(c));   \
        else return f(static_cast<R>(a), static_cast<R>(b), static_cast<R>(c));                                       \
    }                                                                                                                 \
    template <__mp::integer T, int N> MP_CX vec<T, N> f(vec<T, N> a, vec<T, N> b, vec<T, N> c) {                      \
        MP_EACH3(T, __mp::f##_)                                                                                       \
    }
MP_INTEGER2(absdiff)
MP_INTEGER2(addsat)
MP_INTEGER2(subsat)
MP_INTEGER2(hadd)
MP_INTEGER2(rhadd)
MP_INTEGER2(mulhi)
MP_INTEGER3(madhi)
MP_INTEGER3(madsat)
MP_INTEGER2(mul24)
MP_INTEGER3(mad24)
MP_INTEGER2(rotate)
MP_INTEGER1(clz)
MP_INTEGER1(ctz)
MP_INTEGER1(popcount)
MP_INTEGER1(reverse_bits)

template <__mp::integer T> MP_CX T extract_bits(T x, uint offset, uint bits) {
    return __mp::extract_bits_(x, offset, bits);
}
template <__mp::integer T> MP_CX T insert_bits(T base, __mp::plain<T> insert, uint offset, uint bits) {
    return __mp::insert_bits_(base, insert, offset, bits);
}
template <__mp::integer T, int N> MP_CX vec<T, N> extract_bits(vec<T, N> x, uint offset, uint bits) {
    for (int i = 0; i < N; ++i) x[i] = __mp::extract_bits_(x[i], offset, bits);
    return x;
}
template <__mp::integer T, int N>
MP_CX vec<T, N> insert_bits(vec<T, N> base, __mp::plain<vec<T, N>> insert, uint offset, uint bits) {
    for (int i = 0; i < N; ++i) base[i] = __mp::insert_bits_(base[i], insert[i], offset, bits);
    return base;
}
} // namespace metal
MP_END
