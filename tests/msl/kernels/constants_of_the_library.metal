// Named numbers of the standard library.
#include <metal_stdlib>
using namespace metal;

kernel void floats(device float* out) {
  uint n = 0;
  out[n++] = M_PI_F;
  out[n++] = M_E_F;
  out[n++] = M_SQRT2_F;
  out[n++] = M_LN2_F;
  out[n++] = M_1_PI_F;
  out[n++] = M_PI_H;
  out[n++] = FLT_MAX;
  out[n++] = FLT_MIN;
  out[n++] = FLT_EPSILON;
  out[n++] = HALF_MAX;
  out[n++] = INFINITY;
  out[n++] = -INFINITY;
  out[n++] = NAN;
  out[n++] = HUGE_VALF;
  out[n++] = numeric_limits<float>::max();
  out[n++] = numeric_limits<float>::lowest();
  out[n++] = numeric_limits<float>::infinity();
  out[n++] = numeric_limits<half>::max();
  out[n++] = numeric_limits<half>::epsilon();
  out[n++] = numeric_limits<bfloat>::max();
}
kernel void integers(device long* out) {
  uint n = 0;
  out[n++] = CHAR_MAX;
  out[n++] = SHRT_MIN;
  out[n++] = INT_MAX;
  out[n++] = UINT_MAX;
  out[n++] = LONG_MIN;
  out[n++] = numeric_limits<int>::min();
  out[n++] = numeric_limits<short>::max();
  out[n++] = numeric_limits<uchar>::max();
  out[n++] = numeric_limits<int>::digits;
  out[n++] = numeric_limits<uint>::is_signed;
}
