// exp(a) - 1, also where exp(a) is nearly 1.
#pragma once
#include <metal_math>

namespace c10 {
namespace metal {

inline float expm1f(float a) {
  const float e = ::metal::precise::exp(a);
  if (e == 1.0f) return a;
  const float less = e - 1.0f;
  if (::metal::fabs(a) > 1.0f || less == -1.0f) return less;
  // log(e) is how far e really went; the difference of the two makes up for the rounding of e
  return less * (a / ::metal::precise::log(e));
}

} // namespace metal
} // namespace c10
