// Functions of complex numbers, which are float2: C's Annex G at infinities, zeros and NaNs.
// Inverse functions: W. Kahan, Branch cuts for complex elementary functions (1987).
#pragma once
#include "real.h"

static float2 complex_multiply(float2 a, float2 b) { return float2(a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x); }

// Smith's method, as NumPy: no overflow in between.
static float2 complex_divide(float2 a, float2 b) {
  if (fabs(b.x) >= fabs(b.y)) {
    if (b.x == 0.0f && b.y == 0.0f) return float2(a.x / fabs(b.x), a.y / fabs(b.x));
    float ratio = b.y / b.x, scale = 1.0f / (b.x + b.y * ratio);
    return float2((a.x + a.y * ratio) * scale, (a.y - a.x * ratio) * scale);
  }
  float ratio = b.x / b.y, scale = 1.0f / (b.y + b.x * ratio);
  return float2((a.x * ratio + a.y) * scale, (a.y * ratio - a.x) * scale);
}

static float2 times_i(float2 z) { return float2(-z.y, z.x); }
static float2 over_i(float2 z) { return float2(z.y, -z.x); }

// e^x (c + i s), where e^x alone may overflow.
static float2 scaled_exp(float x, float c, float s) {
  if (x > 88.0f && x < 200.0f) {
    float half_way = exp(x * 0.5f);
    return float2(half_way * c * half_way, half_way * s * half_way);
  }
  float size = exp(x);
  return float2(size * c, size * s);
}

static float2 complex_exp(float2 z) {
  if (z.y == 0.0f) return float2(exp(z.x), z.y);
  if (!isfinite(z.y)) {
    if (z.x == -INFINITY) return float2(0.0f, copysign(0.0f, z.y));
    if (z.x == INFINITY) return float2(INFINITY, NAN);
    return float2(NAN, NAN);
  }
  return scaled_exp(z.x, cos(z.y), sin(z.y));
}

static float2 complex_expm1(float2 z) {
  if (!isfinite(z.x) || !isfinite(z.y) || z.x > 80.0f) {
    float2 e = complex_exp(z);
    return float2(e.x - 1.0f, e.y);
  }
  float s = sin(0.5f * z.y);
  float x = real_expm1(z.x) * cos(z.y) - 2.0f * s * s;
  return float2(x + 0.0f /* not -0, says the array API */, z.y == 0.0f ? z.y : exp(z.x) * sin(z.y));
}

// (x - 1)(x + 1) + y y near the unit circle, with the bits that rounding the squares loses.
static float square_less_one(float x, float y) {
  float large = fmax(fabs(x), fabs(y)), small = fmin(fabs(x), fabs(y));
  float a = large - 1.0f, b = large + 1.0f;
  float product = a * b, rest = fma(a, b, -product);
  float b_rest = large - (b - 1.0f);  // what rounding 1 + large lost
  float square = small * small, square_rest = fma(small, small, -square);
  float sum = product + square, back = sum - product;
  float sum_rest = (product - (sum - back)) + (square - back);
  return sum + (sum_rest + rest + square_rest + a * b_rest);
}

// (1 + x)^2 + y y - 1, likewise.
static float square_of_next(float x, float y) {
  float next = x + 2.0f, next_rest = x - (next - 2.0f);
  float product = x * next, rest = fma(x, next, -product) + x * next_rest;
  float square = y * y, square_rest = fma(y, y, -square);
  float sum = product + square, back = sum - product;
  return sum + ((product - (sum - back)) + (square - back) + rest + square_rest);
}

static float log_length(float2 z) {
  float large = fmax(fabs(z.x), fabs(z.y)), small = fmin(fabs(z.x), fabs(z.y));
  if (isinf(z.x) || isinf(z.y)) return INFINITY;
  if (isnan(z.x) || isnan(z.y)) return NAN;
  if (large == 0.0f) return -INFINITY;
  if (large > 0.5f && large < 2.0f && small < 2.0f) return 0.5f * real_log1p(square_less_one(z.x, z.y));
  float ratio = small / large;
  return log(large) + 0.5f * real_log1p(ratio * ratio);
}

static float2 complex_log(float2 z) { return float2(log_length(z), atan2(z.y, z.x)); }

static float2 complex_log1p(float2 z) {
  if (z.y == 0.0f && z.x >= -1.0f) return float2(real_log1p(z.x), z.y);
  if (fabs(z.x) < 0.5f && fabs(z.y) < 1.0f)
    return float2(0.5f * real_log1p(square_of_next(z.x, z.y)), atan2(z.y, 1.0f + z.x));
  return complex_log(float2(1.0f + z.x, z.y));
}

