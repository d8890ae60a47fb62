// Where elements are: those that are not zero, those that begin a run of equal ones, and places in sorted arrays.
//
// The host compiles this once for each type, with a macro (floats without it):
//   ELEMENT   type of the elements; complex numbers are float2
#include "reduce.h"

#ifndef ELEMENT // on its own, for tools
#define ELEMENT float
#endif

using namespace metalpy;
using T = ELEMENT;

template <typename U>
static bool same(U a, U b) { return a == b; }
static bool same(float2 a, float2 b) { return a.x == b.x && a.y == b.y; }

/// NaN is the greatest.
template <typename U>
static bool less(U a, U b) { return a < b || (b != b && a == a); }
static bool less(float2, float2) { return false; }  // never asked for

/// Indices along each axis of the true elements: out[axis][k]. `ends` has how many are true up to each one. Threads lie
/// along the last axis, so that the other indices are the same for most of them that run together.
kernel void true_places(device long* out, const device bool* x, const device uint* ends, constant Axes& axes,
                        constant uint& total, uint2 at [[thread_position_in_grid]]) {
  const uint last = axes.rank - 1;
  const ulong i = ulong(at.y) * axes.shape[last] + at.x;
  if (!x[i]) return;
  const uint place = ends[i] - 1;
  out[ulong(last) * total + place] = at.x;
  uint rest = at.y;
  for (uint axis = last; axis-- > 0;) {
    out[ulong(axis) * total + place] = axis ? rest % axes.shape[axis] : rest;
    rest /= axes.shape[axis];
  }
}

/// True where an element differs from the one before it in the order.
kernel void begins(device bool* out, const device T* x, const device long* order, uint i [[thread_position_in_grid]]) {
  out[i] = i == 0 || !same(x[order[i]], x[order[max(i, 1u) - 1]]);
}

/// Of each run of equal elements the first one, its index, and where the run begins; of each element its run.
kernel void runs(device T* values, device long* indices, device long* starts, device long* inverse,
                 const device T* x, const device long* order, const device bool* is_first, const device uint* ends,
                 uint i [[thread_position_in_grid]]) {
  uint run = ends[i] - 1;
  long from = order[i];
  inverse[from] = run;
  if (!is_first[i]) return;
  values[run] = x[from];
  indices[run] = from;
  starts[run] = i;
}

kernel void run_lengths(device long* out, const device long* starts, constant uint& runs, constant uint& length,
                        uint i [[thread_position_in_grid]]) {
  out[i] = (i + 1 < runs ? starts[i + 1] : long(length)) - starts[i];
}

/// How many elements of x, which is sorted or has its order in `sorter`, are less than a value; or not greater.
kernel void insertion_places(device long* out, const device T* values, const device T* x, const device long* sorter,
                             constant uint& length, constant uint& has_sorter, constant uint& is_right,
                             uint i [[thread_position_in_grid]]) {
  T value = values[i];
  uint low = 0, high = length;
  while (low < high) {
    uint middle = low + (high - low) / 2;
    T found = x[has_sorter ? ulong(sorter[middle]) : ulong(middle)];
    if (is_right ? !less(value, found) : less(found, value)) low = middle + 1;
    else high = middle;
  }
  out[i] = low;
}
