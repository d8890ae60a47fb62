// One piece of memory seen as several types.
#include <metal_stdlib>
using namespace metal;

kernel void as_vectors(device float* out, const device float* x, uint i [[thread_position_in_grid]]) {
  const device float4* wide = (const device float4*)x;
  device float4* target = reinterpret_cast<device float4*>(out);
  target[i] = wide[i].wzyx * 2;
}
// At any element, not only every fourth one.
kernel void vectors_anywhere(device float* out, const device float* x, uint i [[thread_position_in_grid]]) {
  const device float4* from = (const device float4*)(x + 5 * i + 1);
  *(device float4*)(out + 4 * i + 3) = *from + 1;
}
kernel void as_bytes(device uint* out, const device void* x, uint i [[thread_position_in_grid]]) {
  const device uchar* bytes = (const device uchar*)x + 3 * i;
  const device packed_uchar3* triples = (const device packed_uchar3*)x;
  out[i] = bytes[0] + 256 * triples[i].y + 65536 * bytes[2];
}
struct Block {
  half scale;
  uchar quants[6];
};
kernel void as_struct(device float* out, const device char* x, uint i [[thread_position_in_grid]]) {
  const device Block* blocks = (const device Block*)x;
  out[i] = blocks[i / 6].scale * blocks[i / 6].quants[i % 6];
}
kernel void threadgroup_views(device uint* out, uint i [[thread_index_in_threadgroup]]) {
  threadgroup uint words[64];
  threadgroup ushort* halves = (threadgroup ushort*)words;
  halves[2 * i] = ushort(i);
  reinterpret_cast<threadgroup ushort*>(words)[2 * i + 1] = ushort(1000 + i);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  out[i] = words[63 - i];
}
kernel void thread_views(device uint* out, const device uint* x, uint i [[thread_position_in_grid]]) {
  uint local[2] = {x[i], i};
  thread uchar* bytes = (thread uchar*)local;
  bytes[0] ^= 0xff;
  out[i] = *(thread uint*)(bytes) + local[1];
}
