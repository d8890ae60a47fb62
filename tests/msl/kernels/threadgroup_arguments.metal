// Threadgroup memory whose size the host chooses.
#include <metal_stdlib>
using namespace metal;

kernel void rotate_by(device int* out, const device int* in, constant uint& by,
                      threadgroup int* scratch [[threadgroup(0)]],
                      uint id [[thread_position_in_grid]], uint i [[thread_index_in_threadgroup]], uint n [[threads_per_threadgroup]]) {
  scratch[i] = in[id];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  out[id] = scratch[(i + by) % n];
}
kernel void two(device float* out, threadgroup float* a [[threadgroup(0)]], threadgroup char* raw [[threadgroup(1)]],
                uint i [[thread_index_in_threadgroup]], uint n [[threads_per_threadgroup]]) {
  threadgroup half* b = (threadgroup half*)raw;
  a[i] = float(i);
  b[n - 1 - i] = half(i);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  out[i] = a[n - 1 - i] + 100 * float(b[i]);
}
kernel void with_static(device int* out, threadgroup int* dynamic [[threadgroup(0)]], uint i [[thread_index_in_threadgroup]]) {
  threadgroup int fixed[64];
  fixed[i] = int(i);
  dynamic[i] = -int(i);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  out[i] = fixed[63 - i] * 1000 + dynamic[63 - i];
}