static float2 complex_sqrt(float2 z) {
  if (z.x == 0.0f && z.y == 0.0f) return float2(0.0f, z.y);
  if (isinf(z.y)) return float2(INFINITY, z.y);
  if (isnan(z.x)) return float2(NAN, NAN);
  if (z.x == INFINITY) return float2(INFINITY, isnan(z.y) ? NAN : copysign(0.0f, z.y));
  if (z.x == -INFINITY) return float2(isnan(z.y) ? NAN : 0.0f, copysign(INFINITY, z.y));
  if (isnan(z.y)) return float2(NAN, NAN);
  float scale = 1.0f, back = 1.0f;
  float large = fmax(fabs(z.x), fabs(z.y));
  if (large > 1e37f) scale = 0.0625f, back = 4.0f;
  if (large < 1e-30f) scale = 0x1p60f, back = 0x1p-30f;
  z *= scale;
  float root = sqrt(0.5f * (fabs(z.x) + real_hypot(z.x, z.y)));
  float other = fabs(z.y) / (2.0f * root);
  return z.x >= 0.0f ? back * float2(root, copysign(other, z.y)) : back * float2(other, copysign(root, z.y));
}

static float2 complex_sinh(float2 z) {
  if (z.y == 0.0f) return float2(sinh(z.x), z.y);
  if (!isfinite(z.y)) {
    if (z.x == 0.0f) return float2(z.x, NAN);
    if (isinf(z.x)) return float2(z.x, NAN);
    return float2(NAN, NAN);
  }
  float c = cos(z.y), s = sin(z.y);
  if (fabs(z.x) > 20.0f) return scaled_exp(fabs(z.x), copysign(0.5f, z.x) * c, 0.5f * s);
  return float2(sinh(z.x) * c, cosh(z.x) * s);
}

static float2 complex_cosh(float2 z) {
  if (z.y == 0.0f) return float2(cosh(z.x), z.x == 0.0f ? z.x * z.y : isnan(z.x) ? z.y : copysign(1.0f, z.x) * z.y);
  if (z.x == 0.0f) return float2(isfinite(z.y) ? cos(z.y) : NAN, isfinite(z.y) ? z.x * sin(z.y) : z.x);
  if (!isfinite(z.y)) {
    if (isinf(z.x)) return float2(INFINITY, NAN);
    return float2(NAN, NAN);
  }
  float c = cos(z.y), s = sin(z.y);
  if (fabs(z.x) > 20.0f) return scaled_exp(fabs(z.x), 0.5f * c, copysign(0.5f, z.x) * s);
  return float2(cosh(z.x) * c, sinh(z.x) * s);
}

static float2 complex_tanh(float2 z) {
  if (isinf(z.x)) return float2(copysign(1.0f, z.x), copysign(0.0f, z.y)); // C has the sign of sin(2 y)
  if (z.y == 0.0f) return float2(tanh(z.x), z.y);
  if (!isfinite(z.y)) return float2(z.x == 0.0f ? z.x : NAN, NAN);
  if (isnan(z.x)) return float2(NAN, NAN);
  if (fabs(z.x) > 10.0f)
    return float2(copysign(1.0f, z.x), 4.0f * sin(z.y) * cos(z.y) * exp(-fabs(z.x)) * exp(-fabs(z.x)));
  float t = tan(z.y), s = sinh(z.x), beta = 1.0f + t * t, rho = sqrt(1.0f + s * s);
  if (isinf(beta)) return float2(rho / s, 1.0f / t);
  float divisor = 1.0f + beta * s * s;
  return float2(beta * rho * s / divisor, t / divisor);
}

static float2 complex_sin(float2 z) { return over_i(complex_sinh(times_i(z))); }
static float2 complex_cos(float2 z) { return complex_cosh(times_i(z)); }
static float2 complex_tan(float2 z) { return over_i(complex_tanh(times_i(z))); }

// log(2 z) is what the inverse functions are far out, beyond the reach of squares.
#define FAR_OUT 1e8f
static float log_twice(float2 z) { return log_length(z) + 0.693147180559945309f; }

static float2 complex_acos(float2 z) {
  const float quarter = 1.57079632679489662f;
  if (isnan(z.x) || isnan(z.y)) {
    if (isinf(z.x)) return float2(NAN, -INFINITY);
    if (isinf(z.y)) return float2(NAN, -z.y);
    return float2(z.x == 0.0f ? quarter : NAN, NAN);
  }
  if (fmax(fabs(z.x), fabs(z.y)) > FAR_OUT)
    return float2(atan2(fabs(z.y), z.x), copysign(log_twice(z), signbit(z.y) ? 1.0f : -1.0f));
  float2 less = complex_sqrt(float2(1.0f - z.x, -z.y)), more = complex_sqrt(float2(1.0f + z.x, z.y));
  return float2(2.0f * atan2(less.x, more.x), asinh(more.x * less.y - more.y * less.x));
}

