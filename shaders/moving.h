// Elements from one place to another, chosen by masks, indices or their place. T is an unsigned integer of their size.
#pragma once
#include <metalpy/report_error.h>
#include "layout.h"

namespace metalpy {

template <typename T, int SO, int SC, int SA, int SB>
kernel void select(device T* out                     [[buffer(0)]],
                   const device bool* condition      [[buffer(1)]],
                   const device T* a                 [[buffer(2)]],
                   const device T* b                 [[buffer(3)]],
                   constant Layout<4>& layout        [[buffer(4)]],
                   uint3 group                       [[threadgroup_position_in_grid]],
                   uint3 position                    [[thread_position_in_grid]]) {
  const Row<4> row = row_of(group, layout);
  const uint i = position.x;
  const T then = element<SA>(a, row, 2, i), otherwise = element<SB>(b, row, 3, i);
  set_element<SO>(out, row, 0, i, element<SC>(condition, row, 1, i) ? then : otherwise);
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
                    uint3 group                      [[threadgroup_position_in_grid]],
                    uint3 position                   [[thread_position_in_grid]]) {
  const Row<2> row = row_of(group, layout);
  const uint i = position.x;
  long found = long(element<ANY>(index, row, 1, i));
  if (found < -axis.extent || found >= axis.extent) {
    MP_REPORT_ERROR("index %ld is out of bounds for an axis of %ld elements", found, axis.extent);
    found = 0;
  }
  if (found < 0) found += axis.extent;
  found *= axis.step;
  set_element<ANY>(out, row, 0, i, axis.is_first ? found : found + element<ANY>(out, row, 0, i));
}

/// The offset of element i of a row; if it is that of all, in a way that tells the compiler so.
template <int STEP>
static long offset_of(const device long* offsets, Row<3> row, uint i) {
  const long found = element<STEP>(offsets, row, 2, i);
  return STEP == 0 ? as_type<long>(simd_broadcast_first(as_type<uint2>(found))) : found;  // GPUs broadcast 32 bits
}

template <typename T, int SO, int SX, int SI>
kernel void take(device T* out                       [[buffer(0)]],
                 const device T* x                   [[buffer(1)]],
                 const device long* offsets          [[buffer(2)]],
                 constant long& start                [[buffer(3)]],
                 constant Layout<3>& layout          [[buffer(4)]],
                 uint3 group                         [[threadgroup_position_in_grid]],
                 uint3 position                      [[thread_position_in_grid]]) {
  const Row<3> row = row_of(group, layout);
  const uint i = position.x;
  set_element<SO>(out, row, 0, i, element<SX>(x + start + offset_of<SI>(offsets, row, i), row, 1, i));
}

template <typename T, int SV, int SX, int SI>
kernel void put(const device T* values               [[buffer(0)]],
                device T* x                          [[buffer(1)]],
                const device long* offsets           [[buffer(2)]],
                constant long& start                 [[buffer(3)]],
                constant Layout<3>& layout           [[buffer(4)]],
                uint3 group                          [[threadgroup_position_in_grid]],
                uint3 position                       [[thread_position_in_grid]]) {
  const Row<3> row = row_of(group, layout);
  const uint i = position.x;
  set_element<SX>(x + start + offset_of<SI>(offsets, row, i), row, 1, i, element<SV>(values, row, 0, i));
}

// As put, but adds; elements are floats, and may be named more than once.
kernel void accumulate(const device uint* values            [[buffer(0)]],
                       device uint* x                       [[buffer(1)]],
                       const device long* offsets           [[buffer(2)]],
                       constant long& start                 [[buffer(3)]],
                       constant Layout<3>& layout           [[buffer(4)]],
                       uint3 group                          [[threadgroup_position_in_grid]],
                       uint3 position                       [[thread_position_in_grid]]) {
  const Row<3> row = row_of(group, layout);
  const uint i = position.x;
  const long at = start + element<ANY>(offsets, row, 2, i) + row.start[1] + long(i) * row.step[1];
  const float value = as_type<float>(element<ANY>(values, row, 0, i));
#if __METAL_VERSION__ >= 300
  atomic_fetch_add_explicit((device atomic_float*)(x + at), value, memory_order_relaxed);
#else  // before macOS 13 there are atomic integers only
  device atomic_uint* sum = (device atomic_uint*)(x + at);
  uint old = atomic_load_explicit(sum, memory_order_relaxed);
  while (!atomic_compare_exchange_weak_explicit(sum, &old, as_type<uint>(as_type<float>(old) + value),
                                                memory_order_relaxed, memory_order_relaxed)) {}
#endif
}

}  // namespace metalpy
