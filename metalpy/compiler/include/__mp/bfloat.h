// bfloat as a class: clang's own __bf16 converts neither to half nor from it, and rounds by a call of a function that
// not every system has. Scalars convert to it implicitly and it to them, int excepted: so that of the two ways in
// `c ? x : 0` only one is open. A program in which one becomes an int without a cast is compiled again with
// __METALPY_BFLOAT_TO_INT, and its conditionals are mended (see compiler/conditionals.py).
#pragma once
#pragma clang system_header
#include <__mp/macros.h>

MP_BEGIN
namespace metal {
struct bfloat;
}
namespace __mp::bf16 {
#ifdef __METALPY_BFLOAT_TO_INT
constexpr bool to_int = true;
#else
constexpr bool to_int = false;
#endif
template <class T> concept number = __is_arithmetic(T) || __is_enum(T) || __is_same(T, _Float16);
template <class T> struct mixed { using t = float; };
template <class T> requires __is_integral(T) struct mixed<T> { using t = metal::bfloat; };
template <class T> using mixed_t = typename mixed<T>::t; // of an operation between a bfloat and a T
// A class that stands for a truth value, and for bfloat no closer than that.
template <class T> concept truth =
    requires(const T &x) { x.operator bool(); } && !requires(const T &x) { x.operator metal::bfloat(); };
} // namespace __mp::bf16

namespace metal {
struct bfloat {
    unsigned short mp_bits;

    bfloat() = default;
    template <__mp::bf16::number T> constexpr bfloat(T x) : mp_bits(rounded(static_cast<float>(x))) {}
    template <class T>
    requires(__is_class(T) && !__is_same(T, bfloat)) && requires(const T &x) { static_cast<float>(x); }
    explicit(!__mp::bf16::truth<T>) constexpr bfloat(const T &x) : bfloat(static_cast<float>(x)) {}
    template <__mp::bf16::number T> explicit(__is_same(T, int) && !__mp::bf16::to_int) constexpr operator T() const {
        return static_cast<T>(__builtin_bit_cast(float, static_cast<unsigned int>(mp_bits) << 16));
    }

#define MP_BFLOAT(op)                                                                                                 \
    friend constexpr bfloat operator op(bfloat a, bfloat b) { return float(a) op float(b); }                          \
    template <__mp::bf16::number T> friend constexpr __mp::bf16::mixed_t<T> operator op(bfloat a, T b) {              \
        return float(a) op float(__mp::bf16::mixed_t<T>(b));                                                          \
    }                                                                                                                 \
    template <__mp::bf16::number T> friend constexpr __mp::bf16::mixed_t<T> operator op(T a, bfloat b) {              \
        return float(__mp::bf16::mixed_t<T>(a)) op float(b);                                                          \
    }                                                                                                                 \
    template <class T> requires __mp::bf16::number<T> || __is_same(T, bfloat)                                         \
    constexpr bfloat &operator op##=(T b) { return *this = bfloat(*this op b); }                                      \
    template <__mp::bf16::number T> friend constexpr T &operator op##=(T &a, bfloat b) {                              \
        return a = static_cast<T>(a op b);                                                                            \
    }
#define MP_BFLOAT_COMPARE(op)                                                                                         \
    friend constexpr bool operator op(bfloat a, bfloat b) { return float(a) op float(b); }                            \
    template <__mp::bf16::number T> friend constexpr bool operator op(bfloat a, T b) { return float(a) op float(b); } \
    template <__mp::bf16::number T> friend constexpr bool operator op(T a, bfloat b) { return float(a) op float(b); }
    MP_BFLOAT(+)
    MP_BFLOAT(-)
    MP_BFLOAT(*)
    MP_BFLOAT(/)
    MP_BFLOAT_COMPARE(==)
    MP_BFLOAT_COMPARE(!=)
    MP_BFLOAT_COMPARE(<)
    MP_BFLOAT_COMPARE(<=)
    MP_BFLOAT_COMPARE(>)
    MP_BFLOAT_COMPARE(>=)
#undef MP_BFLOAT
#undef MP_BFLOAT_COMPARE
    friend constexpr bfloat operator+(bfloat a) { return a; }
    friend constexpr bfloat operator-(bfloat a) { return -float(a); }
    constexpr bfloat &operator++() { return *this += 1; }
    constexpr bfloat &operator--() { return *this -= 1; }
    constexpr bfloat operator++(int) { bfloat old = *this; ++*this; return old; }
    constexpr bfloat operator--(int) { bfloat old = *this; --*this; return old; }

private:
    // to the nearest, ties to even; a NaN stays one
    static constexpr unsigned short rounded(float x) {
        unsigned int bits = __builtin_bit_cast(unsigned int, x);
        if ((bits & 0x7fffffff) > 0x7f800000) return static_cast<unsigned short>(bits >> 16 | 0x40);
        return static_cast<unsigned short>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
    }
};
} // namespace metal
using metal::bfloat;
namespace __mp {
// What compiler/conditionals.py wraps the operands of `c ? x : y` into: a bfloat next to a float becomes one.
template <class T> constexpr T &&arm(T &&x) { return static_cast<T &&>(x); }
constexpr float arm(bfloat &&x) { return x; }
constexpr float arm(bfloat &x) { return x; }
constexpr float arm(const bfloat &x) { return x; }
} // namespace __mp
MP_END
