// Pointers and references into every address space, passed on to functions.
#include <metal_stdlib>
using namespace metal;

constant float offset = 0.5f;

static void store(device float* p, float x) { *p = x; }
static void add(thread float& x, float y) { x += y; }
static void swap_both(threadgroup int& a, threadgroup int& b) {
  int t = a;
  a = b;
  b = t;
}

kernel void pointers(device float* out, const device float* x, constant float* c, uint i [[thread_position_in_grid]]) {
  float sum = x[i];
  add(sum, *c);
  add(sum, offset);
  store(out + i, sum);
}
kernel void references(device int* out, uint i [[thread_index_in_threadgroup]]) {
  threadgroup int pair[2];
  if (i == 0) pair[0] = 10, pair[1] = 20;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (i == 0) swap_both(pair[0], pair[1]);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  out[i] = pair[i % 2];
}

