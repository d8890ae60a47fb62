// Names of <c10/metal/special_math.h>. Where a function has no closed form it is a Chebyshev series on an interval, with
// the factor taken out that makes it grow or vanish; the series are in special_tables.h.
#pragma once
#include <c10/metal/expm1f.h>
#include <c10/metal/igamma.h>
#include <c10/metal/special_tables.h>
#include <c10/metal/utils.h>
#include <metal_stdlib>

namespace c10 {
namespace metal {

namespace detail {

// c[0] T_0(t) + c[1] T_1(t) + ..., by Clenshaw's recurrence.
template <unsigned N>
inline float series(float t, constant const float (&c)[N]) {
  float next = 0.0f, after = 0.0f;
  for (unsigned k = N - 1; k > 0; --k) {
    const float now = 2.0f * t * next - after + c[k];
    after = next;
    next = now;
  }
  return t * next - after + c[0];
}

// exp(x * x) * erfc(x) of what is not negative.
inline float scaled_erfc_above(float x) {
  if (x <= 10.0f) return series((x - 2.5f) / (x + 2.5f), scaled_erfc) / (1.0f + 2.0f * x);
  const float s = 0.5f / x / x;
  return 0.56418958354775629f / x * (1.0f - s * (1.0f - 3.0f * s * (1.0f - 5.0f * s)));
}
// erfc of what is not negative. The square is kept in two parts, or exp would magnify its rounding.
inline float erfc_above(float x) {
  if (x > 10.5f) return 0.0f;
  const float square = x * x, lost = ::metal::fma(x, x, -square);
  const float scaled = series((x - 2.5f) / (x + 2.5f), scaled_erfc) / (1.0f + 2.0f * x);
  return ::metal::precise::exp(-square) * (1.0f - lost) * scaled;
}

} // namespace detail

// ---- error functions ----

template <typename T>
inline T erf(T x_) {
  const float x = float(x_), size = ::metal::fabs(x);
  if (size < 1.0f) return static_cast<T>(x * detail::series(2.0f * x * x - 1.0f, detail::small_erf));
  return static_cast<T>(::metal::copysign(1.0f - detail::erfc_above(size), x));
}
template <typename T>
inline float erfc(T x_) {
  const float x = float(x_);
  return x < 0.0f ? 2.0f - detail::erfc_above(-x) : detail::erfc_above(x);
}
template <typename T>
inline float erfcx(T x_) {
  const float x = float(x_);
  if (x >= 0.0f || ::metal::isnan(x)) return detail::scaled_erfc_above(x);
  const float square = x * x, lost = ::metal::fma(x, x, -square);
  return 2.0f * ::metal::precise::exp(square) * (1.0f + lost) - detail::scaled_erfc_above(-x);
}
template <typename T>
inline float erfinv(T y_) {
  const float y = float(y_);
  if (!(::metal::fabs(y) <= 1.0f)) return NAN;
  if (::metal::fabs(y) == 1.0f) return ::metal::copysign(INFINITY, y);
  const float w = -::metal::precise::log((1.0f - y) * (1.0f + y));
  if (w < 5.0f) return y * detail::series(w / 2.5f - 1.0f, detail::near_erfinv);
  constexpr float low = 2.2360679775f, high = 4.2f;
  const float t = (2.0f * ::metal::precise::sqrt(w) - (high + low)) / (high - low);
  return y * detail::series(t, detail::far_erfinv);
}

// ---- gamma and its kin ----

namespace detail {

// Of what is positive: reduced to [1, 2] and to [1, 3] by multiplication.
inline float gamma_above(float x) {
  if (x > 35.1f) return INFINITY;
  if (x < 1.0f) return series(2.0f * x - 1.0f, near_gamma) / x;
  float product = 1.0f;
  for (; x >= 2.0f; product *= x) x -= 1.0f;
  return product * series(2.0f * x - 3.0f, near_gamma);
}
inline float log_gamma_above(float x) {
  if (x < 1.0f) return x * (x - 1.0f) * series(x - 1.0f, near_log_gamma) - ::metal::precise::log(x);
  if (x >= 8.0f) { // Stirling's series
    const float inverse = 1.0f / x, square = inverse * inverse;
    const float rest = inverse * (1.0f / 12.0f - square * (1.0f / 360.0f - square * (1.0f / 1260.0f)));
    return (x - 0.5f) * (::metal::precise::log(x) - 1.0f) + 0.41893853320467f + rest;
  }
  float product = 1.0f;
  for (; x > 3.0f; product *= x) x -= 1.0f;
  const float rest = (x - 1.0f) * (x - 2.0f) * series(x - 2.0f, near_log_gamma);
  return product == 1.0f ? rest : ::metal::precise::log(product) + rest;
}

} // namespace detail

// Below zero by reflection.
template <typename T>
inline float gamma(const T x_) {
  const float x = float(x_);
  if (x == 0.0f) return ::metal::copysign(INFINITY, x);
  if (x > 0.0f) return detail::gamma_above(x);
  if (x == ::metal::floor(x)) return NAN;
  return M_PI_F / (::metal::sinpi(x) * detail::gamma_above(1.0f - x));
}
template <typename T>
inline float log_gamma(const T x_) {
  const float x = float(x_);
  if (::metal::isinf(x) || (x <= 0.0f && x == ::metal::floor(x))) return INFINITY;
  if (x > 0.0f) return detail::log_gamma_above(x);
  return ::metal::precise::log(M_PI_F / ::metal::fabs(::metal::sinpi(x))) - detail::log_gamma_above(1.0f - x);
}

template <typename T>
inline float digamma(T x_) {
  float x = float(x_), sum = 0.0f;
  if (x == 0.0f) return ::metal::copysign(INFINITY, -x);
  if (x < 0.0f) {
    if (x == ::metal::floor(x)) return NAN;
    sum = -M_PI_F / ::metal::tanpi(x);
    x = 1.0f - x;
  }
  for (; x < 6.0f; x += 1.0f) sum -= 1.0f / x;
  const float square = 1.0f / (x * x);
  const float rest = square * (1.0f / 12.0f - square * (1.0f / 120.0f - square * (1.0f / 252.0f)));
  return sum + ::metal::precise::log(x) - 0.5f / x - rest;
}

// Hurwitz's zeta function, the sum of (q + k)^-s: some terms as they are, the rest by Euler and Maclaurin's formula.
inline float zeta(float s, float q) {
  if (s == 1.0f) return INFINITY;
  if (!(s > 1.0f) || ::metal::isnan(q)) return NAN;
  if (q <= 0.0f) {
    if (q == ::metal::floor(q)) return INFINITY;
    if (s != ::metal::floor(s)) return NAN;
  }
  float sum = 0.0f;
  for (; q < 9.0f; q += 1.0f) {
    const float term = ::metal::precise::pow(::metal::fabs(q), -s);
    sum += q < 0.0f && ::metal::fmod(s, 2.0f) == 1.0f ? -term : term;
  }
  const float power = ::metal::precise::pow(q, -s);
  sum += power * (q / (s - 1.0f) + 0.5f);
  const float coefficients[5] = {1.0f / 12.0f, -1.0f / 720.0f, 1.0f / 30240.0f, -1.0f / 1209600.0f, 1.0f / 47900160.0f};
  float factor = power * s / q;
  for (int j = 0; j < 5; ++j) {
    sum += coefficients[j] * factor;
    factor *= (s + float(2 * j + 1)) * (s + float(2 * j + 2)) / (q * q);
  }
  return sum;
}
template <typename S, typename Q>
inline float zeta(S s, Q q) {
  return zeta(float(s), float(q));
}

template <typename T>
inline float polygamma(const int64_t order, const T x) {
  if (order == 0) return digamma(x);
  const float size = gamma(float(order) + 1.0f) * zeta(float(order) + 1.0f, float(x));
  return order % 2 == 0 ? -size : size;
}

template <typename T>
inline float trigamma(const T x) {
  return polygamma(1, float(x));
}

// ---- products with logarithms ----

template <typename T>
inline T xlogy(T x, T y) {
  if (::metal::isnan(float(y))) return T(NAN);
  return static_cast<T>(float(x) == 0.0f ? 0.0f : float(x) * ::metal::precise::log(float(y)));
}
template <typename T>
inline T xlog1py(T x, T y) {
  if (::metal::isnan(float(y))) return T(NAN);
  return static_cast<T>(float(x) == 0.0f ? 0.0f : float(x) * log1p(float(y)));
}
template <typename T>
inline T entr(T x_) {
  const float x = float(x_);
  if (::metal::isnan(x)) return x_;
  return static_cast<T>(x > 0.0f ? -x * ::metal::precise::log(x) : x == 0.0f ? 0.0f : -INFINITY);
}
namespace detail {
inline float log_of_sum(float a, float b) {
  const float large = c10::metal::max(a, b);
  if (::metal::isinf(large) || ::metal::isnan(large)) return large;
  return large + log1p(::metal::precise::exp(-::metal::fabs(a - b)));
}
} // namespace detail
template <typename T>
inline T logaddexp(T a_, T b_) {
  if constexpr (is_complex_v<T>) {
    const float2 a = float2(a_), b = float2(b_), large = a.x < b.x ? b : a, less = (a.x < b.x ? a : b) - large;
    if (::metal::isinf(large.x) && less.x != less.x) return T(large); // both are infinite
    float cosine;
    const float sine = ::metal::precise::sincos(less.y, cosine), size = ::metal::precise::exp(less.x);
    return T(large + log1p(float2(size * cosine, size * sine)));
  } else {
    return static_cast<T>(detail::log_of_sum(float(a_), float(b_)));
  }
}
template <typename T>
inline T logaddexp2(T a_, T b_) {
  const float a = float(a_), b = float(b_), large = c10::metal::max(a, b);
  if (::metal::isinf(large) || ::metal::isnan(large)) return static_cast<T>(large);
  return static_cast<T>(large + log1p(::metal::precise::exp2(-::metal::fabs(a - b))) * M_LOG2E_F);
}

// ---- sin(x) / x ----

template <typename T>
inline T spherical_bessel_j0(T x_) {
  const float x = float(x_);
  if (::metal::isinf(x)) return T(0);
  if (::metal::fabs(x) > 0.5f) return static_cast<T>(::metal::precise::sin(x) / x);
  const float s = x * x;
  return static_cast<T>(1.0f - s / 6.0f * (1.0f - s / 20.0f * (1.0f - s / 42.0f * (1.0f - s / 72.0f))));
}
template <typename T>
inline T sinc(T x) {
  if constexpr (is_complex_v<T>) {
    const float2 z = float2(x) * M_PI_F;
    if (z.x == 0.0f && z.y == 0.0f) return T(1, 0);
    const float2 sine(::metal::precise::sin(z.x) * ::metal::precise::cosh(z.y),
                      ::metal::precise::cos(z.x) * ::metal::precise::sinh(z.y));
    return T(c10::metal::div(sine, z));
  } else {
    const float wide = float(x);
    return static_cast<T>(wide == 0.0f ? 1.0f : ::metal::sinpi(wide) / (M_PI_F * wide));
  }
}

} // namespace metal
} // namespace c10

#include <c10/metal/special_bessel.h>
#include <c10/metal/special_polynomials.h>
