// Tables of functions that the host fills.
#include <metal_stdlib>
using namespace metal;

struct Pair {
  int a;
  float b;
};

[[visible]] int twice(int x) { return 2 * x; }
[[visible]] int square(int x);  // defined behind the kernels
namespace other {
[[visible]] int negative(int x) { return -x; }
}
[[visible]] float halved(float x) { return x / 2; }
[[visible]] void scale(device float* p, thread Pair& by) { *p *= by.a * by.b; }
[[visible]] float group_sum(float x) { return simd_sum(x); }

kernel void each(device int* out, visible_function_table<int(int)> table [[buffer(1)]], constant int& x,
                 uint i [[thread_position_in_grid]]) {
  auto f = table[i];
  out[i] = f ? f(x) : -1000 - int(table.size());
}

kernel void call(device int* out, visible_function_table<int(int)> table) { out[0] = table[0](out[0]); }

// Two tables of other types, numbered implicitly; a simdgroup meets in what is called.
typedef void Change(device float*, thread Pair&);
kernel void two(device float* out, visible_function_table<Change> changes, visible_function_table<float(float)> maps,
                uint i [[thread_position_in_grid]]) {
  Pair by = {2, 1.5f};
  changes[0](out + i, by);
  out[i] = maps[0](out[i]) + maps[1](out[i]) + (changes.empty() ? 0 : 1);
}

[[visible]] int square(int x) { return x * x; }
