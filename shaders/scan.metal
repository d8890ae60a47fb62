// Running sums and products along an axis of a contiguous array.
//
// The host compiles this once for each and each choice of types, with these macros (sums of floats without them):
//   MERGE                 what reduce.h has for two results
//   ELEMENT, SUM, RESULT  types of the elements in memory, of sums, of the result in memory
// Complex numbers are float2.
#include "reduce.h"

#ifndef MERGE // on its own, for tools
#define MERGE Add
#define ELEMENT float
#define SUM float
#define RESULT float
#endif

using namespace metalpy;
using T = ELEMENT;
using A = SUM;
using R = RESULT;

struct Scan {
  uint rows, length, part, parts;  // a row of `length` elements is scanned in parts
  uint initial;                    // 1: the result begins with that of no elements
  uint inner;                      // of columns: from one element to the next
};

static A element(T x) { return Convert<A>::from(x); }

/// Of this lane and those before it.
static A of_lanes_up_to(A x, uint lane) {
  for (ushort delta = 1; delta < 32; delta <<= 1) {
    A before = from_lane_below(x, delta);
    x = lane >= delta ? MERGE::of(before, x) : x;
  }
  return x;
}

/// A simdgroup for each part of each row; `before` has what comes before each part, if there are several.
kernel void rows(device R* out, const device T* x, const device A* before, constant Scan& how,
                 uint group [[threadgroup_position_in_grid]], uint groups_rows [[simdgroups_per_threadgroup]],
                 uint own [[simdgroup_index_in_threadgroup]], uint lane [[thread_index_in_simdgroup]]) {
  uint index = group * groups_rows + own;
  if (index >= how.rows * how.parts) return;
  uint row = index / how.parts, part = index % how.parts;
  uint i = part * how.part, end = min(i + how.part, how.length);
  const device T* line = x + ulong(row) * how.length;
  device R* result = out + ulong(row) * (how.length + how.initial) + how.initial;
  A sum = how.parts == 1 ? MERGE::none<A>() : before[index];
  if (how.initial && part == 0 && lane == 0) result[-1] = Convert<R>::from(sum);
  for (; i + 32 <= end; i += 32) {
    A own_sum = of_lanes_up_to(element(line[i + lane]), lane);
    result[i + lane] = Convert<R>::from(MERGE::of(sum, own_sum));
    sum = MERGE::of(sum, from_last_lane(own_sum));
  }
  if (i < end) {
    A own_sum = of_lanes_up_to(i + lane < end ? element(line[i + lane]) : MERGE::none<A>(), lane);
    if (i + lane < end) result[i + lane] = Convert<R>::from(MERGE::of(sum, own_sum));
  }
}

/// A thread for each column: lanes follow the inner axis.
kernel void columns(device R* out, const device T* x, constant Scan& how, uint2 at [[thread_position_in_grid]]) {
  const device T* column = x + ulong(at.y) * how.length * how.inner;
  device R* result = out + ulong(at.y) * (how.length + how.initial) * how.inner;
  A sum = MERGE::none<A>();
  if (how.initial) {
    result[at.x] = Convert<R>::from(sum);
    result += how.inner;
  }
  for (uint i = 0; i < how.length; ++i, column += how.inner, result += how.inner) {
    sum = MERGE::of(sum, element(column[at.x]));
    result[at.x] = Convert<R>::from(sum);
  }
}
