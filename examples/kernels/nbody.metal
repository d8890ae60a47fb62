// One leapfrog step of gravity between all bodies; positions come through threadgroup memory, a block at a time.
#include <metal_stdlib>
using namespace metal;

struct Body {
  packed_float3 position;  // 12 bytes, so that a body is 28 bytes, as the host lays it out
  float mass;
  packed_float3 velocity;
};

constant uint block [[function_constant(0)]];  // threads a threadgroup

static float3 attraction(float3 from, float4 other, float softening) {
  const float3 d = other.xyz - from;
  const float r2 = dot(d, d) + softening * softening;
  return other.w * d * (rsqrt(r2) / r2);
}

kernel void nbody(device Body* next                  [[buffer(0)]],
                  const device Body* now             [[buffer(1)]],
                  constant float& step               [[buffer(2)]],
                  constant float& softening          [[buffer(3)]],
                  constant uint& count               [[buffer(4)]],
                  threadgroup float4* others         [[threadgroup(0)]],   // `block` of them
                  uint id                            [[thread_position_in_grid]],
                  uint local                         [[thread_index_in_threadgroup]]) {
  Body self = now[min(id, count - 1)];  // threads beyond the last body only help to load
  float3 force = 0;
  for (uint first = 0; first < count; first += block) {
    const uint i = first + local;
    others[local] = i < count ? float4(now[i].position, now[i].mass) : float4(0);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    for (uint k = 0; k < min(block, count - first); ++k) force += attraction(self.position, others[k], softening);
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
  self.velocity += step * force;
  self.position += step * self.velocity;
  if (id < count) next[id] = self;
}
