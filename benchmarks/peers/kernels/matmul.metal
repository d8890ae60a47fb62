// C = A B for square matrices, 16x16 tiles in threadgroup memory, a thread an element.
#include <metal_stdlib>
using namespace metal;

[[max_total_threads_per_threadgroup(256)]]
kernel void matmul(device float* c [[buffer(0)]], const device float* a [[buffer(1)]],
                   const device float* b [[buffer(2)]], constant uint& n [[buffer(3)]],
                   uint2 id [[thread_position_in_grid]], uint2 local [[thread_position_in_threadgroup]]) {
  threadgroup float tile_a[16][16], tile_b[16][16];
  float sum = 0;
  for (uint k = 0; k < n; k += 16) {
    tile_a[local.y][local.x] = a[id.y * n + k + local.x];
    tile_b[local.y][local.x] = b[(k + local.y) * n + id.x];
    threadgroup_barrier(mem_flags::mem_threadgroup);
    for (uint j = 0; j < 16; ++j) sum += tile_a[local.y][j] * tile_b[j][local.x];
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
  c[id.y * n + id.x] = sum;
}
