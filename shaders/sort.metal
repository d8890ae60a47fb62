// Sorting of rows, stable: by counting digits of 8 bits, the last ones first; short rows by a network.
//
// The host compiles this once for each size of elements, with a macro (4 bytes without it):
//   KEY       the unsigned integer of that size
//   COMPLEX   1 if it may hold a complex number, whose order keys have but cannot be turned back from
#include "reduce.h"

#ifndef KEY // on its own, for tools
#define KEY uint
#define COMPLEX 0
#endif

using namespace metalpy;
using K = KEY;

enum Kind : uint { UNSIGNED, SIGNED, FLOAT, PAIR_OF_FLOATS };

struct Sort {
  uint rows, length, part, parts;  // each part of a row is counted and dealt by a simdgroup
  uint shift, is_first, is_last;   // of the digit; the first pass reads elements, the last one writes them
  uint kind, descending, has_equal_zeros;
  K nan;                           // the least number that is not one; of floats
};

template <typename U>
static U encoded_float(U x, U nan, bool has_equal_zeros) {
  const U sign = U(U(1) << (8 * sizeof(U) - 1));
  if (has_equal_zeros && x == sign) x = 0;
  if (U(x & U(~sign)) >= nan) x &= U(~sign);
  return U(x & sign ? U(~x) : U(x | sign));
}

/// A key that stands where the element belongs among unsigned integers. Of floats, NaN comes last.
static K encoded(K x, const thread Sort& how) {
  if (how.kind == SIGNED) x ^= K(K(1) << (8 * sizeof(K) - 1));
  if (how.kind == FLOAT) x = encoded_float(x, how.nan, how.has_equal_zeros);
#if COMPLEX
  if (how.kind == PAIR_OF_FLOATS)
    x = ulong(encoded_float(uint(x), uint(how.nan), true)) << 32 | encoded_float(uint(x >> 32), uint(how.nan), true);
#endif
  return how.descending ? K(~x) : x;
}

static K decoded(K x, const thread Sort& how) {
  const K sign = K(K(1) << (8 * sizeof(K) - 1));
  if (how.descending) x = K(~x);
  if (how.kind == SIGNED) x ^= sign;
  if (how.kind == FLOAT) x = K(x & sign ? K(x ^ sign) : K(~x));
  return x;
}

// ---- long rows ----

static K key_at(const device K* x, ulong i, const thread Sort& how) { return how.is_first ? encoded(x[i], how) : x[i]; }

// Kernels copy `given`: what is loaded again behind a store may differ between lanes, as far as the software device knows.

/// How often each digit is in each part: table[row][digit][part].
kernel void count_digits(device uint* table, const device K* x, constant Sort& given,
                         uint index [[threadgroup_position_in_grid]], uint lane [[thread_index_in_simdgroup]]) {
  const Sort how = given;
  threadgroup atomic_uint counts[256];
  uint row = index / how.parts, part = index % how.parts;
  for (uint digit = lane; digit < 256; digit += 32) atomic_store_explicit(&counts[digit], 0, memory_order_relaxed);
  simdgroup_barrier(mem_flags::mem_threadgroup);
  uint end = min(part * how.part + how.part, how.length), i = part * how.part;
  const device K* line = x + ulong(row) * how.length;
  for (; i + 32 <= end; i += 32) {
    uint digit = uint(key_at(line, i + lane, how) >> how.shift) & 255;
    atomic_fetch_add_explicit(&counts[digit], 1, memory_order_relaxed);
  }
  if (i + lane < end) {
    uint digit = uint(key_at(line, i + lane, how) >> how.shift) & 255;
    atomic_fetch_add_explicit(&counts[digit], 1, memory_order_relaxed);
  }
  simdgroup_barrier(mem_flags::mem_threadgroup);
  device uint* own = table + ulong(row) * 256 * how.parts + part;
  for (uint digit = lane; digit < 256; digit += 32)
    own[digit * how.parts] = atomic_load_explicit(&counts[digit], memory_order_relaxed);
}

