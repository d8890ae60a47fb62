// Names of <c10/metal/utils.h>: types to compute in, and arithmetic that complex numbers (float2, half2) share.
#pragma once
#include <c10/metal/common.h>
#include <metal_stdlib>

namespace c10 {
namespace metal {

// ---- types ----

template <typename T> using vec2type_t = ::metal::vec<T, 2>;
template <typename T> using vec3type_t = ::metal::vec<T, 3>;
template <typename T> using vec4type_t = ::metal::vec<T, 4>;

namespace detail {
// The type to compute in, and the type to sum in.
template <typename T> struct OpMathType { using type = T; };
template <> struct OpMathType<half> { using type = float; };
template <> struct OpMathType<bfloat> { using type = float; };
template <> struct OpMathType<char> { using type = int; };
template <> struct OpMathType<uchar> { using type = int; };
template <> struct OpMathType<short> { using type = int; };
template <typename T> struct AccumulationType { using type = T; };
template <> struct AccumulationType<half> { using type = float; };
template <> struct AccumulationType<bfloat> { using type = float; };
} // namespace detail
template <typename T> using opmath_t = typename detail::OpMathType<T>::type;
template <typename T> using accum_t = typename detail::AccumulationType<T>::type;

template <typename F, typename... Args>
using result_of = decltype(::metal::declval<F>()(::metal::declval<Args>()...));
template <typename U, typename V>
using common_dtype = decltype(U(0) + V(0));

template <typename T>
constexpr constant bool is_complex_v = ::metal::is_same_v<T, float2> || ::metal::is_same_v<T, half2>;
template <typename T>
constexpr constant bool is_scalar_floating_point_v = ::metal::is_floating_point_v<T> && ::metal::is_scalar_v<T>;
template <typename T>
constexpr constant bool is_scalar_integral_v = ::metal::is_integral_v<T> && ::metal::is_scalar_v<T>;

namespace detail {
template <typename T, typename U>
constexpr constant bool both_integral = is_scalar_integral_v<T> && is_scalar_integral_v<U>;
template <typename T, typename U>
constexpr constant bool both_floating = is_scalar_floating_point_v<T> && is_scalar_floating_point_v<U>;
template <bool Condition>
using when = ::metal::enable_if_t<Condition, bool>;
} // namespace detail

template <typename T1, typename T2 = T1>
struct pair {
  T1 first;
  T2 second;
};

// ---- min and max: a NaN wins ----

template <typename T>
::metal::enable_if_t<::metal::is_floating_point_v<T>, T> max(T a, T b) {
  if (::metal::isunordered(a, b)) return T(NAN);
  return ::metal::max(a, b);
}
template <typename T>
::metal::enable_if_t<::metal::is_floating_point_v<T>, T> min(T a, T b) {
  if (::metal::isunordered(a, b)) return T(NAN);
  return ::metal::min(a, b);
}
template <typename T, typename U>
::metal::enable_if_t<::metal::is_integral_v<T> && ::metal::is_integral_v<U>, T> max(T a, U b) {
  return ::metal::max(a, static_cast<T>(b));
}
template <typename T, typename U>
::metal::enable_if_t<::metal::is_integral_v<T> && ::metal::is_integral_v<U>, T> min(T a, U b) {
  return ::metal::min(a, static_cast<T>(b));
}

// Less than, for sorting: NaNs come last.
template <typename T>
inline bool less(T a, T b) {
  if constexpr (::metal::is_floating_point_v<T>)
    if (::metal::isunordered(a, b)) return !::metal::isnan(a);
  return a < b;
}

// ---- conversions; a scalar becomes a real number, of a complex one the real part is kept; a bool is whether not 0 ----

template <typename T, typename U>
inline T cast_to(const U from) {
  if constexpr (::metal::is_same_v<T, U>) return from;
  else if constexpr (is_complex_v<U> && ::metal::is_same_v<T, bool>) return from.x != 0 || from.y != 0;
  else if constexpr (is_complex_v<T> && !is_complex_v<U>) return T(float(from), 0);
  else if constexpr (!is_complex_v<T> && is_complex_v<U>) return static_cast<T>(from.x);
  else return static_cast<T>(from);
}

template <typename T>
inline T conj(T a) {
  if constexpr (is_complex_v<T>) return T(a.x, -a.y);
  else return a;
}

// ---- arithmetic ----

template <typename T, typename U, detail::when<!is_complex_v<T>> = true>
inline common_dtype<T, U> mul(const T x, const U y) {
  return x * y;
}
template <typename T, typename U, detail::when<is_complex_v<T> && is_complex_v<U>> = true>
inline common_dtype<T, U> mul(const T x, const U y) {
  return T(x.x * y.x - x.y * y.y, x.x * y.y + x.y * y.x);
}
template <typename T, typename U, detail::when<!is_complex_v<T>> = true>
inline common_dtype<T, U> div(const T x, const U y) {
  return x / y;
}
template <typename T, typename U, detail::when<is_complex_v<T> && is_complex_v<U>> = true>
inline common_dtype<T, U> div(const T x, const U y) {
  if (y.y == 0) return T(float(x.x) / float(y.x), float(x.y) / float(y.x)); // no NaN from infinity times that zero
  const float norm = float(y.x) * float(y.x) + float(y.y) * float(y.y);
  const float real = float(x.x) * float(y.x) + float(x.y) * float(y.y);
  const float imaginary = float(x.y) * float(y.x) - float(x.x) * float(y.y);
  return T(real / norm, imaginary / norm);
}

// x * y + z, rounded once for floating point; of complex numbers as their product and a sum.
template <typename T, detail::when<!is_complex_v<T>> = true>
inline T fma(const T x, const T y, const T z) {
  if constexpr (::metal::is_floating_point_v<T>) return ::metal::fma(x, y, z);
  else return x * y + z;
}
template <typename T, detail::when<is_complex_v<T>> = true>
inline T fma(const T x, const T y, const T z) {
  return T(::metal::fma(-x.y, y.y, ::metal::fma(x.x, y.x, z.x)), ::metal::fma(x.y, y.x, ::metal::fma(x.x, y.y, z.y)));
}

// Quotients rounded down, and the remainders that go with them, of the divisor's sign.
template <typename T, typename U, detail::when<detail::both_integral<T, U>> = true>
inline common_dtype<T, U> floor_divide(T x, U y) {
  const auto quotient = x / y;
  return x % y != 0 && (x < 0) != (y < 0) ? quotient - 1 : quotient;
}
template <typename T, typename U, detail::when<detail::both_floating<T, U>> = true>
inline common_dtype<T, U> floor_divide(T x, U y) {
  return ::metal::floor(x / y);
}
template <typename T, detail::when<is_scalar_floating_point_v<T>> = true>
inline T div_floor(T x, T y) {
  if (y == T(0)) return x / y;
  const float a = float(x), b = float(y), left = ::metal::fmod(a, b);
  float quotient = (a - left) / b; // a whole number, but for rounding
  if (left != 0 && (left < 0) != (b < 0)) quotient -= 1;
  const float whole = ::metal::floor(quotient);
  return T(quotient == 0 ? ::metal::copysign(0.0f, a / b) : quotient - whole > 0.5f ? whole + 1 : whole);
}
template <typename T, typename U, detail::when<detail::both_integral<T, U>> = true>
inline common_dtype<T, U> fmod(T x, U y) {
  return x % y;
}
template <typename T, typename U, detail::when<detail::both_floating<T, U>> = true>
inline common_dtype<T, U> fmod(T x, U y) {
  return common_dtype<T, U>(::metal::fmod(float(x), float(y)));
}
template <typename T, typename U, detail::when<detail::both_integral<T, U>> = true>
inline common_dtype<T, U> remainder(const T x, const U y) {
  const auto left = x % y;
  return left != 0 && (left < 0) != (y < 0) ? left + y : left;
}
template <typename T, typename U,
          detail::when<is_scalar_floating_point_v<T> || is_scalar_floating_point_v<U>> = true>
inline float remainder(const T x, const U y) {
  const float a = float(x), b = float(y);
  return a - b * ::metal::floor(a / b);
}
// x % y where the divisor may be anything: Metal leaves division by zero open.
template <typename T, typename U>
inline common_dtype<T, U> safe_mod(const T x, const U y) {
  if (y == U(0)) return common_dtype<T, U>(0);
  return c10::metal::fmod(x, y);
}

// ---- functions that Metal lacks ----

// log(1 + x): what the sum rounds away comes back by the quotient.
inline float log1p(float x) {
  const float sum = 1.0f + x;
  if (sum == 1.0f || ::metal::isinf(sum)) return x;
  return ::metal::precise::log(sum) * (x / (sum - 1.0f));
}
inline float2 log1p(float2 z) {
  const float angle = ::metal::precise::atan2(z.y, 1.0f + z.x);
  return float2(0.5f * log1p(z.x * (2.0f + z.x) + z.y * z.y), angle);
}
inline float hypot(float a, float b) {
  const float large = ::metal::fmax(::metal::fabs(a), ::metal::fabs(b));
  const float small = ::metal::fmin(::metal::fabs(a), ::metal::fabs(b));
  if (::metal::isinf(a) || ::metal::isinf(b)) return INFINITY;
  if (::metal::isunordered(a, b)) return NAN;
  if (large == 0.0f) return 0.0f;
  const float ratio = small / large;
  return large * ::metal::precise::sqrt(1.0f + ratio * ratio);
}

// x to the power of y: of whole numbers by squaring, with what a negative power leaves; of complex ones by logarithms.
namespace detail {
template <typename T, typename U, bool Complex> struct Power { using type = float2; };
template <typename T, typename U> struct Power<T, U, false> { using type = common_dtype<T, U>; };
template <typename T, typename U>
using power_t = typename Power<T, U, is_complex_v<T> || is_complex_v<U>>::type;
} // namespace detail
template <typename T, typename U>
inline detail::power_t<T, U> pow(T x, U y) {
  using R = detail::power_t<T, U>;
  if constexpr (detail::both_integral<T, U>) {
    R base = R(x), result = R(1);
    if (y < U(0)) return base == R(1) ? R(1) : base == R(-1) ? R(y & U(1) ? -1 : 1) : R(0);
    for (U left = y; left > U(0); left >>= 1) {
      if (left & U(1)) result *= base;
      base *= base;
    }
    return result;
  } else if constexpr (is_complex_v<R>) {
    const float2 a = cast_to<float2>(x), b = cast_to<float2>(y);
    const float size = hypot(a.x, a.y);
    if (b.x == 0.0f && b.y == 0.0f) return R(1, 0);
    if (size == 0.0f) return R(b.x > 0.0f ? 0.0f : INFINITY, 0);
    const float logarithm = ::metal::precise::log(size), angle = ::metal::precise::atan2(a.y, a.x);
    float cosine;
    const float sine = ::metal::precise::sincos(b.y * logarithm + b.x * angle, cosine);
    const float length = ::metal::precise::exp(b.x * logarithm - b.y * angle);
    return R(length * cosine, length * sine);
  } else {
    return R(::metal::precise::pow(float(x), float(y)));
  }
}

} // namespace metal
} // namespace c10

#define INSTANTIATE_FOR_ALL_TYPES(MACRO) \
  MACRO(float);                          \
  MACRO(half);                           \
  MACRO(bfloat);                         \
  MACRO(float2);                         \
  MACRO(long);                           \
  MACRO(char);                           \
  MACRO(uchar);                          \
  MACRO(short);                          \
  MACRO(int);
#define INSTANTIATE_FOR_FLOAT_TYPES(MACRO) \
  MACRO(float);                            \
  MACRO(half);                             \
  MACRO(bfloat);
