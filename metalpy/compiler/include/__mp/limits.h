// <metal_limits>: numeric_limits.
#pragma once
#pragma clang system_header
#include <__mp/scalar.h>

MP_BEGIN
namespace __mp {
template <class T> struct integer_limits {
    static constexpr bool is_specialized = true;
    static constexpr bool is_signed = static_cast<T>(-1) < static_cast<T>(0);
    static constexpr bool is_integer = true;
    static constexpr bool is_exact = true;
    static constexpr bool has_infinity = false;
    static constexpr bool has_quiet_NaN = false;
    static constexpr bool has_signaling_NaN = false;
    static constexpr bool is_iec559 = false;
    static constexpr bool is_bounded = true;
    static constexpr bool is_modulo = !is_signed;
    static constexpr int radix = 2;
    static constexpr int digits = __is_same(T, bool) ? 1 : sizeof(T) * 8 - is_signed;
    static constexpr int digits10 = digits * 301 / 1000;
    static constexpr int max_digits10 = 0;
    static constexpr int min_exponent = 0, min_exponent10 = 0, max_exponent = 0, max_exponent10 = 0;
    static constexpr T max() { return static_cast<T>(~static_cast<ulong>(0) >> (64 - digits)); }
    static constexpr T min() { return is_signed ? static_cast<T>(-static_cast<long>(max()) - 1) : static_cast<T>(0); }
    static constexpr T lowest() { return min(); }
    static constexpr T epsilon() { return 0; }
    static constexpr T round_error() { return 0; }
    static constexpr T infinity() { return 0; }
    static constexpr T quiet_NaN() { return 0; }
    static constexpr T signaling_NaN() { return 0; }
    static constexpr T denorm_min() { return 0; }
};
// A floating-point format by its largest, smallest normal and smallest number and its spacing at 1.
template <class T, int Digits, int Digits10, int MaxDigits10, int MinExp, int MinExp10, int MaxExp, int MaxExp10>
struct float_limits {
    static constexpr bool is_specialized = true;
    static constexpr bool is_signed = true;
    static constexpr bool is_integer = false;
    static constexpr bool is_exact = false;
    static constexpr bool has_infinity = true;
    static constexpr bool has_quiet_NaN = true;
    static constexpr bool has_signaling_NaN = true;
    static constexpr bool is_iec559 = true;
    static constexpr bool is_bounded = true;
    static constexpr bool is_modulo = false;
    static constexpr int radix = 2;
    static constexpr int digits = Digits, digits10 = Digits10, max_digits10 = MaxDigits10;
    static constexpr int min_exponent = MinExp, min_exponent10 = MinExp10;
    static constexpr int max_exponent = MaxExp, max_exponent10 = MaxExp10;
    static constexpr T lowest() { return static_cast<T>(-largest()); }
    static constexpr T max() { return largest(); }
    static constexpr T min() { return power(MinExp - 1); }
    static constexpr T epsilon() { return power(1 - Digits); }
    static constexpr T denorm_min() { return power(MinExp - Digits); }
    static constexpr T round_error() { return static_cast<T>(0.5f); }
    static constexpr T infinity() { return static_cast<T>(__builtin_inff()); }
    static constexpr T quiet_NaN() { return static_cast<T>(__builtin_nanf("")); }
    static constexpr T signaling_NaN() { return static_cast<T>(__builtin_nanf("")); }

private:
    static constexpr T power(int e) { // 2^e
        float x = 1;
        for (; e > 0; --e) x *= 2;
        for (; e < 0; ++e) x /= 2;
        return static_cast<T>(x);
    }
    static constexpr T largest() {
        float x = static_cast<float>(power(MaxExp - 1));
        return static_cast<T>(x + (x - x * static_cast<float>(epsilon())));
    }
};
} // namespace __mp

namespace metal {
// What programs specialise for types of their own, so it bears the name that it has in Metal's headers.
template <class T> struct _numeric_limits_impl {
    static constexpr bool is_specialized = false;
};
template <class T> requires __is_integral(T) struct _numeric_limits_impl<T> : __mp::integer_limits<T> {};
template <> struct _numeric_limits_impl<float> : __mp::float_limits<float, 24, 6, 9, -125, -37, 128, 38> {};
template <> struct _numeric_limits_impl<half> : __mp::float_limits<half, 11, 3, 5, -13, -4, 16, 4> {};
template <> struct _numeric_limits_impl<bfloat> : __mp::float_limits<bfloat, 8, 2, 4, -125, -37, 128, 38> {};
template <class T, int N> struct _numeric_limits_impl<vec<T, N>> : _numeric_limits_impl<T> {
    using scalar = _numeric_limits_impl<T>;
    static constexpr vec<T, N> min() { return scalar::min(); }
    static constexpr vec<T, N> max() { return scalar::max(); }
    static constexpr vec<T, N> lowest() { return scalar::lowest(); }
    static constexpr vec<T, N> infinity() { return scalar::infinity(); }
};
template <class T> struct numeric_limits : _numeric_limits_impl<__remove_cv(T)> {};
} // namespace metal
MP_END
