// Every input that tells a thread where it is, in the types that kernels declare them with.
#include <metal_stdlib>
using namespace metal;

struct Record {
  packed_uint3 thread_in_grid, thread_in_group, group_in_grid, grid, groups, group_size, dispatched_size;
  uint index, lane, simdgroup, simdgroups, width, dispatched_simdgroups;
};
kernel void everything(device Record* out,
                       uint3 a [[thread_position_in_grid]], uint3 b [[thread_position_in_threadgroup]],
                       uint3 c [[threadgroup_position_in_grid]], uint3 d [[threads_per_grid]],
                       uint3 e [[threadgroups_per_grid]], uint3 f [[threads_per_threadgroup]],
                       uint3 g [[dispatch_threads_per_threadgroup]], uint h [[thread_index_in_threadgroup]],
                       uint i [[thread_index_in_simdgroup]], uint j [[simdgroup_index_in_threadgroup]],
                       uint k [[simdgroups_per_threadgroup]], uint l [[threads_per_simdgroup]],
                       uint m [[dispatch_simdgroups_per_threadgroup]]) {
  out[(a.z * d.y + a.y) * d.x + a.x] = {a, b, c, d, e, f, g, h, i, j, k, l, m};
}
kernel void small_types(device uint* out, ushort2 a [[thread_position_in_grid]], ushort2 b [[thread_position_in_threadgroup]],
                        ushort2 c [[threadgroup_position_in_grid]], ushort2 d [[threads_per_grid]],
                        ushort e [[thread_index_in_threadgroup]], ushort f [[thread_index_in_simdgroup]],
                        ushort g [[simdgroup_index_in_threadgroup]], ushort2 h [[threads_per_threadgroup]]) {
  device uint* row = out + 6 * (a.y * d.x + a.x);
  row[0] = a.x + 1000 * a.y;
  row[1] = b.x + 1000 * b.y;
  row[2] = c.x + 1000 * c.y;
  row[3] = e;
  row[4] = f + 1000 * g;
  row[5] = h.x + 1000 * h.y;
}
kernel void scalars(device uint* out, uint a [[thread_position_in_grid]], ushort b [[thread_position_in_threadgroup]],
                    uint c [[threadgroup_position_in_grid]], uint d [[threads_per_grid]], uint e [[threadgroups_per_grid]],
                    ushort f [[threads_per_threadgroup]], uint32_t g [[thread_index_in_threadgroup]], uint h [[thread_execution_width]]) {
  device uint* row = out + 7 * a;
  row[0] = a;
  row[1] = b;
  row[2] = c;
  row[3] = d;
  row[4] = e;
  row[5] = f + 1000 * g;
  row[6] = h;
}
kernel void ushort3_types(device ushort* out, ushort3 a [[thread_position_in_grid]], ushort3 n [[threads_per_grid]],
                          ushort3 c [[threadgroup_position_in_grid]]) {
  out[(a.z * n.y + a.y) * n.x + a.x] = ushort(a.x * 1 + a.y * 10 + a.z * 100 + 1000 * (c.x + c.y + c.z));
}
