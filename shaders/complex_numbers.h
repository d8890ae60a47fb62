// Real and complex numbers under one set of names; a complex number is a float2.
#pragma once
#include <metal_stdlib>
using namespace metal;

namespace metalpy {

template <typename T>
struct Number {
  static float real(float x) { return x; }
};
template <>
struct Number<float2> {
  static float2 real(float x) { return float2(x, 0.0f); }
};

inline float multiply(float a, float b) { return a * b; }
inline float2 multiply(float2 a, float2 b) { return float2(a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x); }

/// sum + a * b
inline float multiply_add(float a, float b, float sum) { return fma(a, b, sum); }
inline float2 multiply_add(float2 a, float2 b, float2 sum) {
  return float2(fma(a.x, b.x, fma(-a.y, b.y, sum.x)), fma(a.x, b.y, fma(a.y, b.x, sum.y)));
}

inline float conjugate(float x) { return x; }
inline float2 conjugate(float2 x) { return float2(x.x, -x.y); }

inline float real_part(float x) { return x; }
inline float real_part(float2 x) { return x.x; }

inline float squared(float x) { return x * x; }
inline float squared(float2 x) { return x.x * x.x + x.y * x.y; }

/// As hypot: no overflow in between.
inline float magnitude(float x) { return fabs(x); }
inline float magnitude(float2 x) {
  float large = max(fabs(x.x), fabs(x.y)), small = min(fabs(x.x), fabs(x.y));
  if (isinf(x.x) || isinf(x.y)) return INFINITY;
  if (large == 0.0f || isnan(x.x) || isnan(x.y)) return large + fabs(x.x + x.y);
  float ratio = small / large;
  return large * sqrt(1.0f + ratio * ratio);
}

/// Smith's method: no overflow in between.
inline float divide(float a, float b) { return a / b; }
inline float2 divide(float2 a, float2 b) {
  if (fabs(b.x) >= fabs(b.y)) {
    if (b.x == 0.0f && b.y == 0.0f) return float2(a.x / fabs(b.x), a.y / fabs(b.x));
    float ratio = b.y / b.x, divisor = b.x + b.y * ratio;
    return float2((a.x + a.y * ratio) / divisor, (a.y - a.x * ratio) / divisor);
  }
  float ratio = b.x / b.y, divisor = b.y + b.x * ratio;
  return float2((a.x * ratio + a.y) / divisor, (a.y * ratio - a.x) / divisor);
}

/// x / |x|, and 1 for 0.
template <typename T>
T direction(T x) {
  float size = magnitude(x);
  return size == 0.0f ? Number<T>::real(1.0f) : x / size;
}

}  // namespace metalpy