/// The place in the row of each of up to 32 keys, of which this lane has one. `places` are those of the next keys.
static uint place_of(uint digit, bool is_key, uint lane, threadgroup uint* places) {
  uint peers = uint(simd_vote::vote_t(simd_ballot(is_key)));
  for (uint bit = 0; bit < 8; ++bit) {
    bool is_set = digit >> bit & 1;
    uint set = uint(simd_vote::vote_t(simd_ballot(is_set)));
    peers &= is_set ? set : ~set;
  }
  uint first = places[digit], rank = popcount(peers & ((1u << lane) - 1));
  simdgroup_barrier(mem_flags::mem_threadgroup);
  if (is_key && rank == 0) places[digit] = first + popcount(peers);
  simdgroup_barrier(mem_flags::mem_threadgroup);
  return first + rank;
}

/// What goes along with a key: nothing, its index, or its index alone at the last.
struct Keys {
  device K* out;
  void put(ulong to, K key, ulong, uint, const thread Sort& how) const { out[to] = how.is_last ? decoded(key, how) : key; }
};
struct Pairs {
  device K* out;
  device uint* out_index;
  const device uint* index;
  void put(ulong to, K key, ulong from, uint i, const thread Sort& how) const {
    out[to] = key;
    out_index[to] = how.is_first ? i : index[from];
  }
};
struct Indices {
  device long* out;
  const device uint* index;
  void put(ulong to, K, ulong from, uint i, const thread Sort& how) const { out[to] = how.is_first ? i : index[from]; }
};

template <typename Target>
static void deal(Target target, const device K* x, const device uint* table, threadgroup uint* places,
                 const thread Sort& how, uint index, uint lane) {
  uint row = index / how.parts, part = index % how.parts;
  const device uint* own = table + ulong(row) * (256 * how.parts + 1) + part;
  for (uint digit = lane; digit < 256; digit += 32) places[digit] = own[digit * how.parts];
  simdgroup_barrier(mem_flags::mem_threadgroup);
  uint end = min(part * how.part + how.part, how.length), i = part * how.part;
  ulong start = ulong(row) * how.length;
  for (; i + 32 <= end; i += 32) {
    K key = key_at(x, start + i + lane, how);
    uint to = place_of(uint(key >> how.shift) & 255, true, lane, places);
    target.put(start + to, key, start + i + lane, i + lane, how);
  }
  if (i < end) {
    bool is_key = i + lane < end;
    K key = is_key ? key_at(x, start + i + lane, how) : K(0);
    uint to = place_of(uint(key >> how.shift) & 255, is_key, lane, places);
    if (is_key) target.put(start + to, key, start + i + lane, i + lane, how);
  }
}

kernel void deal_keys(device K* out, const device K* x, const device uint* table, constant Sort& given,
                      uint index [[threadgroup_position_in_grid]], uint lane [[thread_index_in_simdgroup]]) {
  const Sort how = given;
  threadgroup uint places[256];
  deal(Keys{out}, x, table, places, how, index, lane);
}

kernel void deal_pairs(device K* out, device uint* out_index, const device K* x, const device uint* in_index,
                       const device uint* table, constant Sort& given, uint index [[threadgroup_position_in_grid]],
                       uint lane [[thread_index_in_simdgroup]]) {
  const Sort how = given;
  threadgroup uint places[256];
  deal(Pairs{out, out_index, in_index}, x, table, places, how, index, lane);
}

kernel void deal_indices(device long* out, const device K* x, const device uint* in_index, const device uint* table,
                         constant Sort& given, uint index [[threadgroup_position_in_grid]],
                         uint lane [[thread_index_in_simdgroup]]) {
  const Sort how = given;
  threadgroup uint places[256];
  deal(Indices{out, in_index}, x, table, places, how, index, lane);
}

// ---- short rows: the bitonic network of K. E. Batcher (AFIPS 1968), in the registers of a simdgroup ----

/// Of a row each lane has N keys, and its elements' indices if W is true; element i is key i / 32 of lane i % 32.
template <uint N, bool W>
struct Row {
  K keys[N];
  uint indices[N];

  static bool before(K a, uint at_a, K b, uint at_b) {  // without branches
    return W ? (uint(a < b) | (uint(a == b) & uint(at_a < at_b))) != 0 : a < b;
  }

