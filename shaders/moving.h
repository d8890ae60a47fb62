// Elements from one place to another, chosen by masks, indices or their place. T is an unsigned integer of their size.
#pragma once
#include <metalpy/report_error.h>
#include "layout.h"

namespace metalpy {

template <typename T>
kernel void select(device T* out                     [[buffer(0)]],
                   const device bool* condition      [[buffer(1)]],
                   const device T* a                 [[buffer(2)]],
                   const device T* b                 [[buffer(3)]],
                   constant Layout<4>& layout        [[buffer(4)]],
                   uint3 position                    [[thread_position_in_grid]]) {
  const Place<4> place = place_of(position, layout);
  out[place.at[0]] = condition[place.at[1]] ? a[place.at[2]] : b[place.at[3]];
}

/// The part of matrices on and below a diagonal, or on and above it; zeros elsewhere.
struct Triangle {
  uint rows, columns;
  int k;       // column less row of the diagonal
  uint lower;
};

template <typename T>
kernel void triangle(device T* out                   [[buffer(0)]],
                     const device T* x               [[buffer(1)]],
                     constant Triangle& triangle     [[buffer(2)]],
                     uint3 position                  [[thread_position_in_grid]]) {
  const ulong at = (ulong(position.z) * triangle.rows + position.y) * triangle.columns + position.x;
  const long distance = long(position.x) - long(position.y);
  const bool kept = triangle.lower ? distance <= triangle.k : distance >= triangle.k;
  out[at] = kept ? x[at] : T(0);
}

/// Offsets of indexed elements: each index array adds its index times the step of its axis.
struct Axis {
  long extent;
  long step;      // elements
  uint is_first;  // of the index arrays: the offsets have no values yet
  uint unused;
};

template <typename T>
kernel void offsets(device long* out                 [[buffer(0)]],
                    const device T* index            [[buffer(1)]],
                    constant Axis& axis              [[buffer(2)]],
                    constant Layout<2>& layout       [[buffer(3)]],
                    uint3 position                   [[thread_position_in_grid]]) {
  const Place<2> place = place_of(position, layout);
  long found = long(index[place.at[1]]);
  if (found < -axis.extent || found >= axis.extent) {
    MP_REPORT_ERROR("index %ld is out of bounds for an axis of %ld elements", found, axis.extent);
    found = 0;
  }
  if (found < 0) found += axis.extent;
  out[place.at[0]] = found * axis.step + (axis.is_first ? 0 : out[place.at[0]]);
}

template <typename T>
kernel void take(device T* out                       [[buffer(0)]],
                 const device T* x                   [[buffer(1)]],
                 const device long* offsets          [[buffer(2)]],
                 constant long& start                [[buffer(3)]],
                 constant Layout<3>& layout          [[buffer(4)]],
                 uint3 position                      [[thread_position_in_grid]]) {
  const Place<3> place = place_of(position, layout);
  out[place.at[0]] = x[start + place.at[1] + offsets[place.at[2]]];
}

template <typename T>
kernel void put(const device T* values               [[buffer(0)]],
                device T* x                          [[buffer(1)]],
                const device long* offsets           [[buffer(2)]],
                constant long& start                 [[buffer(3)]],
                constant Layout<3>& layout           [[buffer(4)]],
                uint3 position                       [[thread_position_in_grid]]) {
  const Place<3> place = place_of(position, layout);
  x[start + place.at[1] + offsets[place.at[2]]] = values[place.at[0]];
}

// As put, but adds; elements are floats, and may be named more than once.
kernel void accumulate(const device uint* values            [[buffer(0)]],
                       device uint* x                       [[buffer(1)]],
                       const device long* offsets           [[buffer(2)]],
                       constant long& start                 [[buffer(3)]],
                       constant Layout<3>& layout           [[buffer(4)]],
                       uint3 position                       [[thread_position_in_grid]]) {
  const Place<3> place = place_of(position, layout);
  device atomic_float* sum = (device atomic_float*)(x + (start + place.at[1] + offsets[place.at[2]]));
  atomic_fetch_add_explicit(sum, as_type<float>(values[place.at[0]]), memory_order_relaxed);
}

}  // namespace metalpy
