// Names that later versions of the headers have.
#include <c10/metal/indexing.h>
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
