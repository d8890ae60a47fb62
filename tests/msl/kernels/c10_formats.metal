// Numbers of other formats than the hardware's.
#include <c10/metal/double_float.h>
#include <c10/metal/float8.h>
#include <metal_stdlib>
using namespace metal;
using namespace c10::metal;

template <typename F>
kernel void narrow(device uchar* out, const device float* x, uint i [[thread_position_in_grid]]) {
  F y = x[i];
  out[i] = y.x;
}
template <typename F>
kernel void widen(device float* out, const device F* x, uint i [[thread_position_in_grid]]) {
  static_assert(is_float8_v<F> && !is_float8_v<float> && sizeof(F) == 1);
  out[i] = x[i];
}
#define FORMAT(F)                                                                   \
  template [[host_name("narrow_" #F)]] kernel decltype(narrow<F>) narrow<F>;        \
  template [[host_name("widen_" #F)]] kernel decltype(widen<F>) widen<F>;
FORMAT(float8_e4m3fn)
FORMAT(float8_e5m2)
FORMAT(float8_e8m0fnu)

kernel void arithmetic(device float2* out, const device float2* a, const device float2* b,
                       uint i [[thread_position_in_grid]], uint n [[threads_per_grid]]) {
  const df32 x(a[i].x, a[i].y), y(b[i].x, b[i].y);
  const df32 results[] = {add(x, y), sub(x, y), mul(x, y), div(x, y)};
  for (uint k = 0; k < 4; ++k) out[k * n + i] = float2(results[k].hi, results[k].lo);
}
kernel void integers(device float2* out, const device long* x, uint i [[thread_position_in_grid]]) {
  const df32 y(x[i]);
  out[i] = float2(y.hi, y.lo);
}