static float2 complex_asin(float2 z) {
  if (isnan(z.x) || isnan(z.y)) {
    if (isinf(z.y)) return float2(NAN, z.y);
    if (isinf(z.x)) return float2(NAN, z.x);
    return float2(z.x == 0.0f ? z.x : NAN, NAN);
  }
  if (fmax(fabs(z.x), fabs(z.y)) > FAR_OUT)
    return float2(atan2(z.x, fabs(z.y)), copysign(log_twice(z), z.y));
  float2 less = complex_sqrt(float2(1.0f - z.x, -z.y)), more = complex_sqrt(float2(1.0f + z.x, z.y));
  return float2(atan2(z.x, less.x * more.x - less.y * more.y), asinh(less.x * more.y - less.y * more.x));
}

static float2 complex_acosh(float2 z) {
  if (isnan(z.x) || isnan(z.y)) return float2(isinf(z.x) || isinf(z.y) ? INFINITY : NAN, z.x == 0.0f ? 1.57079632679489662f : NAN);
  if (fmax(fabs(z.x), fabs(z.y)) > FAR_OUT) return float2(log_twice(z), atan2(z.y, z.x));
  float2 less = complex_sqrt(float2(z.x - 1.0f, z.y)), more = complex_sqrt(float2(z.x + 1.0f, z.y));
  return float2(asinh(less.x * more.x + less.y * more.y), 2.0f * atan2(less.y, more.x));
}

static float2 complex_asinh(float2 z) {
  if (isnan(z.x) || isnan(z.y)) {
    if (isinf(z.x)) return float2(z.x, NAN);
    if (isinf(z.y)) return float2(z.y, NAN);
    return float2(NAN, z.y == 0.0f ? z.y : NAN);
  }
  return over_i(complex_asin(times_i(z)));
}

static float2 complex_atanh(float2 z) {
  const float quarter = 1.57079632679489662f;
  if (isinf(z.x) || isinf(z.y)) return float2(copysign(0.0f, z.x), isnan(z.y) ? NAN : copysign(quarter, z.y));
  if (isnan(z.x) || isnan(z.y)) return float2(z.x == 0.0f ? z.x : NAN, NAN);
  float x = fabs(z.x), y = fabs(z.y), a, b;
  if (fmax(x, y) > FAR_OUT) {
    float large = fmax(x, y), small = fmin(x, y), ratio = small / large;
    a = x / large / (large * (1.0f + ratio * ratio));
    b = quarter;
  } else {
    float less = 1.0f - x;
    a = x == 1.0f && y < 1e-4f ? 0.5f * (0.693147180559945309f - log(y)) : 0.25f * real_log1p(4.0f * x / (less * less + y * y));
    b = 0.5f * atan2(2.0f * y, less * (1.0f + x) - y * y);
  }
  return float2(copysign(a, z.x), copysign(b, z.y));
}

static float2 complex_atan(float2 z) { return over_i(complex_atanh(times_i(z))); }

static float2 complex_sign(float2 z) {
  float size = real_hypot(z.x, z.y);
  if (size == 0.0f) return float2(0.0f, 0.0f);
  if (isinf(z.x) != isinf(z.y)) return isinf(z.x) ? float2(copysign(1.0f, z.x), 0.0f) : float2(0.0f, copysign(1.0f, z.y));
  return size > 1e38f ? z * 0.25f / real_hypot(z.x * 0.25f, z.y * 0.25f) : z / size;
}

static float2 complex_power(float2 a, float2 b) {
  if (b.x == 0.0f && b.y == 0.0f) return float2(1.0f, 0.0f);
  if (a.x == 0.0f && a.y == 0.0f) return b.x > 0.0f ? float2(0.0f) : float2(NAN, NAN);
  if (b.y == 0.0f && b.x == rint(b.x) && fabs(b.x) < 100.0f) {
    float2 result = float2(1.0f, 0.0f), factor = a;
    for (int n = int(fabs(b.x)); n; n >>= 1) {
      if (n & 1) result = complex_multiply(result, factor);
      factor = complex_multiply(factor, factor);
    }
    return b.x < 0.0f ? complex_divide(float2(1.0f, 0.0f), result) : result;
  }
  float radius = log_length(a), angle = atan2(a.y, a.x);
  return complex_exp(float2(b.x * radius - b.y * angle, b.y * radius + b.x * angle));
}
