// C = A B with 16x16 tiles in threadgroup memory; sizes need not be multiples of the tile.
#include <metal_stdlib>
#include "common.h"
using namespace metal;

constant constexpr ushort tile = 16;

struct Shape {
  uint rows, inner, columns;
};

kernel void matmul(device float* c                   [[buffer(0)]],
                   const device float* a             [[buffer(1)]],
                   const device float* b             [[buffer(2)]],
                   constant Shape& shape             [[buffer(3)]],
                   uint2 id                          [[thread_position_in_grid]],
                   ushort2 local                     [[thread_position_in_threadgroup]]) {
  threadgroup float tile_a[tile][tile];
  threadgroup float tile_b[tile][tile];

  float sum = 0;
  for (uint k = 0; k < shape.inner; k += tile) {
    const uint column_a = k + local.x, row_b = k + local.y;
    const bool inside_a = id.y < shape.rows && column_a < shape.inner;
    const bool inside_b = row_b < shape.inner && id.x < shape.columns;
    tile_a[local.y][local.x] = inside_a ? a[offset_of(id.y, column_a, shape.inner)] : 0;
    tile_b[local.y][local.x] = inside_b ? b[offset_of(row_b, id.x, shape.columns)] : 0;
    threadgroup_barrier(mem_flags::mem_threadgroup);

#pragma unroll
    for (ushort i = 0; i < tile; ++i) sum += tile_a[local.y][i] * tile_b[i][local.x];
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
  if (id.x < shape.columns && id.y < shape.rows) c[offset_of(id.y, id.x, shape.columns)] = sum;
}
