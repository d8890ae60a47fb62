// One Jacobi step of the heat equation: each inner cell becomes the mean of its four neighbours.
#include <metal_stdlib>
#include "common.h"
using namespace metal;

kernel void heat(device float* next                  [[buffer(0)]],
                 const device float* now             [[buffer(1)]],
                 uint2 cell                          [[thread_position_in_grid]],
                 uint2 size                          [[threads_per_grid]]) {
  const uint at = offset_of(cell.y, cell.x, size.x);
  if (any(cell == 0) || any(cell == size - 1)) {
    next[at] = now[at];  // the border is held
  } else {
    next[at] = 0.25f * (now[at - 1] + now[at + 1] + now[at - size.x] + now[at + size.x]);
  }
}
