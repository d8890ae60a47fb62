// Atomic functions of textures.
#include <metal_stdlib>
using namespace metal;

// Each thread adds to one of the bins of row 0 and draws a ticket from row 1.
kernel void histogram(texture2d<uint, access::read_write> bins, texture2d<uint, access::read> levels,
                      device uint* tickets, uint2 at [[thread_position_in_grid]], uint2 size [[threads_per_grid]]) {
  uint level = levels.read(at).x;
  bins.atomic_fetch_add(uint2(level, 0), 1u);
  tickets[at.y * size.x + at.x] = bins.atomic_fetch_add(ushort2(0, 1), 1).x;
}
template <typename T> kernel void operations(texture2d<T, access::read_write> t, device T* old, constant T* x) {
  old[0] = t.atomic_fetch_add(uint2(0, 0), x[0]).x;
  old[1] = t.atomic_fetch_sub(uint2(1, 0), x[1]).x;
  old[2] = t.atomic_fetch_and(uint2(2, 0), x[2]).x;
  old[3] = t.atomic_fetch_or(uint2(3, 0), x[3]).x;
  old[4] = t.atomic_fetch_xor(uint2(4, 0), x[4]).x;
  old[5] = t.atomic_fetch_min(uint2(5, 0), x[5]).x;
  old[6] = t.atomic_fetch_max(uint2(6, 0), x[6]).x;
  old[7] = t.atomic_exchange(uint2(7, 0), x[7]).x;
  old[8] = t.atomic_load(uint2(8, 0)).x;
  t.atomic_store(x[9], uint2(9, 0));
  vec<T, 4> expected = t.atomic_load(uint2(10, 0)) + 1;
  if (t.atomic_compare_exchange_weak(uint2(10, 0), &expected, x[10])) return;
  old[9] = expected.x; // what was there
  old[10] = t.atomic_compare_exchange_weak(uint2(10, 0), &expected, x[10]);
  old[11] = t.atomic_fetch_add(uint2(11, 0), 1).x; // outside
}
template [[host_name("operations_int")]] kernel void operations<int>(texture2d<int, access::read_write>, device int*,
                                                                     constant int*);
template [[host_name("operations_uint")]] kernel void operations<uint>(texture2d<uint, access::read_write>,
                                                                       device uint*, constant uint*);

// One of each kind of texture.
kernel void kinds(texture1d<uint, access::read_write> line, texture1d_array<uint, access::read_write> lines,
                  texture2d_array<uint, access::read_write> stack, texture3d<uint, access::read_write> volume,
                  texturecube<uint, access::read_write> cube, texturecube_array<uint, access::read_write> cubes,
                  texture_buffer<uint, access::read_write> buffer) {
  line.atomic_fetch_add(2, 1);
  lines.atomic_fetch_add(2, 1, 2);
  stack.atomic_fetch_add(uint2(2, 1), 1, 3);
  volume.atomic_fetch_add(uint3(2, 1, 1), 4);
  cube.atomic_fetch_add(uint2(1, 0), 5, 5);
  cubes.atomic_fetch_add(uint2(1, 0), 5, 1, 6);
  buffer.atomic_fetch_add(2, 7);
}

// 64 bits: the smallest and the largest number, and who had it.
kernel void extremes(texture2d<ulong, access::read_write> t, texture1d<ulong, access::read_write> line,
                     device const ulong* x, device ulong* out, uint i [[thread_position_in_grid]],
                     uint n [[threads_per_grid]]) {
  t.atomic_min(uint2(i % 3, 0), x[i]);
  t.atomic_max(ushort2(i % 3, 1), x[i]);
  t.atomic_max(uint2(0, 2), x[i]); // outside
  line.atomic_max(0, ulong4(x[i]));
}
kernel void read_long(texture2d<ulong, access::read_write> t, device ulong* out, uint i [[thread_position_in_grid]]) {
  ulong4 texel = t.read(uint2(i, 0));
  out[i] = texel.x + texel.y + texel.z + texel.w;
  t.write(ulong4(texel.x + 1), uint2(i, 1));
}
