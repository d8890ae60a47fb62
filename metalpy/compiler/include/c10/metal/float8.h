// Numbers of 8 bits, with the names of <c10/metal/float8.h>: E4M3 without infinities, E5M2, and E8M0, a power of two.
// Rounded to nearest even; E4M3 saturates at its largest number, E5M2 becomes infinite.
#pragma once
#include <metal_stdlib>

namespace c10 {
namespace metal {
namespace detail {

// A float of `M` mantissa bits and an exponent that 0 stands for at `Bias`, of which neither is infinite nor NaN.
template <int M, int Bias>
inline float fp8_finite(uchar bits) {
  const uint magnitude = bits & 0x7fu;
  float value;
  if (magnitude >> M == 0) {
    value = float(magnitude) * as_type<float>(uint(127 + 1 - Bias - M) << 23); // subnormal
  } else {
    value = as_type<float>((magnitude << (23 - M)) + (uint(127 - Bias) << 23));
  }
  return bits & 0x80u ? -value : value;
}

// The magnitude of a finite float with `M` mantissa bits; may be larger than the format has room for.
template <int M, int Bias>
inline uint fp8_rounded(uint magnitude) {
  if (magnitude < (uint(127 + 1 - Bias) << 23)) {
    const float steps = as_type<float>(magnitude) * as_type<float>(uint(127 - 1 + Bias + M) << 23);
    return uint(::metal::rint(steps)); // 1 << M is the smallest normal number
  }
  const uint half_step = (1u << (22 - M)) - 1;
  const uint odd = magnitude >> (23 - M) & 1;
  return (magnitude - (uint(127 - Bias) << 23) + half_step + odd) >> (23 - M);
}

inline float fp8e4m3fn_to_fp32(uchar bits) {
  if ((bits & 0x7f) == 0x7f) return as_type<float>(0x7f800000u | 0x00400000u | (uint(bits) & 0x80) << 24);
  return fp8_finite<3, 7>(bits);
}
inline uchar fp8e4m3fn_from_fp32(float value) {
  const uint bits = as_type<uint>(value), magnitude = bits & 0x7fffffff;
  const uint rounded = magnitude > 0x7f800000 ? 0x7f : magnitude >= 0x44000000 ? 0x7e : fp8_rounded<3, 7>(magnitude);
  const uint largest = magnitude > 0x7f800000 ? 0x7f : 0x7e;
  return uchar(::metal::min(rounded, largest) | (bits >> 24 & 0x80));
}

inline float fp8e5m2_to_fp32(uchar bits) {
  const uint magnitude = bits & 0x7f, sign = (uint(bits) & 0x80) << 24;
  if (magnitude > 0x7c) return as_type<float>(sign | 0x7fc00000u | (magnitude & 3) << 21);
  if (magnitude == 0x7c) return as_type<float>(sign | 0x7f800000u);
  return fp8_finite<2, 15>(bits);
}
inline uchar fp8e5m2_from_fp32(float value) {
  const uint bits = as_type<uint>(value), magnitude = bits & 0x7fffffff;
  const uint rounded = magnitude > 0x7f800000 ? 0x7f : magnitude >= 0x47800000 ? 0x7c : fp8_rounded<2, 15>(magnitude);
  return uchar(rounded | (bits >> 24 & 0x80));
}

inline float fp8e8m0fnu_to_fp32(uchar bits) {
  if (bits == 0xff) return as_type<float>(0x7fc00000u);
  return as_type<float>(bits == 0 ? 0x00400000u : uint(bits) << 23);
}
// The sign is lost. What lies between two powers of two becomes the nearer one, in the middle the larger.
inline uchar fp8e8m0fnu_from_fp32(float value) {
  const uint magnitude = as_type<uint>(value) & 0x7fffffff;
  if (magnitude >= 0x7f800000) return 0xff;
  const uint exponent = magnitude >> 23, rest = magnitude & 0x7fffff;
  // 2^-127 is a subnormal float, with 0.5 in front of its mantissa: the middle above it goes down to 0.
  return uchar(exponent + (exponent == 0 ? rest > 0x400000 : rest >= 0x400000));
}

} // namespace detail

#define C10_METAL_FLOAT8(name, format)                                                                                 \
  struct alignas(1) name {                                                                                             \
    uchar x;                                                                                                           \
    name() = default;                                                                                                  \
    template <typename T>                                                                                              \
    name(T value) : x(detail::format##_from_fp32(float(value))) {}                                                     \
    operator float() const { return detail::format##_to_fp32(x); }                                                     \
  };
C10_METAL_FLOAT8(float8_e4m3fn, fp8e4m3fn)
C10_METAL_FLOAT8(float8_e5m2, fp8e5m2)
C10_METAL_FLOAT8(float8_e8m0fnu, fp8e8m0fnu)
#undef C10_METAL_FLOAT8

template <typename T>
constexpr constant bool is_float8_v = ::metal::is_same_v<T, float8_e4m3fn> || ::metal::is_same_v<T, float8_e5m2> ||
    ::metal::is_same_v<T, float8_e8m0fnu>;

} // namespace metal
} // namespace c10
