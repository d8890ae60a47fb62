// Names that later versions of the headers have.
#include <c10/metal/indexing.h>
#include <c10/metal/random.h>
#include <c10/metal/reduction_utils.h>
#include <c10/metal/special_math.h>
#include <c10/metal/utils.h>
#include <metal_stdlib>
using namespace metal;
using namespace c10::metal;

static_assert(C10_METAL_HAS_MPP == (__METAL_VERSION__ >= 400), "");

kernel void special(device float* out, constant float* x, uint i [[thread_position_in_grid]],
                    uint n [[threads_per_grid]]) {
  out[i] = erfcx(x[i]);
  out[n + i] = trigamma(x[i]);
}
kernel void complex_sums(device float2* out, constant float2* a, constant float2* b, uint i [[thread_position_in_grid]]) {
  out[i] = c10::metal::logaddexp(a[i], b[i]);
}
kernel void complex_powers(device float2* out, constant float2* a, constant float2* b,
                           uint i [[thread_position_in_grid]]) {
  out[i] = c10::metal::pow(a[i], b[i]);
}
kernel void powers(device int* out, constant int* a, constant int* b, uint i [[thread_position_in_grid]]) {
  out[i] = c10::metal::pow(a[i], b[i]);
}
kernel void quotients(device uint* out, constant uint* a, constant uint* b, uint i [[thread_position_in_grid]]) {
  out[i] = ceil_div(a[i], ref_at_offs<uint>(static_cast<constant void*>(b), 4 * i));
}

DEFINE_BINARY_COMPARISON_FUNCTOR(le, <=);
REGISTER_BINARY_OP(le, int, bool);

kernel void orders(device bool* out, constant float* a, constant float* b, uint i [[thread_position_in_grid]]) {
  out[i] = c10::metal::less(a[i], b[i]);
}
kernel void complex_conversions(device bool* nonzero, device float2* quotients, constant float2* a, constant float2* b,
                                uint i [[thread_position_in_grid]]) {
  nonzero[i] = cast_to<bool>(a[i]);
  quotients[i] = c10::metal::div(a[i], b[i]);
}
#define FUSED(T)                                                                                            \
  kernel void fused_##T(device T* out, constant T* x, constant T* y, constant T* z,                         \
                        uint i [[thread_position_in_grid]]) {                                               \
    out[i] = c10::metal::fma(x[i], y[i], z[i]);                                                             \
  }
FUSED(float)
FUSED(int)
FUSED(float2)
kernel void rounded_up(device int* out, constant int* a, constant int* b, uint i [[thread_position_in_grid]]) {
  out[i] = round_up(a[i], b[i]);
}
kernel void normal_pairs(device float2* out, constant uint2* words, uint i [[thread_position_in_grid]]) {
  out[i] = c10::metal::box_muller_from_philox(words[i]);
}
kernel void moments(device float3* out, constant float* x, uint i [[thread_position_in_threadgroup]]) {
  threadgroup float numbers[64];
  threadgroup float3 triples[64];
  numbers[i] = x[i];
  triples[i] = float3(x[i], 0, 1);
  out[0] = threadgroup_welford_reduce(numbers, 64);
  out[1] = threadgroup_welford_combine(triples, 64u);
}