  /// Elements D < 32 apart.
  template <uint D>
  void exchange_lanes(uint size, uint lane) {
    for (uint r = 0; r < N; ++r) {
      K key = from_lane(keys[r], ushort(D));
      uint index = W ? simd_shuffle_xor(indices[r], ushort(D)) : 0;
      bool wants_less = ((lane & D) == 0) == (((r * 32 + lane) & size) == 0);
      bool takes = before(key, index, keys[r], indices[r]) == wants_less;
      keys[r] = takes ? key : keys[r];
      if (W) indices[r] = takes ? index : indices[r];
    }
  }

  /// Elements 32 * D apart.
  template <uint D>
  void exchange_keys(uint size) {
    for (uint r = 0; r < N; ++r) {
      if (r & D || (r | D) >= N) continue;
      K a = keys[r], b = keys[r | D];
      uint at_a = indices[r], at_b = indices[r | D];
      bool turns = before(b, at_b, a, at_a) == ((r * 32 & size) == 0);
      keys[r] = turns ? b : a;
      keys[r | D] = turns ? a : b;
      if (W) {
        indices[r] = turns ? at_b : at_a;
        indices[r | D] = turns ? at_a : at_b;
      }
    }
  }

  void sort(uint lane) {
    for (uint size = 2; size <= 32 * N; size *= 2) {
      if (N > 16 && size > 512) exchange_keys<16>(size);
      if (N > 8 && size > 256) exchange_keys<8>(size);
      if (N > 4 && size > 128) exchange_keys<4>(size);
      if (N > 2 && size > 64) exchange_keys<2>(size);
      if (N > 1 && size > 32) exchange_keys<1>(size);
      if (size > 16) exchange_lanes<16>(size, lane);
      if (size > 8) exchange_lanes<8>(size, lane);
      if (size > 4) exchange_lanes<4>(size, lane);
      if (size > 2) exchange_lanes<2>(size, lane);
      exchange_lanes<1>(size, lane);
    }
  }
};

template <uint N, bool W>
static void sort_row(device K* out, device long* out_index, const device K* x, const thread Sort& how, uint row,
                     uint lane) {
  if (row >= how.rows) return;
  Row<N, W> own;
  ulong start = ulong(row) * how.length;
  for (uint r = 0; r < N; ++r) {
    uint i = r * 32 + lane;
    own.keys[r] = i < how.length ? encoded(x[start + i], how) : K(~K(0));
    own.indices[r] = i;
  }
  own.sort(lane);
  for (uint r = 0; r < N; ++r) {
    uint i = r * 32 + lane;
    if (i >= how.length) continue;
    if (W) out_index[start + i] = own.indices[r];
    else out[start + i] = decoded(own.keys[r], how);
  }
}

template <uint N>
kernel void short_keys(device K* out, const device K* x, constant Sort& given,
                       uint group [[threadgroup_position_in_grid]], uint groups_rows [[simdgroups_per_threadgroup]],
                       uint own [[simdgroup_index_in_threadgroup]], uint lane [[thread_index_in_simdgroup]]) {
  const Sort how = given;
  sort_row<N, false>(out, nullptr, x, how, group * groups_rows + own, lane);
}

template <uint N>
kernel void short_indices(device long* out, const device K* x, constant Sort& given,
                          uint group [[threadgroup_position_in_grid]], uint groups_rows [[simdgroups_per_threadgroup]],
                          uint own [[simdgroup_index_in_threadgroup]], uint lane [[thread_index_in_simdgroup]]) {
  const Sort how = given;
  sort_row<N, true>(nullptr, out, x, how, group * groups_rows + own, lane);
}

#define INSTANTIATE(N)                                                                           \
  template [[host_name("short_keys_" #N)]] kernel decltype(short_keys<N>) short_keys<N>;         \
  template [[host_name("short_indices_" #N)]] kernel decltype(short_indices<N>) short_indices<N>;

INSTANTIATE(1)
INSTANTIATE(2)
INSTANTIATE(4)
INSTANTIATE(8)
INSTANTIATE(16)
INSTANTIATE(32)
