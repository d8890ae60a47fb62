// Orthogonal polynomials of order n, for special_math.h; 0 for negative orders.
#pragma once
#include <metal_stdlib>

namespace c10 {
namespace metal {

namespace detail {

// All kinds of Chebyshev polynomials satisfy p(n + 1) = 2 x p(n) - p(n - 1) with p(0) = 1; they differ in p(1). Inside
// [-1, 1] the recurrence loses little: its solutions do not grow.
inline float chebyshev_polynomial(float x, int64_t n, float first) {
  if (n < 0) return 0.0f;
  if (n == 0) return 1.0f;
  float before = 1.0f, now = first;
  for (int64_t k = 1; k < n && !::metal::isnan(now); ++k) {
    const float next = 2.0f * x * now - before;
    before = now;
    now = next;
  }
  return now;
}

} // namespace detail

#define C10_METAL_CHEBYSHEV(kind, first)                                                   \
  template <typename T>                                                                    \
  inline float chebyshev_polynomial_##kind##_forward(T x_, int64_t n) {                    \
    const float x = float(x_);                                                             \
    return detail::chebyshev_polynomial(x, n, first);                                      \
  }                                                                                        \
  template <typename T>                                                                    \
  inline float shifted_chebyshev_polynomial_##kind##_forward(T x, int64_t n) {             \
    return chebyshev_polynomial_##kind##_forward(2.0f * float(x) - 1.0f, n);               \
  }
C10_METAL_CHEBYSHEV(t, x)
C10_METAL_CHEBYSHEV(u, 2.0f * x)
C10_METAL_CHEBYSHEV(v, 2.0f * x - 1.0f)
C10_METAL_CHEBYSHEV(w, 2.0f * x + 1.0f)
#undef C10_METAL_CHEBYSHEV

// H, of weight exp(-x^2), and He, of weight exp(-x^2 / 2).
template <typename T>
inline float hermite_polynomial_h_forward(T x_, int64_t n) {
  if (n < 0) return 0.0f;
  const float x = float(x_);
  float before = 0.0f, now = 1.0f;
  for (int64_t k = 0; k < n && !::metal::isnan(now); ++k) {
    const float next = 2.0f * x * now - 2.0f * float(k) * before;
    before = now;
    now = next;
  }
  return now;
}
template <typename T>
inline float hermite_polynomial_he_forward(T x_, int64_t n) {
  if (n < 0) return 0.0f;
  const float x = float(x_);
  float before = 0.0f, now = 1.0f;
  for (int64_t k = 0; k < n && !::metal::isnan(now); ++k) {
    const float next = x * now - float(k) * before;
    before = now;
    now = next;
  }
  return now;
}

} // namespace metal
} // namespace c10
