// Random permutations, every one equally likely: C. R. Rao (1961) and M. Sandelius (1962). Elements are dealt to
// buckets by random words, and each bucket is then shuffled by R. Durstenfeld's algorithm (CACM 7(7), 1964), which
// also goes by the names of R. Fisher and F. Yates. Dealing keeps order, so the result depends on no schedule.
#pragma once
#include "distributions.h"

namespace metalpy {

struct Deal {
  uint buckets;  // a power of two
  uint shift;    // 32 - log2(buckets)
  uint chunk;    // elements that one thread deals, a multiple of 4
  uint chunks;
};

inline uint bucket_of(uint word, constant Deal& deal) {
  return deal.buckets == 1 ? 0 : word >> deal.shift;
}

/// How many elements of each chunk go to each bucket: table[bucket][chunk].
kernel void shuffle_count(device uint* table     [[buffer(0)]],
                          constant Draw& draw    [[buffer(1)]],
                          constant Deal& deal    [[buffer(2)]],
                          uint chunk             [[thread_position_in_grid]]) {
  for (uint bucket = 0; bucket < deal.buckets; ++bucket) table[bucket * deal.chunks + chunk] = 0;
  const ulong end = metal::min((ulong(chunk) + 1) * deal.chunk, draw.count);
  for (ulong i = ulong(chunk) * deal.chunk; i < end; i += 4) {
    const uint4 w = words(draw, uint(i / 4));
    for (uint lane = 0; lane < 4 && i + lane < end; ++lane)
      table[bucket_of(w[lane], deal) * deal.chunks + chunk] += 1;
  }
}

/// Counts become places within the bucket; starts[bucket + 1] gets the bucket's size.
kernel void shuffle_sum(device uint* table       [[buffer(0)]],
                        device uint* starts      [[buffer(1)]],
                        constant Deal& deal      [[buffer(2)]],
                        uint bucket              [[thread_position_in_grid]]) {
  uint sum = 0;
  for (uint chunk = 0; chunk < deal.chunks; ++chunk) {
    const uint count = table[bucket * deal.chunks + chunk];
    table[bucket * deal.chunks + chunk] = sum;
    sum += count;
  }
  starts[bucket + 1] = sum;
}

/// Sizes become starts; one thread.
kernel void shuffle_starts(device uint* starts   [[buffer(0)]],
                           constant Deal& deal   [[buffer(1)]]) {
  starts[0] = 0;
  for (uint bucket = 0; bucket < deal.buckets; ++bucket) starts[bucket + 1] += starts[bucket];
}

/// The number of each element goes to its place.
kernel void shuffle_deal(device uint* out            [[buffer(0)]],
                         device uint* table          [[buffer(1)]],
                         const device uint* starts   [[buffer(2)]],
                         constant Draw& draw         [[buffer(3)]],
                         constant Deal& deal         [[buffer(4)]],
                         uint chunk                  [[thread_position_in_grid]]) {
  const ulong end = metal::min((ulong(chunk) + 1) * deal.chunk, draw.count);
  for (ulong i = ulong(chunk) * deal.chunk; i < end; i += 4) {
    const uint4 w = words(draw, uint(i / 4));
    for (uint lane = 0; lane < 4 && i + lane < end; ++lane) {
      const uint bucket = bucket_of(w[lane], deal);
      out[starts[bucket] + table[bucket * deal.chunks + chunk]++] = uint(i + lane);
    }
  }
}

/// Each bucket is shuffled in place, with the words of its places.
kernel void shuffle_buckets(device uint* out            [[buffer(0)]],
                            const device uint* starts   [[buffer(1)]],
                            constant Draw& draw         [[buffer(2)]],
                            uint bucket                 [[thread_position_in_grid]]) {
  const uint first = starts[bucket];
  uint4 w = 0;
  uint held = 0xFFFFFFFFu;  // the block whose words w are
  for (uint i = starts[bucket + 1]; i > first + 1; --i) {
    const uint at = i - 1, block = at / 4, lane = at % 4;
    if (block != held) {
      w = words(draw, block);
      held = block;
    }
    const uint other = first + uint(below32(draw, block, lane, w[lane], at - first + 1));
    const uint value = out[at];
    out[at] = out[other];
    out[other] = value;
  }
}

kernel void widen(device long* out           [[buffer(0)]],
                  const device uint* x       [[buffer(1)]],
                  uint i                     [[thread_position_in_grid]]) {
  out[i] = x[i];
}

/// Elements of x, seen as [outer][axis][inner], at places of the middle axis.
struct Places {
  ulong inner;   // units of T
  ulong taken;   // entries of `places`
  ulong length;  // extent of x along the axis
};

template <typename T>
kernel void gather(device T* out                [[buffer(0)]],
                   const device T* x            [[buffer(1)]],
                   const device long* places    [[buffer(2)]],
                   constant Places& shape       [[buffer(3)]],
                   uint3 at                     [[thread_position_in_grid]]) {
  const ulong to = (at.z * shape.taken + at.y) * shape.inner + at.x;
  out[to] = x[(at.z * shape.length + ulong(places[at.y])) * shape.inner + at.x];
}

}  // namespace metalpy
