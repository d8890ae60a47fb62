// Where the greatest or least element of an axis is: the first of equal ones, and the first NaN if there are any.
//
// The host compiles this with two macros (the greatest of floats without them):
//   ELEMENT   type of the elements
//   GREATER   1 for the greatest element, 0 for the least
#include "reduce.h"

#ifndef ELEMENT // on its own, for tools
#define ELEMENT float
#define GREATER 1
#endif

using namespace metalpy;
using T = ELEMENT;

/// True if a comes before b, wherever the two are.
static bool better(T a, T b) {
  return (GREATER ? !(a <= b) : !(a >= b)) && b == b;  // NaN is better than all numbers
}

struct Best { T value; uint at; };

/// As `better`; of equal ones, the first.
static bool better_at(T a, uint at, Best b) {
  return better(a, b.value) || (!better(b.value, a) && at < b.at);
}

static void improve(thread Best& best, T value, uint at) {
  bool is_better = better(value, best.value);
  best.value = is_better ? value : best.value;
  best.at = is_better ? at : best.at;
}

/// A simdgroup for each part of each result: out[result][part]. `step` is the stride, a constant where possible.
static void best_of_row(device long* out, const device T* x, constant Reduction& how, long step, uint row, uint lane) {
  Part part = part_of(row % how.parts, how);
  const device T* line = x + how.start + place(row / how.parts, how.kept);
  Best best = {line[part.inner * step], part.inner}, b = best, c = best, d = best;
  uint i = part.inner;
  for (; i + 128 <= part.inner_end; i += 128) {
    const device T* at = line + long(i + lane) * step;
    improve(best, at[0], i + lane);
    improve(b, at[32 * step], i + lane + 32);
    improve(c, at[64 * step], i + lane + 64);
    improve(d, at[96 * step], i + lane + 96);
  }
  if (better_at(b.value, b.at, best)) best = b;
  if (better_at(c.value, c.at, best)) best = c;
  if (better_at(d.value, d.at, best)) best = d;
  for (; i + 32 <= part.inner_end; i += 32) improve(best, line[long(i + lane) * step], i + lane);
  if (i + lane < part.inner_end) improve(best, line[long(i + lane) * step], i + lane);
  for (ushort mask = 16; mask > 0; mask >>= 1) {
    uint at = simd_shuffle_xor(best.at, mask);
    T value = line[long(at) * step];
    if (better_at(value, at, best)) best = {value, at};
  }
  if (lane == 0) out[row] = best.at;
}

kernel void rows(device long* out, const device T* x, constant Reduction& how,
                 uint group [[threadgroup_position_in_grid]], uint groups_rows [[simdgroups_per_threadgroup]],
                 uint own [[simdgroup_index_in_threadgroup]], uint lane [[thread_index_in_simdgroup]]) {
  uint row = group * groups_rows + own;
  if (row < how.kept_count * how.parts) best_of_row(out, x, how, 1, row, lane);
}

kernel void strided_rows(device long* out, const device T* x, constant Reduction& how,
                         uint group [[threadgroup_position_in_grid]], uint groups_rows [[simdgroups_per_threadgroup]],
                         uint own [[simdgroup_index_in_threadgroup]], uint lane [[thread_index_in_simdgroup]]) {
  uint row = group * groups_rows + own;
  if (row < how.kept_count * how.parts) best_of_row(out, x, how, how.stride, row, lane);
}

/// The best of all parts, a thread for each result.
kernel void best_of_parts(device long* out, const device T* x, const device long* candidates, constant Reduction& how,
                          uint i [[thread_position_in_grid]]) {
  const device T* line = x + how.start + place(i, how.kept);
  const device long* own = candidates + ulong(i) * how.parts;
  Best best = {line[own[0] * how.stride], uint(own[0])};
  for (uint k = 1; k < how.parts; ++k) {
    T value = line[own[k] * how.stride];
    if (better(value, best.value)) best = {value, uint(own[k])};  // parts are in order
  }
  out[i] = best.at;
}

/// A thread for each result, whatever the layout.
kernel void results(device long* out, const device T* x, constant Reduction& how, uint i [[thread_position_in_grid]]) {
  const device T* line = x + how.start + place(i, how.kept);
  Best best = {line[0], 0};
  for (uint k = 1; k < how.inner; ++k) {
    T value = line[k * how.stride];
    if (better(value, best.value)) best = {value, k};
  }
  out[i] = best.at;
}
