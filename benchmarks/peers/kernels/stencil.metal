// A step of the heat equation: inner cells become the mean of themselves and their four neighbours, the border is held.
#include <metal_stdlib>
using namespace metal;

[[max_total_threads_per_threadgroup(256)]]
kernel void stencil(device float* next [[buffer(0)]], const device float* now [[buffer(1)]],
                    uint2 cell [[thread_position_in_grid]], uint2 size [[threads_per_grid]]) {
  const uint at = cell.y * size.x + cell.x;
  if (cell.x == 0 || cell.y == 0 || cell.x == size.x - 1 || cell.y == size.y - 1) {
    next[at] = now[at];
  } else {
    next[at] = 0.2f * (now[at] + now[at - 1] + now[at + 1] + now[at - size.x] + now[at + size.x]);
  }
}
