// Barriers in loops, branches that all take, and helpers.
#include <metal_stdlib>
using namespace metal;

static void fold(threadgroup float* x, uint i, uint from) {
  for (uint width = from; width > 0; width >>= 1) {
    if (i < width) x[i] += x[i + width];
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
}
kernel void tree(device float* out, const device float* x, uint id [[thread_position_in_grid]], uint group [[threadgroup_position_in_grid]],
                 uint i [[thread_index_in_threadgroup]]) {
  threadgroup float partial[128];
  partial[i] = x[id];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  fold(partial, i, 64);
  if (i == 0) out[group] = partial[0];
}
kernel void ping_pong(device int* out, constant int& rounds, uint i [[thread_index_in_threadgroup]], uint n [[threads_per_threadgroup]]) {
  threadgroup int a[100], b[100];
  a[i] = int(i);
  threadgroup int* from = a;
  threadgroup int* to = b;
  for (int r = 0; r < rounds; ++r) {
    threadgroup_barrier(mem_flags::mem_threadgroup);
    to[i] = from[(i + 1) % n] + from[i];
    threadgroup int* t = from;
    from = to;
    to = t;
  }
  out[i] = from[i];
}
kernel void through_device_memory(device int* x, uint i [[thread_index_in_threadgroup]], uint n [[threads_per_threadgroup]]) {
  x[i] = int(i * i);
  threadgroup_barrier(mem_flags::mem_device | mem_flags::mem_threadgroup);
  const int next = x[(i + 1) % n];
  threadgroup_barrier(mem_flags::mem_device);
  x[i] = next;
}
kernel void uniform_branch(device int* out, constant bool& twice, uint i [[thread_index_in_threadgroup]]) {
  threadgroup int total;
  if (i == 0) total = 1;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (twice) {
    if (i == 5) total *= 10;
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
  out[i] = total;
}
kernel void early_exit(device int* out, constant uint& count, uint i [[thread_index_in_threadgroup]]) {
  threadgroup int slots[64];
  slots[i] = 0;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (i >= count) return;  // whole simdgroups leave; those that stay still meet
  slots[i] = int(i) + 1;
  simdgroup_barrier(mem_flags::mem_threadgroup);
  out[i] = slots[i ^ 1];
}
