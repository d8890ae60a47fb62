// Numbers of some 48 bits as the sum of two floats, with the names of <c10/metal/double_float.h>. The range is that of
// float. Sums and products are right to a few units of the last of those bits (Knuth's and Dekker's algorithms).
#pragma once
#include <metal_stdlib>

// What makes a rounding error visible must not be simplified away.
#define C10_METAL_EXACT _Pragma("clang fp reassociate(off) contract(off)")

namespace c10 {
namespace metal {

struct df32 {
  float hi;
  float lo;

  df32(float high, float low) : hi(high), lo(low) {}
  // exact below 2^48
  explicit df32(long i) : hi(float(i)), lo(float(i - long(float(i)))) {}
};

// a + b
inline df32 two_sum(float a, float b) {
  C10_METAL_EXACT
  const float sum = a + b;
  const float from_b = sum - a;
  const float from_a = sum - from_b;
  return df32(sum, (a - from_a) + (b - from_b));
}

// a + b where a is the larger
inline df32 quick_two_sum(float a, float b) {
  C10_METAL_EXACT
  const float sum = a + b;
  return df32(sum, b - (sum - a));
}

// a * b
inline df32 two_prod(float a, float b) {
  C10_METAL_EXACT
  const float product = a * b;
  return df32(product, ::metal::fma(a, b, -product));
}

inline df32 neg(df32 a) { return df32(-a.hi, -a.lo); }

inline df32 add(df32 a, df32 b) {
  C10_METAL_EXACT
  const df32 sum = two_sum(a.hi, b.hi);
  return quick_two_sum(sum.hi, sum.lo + (a.lo + b.lo));
}

inline df32 sub(df32 a, df32 b) { return add(a, neg(b)); }

inline df32 mul(df32 a, df32 b) {
  C10_METAL_EXACT
  const df32 product = two_prod(a.hi, b.hi);
  return quick_two_sum(product.hi, product.lo + (a.hi * b.lo + a.lo * b.hi));
}

// The quotient of floats, and twice what it leaves over.
inline df32 div(df32 a, df32 b) {
  df32 quotient(a.hi / b.hi, 0.0f);
  for (int i = 0; i < 2; ++i) {
    const df32 rest = sub(a, mul(quotient, b));
    quotient = add(quotient, df32(rest.hi / b.hi, 0.0f));
  }
  return quotient;
}

} // namespace metal
} // namespace c10
#undef C10_METAL_EXACT
