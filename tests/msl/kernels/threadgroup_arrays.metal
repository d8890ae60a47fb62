// threadgroup variables wherever Metal allows them.
#include <metal_stdlib>
using namespace metal;

// in the kernel's body
kernel void reverse(device int* x, uint i [[thread_position_in_grid]], uint l [[thread_index_in_threadgroup]], uint n [[threads_per_threadgroup]]) {
  threadgroup int copy[256];
  copy[l] = x[i];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  x[i] = copy[n - 1 - l];
}
// in nested scopes, two of the same name
kernel void nested(device int* out, uint i [[thread_index_in_threadgroup]]) {
  int sum = 0;
  for (int round = 0; round < 3; ++round) {
    threadgroup int shared_value[32];
    shared_value[i] = int(i) * (round + 1);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    sum += shared_value[(i + 1) % 32];
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
  {
    threadgroup int shared_value[32];
    shared_value[31 - i] = sum;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    out[i] = shared_value[i];
  }
}
// in a function that a kernel calls
static int neighbour(int x, uint i, uint n) {
  threadgroup int values[64];
  values[i] = x;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  const int result = values[(i + 1) % n];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  return result;
}
kernel void helper(device int* out, uint i [[thread_index_in_threadgroup]], uint n [[threads_per_threadgroup]]) {
  out[i] = neighbour(neighbour(int(i), i, n), i, n);
}
// in a template, two-dimensional, of dependent size and type
template <typename T, int width>
kernel void transposed(device T* out, const device T* in, ushort2 l [[thread_position_in_threadgroup]]) {
  threadgroup T tile[width][width + 1];
  tile[l.y][l.x] = in[l.y * width + l.x];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  out[l.y * width + l.x] = tile[l.x][l.y];
}
template [[host_name("transposed_float_8")]] kernel decltype(transposed<float, 8>) transposed<float, 8>;
template [[host_name("transposed_short_16")]] kernel decltype(transposed<short, 16>) transposed<short, 16>;
// scalars, vectors and structs
struct Best {
  float value;
  uint index;
};
kernel void best(device Best* out, const device float* x, uint i [[thread_index_in_threadgroup]], uint n [[threads_per_threadgroup]]) {
  threadgroup Best candidates[128];
  threadgroup float4 summary;
  threadgroup uint winner;
  candidates[i] = {x[i], i};
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (i == 0) {
    winner = 0;
    for (uint k = 1; k < n; ++k)
      if (candidates[k].value > candidates[winner].value) winner = k;
    summary = float4(candidates[winner].value, 1, 2, 3);
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  out[i] = {summary.x + float(i), winner};
}
