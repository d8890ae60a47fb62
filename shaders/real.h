// Functions of floats that Metal's library lacks.
#pragma once
#include <metal_stdlib>
using namespace metal;

// W. Kahan's: what rounding 1 + x lost is made good by the quotient.
static float real_log1p(float x) {
  float u = 1.0f + x;
  if (u == 1.0f || u == INFINITY) return x;
  return log(u) * (x / (u - 1.0f));
}

static float real_expm1(float x) {
  if (fabs(x) > 17.0f) return x > 0.0f ? exp(x) : -1.0f;
  float u = exp(x);
  if (u == 1.0f) return x;
  if (u - 1.0f == -1.0f) return -1.0f;
  return (u - 1.0f) * (x / log(u));
}

static float real_hypot(float a, float b) { // no overflow in between
  float large = fmax(fabs(a), fabs(b)), small = fmin(fabs(a), fabs(b));
  if (isinf(a) || isinf(b)) return INFINITY;
  if (isnan(a) || isnan(b)) return NAN;
  if (large == 0.0f) return 0.0f;
  float ratio = small / large;
  return large * sqrt(1.0f + ratio * ratio);
}

static float real_logaddexp(float a, float b) {
  if (a == b) return a + 0.693147180559945309f;  // infinities too
  float large = fmax(a, b), distance = fabs(a - b);
  return isnan(a) || isnan(b) ? NAN : large + real_log1p(exp(-distance));
}
