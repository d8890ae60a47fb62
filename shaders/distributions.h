// From random words to numbers. A thread makes the four elements of one block, whatever the grid and its groups.
//
// Everything is made of integer operations, +, -, *, sqrt and fma in single precision, each of which IEEE 754 defines
// to the last bit: the numbers are the same on every device. That is why log, sin and cos are polynomials of our own.
// They are minimax fits; `tests/device/test_random_numbers.py` holds the errors stated here.
#pragma once
#include "philox.h"

namespace metalpy {

/// Numbers of [0, 1) that `T` holds exactly, evenly spaced: the leading bits of a word.
template <typename T> inline float unit(uint word);
template <> inline float unit<float>(uint word)   { return float(word >> 8) * 0x1p-24f; }
template <> inline float unit<half>(uint word)    { return float(word >> 21) * 0x1p-11f; }
#ifdef __HAVE_BFLOAT__  // from macOS 14
template <> inline float unit<bfloat>(uint word)  { return float(word >> 24) * 0x1p-8f; }
#endif

/// -log((w + 1/2) / 2^32), at least 2^-33 and below 23; relative error below 2^-22.
inline float minus_log(uint w) {
  // The logarithm is e log(2) + log(1 + f) with 1 + f in [sqrt(1/2), sqrt(2)]. Near 1, f is made from the distance to
  // 1, which has more digits than the number. Both ways are computed: a branch would be mispredicted.
  const bool near = w >= 0xB504F334u;
  const float u = metal::fma(float(near ? ~w : w), 0x1p-32f, 0x1p-33f);
  const uint bits = as_type<uint>(u) + (0x3F800000u - 0x3F3504F3u);
  const float exponent = near ? 0.0f : float(int(bits >> 23) - 127);
  const float f = near ? -u : as_type<float>((bits & 0x007FFFFFu) + 0x3F3504F3u) - 1.0f;
  float p = -0x1.38b4ccp-4f;
  p = metal::fma(p, f, 0x1.055b46p-3f);
  p = metal::fma(p, f, -0x1.0d8552p-3f);
  p = metal::fma(p, f, 0x1.22da22p-3f);
  p = metal::fma(p, f, -0x1.547244p-3f);
  p = metal::fma(p, f, 0x1.99a008p-3f);
  p = metal::fma(p, f, -0x1.000228p-2f);
  p = metal::fma(p, f, 0x1.555554p-2f);
  const float square = f * f;
  const float low = metal::fma(exponent, -0x1.05c610p-29f, metal::fma(p * f, square, -0.5f * square));
  return -metal::fma(exponent, 0x1.62e430p-1f, low + f);
}

/// Cosine and sine of 2 pi w / 2^32; the reduction to an eighth of a turn is exact, the error below 2^-23.
inline float2 on_circle(uint w) {
  const uint quarter = (w + 0x20000000u) >> 30;
  const float x = float(int(w - (quarter << 30))) * 0x1.921fb6p-30f;  // within pi/4
  const float z = x * x;
  float s = metal::fma(z, -0x1.994eb2p-13f, 0x1.110760p-7f);
  s = metal::fma(z, s, -0x1.555546p-3f);
  s = metal::fma(x * z, s, x);
  float c = metal::fma(z, 0x1.9a0258p-16f, -0x1.6c0c8cp-10f);
  c = metal::fma(z, c, 0x1.55554ap-5f);
  c = metal::fma(z * z, c, metal::fma(z, -0.5f, 1.0f));
  const float2 turned = quarter & 1 ? float2(-s, c) : float2(c, s);
  return quarter & 2 ? -turned : turned;
}

/// Two independent standard normal numbers from two words: G. E. P. Box, M. E. Muller (1958). None is beyond 6.8.
inline float2 box_muller(uint first, uint second) {
  return metal::precise::sqrt(2.0f * minus_log(first)) * on_circle(second);
}

struct Line {  // results are offset + scale * (a number of the distribution), kept within low and high
  float offset;
  float scale;
  float low;
  float high;
};

template <typename T>
inline T placed(float x, constant Line& line) {
  const float y = metal::fma(x, line.scale, line.offset);
  return T(metal::min(metal::max(y, line.low), line.high));
}

template <typename T>
kernel void uniform(device T* out            [[buffer(0)]],
                    constant Draw& draw      [[buffer(1)]],
                    constant Line& line      [[buffer(2)]],
                    uint block               [[thread_position_in_grid]]) {
  const uint4 w = words(draw, block);
  store(out, draw, block, metal::vec<T, 4>(placed<T>(unit<T>(w.x), line), placed<T>(unit<T>(w.y), line),
                                           placed<T>(unit<T>(w.z), line), placed<T>(unit<T>(w.w), line)));
}

template <typename T>
kernel void normal(device T* out             [[buffer(0)]],
                   constant Draw& draw       [[buffer(1)]],
                   constant Line& line       [[buffer(2)]],
                   uint block                [[thread_position_in_grid]]) {
  const uint4 w = words(draw, block);
  const float2 a = box_muller(w.x, w.y), b = box_muller(w.z, w.w);
  store(out, draw, block, metal::vec<T, 4>(T(metal::fma(a.x, line.scale, line.offset)),
                                           T(metal::fma(a.y, line.scale, line.offset)),
                                           T(metal::fma(b.x, line.scale, line.offset)),
                                           T(metal::fma(b.y, line.scale, line.offset))));
}

template <typename T>
kernel void exponential(device T* out        [[buffer(0)]],
                        constant Draw& draw  [[buffer(1)]],
                        constant Line& line  [[buffer(2)]],
                        uint block           [[thread_position_in_grid]]) {
  const uint4 w = words(draw, block);
  store(out, draw, block, metal::vec<T, 4>(placed<T>(minus_log(w.x), line), placed<T>(minus_log(w.y), line),
                                           placed<T>(minus_log(w.z), line), placed<T>(minus_log(w.w), line)));
}

/// `on` with probability threshold / 2^32, else 0. `T` is an unsigned integer of the element's size.
struct Coin {
  ulong threshold;
  ulong on;
};

template <typename T>
kernel void bernoulli(device T* out          [[buffer(0)]],
                      constant Draw& draw    [[buffer(1)]],
                      constant Coin& coin    [[buffer(2)]],
                      uint block             [[thread_position_in_grid]]) {
  const uint4 w = words(draw, block);
  const T on = T(coin.on);
  store(out, draw, block, metal::vec<T, 4>(w.x < coin.threshold ? on : T(0), w.y < coin.threshold ? on : T(0),
                                           w.z < coin.threshold ? on : T(0), w.w < coin.threshold ? on : T(0)));
}

/// Integers low + [0, range), without bias: D. Lemire, "Fast Random Integer Generation in an Interval", ACM TOMACS
/// 29(1), 2019. A word times `range` is taken by its high half; words whose low half is below 2^32 mod `range` would
/// make some results likelier than others, and are drawn again.
struct Interval {
  ulong low;    // in two's complement, cut to the element's size
  ulong range;  // for `integers32` up to 2^32; for `integers64`, 0 stands for 2^64
};

/// One of [0, range), range <= 2^32, from word `lane` of a block.
inline ulong below32(constant Draw& draw, uint block, uint lane, uint word, ulong range) {
  ulong product = ulong(word) * range;
  if (uint(product) < uint(range)) {  // rarely: spares the division
    const uint biased = uint((0x100000000ul - range) % range);
    for (uint attempt = 1; uint(product) < biased && attempt < 256; ++attempt)
      product = ulong(words(draw, block, attempt)[lane]) * range;
  }
  return product >> 32;
}

inline ulong high_product(ulong a, ulong b) {
  const ulong low = ulong(uint(a)) * uint(b);
  const ulong middle = ulong(uint(a >> 32)) * uint(b) + (low >> 32);
  const ulong other = ulong(uint(a)) * uint(b >> 32) + uint(middle);
  return ulong(uint(a >> 32)) * uint(b >> 32) + (middle >> 32) + (other >> 32);
}

/// One of [0, range) from the two words of pair `lane` of a block.
inline ulong below64(constant Draw& draw, uint block, uint lane, uint2 pair, ulong range) {
  ulong word = ulong(pair.y) << 32 | pair.x;
  if (range == 0) return word;
  if (word * range < range) {
    const ulong biased = (0ul - range) % range;
    for (uint attempt = 1; word * range < biased && attempt < 256; ++attempt) {
      const uint4 w = words(draw, block, attempt);
      word = lane ? ulong(w.w) << 32 | w.z : ulong(w.y) << 32 | w.x;
    }
  }
  return high_product(word, range);
}

template <typename T>
kernel void integers32(device T* out              [[buffer(0)]],
                       constant Draw& draw        [[buffer(1)]],
                       constant Interval& within  [[buffer(2)]],
                       uint block                 [[thread_position_in_grid]]) {
  const uint4 w = words(draw, block);
  store(out, draw, block, metal::vec<T, 4>(T(within.low + below32(draw, block, 0, w.x, within.range)),
                                           T(within.low + below32(draw, block, 1, w.y, within.range)),
                                           T(within.low + below32(draw, block, 2, w.z, within.range)),
                                           T(within.low + below32(draw, block, 3, w.w, within.range))));
}

/// A block makes two elements here.
kernel void integers64(device ulong* out          [[buffer(0)]],
                       constant Draw& draw        [[buffer(1)]],
                       constant Interval& within  [[buffer(2)]],
                       uint block                 [[thread_position_in_grid]]) {
  const uint4 w = words(draw, block);
  const ulong first = ulong(block) * 2;
  out[first] = within.low + below64(draw, block, 0, w.xy, within.range);
  if (first + 1 < draw.count) out[first + 1] = within.low + below64(draw, block, 1, w.zw, within.range);
}

/// Index i with probability (ends[i] - ends[i - 1]) / 2^64; the last end counts as 2^64. A block makes two elements.
kernel void weighted(device long* out             [[buffer(0)]],
                     constant Draw& draw          [[buffer(1)]],
                     const device ulong* ends     [[buffer(2)]],
                     constant ulong& size         [[buffer(3)]],
                     uint block                   [[thread_position_in_grid]]) {
  const uint4 w = words(draw, block);
  const ulong first = ulong(block) * 2;
  for (ulong k = 0; k < 2 && first + k < draw.count; ++k) {
    const ulong word = k ? ulong(w.w) << 32 | w.z : ulong(w.y) << 32 | w.x;
    ulong low = 0, high = size - 1;  // the first i with word < ends[i]
    while (low < high) {
      const ulong middle = (low + high) / 2;
      if (word < ends[middle]) high = middle;
      else low = middle + 1;
    }
    out[first + k] = long(low);
  }
}

}  // namespace metalpy
