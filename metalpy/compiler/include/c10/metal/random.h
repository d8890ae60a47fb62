// Names of <c10/metal/random.h>: the numbers of Philox4x32 as the counterpart's kernels draw them. Its engine differs
// from the host's in two ways, which programs may rely on: it makes one round less than asked for, and 64-bit numbers are
// split with the high word first. (Until April 2026 it also took the words of a product for each other, which biased it.)
#pragma once
#include <metal_stdlib>

namespace c10 {
namespace metal {

namespace detail {

// In [0, 1), from 31 bits.
constexpr float uint32_to_uniform_float(uint32_t value) {
  return static_cast<float>(value & 0x7fffffffu) * 4.6566127342e-10f;
}
inline uint2 splitlong(ulong v) { return uint2(static_cast<uint>(v >> 32), static_cast<uint>(v)); }

} // namespace detail

namespace philox4 {

inline uint2 mulhilo(uint a, uint b) { return uint2(::metal::mulhi(a, b), a * b); }

inline uint4 single_round(uint4 counter, uint2 key) {
  const uint2 first = mulhilo(0xd2511f53u, counter.x), second = mulhilo(0xcd9e8d57u, counter.z);
  return uint4(second.x ^ counter.y ^ key.x, second.y, first.x ^ counter.w ^ key.y, first.y);
}
inline uint4 multiple_rounds(uint4 counter, uint2 key, uint rounds) {
  for (uint done = 1; done < rounds; ++done) {
    counter = single_round(counter, key);
    key += uint2(0x9e3779b9u, 0xbb67ae85u);
  }
  return counter;
}
inline uint4 rand(long seed, long index) {
  const uint2 at = detail::splitlong(static_cast<ulong>(index));
  return multiple_rounds(uint4(0, 0, at.x, at.y), detail::splitlong(static_cast<ulong>(seed)), 10);
}

} // namespace philox4

// Uniform in [0, 1); normal, by the transform of Box and Muller; an integer in [low, high).
inline float rand(long seed, long index) {
  return detail::uint32_to_uniform_float(philox4::rand(seed, index).x);
}
inline float randn(long seed, long index) {
  const uint4 words = philox4::rand(seed, index);
  const float u = 1.0f - detail::uint32_to_uniform_float(words.x);
  const float v = 1.0f - detail::uint32_to_uniform_float(words.y);
  return ::metal::sqrt(-2.0f * ::metal::log(u)) * ::metal::cos(2.0f * M_PI_F * v);
}
// Two normal numbers of two words.
inline float2 box_muller_from_philox(uint2 words) {
  const float u = ::metal::max(detail::uint32_to_uniform_float(words.x), FLT_EPSILON);
  float cosine;
  const float sine = ::metal::precise::sincos(2.0f * M_PI_F * detail::uint32_to_uniform_float(words.y), cosine);
  return ::metal::precise::sqrt(-2.0f * ::metal::precise::log(u)) * float2(cosine, sine);
}
inline long randint64(long seed, long index, long low, long high) {
  const float u = detail::uint32_to_uniform_float(philox4::rand(seed, index).x);
  return low + static_cast<long>(u * static_cast<float>(high - low));
}

} // namespace metal
} // namespace c10
