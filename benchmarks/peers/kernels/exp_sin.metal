#include <metal_stdlib>
using namespace metal;

[[max_total_threads_per_threadgroup(256)]]
kernel void exp_sin(device float* out [[buffer(0)]], const device float* x [[buffer(1)]],
                    uint i [[thread_position_in_grid]]) {
  out[i] = exp(x[i]) + sin(x[i]);
}
