// Elements from one type to another, as NumPy converts them. Complex numbers are float2.
#pragma once
#include <metal_stdlib>
using namespace metal;

template <typename To>
struct Convert {
  template <typename From>
  static To from(From x) { return To(x); }
  static To from(float2 x) { return To(x.x); }
};

template <>
struct Convert<float2> {
  static float2 from(float2 x) { return x; }
  template <typename From>
  static float2 from(From x) { return float2(float(x), 0.0f); }
};

template <>
struct Convert<bool> {
  template <typename From>
  static bool from(From x) { return x != From(0); }
  static bool from(float2 x) { return x.x != 0.0f || x.y != 0.0f; }
};

#ifdef __HAVE_BFLOAT__
template <>
struct Convert<bfloat> {
  template <typename From>
  static bfloat from(From x) { return bfloat(float(x)); }
  static bfloat from(float2 x) { return bfloat(x.x); }
};
#endif
