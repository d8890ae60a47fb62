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

/// As select, with a number in place of `b`; or of `a`, if the elements of the array are those of `b`.
template <typename T, int SO, int SC, int SA>
kernel void select_number(device T* out                [[buffer(0)]],
                          const device bool* condition [[buffer(1)]],
                          const device T* a            [[buffer(2)]],
                          constant T& number           [[buffer(3)]],
                          constant uchar& is_a         [[buffer(4)]],
                          constant Layout<3>& layout   [[buffer(5)]],
                          uint3 group                  [[threadgroup_position_in_grid]],
                          uint3 position               [[thread_position_in_grid]]) {
  const Row<3> row = row_of(group, layout);
  const uint i = position.x;
  const T own = element<SA>(a, row, 2, i);
  set_element<SO>(out, row, 0, i, uchar(element<SC>(condition, row, 1, i)) != is_a ? own : number);
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

/// An axis that is indexed.
struct Axis {
  long extent;
  long step;      // elements
  long start;     // elements from the beginning of the memory to where indices count from
  uint is_first;  // of the index arrays: the offsets have no values yet
  uint unused;
};

/// An index that was out of bounds, if there was one. Speaking of it is left to a kernel of one thread, as kernels that
/// speak run thread by thread on some devices.
struct Wrong {
  long index;
  long found;
};

/// Where an index leads to along its axis, in elements; one out of bounds is noted and leads to the first.
static long place_of(long index, constant Axis& axis, device Wrong* wrong) {
  const long at = index < 0 ? index + axis.extent : index;
  const bool is_wrong = at < 0 || at >= axis.extent;
  if (is_wrong) {
    wrong->index = index;
    wrong->found = 1;
  }
  return is_wrong ? 0 : at * axis.step;
}

/// Offsets of indexed elements: each index array adds its index times the step of its axis.
template <typename I, int SO, int SI>
kernel void offsets(device long* out                 [[buffer(0)]],
                    const device I* index            [[buffer(1)]],
                    device Wrong* wrong              [[buffer(2)]],
                    constant Axis& axis              [[buffer(3)]],
                    constant Layout<2>& layout       [[buffer(4)]],
                    uint3 group                      [[threadgroup_position_in_grid]],
                    uint3 position                   [[thread_position_in_grid]]) {
  const Row<2> row = row_of(group, layout);
  const uint i = position.x;
  const long found = place_of(long(element<SI>(index, row, 1, i)), axis, wrong);
  set_element<SO>(out, row, 0, i, axis.is_first ? found : found + element<SO>(out, row, 0, i));
}

/// The first lane's number, in a way that tells the compiler that all have it; GPUs broadcast 32 bits.
static int shared_by_all(int x) { return simd_broadcast_first(x); }
static long shared_by_all(long x) { return as_type<long>(simd_broadcast_first(as_type<uint2>(x))); }

template <int STEP, int N, typename I>
static long index_of(const device I* index, Row<N> row, uint i) {
  const I own = element<STEP>(index, row, 2, i);
  return long(STEP == 0 ? shared_by_all(own) : own);
}

/// Elements at the indices of one array; `index` has a step of 0 along the other axes, `x` along its own.
template <typename T, typename I, int SO, int SX, int SI>
kernel void take_at(device T* out                    [[buffer(0)]],
                    const device T* x                [[buffer(1)]],
                    const device I* index            [[buffer(2)]],
                    device Wrong* wrong              [[buffer(3)]],
                    constant Axis& axis              [[buffer(4)]],
                    constant Layout<3>& layout       [[buffer(5)]],
                    uint3 group                      [[threadgroup_position_in_grid]],
                    uint3 position                   [[thread_position_in_grid]]) {
  const Row<3> row = row_of(group, layout);
  const uint i = position.x;
  const long at = place_of(index_of<SI>(index, row, i), axis, wrong);
  set_element<SO>(out, row, 0, i, element<SX>(x + axis.start + at, row, 1, i));
}

template <typename T, typename I, int SV, int SX, int SI>
kernel void put_at(const device T* values            [[buffer(0)]],
                   device T* x                       [[buffer(1)]],
                   const device I* index             [[buffer(2)]],
                   device Wrong* wrong               [[buffer(3)]],
                   constant Axis& axis               [[buffer(4)]],
                   constant Layout<3>& layout        [[buffer(5)]],
                   uint3 group                       [[threadgroup_position_in_grid]],
                   uint3 position                    [[thread_position_in_grid]]) {
  const Row<3> row = row_of(group, layout);
  const uint i = position.x;
  const long own = index_of<SI>(index, row, i);
  const long at = own < 0 ? own + axis.extent : own;
  if (at < 0 || at >= axis.extent) {
    wrong->index = own;
    wrong->found = 1;
  } else {
    set_element<SX>(x + axis.start + at * axis.step, row, 1, i, element<SV>(values, row, 0, i));
  }
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
  set_element<SO>(out, row, 0, i, element<SX>(x + start + index_of<SI>(offsets, row, i), row, 1, i));
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
  set_element<SX>(x + start + index_of<SI>(offsets, row, i), row, 1, i, element<SV>(values, row, 0, i));
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

/// Reports what another kernel has found, which wrote `written`: who waits for that waits for the report, too.
kernel void check_indices(const device metalpy::Wrong* wrong [[buffer(0)]],
                          const device uchar* written        [[buffer(1)]],
                          constant long& extent              [[buffer(2)]]) {
  if (wrong->found) MP_REPORT_ERROR("index %ld is out of bounds for an axis of %ld elements", wrong->index, extent);
}
