// Where elements lie in arrays of any layout.
#pragma once
#include <metal_stdlib>
using namespace metal;

#define MAX_RANK 16

// How N arrays of one shape step. Axes of the host's arrays that step alike are joined; there are at least three, and
// the threads of a grid are its elements: x along the last axis, y along the one before, z along all others.
template <int N>
struct Layout {
  uint rank;
  uint shape[MAX_RANK];
  long steps[N][MAX_RANK + 1];  // elements from one to the next along each axis; last: to the first element
};

template <int N>
struct Place { long at[N]; };

template <int N>
static Place<N> place_of(uint3 position, constant Layout<N>& layout) {
  Place<N> place;
  const uint last = layout.rank - 1;
  for (int n = 0; n < N; ++n)
    place.at[n] = layout.steps[n][MAX_RANK] + long(position.x) * layout.steps[n][last] +
                  long(position.y) * layout.steps[n][last - 1];
  uint rest = position.z;
  for (uint axis = last - 1; axis-- > 0;) {
    const uint extent = layout.shape[axis];
    const long index = axis ? long(rest % extent) : long(rest);
    rest /= extent;
    for (int n = 0; n < N; ++n) place.at[n] += index * layout.steps[n][axis];
  }
  return place;
}
