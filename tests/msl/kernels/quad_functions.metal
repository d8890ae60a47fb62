// The same within four threads.
#include <metal_stdlib>
using namespace metal;

kernel void quads(device int* out, const device int* x, uint i [[thread_position_in_grid]], uint lane [[thread_index_in_quadgroup]]) {
  device int* row = out + 6 * i;
  row[0] = quad_sum(x[i]);
  row[1] = quad_max(x[i]);
  row[2] = quad_shuffle_xor(x[i], ushort(1));
  row[3] = quad_broadcast(x[i], ushort(2));
  row[4] = quad_prefix_inclusive_sum(x[i]);
  row[5] = int(lane);
}
