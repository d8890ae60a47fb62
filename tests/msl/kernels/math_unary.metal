// Functions of one number, in every floating type.
#include <metal_stdlib>
using namespace metal;

#define UNARY(f)                                                                                              \
  template <typename T>                                                                                       \
  kernel void unary_##f(device T* out, const device T* x, uint i [[thread_position_in_grid]]) {               \
    out[i] = f(x[i]);                                                                                         \
  }                                                                                                           \
  template [[host_name(#f "_float")]] kernel decltype(unary_##f<float>) unary_##f<float>;                     \
  template [[host_name(#f "_half")]] kernel decltype(unary_##f<half>) unary_##f<half>;                        \
  template [[host_name(#f "_bfloat")]] kernel decltype(unary_##f<bfloat>) unary_##f<bfloat>;
UNARY(acos) UNARY(acosh) UNARY(asin) UNARY(asinh) UNARY(atan) UNARY(atanh) UNARY(ceil) UNARY(cos) UNARY(cosh)
UNARY(cospi) UNARY(exp) UNARY(exp10) UNARY(exp2) UNARY(fabs) UNARY(floor) UNARY(fract) UNARY(log) UNARY(log10)
UNARY(log2) UNARY(rint) UNARY(round) UNARY(rsqrt) UNARY(sin) UNARY(sinh) UNARY(sinpi) UNARY(sqrt) UNARY(tan)
UNARY(tanh) UNARY(tanpi) UNARY(trunc) UNARY(sign) UNARY(saturate) UNARY(abs)
