// Bessel functions, for special_math.h. Below 8 (2 for K) a series in the square of the argument; above it the amplitude
// and phase, or the exponential, are taken out and the rest is a series in its inverse.
#pragma once
#include <c10/metal/special_math.h>

namespace c10 {
namespace metal {

// ---- modified ones: I and K; the names with e are scaled by exp(-|x|), those with `scaled_` by exp(x) ----

template <typename T>
inline T i0e(T x) {
  const float size = ::metal::fabs(float(x));
  if (size <= 8.0f) return static_cast<T>(detail::series(size / 4.0f - 1.0f, detail::near_i0));
  return static_cast<T>(detail::series(16.0f / size - 1.0f, detail::far_i0) / ::metal::precise::sqrt(size));
}
template <typename T>
inline T i1e(T x_) {
  const float x = float(x_), size = ::metal::fabs(x);
  if (size <= 8.0f) return static_cast<T>(x * detail::series(size / 4.0f - 1.0f, detail::near_i1));
  const float value = detail::series(16.0f / size - 1.0f, detail::far_i1) / ::metal::precise::sqrt(size);
  return static_cast<T>(::metal::copysign(value, x));
}
// exp in two steps: it would overflow before the product does
template <typename T>
inline T i0(T x) {
  const float root = ::metal::precise::exp(::metal::fabs(float(x)) * 0.5f);
  return static_cast<T>(root * i0e(float(x)) * root);
}
template <typename T>
inline T i1(T x) {
  const float root = ::metal::precise::exp(::metal::fabs(float(x)) * 0.5f);
  return static_cast<T>(root * i1e(float(x)) * root);
}
template <typename T>
inline float modified_bessel_i0_forward(T x) {
  return i0(float(x));
}
template <typename T>
inline float modified_bessel_i1_forward(T x) {
  return i1(float(x));
}

template <typename T>
inline float scaled_modified_bessel_k0_forward(T x_) {
  const float x = float(x_);
  if (x == 0.0f) return INFINITY;
  if (!(x > 0.0f)) return NAN;
  if (x > 2.0f) return detail::series(4.0f / x - 1.0f, detail::far_k0) / ::metal::precise::sqrt(x);
  const float value = detail::series(x * x * 0.5f - 1.0f, detail::near_k0) - ::metal::precise::log(x * 0.5f) * i0(x);
  return value * ::metal::precise::exp(x);
}
template <typename T>
inline float scaled_modified_bessel_k1_forward(T x_) {
  const float x = float(x_);
  if (x == 0.0f) return INFINITY;
  if (!(x > 0.0f)) return NAN;
  if (x > 2.0f) return detail::series(4.0f / x - 1.0f, detail::far_k1) / ::metal::precise::sqrt(x);
  const float value =
      detail::series(x * x * 0.5f - 1.0f, detail::near_k1) / x + ::metal::precise::log(x * 0.5f) * i1(x);
  return value * ::metal::precise::exp(x);
}
template <typename T>
inline float modified_bessel_k0_forward(T x) {
  const float wide = float(x);
  return wide == 0.0f ? INFINITY : scaled_modified_bessel_k0_forward(wide) * ::metal::precise::exp(-wide);
}
template <typename T>
inline float modified_bessel_k1_forward(T x) {
  const float wide = float(x);
  return wide == 0.0f ? INFINITY : scaled_modified_bessel_k1_forward(wide) * ::metal::precise::exp(-wide);
}

// ---- J and Y ----

namespace detail {

// Far out, J and Y are (p, q) turned by the phase: these are p and q over the square root of pi x, and the sine and
// cosine of x, whose sum and difference are those of the phases x - pi / 4 and x - 3 pi / 4.
struct oscillation {
  float p, q, sine, cosine;
};
template <unsigned P, unsigned Q>
inline oscillation far_bessel(float x, constant const float (&p)[P], constant const float (&q)[Q]) {
  const float z = 8.0f / x, t = 2.0f * z * z - 1.0f, scale = 1.0f / ::metal::precise::sqrt(M_PI_F * x);
  return {scale * series(t, p), scale * z * series(t, q), ::metal::precise::sin(x), ::metal::precise::cos(x)};
}

} // namespace detail

template <typename T>
inline float bessel_j0_forward(T x) {
  const float size = ::metal::fabs(float(x));
  if (::metal::isinf(size)) return NAN;
  if (size < 8.0f) return detail::series(size * size / 32.0f - 1.0f, detail::near_j0);
  const detail::oscillation far = detail::far_bessel(size, detail::p0, detail::q0);
  return far.p * (far.cosine + far.sine) - far.q * (far.sine - far.cosine);
}
template <typename T>
inline float bessel_j1_forward(T x_) {
  const float x = float(x_), size = ::metal::fabs(x);
  if (::metal::isinf(size)) return NAN;
  if (size < 8.0f) return x * detail::series(size * size / 32.0f - 1.0f, detail::near_j1);
  const detail::oscillation far = detail::far_bessel(size, detail::p1, detail::q1);
  const float value = far.p * (far.sine - far.cosine) + far.q * (far.sine + far.cosine);
  return x < 0.0f ? -value : value;
}
template <typename T>
inline float bessel_y0_forward(T x_) {
  const float x = float(x_);
  if (x == 0.0f) return -INFINITY;
  if (!(x > 0.0f)) return NAN;
  if (::metal::isinf(x)) return NAN;
  if (x < 8.0f)
    return detail::series(x * x / 32.0f - 1.0f, detail::near_y0) +
        M_2_PI_F * ::metal::precise::log(x) * bessel_j0_forward(x);
  const detail::oscillation far = detail::far_bessel(x, detail::p0, detail::q0);
  return far.p * (far.sine - far.cosine) + far.q * (far.sine + far.cosine);
}
template <typename T>
inline float bessel_y1_forward(T x_) {
  const float x = float(x_);
  if (x == 0.0f) return -INFINITY;
  if (!(x > 0.0f)) return NAN;
  if (::metal::isinf(x)) return NAN;
  if (x < 8.0f)
    return x * detail::series(x * x / 32.0f - 1.0f, detail::near_y1) +
        M_2_PI_F * (::metal::precise::log(x) * bessel_j1_forward(x) - 1.0f / x);
  const detail::oscillation far = detail::far_bessel(x, detail::p1, detail::q1);
  return far.q * (far.sine - far.cosine) - far.p * (far.sine + far.cosine);
}

} // namespace metal
} // namespace c10
