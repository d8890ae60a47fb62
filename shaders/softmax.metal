// Softmax and its logarithm. Exponentials are added up in float, whatever the elements are.
//
// The host compiles this once for each type, with a macro (floats without it):
//   ELEMENT   type of the elements
#include "reduce.h"

#ifndef ELEMENT // on its own, for tools
#define ELEMENT float
#endif

using namespace metalpy;
using T = ELEMENT;

static float merged(float a, float b) { return Maximum::of(a, b); }

/// A simdgroup for each row; `wants_log` chooses the logarithm.
kernel void rows(device T* out, const device T* x, constant uint& count, constant uint& length,
                 constant uint& wants_log, uint group [[threadgroup_position_in_grid]],
                 uint groups_rows [[simdgroups_per_threadgroup]], uint own [[simdgroup_index_in_threadgroup]],
                 uint lane [[thread_index_in_simdgroup]]) {
  uint row = group * groups_rows + own;
  if (row >= count) return;
  const device T* line = x + ulong(row) * length;
  device T* result = out + ulong(row) * length;
  uint whole = length / 32 * 32;
  bool has_last = whole + lane < length;
  float greatest = -INFINITY, sum = 0;
  for (uint i = 0; i < whole; i += 32) greatest = merged(greatest, float(line[i + lane]));
  if (has_last) greatest = merged(greatest, float(line[whole + lane]));
  for (ushort mask = 16; mask > 0; mask >>= 1) greatest = merged(greatest, simd_shuffle_xor(greatest, mask));
  for (uint i = 0; i < whole; i += 32) sum += exp(float(line[i + lane]) - greatest);
  if (has_last) sum += exp(float(line[whole + lane]) - greatest);
  sum = simd_sum(sum);
  if (wants_log) {
    float shift = greatest + log(sum);
    for (uint i = 0; i < whole; i += 32) result[i + lane] = T(float(line[i + lane]) - shift);
    if (has_last) result[whole + lane] = T(float(line[whole + lane]) - shift);
  } else {
    float scale = 1.0f / sum;
    for (uint i = 0; i < whole; i += 32) result[i + lane] = T(exp(float(line[i + lane]) - greatest) * scale);
    if (has_last) result[whole + lane] = T(exp(float(line[whole + lane]) - greatest) * scale);
  }
}

/// Of any axis, with what `logsumexp` gives for it.
kernel void scaled(device T* out, const device T* x, const device float* logs, constant uint& wants_log,
                   uint3 at [[thread_position_in_grid]], uint3 size [[threads_per_grid]]) {
  ulong i = (ulong(at.z) * size.y + at.y) * size.x + at.x;
  float distance = float(x[i]) - logs[at.z * size.x + at.x];
  out[i] = T(wants_log ? distance : exp(distance));
}
