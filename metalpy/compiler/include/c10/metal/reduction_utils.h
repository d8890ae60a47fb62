// Names of <c10/metal/reduction_utils.h>: reductions over a simdgroup of 32 and over a threadgroup. A NaN wins in min
// and max. Lanes that are not active are left out, also where Metal has no function for the type.
#pragma once
#include <c10/metal/utils.h>
#include <metal_compute>
#include <metal_stdlib>

namespace c10 {
namespace metal {

namespace detail {

template <typename T> constant constexpr bool is_wide = ::metal::is_integral_v<T> && sizeof(T) == 8;
// What Metal's functions take in place of T.
template <typename T> struct simd_type { using t = T; };
template <> struct simd_type<bfloat> { using t = float; };
template <typename T> using simd_type_t = typename simd_type<T>::t;

// combine(... , value of lane) over the active lanes: for what neither Metal nor a trick reduces.
template <typename T, typename Bits, typename Combine>
inline T over_active_lanes(T value, T start, Combine combine) {
  const ulong active = static_cast<ulong>(static_cast<::metal::simd_vote::vote_t>(::metal::simd_active_threads_mask()));
  for (ushort lane = 0; lane < simdgroup_size; ++lane) {
    const Bits other = ::metal::simd_broadcast(as_type<Bits>(value), lane);
    if (active >> lane & 1) start = combine(start, as_type<T>(other));
  }
  return start;
}

} // namespace detail

// ---- simdgroup ----

template <typename T>
inline T simd_broadcast(T value, ushort lane) {
  if constexpr (detail::is_wide<T>) return as_type<T>(::metal::simd_broadcast(as_type<int2>(value), lane));
  else return ::metal::simd_broadcast(value, lane);
}

template <typename T>
inline T simd_sum(T value) {
  if constexpr (is_complex_v<T>) {
    return T(::metal::simd_sum(value.x), ::metal::simd_sum(value.y));
  } else if constexpr (detail::is_wide<T>) { // 16 bits at a time: their sums have room in 32
    ulong sum = 0;
    for (uint shift = 0; shift < 64; shift += 16) {
      const uint part = static_cast<uint>(static_cast<ulong>(value) >> shift) & 0xffffu;
      sum += static_cast<ulong>(::metal::simd_sum(part)) << shift;
    }
    return static_cast<T>(sum);
  } else {
    return T(::metal::simd_sum(detail::simd_type_t<T>(value)));
  }
}
template <typename T>
inline T simd_prod(T value) {
  if constexpr (is_complex_v<T>) {
    return detail::over_active_lanes<T, T>(value, T(1, 0), [](T a, T b) { return c10::metal::mul(a, b); });
  } else if constexpr (detail::is_wide<T>) {
    return detail::over_active_lanes<T, int2>(value, T(1), [](T a, T b) { return a * b; });
  } else {
    return T(::metal::simd_product(detail::simd_type_t<T>(value)));
  }
}
template <typename T>
inline T simd_max(T value) {
  if constexpr (::metal::is_floating_point_v<T>) {
    if (::metal::simd_any(::metal::isnan(value))) return T(NAN);
    return T(::metal::simd_max(detail::simd_type_t<T>(value)));
  } else if constexpr (detail::is_wide<T>) { // the high words decide, among their equals the low ones
    using high_t = ::metal::conditional_t<::metal::is_signed_v<T>, int, uint>;
    const high_t own = static_cast<high_t>(value >> 32), high = ::metal::simd_max(own);
    const uint low = ::metal::simd_max(own == high ? static_cast<uint>(value) : 0u);
    return static_cast<T>(static_cast<T>(high) << 32 | static_cast<T>(low));
  } else {
    return ::metal::simd_max(value);
  }
}
template <typename T>
inline T simd_min(T value) {
  if constexpr (::metal::is_floating_point_v<T>) {
    if (::metal::simd_any(::metal::isnan(value))) return T(NAN);
    return T(::metal::simd_min(detail::simd_type_t<T>(value)));
  } else if constexpr (detail::is_wide<T>) {
    return static_cast<T>(~simd_max(static_cast<T>(~value)));
  } else {
    return ::metal::simd_min(value);
  }
}

namespace detail {

// The first lane that holds the extreme value.
template <typename T>
inline ushort lane_of(T value, T extreme) {
  bool found = value == extreme;
  if constexpr (::metal::is_floating_point_v<T>) found = found || ::metal::isnan(value);
  const auto votes = static_cast<::metal::simd_vote::vote_t>(::metal::simd_ballot(found));
  return static_cast<ushort>(::metal::ctz(static_cast<uint>(votes)));
}

} // namespace detail

// The value and its lane, or the index that its lane gave.
template <typename T>
inline pair<T, ushort> simd_argmin(T value) {
  const T least = simd_min(value);
  return {least, detail::lane_of(value, least)};
}
template <typename T>
inline pair<T, ushort> simd_argmax(T value) {
  const T most = simd_max(value);
  return {most, detail::lane_of(value, most)};
}
template <typename T, typename I>
inline pair<T, I> simd_argmin(T value, I index) {
  const pair<T, ushort> found = simd_argmin(value);
  return {found.first, c10::metal::simd_broadcast(index, found.second)};
}
template <typename T, typename I>
inline pair<T, I> simd_argmax(T value, I index) {
  const pair<T, ushort> found = simd_argmax(value);
  return {found.first, c10::metal::simd_broadcast(index, found.second)};
}

// ---- threadgroup: simdgroups first, then the first simdgroup over their results; `data` has room for 32 ----

namespace detail {

template <typename T, typename Reduce>
inline T in_two_stages(threadgroup T* data, T value, unsigned index, unsigned size, Reduce reduce) {
  const T mine = reduce(value);
  if (index % simdgroup_size == 0) data[index / simdgroup_size] = mine;
  ::metal::threadgroup_barrier(::metal::mem_flags::mem_threadgroup);
  if (size > simdgroup_size) {
    if (index < (size + simdgroup_size - 1) / simdgroup_size) {
      const T all = reduce(data[index]);
      if (index == 0) data[0] = all;
    }
    ::metal::threadgroup_barrier(::metal::mem_flags::mem_threadgroup);
  }
  return data[0];
}

} // namespace detail

template <typename T>
opmath_t<T> threadgroup_sum(threadgroup opmath_t<T>* data, T value, unsigned index, unsigned size) {
  using W = opmath_t<T>;
  return detail::in_two_stages(data, static_cast<W>(value), index, size, [](W x) { return c10::metal::simd_sum(x); });
}
template <typename T>
::metal::array<opmath_t<T>, 2> threadgroup_sum2(threadgroup opmath_t<T>* data_a, threadgroup opmath_t<T>* data_b,
                                                T value_a, T value_b, unsigned index, unsigned size) {
  const opmath_t<T> a = threadgroup_sum(data_a, value_a, index, size);
  const opmath_t<T> b = threadgroup_sum(data_b, value_b, index, size);
  return ::metal::array<opmath_t<T>, 2>{{a, b}};
}
template <typename T>
opmath_t<T> threadgroup_prod(threadgroup opmath_t<T>* data, T value, unsigned index, unsigned size) {
  using W = opmath_t<T>;
  return detail::in_two_stages(data, static_cast<W>(value), index, size, [](W x) { return c10::metal::simd_prod(x); });
}
template <typename T>
T threadgroup_max(threadgroup T* data, T value, unsigned index, unsigned size) {
  return detail::in_two_stages(data, value, index, size, [](T x) { return c10::metal::simd_max(x); });
}
template <typename T>
T threadgroup_min(threadgroup T* data, T value, unsigned index, unsigned size) {
  return detail::in_two_stages(data, value, index, size, [](T x) { return c10::metal::simd_min(x); });
}

namespace detail {

template <typename T, typename I, typename Find>
inline I index_in_two_stages(threadgroup T* values, threadgroup I* indices, T value, I mine, unsigned index,
                             unsigned size, Find find) {
  const pair<T, I> found = find(value, mine);
  if (size <= simdgroup_size) return found.second;
  if (index % simdgroup_size == 0) {
    values[index / simdgroup_size] = found.first;
    indices[index / simdgroup_size] = found.second;
  }
  ::metal::threadgroup_barrier(::metal::mem_flags::mem_threadgroup);
  if (index < (size + simdgroup_size - 1) / simdgroup_size) {
    const pair<T, I> all = find(values[index], indices[index]);
    if (index == 0) indices[0] = all.second;
  }
  ::metal::threadgroup_barrier(::metal::mem_flags::mem_threadgroup);
  return indices[0];
}

} // namespace detail

template <typename T, typename I>
I threadgroup_argmax(threadgroup T* values, threadgroup I* indices, T value, I mine, unsigned index, unsigned size) {
  return detail::index_in_two_stages(values, indices, value, mine, index, size,
                                     [](T x, I i) { return simd_argmax(x, i); });
}
template <typename T, typename I>
I threadgroup_argmin(threadgroup T* values, threadgroup I* indices, T value, I mine, unsigned index, unsigned size) {
  return detail::index_in_two_stages(values, indices, value, mine, index, size,
                                     [](T x, I i) { return simd_argmin(x, i); });
}

// ---- mean and variance: (mean, sum of squared differences from it, weight), joined as Chan, Golub and LeVeque do ----

template <typename T>
float3 welford_combine(T a, T b) {
  if (b.z == 0) return float3(a.x, a.y, a.z);
  if (a.z == 0) return float3(b.x, b.y, b.z);
  const float weight = a.z + b.z, share = b.z / weight, delta = b.x - a.x;
  // two infinite means have no difference, but may have a mean
  const float mean = ::metal::isfinite(delta) ? a.x + delta * share : a.x * (1.0f - share) + b.x * share;
  return float3(mean, a.y + b.y + delta * delta * a.z * share, weight);
}
// Of `size` numbers, and of as many triples; every thread reads them all.
template <typename T>
float3 threadgroup_welford_reduce(threadgroup T* data, unsigned size) {
  ::metal::threadgroup_barrier(::metal::mem_flags::mem_threadgroup);
  float3 all(float(data[0]), 0, 1);
  for (unsigned i = 1; i < size; ++i) {
    const float value = float(data[i]), delta = value - all.x;
    all.z += 1;
    all.x += delta / all.z;
    all.y += delta * (value - all.x);
  }
  ::metal::threadgroup_barrier(::metal::mem_flags::mem_threadgroup);
  return all;
}
template <typename T>
float3 threadgroup_welford_combine(threadgroup T* data, unsigned size) {
  ::metal::threadgroup_barrier(::metal::mem_flags::mem_threadgroup);
  float3 all = float3(data[0]);
  for (unsigned i = 1; i < size; ++i) all = welford_combine(all, float3(data[i]));
  ::metal::threadgroup_barrier(::metal::mem_flags::mem_threadgroup);
  return all;
}
// The same, halving; `data` is overwritten.
template <typename T>
float3 threadgroup_welford_combine(threadgroup T* data, unsigned index, unsigned size) {
  for (unsigned left = size; left > 1;) {
    const unsigned half_ = (left + 1) / 2;
    ::metal::threadgroup_barrier(::metal::mem_flags::mem_threadgroup);
    if (index + half_ < left) data[index] = welford_combine(data[index], data[index + half_]);
    left = half_;
  }
  ::metal::threadgroup_barrier(::metal::mem_flags::mem_threadgroup);
  return data[0];
}

// ---- the operations as types, for kernels that are written once for all of them ----

#define C10_METAL_REDUCTION(Op, start, combination, name, replacement)                           \
  template <typename T>                                                                          \
  struct Op {                                                                                    \
    static inline constexpr T identity() { start }                                               \
    static inline T combine(T a, T b) { return combination; }                                    \
    static inline T simd_reduce(T value) { return c10::metal::simd_##name(value); }              \
    static inline T threadgroup_reduce(threadgroup T* data, T value, uint index, uint size) {    \
      return c10::metal::threadgroup_##name(data, value, index, size);                           \
    }                                                                                            \
    replacement                                                                                  \
  };
// Whether `candidate` takes the place of `current`; of NaNs the first stays.
#define C10_METAL_REPLACE(order)                                                                 \
  static inline bool replace(T candidate, T current) {                                           \
    if constexpr (::metal::is_floating_point_v<T>)                                               \
      if (::metal::isunordered(candidate, current)) return !::metal::isnan(current);             \
    return candidate order current;                                                              \
  }
namespace detail {
template <typename T>
constexpr T lowest() {
  if constexpr (::metal::is_floating_point_v<T>) return T(-INFINITY);
  else return ::metal::numeric_limits<T>::lowest();
}
template <typename T>
constexpr T highest() {
  if constexpr (::metal::is_floating_point_v<T>) return T(INFINITY);
  else return ::metal::numeric_limits<T>::max();
}
template <typename T>
constexpr T one() {
  if constexpr (is_complex_v<T>) return T(1, 0);
  else return T(1);
}
} // namespace detail
C10_METAL_REDUCTION(MaxOp, return detail::lowest<T>();, c10::metal::max(a, b), max, C10_METAL_REPLACE(>))
C10_METAL_REDUCTION(MinOp, return detail::highest<T>();, c10::metal::min(a, b), min, C10_METAL_REPLACE(<))
C10_METAL_REDUCTION(SumOp, return T(0);, a + b, sum, )
C10_METAL_REDUCTION(ProdOp, return detail::one<T>();, c10::metal::mul(a, b), prod, )
#undef C10_METAL_REDUCTION
#undef C10_METAL_REPLACE

} // namespace metal
} // namespace c10
