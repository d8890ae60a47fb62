// Where elements lie in arrays of any layout.
#pragma once
#include <metal_stdlib>
using namespace metal;

#define MAX_RANK 16

// How N arrays of one shape step. Axes that step alike are joined; there are at least three. The grid is x along the
// last axis, y along the one before and z along all others; a threadgroup is part of one row.
template <int N>
struct Layout {
  uint rank;
  uint shape[MAX_RANK];
  long steps[N][MAX_RANK + 1];  // elements from one to the next along each axis; last: to the first element
};

// Where a row starts in each array, and how the array steps along it.
template <int N>
struct Row {
  long start[N], step[N];
};

// The row of a threadgroup: the same for all its threads, so that it is computed once for many of them.
template <int N>
static Row<N> row_of(uint3 group, constant Layout<N>& layout) {
  Row<N> row;
  const uint last = layout.rank - 1;
  for (int n = 0; n < N; ++n) {
    row.step[n] = layout.steps[n][last];
    row.start[n] = layout.steps[n][MAX_RANK] + long(group.y) * layout.steps[n][last - 1];
  }
  uint rest = group.z;
  for (uint axis = last - 1; axis-- > 0;) {
    const uint extent = layout.shape[axis];
    const long index = axis ? long(rest % extent) : long(rest);
    rest /= extent;
    for (int n = 0; n < N; ++n) row.start[n] += index * layout.steps[n][axis];
  }
  return row;
}

// Element x of a row. STEP is what the host knows of the row: 1 without gaps, 0 one element that repeats, ANY else. A step
// that is known is not a gather for the software device.
#define ANY 99

template <int STEP, int N, typename T>
static T element(const device T* p, Row<N> row, int n, uint x) {
  const device T* first = p + row.start[n];
  return STEP == 1 ? first[x] : STEP == 0 ? *first : first[long(x) * (STEP == ANY ? row.step[n] : STEP)];
}

template <int STEP, int N, typename T>
static void set_element(device T* p, Row<N> row, int n, uint x, T value) {
  device T* first = p + row.start[n];
  if (STEP == 1) first[x] = value;
  else first[long(x) * (STEP == ANY ? row.step[n] : STEP)] = value;
}
