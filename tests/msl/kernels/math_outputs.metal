// Functions with a second result.
#include <metal_stdlib>
using namespace metal;

kernel void results(device float* out, const device float* x, uint i [[thread_position_in_grid]]) {
  device float* row = out + 8 * i;
  float whole, cosine;
  int exponent;
  row[0] = modf(x[i], whole);
  row[1] = whole;
  row[2] = frexp(x[i], exponent);
  row[3] = exponent;
  row[4] = sincos(x[i], cosine);
  row[5] = cosine;
  row[6] = ldexp(x[i], 3 - int(i % 7));
  row[7] = ilogb(x[i]);
}
kernel void vectors(device float2* out, const device float2* x, uint i [[thread_position_in_grid]]) {
  float2 whole;
  int2 exponent;
  out[3 * i] = modf(x[i], whole) + frexp(x[i], exponent);
  out[3 * i + 1] = whole;
  out[3 * i + 2] = float2(exponent);
}
