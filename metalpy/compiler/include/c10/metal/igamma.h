// The regularized incomplete gamma functions P(a, x), igamma, and Q(a, x) = 1 - P(a, x), igammac: a power series below
// x = a + 1, a continued fraction above (NIST Digital Library of Mathematical Functions, 8.7.1 and 8.9.2).
#pragma once
#include <c10/metal/utils.h>
#include <metal_stdlib>

// Programs leave these out and yet use the names: the counterpart's header has them.
using namespace c10::metal;
using namespace metal;

namespace c10 {
namespace metal {

template <typename T>
inline float log_gamma(const T);

namespace detail {

// m - log(1 + m), which is about m^2 / 2.
inline float minus_log1p(float m) {
  if (::metal::fabs(m) > 0.2f) return m - log1p(m);
  float power = m * m, sum = 0.0f;
  for (int k = 2; k < 16; ++k) {
    sum += (k % 2 == 0 ? power : -power) / float(k);
    power *= m;
  }
  return sum;
}

// x^a exp(-x) / gamma(a + 1). For larger a by Stirling's series, where nothing large is left to cancel.
inline float gamma_density(float a, float x) {
  if (a < 3.0f) return ::metal::precise::exp(a * ::metal::precise::log(x) - x - log_gamma(a + 1.0f));
  const float inverse = 1.0f / a, square = inverse * inverse;
  const float rest = inverse * (1.0f / 12.0f - square * (1.0f / 360.0f - square * (1.0f / 1260.0f)));
  return ::metal::precise::exp(-a * minus_log1p((x - a) / a) - rest) / ::metal::precise::sqrt(2.0f * M_PI_F * a);
}

constant constexpr int igamma_terms = 2000;

inline float lower_gamma_series(float a, float x) {
  float term = 1.0f, sum = 1.0f;
  for (int n = 1; n < igamma_terms && term > 3e-8f * sum; ++n) {
    term *= x / (a + float(n));
    sum += term;
  }
  return sum * gamma_density(a, x);
}

// Lentz's way to evaluate the fraction from its front.
inline float upper_gamma_fraction(float a, float x) {
  float b = x + 1.0f - a, c = 1e30f, d = 1.0f / b, product = d;
  for (int n = 1; n < igamma_terms; ++n) {
    const float numerator = -float(n) * (float(n) - a);
    b += 2.0f;
    d = 1.0f / (numerator * d + b);
    c = b + numerator / c;
    product *= c * d;
    if (::metal::fabs(c * d - 1.0f) < 6e-8f) break;
  }
  return product * a * gamma_density(a, x);
}

inline float regularized_gamma(float a, float x, bool upper) {
  if (!(a >= 0.0f) || !(x >= 0.0f)) return NAN;
  if ((a == 0.0f && x == 0.0f) || (::metal::isinf(a) && ::metal::isinf(x))) return NAN;
  if (a == 0.0f || ::metal::isinf(x)) return upper ? 0.0f : 1.0f;
  if (x == 0.0f || ::metal::isinf(a)) return upper ? 1.0f : 0.0f;
  const bool above = x >= a + 1.0f;
  const float part = above ? upper_gamma_fraction(a, x) : lower_gamma_series(a, x);
  return above == upper ? part : 1.0f - part;
}

} // namespace detail

template <typename T>
inline T igamma(T a, T x) {
  return static_cast<T>(detail::regularized_gamma(float(a), float(x), false));
}
template <typename T>
inline T igammac(T a, T x) {
  return static_cast<T>(detail::regularized_gamma(float(a), float(x), true));
}

} // namespace metal
} // namespace c10
