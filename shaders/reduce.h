// Reductions: what is done with an element, how two results become one, and what is made of the last one.
#pragma once
#include <metal_stdlib>
using namespace metal;

#include "convert.h"

namespace metalpy {

// ---- shuffles for every type that is summed up in ----

template <typename T>
inline T from_lane(T x, ushort mask) { return simd_shuffle_xor(x, mask); }
inline long from_lane(long x, ushort mask) { return as_type<long>(simd_shuffle_xor(as_type<uint2>(x), mask)); }
inline ulong from_lane(ulong x, ushort mask) { return as_type<ulong>(simd_shuffle_xor(as_type<uint2>(x), mask)); }

template <typename T>
inline T from_lane_below(T x, ushort delta) { return simd_shuffle_up(x, delta); }
inline long from_lane_below(long x, ushort delta) { return as_type<long>(simd_shuffle_up(as_type<uint2>(x), delta)); }
inline ulong from_lane_below(ulong x, ushort delta) {
  return as_type<ulong>(simd_shuffle_up(as_type<uint2>(x), delta));
}

template <typename T>
inline T from_last_lane(T x) { return simd_broadcast(x, 31); }
inline long from_last_lane(long x) { return as_type<long>(simd_broadcast(as_type<uint2>(x), 31)); }
inline ulong from_last_lane(ulong x) { return as_type<ulong>(simd_broadcast(as_type<uint2>(x), 31)); }

// ---- what an element counts ----

inline float squared(float x) { return x * x; }
inline float squared(float2 x) { return x.x * x.x + x.y * x.y; }

struct Value {
  template <typename A, typename T, typename C>
  static A of(T x, C) { return Convert<A>::from(x); }
};

/// 1 if the element is not zero.
struct Truth {
  template <typename A, typename T, typename C>
  static A of(T x, C) { return A(Convert<bool>::from(x)); }
};

struct SquaredDistance {
  template <typename A, typename T, typename C>
  static A of(T x, C center) { return squared(Convert<C>::from(x) - center); }
};

/// Infinite centers would make NaN of infinite elements.
struct Exponential {
  template <typename A, typename T, typename C>
  static A of(T x, C center) { return exp(float(x) - (isfinite(center) ? center : 0.0f)); }
};

// ---- of two results one ----

template <typename A>
struct Limits {
  static A lowest() { return numeric_limits<A>::lowest(); }
  static A highest() { return numeric_limits<A>::max(); }
};
template <>
struct Limits<float> {
  static float lowest() { return -INFINITY; }
  static float highest() { return INFINITY; }
};

struct Add {
  template <typename A>
  static A none() { return A(0); }
  template <typename A>
  static A of(A a, A b) { return a + b; }
};

struct Multiply {
  template <typename A>
  static A none() { return Convert<A>::from(1); }
  template <typename A>
  static A of(A a, A b) { return a * b; }
  static float2 of(float2 a, float2 b) { return float2(a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x); }
};

// Of these, NaN is the greatest and the least. `passing` forgets a NaN in `b`, which one instruction does where `of` takes
// four.
struct Maximum {
  template <typename A>
  static A none() { return Limits<A>::lowest(); }
  template <typename A>
  static A of(A a, A b) { return a > b || a != a ? a : b; }
  template <typename A>
  static A passing(A a, A b) { return b > a ? b : a; }
};

struct Minimum {
  template <typename A>
  static A none() { return Limits<A>::highest(); }
  template <typename A>
  static A of(A a, A b) { return a < b || a != a ? a : b; }
  template <typename A>
  static A passing(A a, A b) { return b < a ? b : a; }
};

/// Results of four elements at a time, so that NaN need not be looked for in each.
template <typename M, typename A>
struct Four {
  A a, b, c, d;
  Four() { a = b = c = d = M::template none<A>(); }
  void merge(A w, A x, A y, A z) {
    a = M::of(a, w);
    b = M::of(b, x);
    c = M::of(c, y);
    d = M::of(d, z);
  }
  A result() const { return M::of(M::of(a, b), M::of(c, d)); }
};

template <typename M>
struct FourExtremes {
  float a, b, c, d;
  bool has_nan = false;
  FourExtremes() { a = b = c = d = M::template none<float>(); }
  void merge(float w, float x, float y, float z) {
    a = M::passing(a, w);
    b = M::passing(b, x);
    c = M::passing(c, y);
    d = M::passing(d, z);
    has_nan |= (w != w) | (x != x) | (y != y) | (z != z);
  }
  float result() const { return has_nan ? NAN : M::of(M::of(a, b), M::of(c, d)); }
};
template <>
struct Four<Maximum, float> : FourExtremes<Maximum> {};
template <>
struct Four<Minimum, float> : FourExtremes<Minimum> {};

// ---- of the last result, as the host asks ----

enum Finish : uint { SAME, DIVIDE, ROOT, LOG, ANY, ALL };

template <typename A, typename C>
inline A finished(A x, C, uint finish, float divisor) { return finish == ALL ? A(x == A(divisor)) : x; }

inline float finished(float x, float center, uint finish, float divisor) {
  switch (finish) {
    case DIVIDE: return x / divisor;
    case ROOT: return sqrt(x / divisor);
    case LOG: return log(x) + (isfinite(center) ? center : 0.0f);
    default: return x;
  }
}

template <typename C>
inline float finished(float x, C, uint finish, float divisor) { return finished(x, 0.0f, finish, divisor); }

template <typename C>
inline float2 finished(float2 x, C, uint finish, float divisor) { return finish == DIVIDE ? x / divisor : x; }

// ---- where the elements lie ----

#define MAX_AXES 8

struct Axes {
  uint rank, unused;
  uint shape[MAX_AXES];
  long stride[MAX_AXES];  // in elements
};

inline long place(uint i, constant Axes& axes) {
  long at = 0;
  for (uint axis = axes.rank; axis-- > 1;) {
    uint extent = axes.shape[axis];
    at += long(i % extent) * axes.stride[axis];
    i /= extent;
  }
  return axes.rank ? at + long(i) * axes.stride[0] : 0;
}

/// For each of the `kept` elements, `outer` times `inner` elements are reduced, in parts: of `outer_part` times
/// `inner_part`. `stride` leads from one of the inner elements to the next.
struct Reduction {
  Axes kept, outer_axes;
  uint kept_count, width;  // width: extent of the last kept axis, which is not among `kept` where lanes follow it
  uint outer, inner, outer_part, inner_part, inner_parts, parts;
  long stride, start;
  float divisor;
  uint finish;
};

struct Part { uint outer, outer_end, inner, inner_end; };

inline Part part_of(uint part, constant Reduction& how) {
  uint outer = part / how.inner_parts * how.outer_part, inner = part % how.inner_parts * how.inner_part;
  return {outer, min(outer + how.outer_part, how.outer), inner, min(inner + how.inner_part, how.inner)};
}

}  // namespace metalpy
