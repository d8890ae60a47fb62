// fast:: and precise:: choose an implementation; the sum of both here stays within fast's bounds.
#include <metal_stdlib>
using namespace metal;

kernel void both(device float* out, const device float* x, uint i [[thread_position_in_grid]]) {
  device float* row = out + 10 * i;
  row[0] = fast::exp(x[i]);
  row[1] = precise::exp(x[i]);
  row[2] = fast::log(x[i]);
  row[3] = precise::log(x[i]);
  row[4] = fast::rsqrt(x[i]);
  row[5] = precise::sqrt(x[i]);
  row[6] = fast::sin(x[i]);
  row[7] = precise::tanh(x[i]);
  row[8] = fast::pow(x[i], 1.5f);
  row[9] = fast::max(x[i], 1.0f) + precise::cos(x[i]);
}
