// Structs in device and constant memory: nested, with arrays, vectors, packed vectors, pointers and methods.
#include <metal_stdlib>
using namespace metal;

struct Range {
  float low, high;
  float clamped(float x) const { return x < low ? low : x > high ? high : x; }
};
struct Params {
  uchar flag;
  Range range;
  float3 direction;
  packed_float3 origin;
  int table[4];
  half2 pair;
  ulong big;
  bool enabled;
};
kernel void from_constant(device float* out, constant Params& p, uint i [[thread_position_in_grid]]) {
  const float x = float(i);
  float r = p.range.clamped(x) + dot(p.direction, float3(p.origin)) + p.table[i % 4];
  r += float(p.pair.y) + float(p.big % 1000) + p.flag;
  out[i] = p.enabled ? r : 0;
}
struct Particle {
  packed_float3 position;
  float mass;
  int4 tags;
};
kernel void update(device Particle* particles, uint i [[thread_position_in_grid]]) {
  Particle p = particles[i];
  p.position += float3(1, 2, 3) * p.mass;
  p.tags.zw = p.tags.xy;
  particles[i] = p;
  particles[i].mass *= 2;
}
kernel void by_device_reference(device Params& p, uint i [[thread_position_in_grid]]) {
  p.table[i] += int(i);
  if (i == 0) p.range = {p.range.high, p.range.low};
}
struct Base {
  int a;
};
struct Derived : Base {
  int b;
  Derived() = default;
  Derived(int x, int y) : b(y) { a = x; }
  Derived operator+(Derived other) const { return Derived(a + other.a, b * other.b); }
};
kernel void operators(device Derived* out, const device Derived* x, uint i [[thread_position_in_grid]]) {
  out[i] = x[i] + Derived(1, 2);
}
kernel void std_array(device int* out, constant array<int, 3>& values, uint i [[thread_position_in_grid]]) {
  array<int, 4> local = {1, 2, 3, 4};
  local[2] = 30;
  out[i] = values[i % 3] + local[i % 4] + int(local.size());
}
