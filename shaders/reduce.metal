// Reductions of arrays.
//
// The host compiles this once for each reduction and choice of types, with these macros (a sum of floats without them):
//   LOAD, MERGE           what reduce.h has for an element and for two results
//   ELEMENT, SUM, RESULT  types of the elements in memory, of sums, of the result in memory
//   CENTER                type of what LOAD compares elements with
//   COMPARES              1 if it does: `center` has one for each result; 0: `center` may be anything and is not read
// Complex numbers are float2.
#include "reduce.h"

#ifndef LOAD // on its own, for tools
#define LOAD Value
#define MERGE Add
#define ELEMENT float
#define SUM float
#define RESULT float
#define CENTER float
#define COMPARES 0
#endif

using namespace metalpy;
using T = ELEMENT;
using A = SUM;
using R = RESULT;
using C = CENTER;

static C center_of(const device C* center, ulong result) { return COMPARES ? center[result] : C(0); }
static A element(T x, C center) { return LOAD::of<A>(x, center); }
static A merged(A a, A b) { return MERGE::of(a, b); }
static R last(A x, C center, constant Reduction& how) {
  return Convert<R>::from(finished(x, center, how.finish, how.divisor));
}

/// Of all lanes, in each lane.
static A of_lanes(A x) {
  for (ushort mask = 16; mask > 0; mask >>= 1) x = merged(x, from_lane(x, mask));
  return x;
}

/// A simdgroup for each part of each result: out[result][part]. `step` is the stride, a constant where possible.
static void reduce_row(device R* out, const device T* x, const device C* center, constant Reduction& how, long step,
                       uint row, uint lane) {
  uint result = row / how.parts;
  Part part = part_of(row % how.parts, how);
  C middle = center_of(center, result);
  const device T* own = x + how.start + place(result, how.kept);
  Four<MERGE, A> four;
  A rest = MERGE::none<A>();
  for (uint o = part.outer; o < part.outer_end; ++o) {
    const device T* line = own + place(o, how.outer_axes);
    uint i = part.inner;
    for (; i + 128 <= part.inner_end; i += 128) {
      const device T* at = line + long(i + lane) * step;
      four.merge(element(at[0], middle), element(at[32 * step], middle), element(at[64 * step], middle),
                 element(at[96 * step], middle));
    }
    for (; i + 32 <= part.inner_end; i += 32) rest = merged(rest, element(line[long(i + lane) * step], middle));
    if (i + lane < part.inner_end) rest = merged(rest, element(line[long(i + lane) * step], middle));
  }
  A a = of_lanes(merged(four.result(), rest));
  if (lane == 0) out[row] = last(a, middle, how);
}

kernel void rows(device R* out, const device T* x, const device C* center, constant Reduction& how,
                 uint group [[threadgroup_position_in_grid]], uint groups_rows [[simdgroups_per_threadgroup]],
                 uint own [[simdgroup_index_in_threadgroup]], uint lane [[thread_index_in_simdgroup]]) {
  uint row = group * groups_rows + own;
  if (row < how.kept_count * how.parts) reduce_row(out, x, center, how, 1, row, lane);
}

kernel void strided_rows(device R* out, const device T* x, const device C* center, constant Reduction& how,
                         uint group [[threadgroup_position_in_grid]], uint groups_rows [[simdgroups_per_threadgroup]],
                         uint own [[simdgroup_index_in_threadgroup]], uint lane [[thread_index_in_simdgroup]]) {
  uint row = group * groups_rows + own;
  if (row < how.kept_count * how.parts) reduce_row(out, x, center, how, how.stride, row, lane);
}

/// Lanes follow the last kept axis, whose elements are neighbours: out[part][kept][width]. A simdgroup takes 128.
kernel void columns(device R* out, const device T* x, const device C* center, constant Reduction& how,
                    uint2 group [[threadgroup_position_in_grid]], uint groups_rows [[simdgroups_per_threadgroup]],
                    uint own [[simdgroup_index_in_threadgroup]], uint lane [[thread_index_in_simdgroup]]) {
  uint row = group.y * groups_rows + own;
  if (row >= how.kept_count * how.parts) return;
  uint line = row % how.kept_count, first = group.x * 128 + lane;
  Part part = part_of(row / how.kept_count, how);
  const device T* column = x + how.start + place(line, how.kept);
  const ulong line_start = ulong(line) * how.width;
  device R* result = out + ulong(row) * how.width;
  if (group.x * 128 + 128 <= how.width) {
    A a = MERGE::none<A>(), b = a, c = a, d = a;
    C own_a = center_of(center, line_start + first), own_b = center_of(center, line_start + first + 32);
    C own_c = center_of(center, line_start + first + 64), own_d = center_of(center, line_start + first + 96);
    for (uint o = part.outer; o < part.outer_end; ++o) {
      const device T* at = column + place(o, how.outer_axes) + part.inner * how.stride;
      for (uint i = part.inner; i < part.inner_end; ++i, at += how.stride) {
        a = merged(a, element(at[first], own_a));
        b = merged(b, element(at[first + 32], own_b));
        c = merged(c, element(at[first + 64], own_c));
        d = merged(d, element(at[first + 96], own_d));
      }
    }
    result[first] = last(a, own_a, how);
    result[first + 32] = last(b, own_b, how);
    result[first + 64] = last(c, own_c, how);
    result[first + 96] = last(d, own_d, how);
    return;
  }
  for (uint k = first; k < how.width; k += 32) {
    A a = MERGE::none<A>();
    C own_a = center_of(center, line_start + k);
    for (uint o = part.outer; o < part.outer_end; ++o) {
      const device T* at = column + place(o, how.outer_axes) + part.inner * how.stride;
      for (uint i = part.inner; i < part.inner_end; ++i, at += how.stride) a = merged(a, element(at[k], own_a));
    }
    result[k] = last(a, own_a, how);
  }
}

/// A thread for each result, whatever the layout.
kernel void results(device R* out, const device T* x, const device C* center, constant Reduction& how,
                    uint i [[thread_position_in_grid]]) {
  C middle = center_of(center, i);
  const device T* own = x + how.start + place(i, how.kept);
  A a = MERGE::none<A>();
  for (uint o = 0; o < how.outer; ++o) {
    const device T* at = own + place(o, how.outer_axes);
    for (uint n = 0; n < how.inner; ++n, at += how.stride) a = merged(a, element(*at, middle));
  }
  out[i] = last(a, middle, how);
}
