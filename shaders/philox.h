// Philox4x32-10: a counter and a key in, 128 random bits out.
// J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", SC'11.
#pragma once
#include <metal_stdlib>

namespace metalpy {

constant constexpr uint philox_rounds = 10;

/// 10 rounds of Philox with 4 words of 32 bits.
inline uint4 philox4x32_10(uint4 counter, uint2 key) {
  for (uint round = 0; round < philox_rounds; ++round) {
    const ulong left = ulong(0xD2511F53u) * counter.x;
    const ulong right = ulong(0xCD9E8D57u) * counter.z;
    counter = uint4(uint(right >> 32) ^ counter.y ^ key.x, uint(right),
                    uint(left >> 32) ^ counter.w ^ key.y, uint(left));
    key += uint2(0x9E3779B9u, 0xBB67AE85u);
  }
  return counter;
}

/// One draw of a generator: what metalpy/random/generator.py packs into `Draw.packed`.
struct Draw {
  uint2 key;     // the seed, low word first
  uint2 offset;  // number of the draw, low word first
  uint stream;   // below 2^24: the byte above counts attempts
  uint reserved;
  ulong count;   // elements
};

/// Words 4 `block` to 4 `block` + 3 of a draw. Each `attempt` gives other words, for methods that reject some.
inline uint4 words(constant Draw& draw, uint block, uint attempt = 0) {
  return philox4x32_10(uint4(draw.offset, block, draw.stream | attempt << 24), draw.key);
}

/// Store the up to four elements that belong to `block`.
template <typename T>
inline void store(device T* out, constant Draw& draw, uint block, metal::vec<T, 4> values) {
  const ulong first = ulong(block) * 4;
  device T* at = out + first;
  if (first + 4 <= draw.count) {
    at[0] = values.x;
    at[1] = values.y;
    at[2] = values.z;
    at[3] = values.w;
  } else {
    for (ulong k = 0; k < draw.count - first; ++k) at[k] = values[uint(k)];
  }
}

}  // namespace metalpy
