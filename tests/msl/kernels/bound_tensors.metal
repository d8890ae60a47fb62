// Tensors that the host binds (language version 4.0).
#include <metal_stdlib>
#include <metal_tensor>
#include <MetalPerformancePrimitives/MetalPerformancePrimitives.h>
using namespace metal;

kernel void elements(tensor<device float, dextents<int, 2>> out [[buffer(1)]],
                     tensor<device const half, extents<uint, 3, dynamic_extent>> x [[buffer(0)]],
                     constant float& by, uint2 at [[thread_position_in_grid]]) {
  out[at.y, at.x] = by * float(x[at.x, at.y]) + out.get_extent(0) * 100 + x.get_extent(1);
}

kernel void line(tensor<device int, dextents<long, 1>> x, uint i [[thread_position_in_grid]]) {
  x[i] = x[i] * 10 + int(x.get_extent(0));
}

kernel void cube(device int* out, tensor<device const int, dextents<int, 3>> x, uint3 at [[thread_position_in_grid]],
                 uint3 size [[threads_per_grid]]) {
  auto part = x.slice(1, 0, 0);
  out[(at.z * size.y + at.y) * size.x + at.x] = part[array<int, 3>{int(at.x), int(at.y), int(at.z)}];
}

// As in the documentation of Metal Performance Primitives: each simdgroup takes a tile.
kernel void product(tensor<device half, dextents<int, 2>> a, tensor<device half, dextents<int, 2>> b,
                    tensor<device float, dextents<int, 2>> c, uint2 group [[threadgroup_position_in_grid]]) {
  constexpr auto descriptor = mpp::tensor_ops::matmul2d_descriptor(16, 32, static_cast<int>(dynamic_extent));
  mpp::tensor_ops::matmul2d<descriptor, execution_simdgroup> op;
  auto rows = a.slice(0, group.y * 16);
  auto columns = b.slice(group.x * 32, 0);
  auto tile = c.slice(group.x * 32, group.y * 16);
  op.run(rows, columns, tile);
}
