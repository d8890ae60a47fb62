#include <metal_stdlib>
using namespace metal;

#define AT uint i [[thread_position_in_grid]]
#define LANES uint l [[thread_index_in_threadgroup]], uint size [[threads_per_threadgroup]]

kernel void early_return(device int* out, const device int* in, constant int& n, AT) {
  if (int(i) % n == 1) return;
  int v = in[i];
  if (v < 0) {
    out[i] = -1;
    return;
  }
  out[i] = v * 3 + 1;
}

kernel void nested_loops(device int* out, const device int* in, constant int& n, AT) {
  int v = in[i] & 0xff, s = 0;
  for (int j = 0; j <= v % 7; ++j) {
    if (j == 3 && v % 2) continue;
    for (int k = 0;; ++k) {
      if (k * k > v) break;
      if ((k ^ j) % 3 == 1) continue;
      s += k * j + n;
      if (s > 150) break;
    }
    if (s > 150) break;
  }
  out[i] = s;
}

kernel void switched(device int* out, const device int* in, constant int& n, AT) {
  int v = in[i], s = n;
  switch (v & 7) {
    case 0: s += 5; break;
    case 1: s *= 3;
    case 2: s -= v; break;
    case 5: out[i] = 77; return;
    case 6: for (int k = 0; k < (v & 31); ++k) s += k; break;
    default: s ^= v;
  }
  out[i] = s;
}

kernel void carried(device int* out, const device int* in, constant int& n, AT) {
  int x = (in[i] & 0x3ff) + 1, k = 0, largest = 0;
  while (x > 1 && k < n * 10) {
    x = x & 1 ? 3 * x + 1 : x >> 1;
    largest = max(largest, x);
    ++k;
  }
  out[i] = k * 100003 + x * 7 + largest;
}

kernel void private_arrays(device int* out, const device int* in, constant int& n, AT, LANES) {
  threadgroup int shared[1024];
  int mine[4];
  for (int r = 0; r < 4; ++r) {
    mine[(r + i) & 3] = in[i] + r * n;
    shared[l] = mine[(r + i) & 3];
    threadgroup_barrier(mem_flags::mem_threadgroup);
    mine[(r + i) & 3] ^= shared[(l + 5 * r + 1) % size];
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
  out[i] = mine[0] + 3 * mine[1] + 5 * mine[2] + 7 * mine[3];
}

// Some lanes leave between two barriers, or none does.
kernel void leaving(device int* out, const device int* in, constant int& n, AT, LANES) {
  threadgroup int shared[1024];
  if (i % 8 == 7) return;
  int v = in[i];
  do {
    shared[l] = v;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    v += shared[l ^ (l % 2)];
    if (n > 3 && v & 1) break;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    shared[l] = v;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (v & 2) {
      v = -v;
      break;
    }
    v += 1000 + shared[l];
  } while (false);
  out[i] = v;
}

// Simdgroups come to different barriers, and to different numbers of them.
kernel void parted(device int* out, const device int* in, constant int& n, AT, LANES) {
  threadgroup int shared[1024];
  uint simdgroup = l / 32, other = (l + 32) % size;
  int v = in[i];
  shared[l] = v;
  if (simdgroup % 2) {
    threadgroup_barrier(mem_flags::mem_threadgroup);
    v += shared[other];
  } else {
    threadgroup_barrier(mem_flags::mem_threadgroup);
    v -= n * shared[other];
  }
  for (uint k = 0; k < simdgroup; ++k) {
    threadgroup_barrier(mem_flags::mem_threadgroup);
    v = v * 3 + k;
  }
  out[i] = v;
}

kernel void places(device uint4* out, uint3 at [[thread_position_in_grid]], uint3 threads [[threads_per_grid]],
                   uint3 in_group [[thread_position_in_threadgroup]], uint l [[thread_index_in_threadgroup]],
                   uint3 size [[threads_per_threadgroup]], uint lane [[thread_index_in_simdgroup]]) {
  uint i = at.x + threads.x * (at.y + threads.y * at.z);
  out[i] = uint4(in_group.x + 100 * in_group.y + 10000 * in_group.z, l, size.x + 100 * size.y + 10000 * size.z, lane);
}

kernel void atomics(device atomic_int* out, const device int* in, constant int& n, AT, LANES) {
  threadgroup atomic_int count;
  if (l == 0) atomic_store_explicit(&count, 0, memory_order_relaxed);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  int v = in[i];
  atomic_fetch_add_explicit(&out[v & 7], v, memory_order_relaxed);
  if (v & 1) atomic_fetch_max_explicit(&out[8], v, memory_order_relaxed);
  atomic_fetch_add_explicit(&count, v & 3, memory_order_relaxed);
  int old = atomic_load_explicit(&out[9], memory_order_relaxed);
  while (!atomic_compare_exchange_weak_explicit(&out[9], &old, old + n, memory_order_relaxed, memory_order_relaxed)) {}
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (l == 0) atomic_fetch_add_explicit(&out[10], atomic_load_explicit(&count, memory_order_relaxed), memory_order_relaxed);
}

// Indices of 8 and 16 bits wrap around between lanes.
kernel void wrapping(device int* out, const device int* table, constant uchar& m, constant ushort& n, AT, LANES) {
  uchar a = l + m;
  ushort b = l * 4096 + n;
  uint c = uint(l) - 3;
  out[i] = table[a] + 3 * table[b >> 8] + (c < 1000 ? 5 * table[c & 255] : 0);
}

kernel void scalars(device int* out, const device int* in, constant int& n, device bool* flags, device half* halves,
                    device bfloat* bfloats, device long* longs, device ulong* ulongs, device uchar* chars, AT) {
  int v = in[i];
  bool odd = v & 1;
  flags[i] = flags[i] != odd && v != n;
  half h = half(v & 31) / 8;
  halves[i] = halves[i] + (odd ? h : -h);
  bfloats[i] = bfloats[i] * bfloat(odd ? 2.0f : -0.5f);
  long w = long(v) * 0x123456789;
  longs[i] = w >> (v & 31) ^ long(i);
  ulongs[i] = ulong(w) / ulong((v & 7) + 1) + ulong(w) % ulong((v & 15) + 1);
  chars[i] = uchar(v) * 3 + chars[i];
  out[i] = int(flags[i]) + int(halves[i] * 8);
}

kernel void vectors(device int* out, const device int* in, constant int& n, device float4* fours, device int3* threes,
                    device packed_float3* packed, device uchar4* bytes, AT) {
  int v = in[i];
  float4 f = fours[i];
  fours[i] = v & 1 ? f.wzyx * 2.0f : float4(f.xy, f.x + f.y, float(v & 15));
  int3 t = threes[i];
  t[v & 1] += n;
  threes[i] = t.zxy;
  packed[i] = float3(packed[i]) + float3(1, 2, 3) * float(v & 3);
  bytes[i] = bytes[i].yxwz + uchar4(uchar(v));
  out[i] = int(dot(fours[i], float4(1, 2, 4, 8))) + t.x;
}

kernel void simdgroups(device int* out, const device int* in, constant int& n, AT, LANES) {
  int v = in[i] & 15, s = 0;
  for (int k = 0; k < v; ++k) {
    s += simd_sum(k + n);
    if (k & 1) s ^= int(ulong(simd_vote::vote_t(simd_ballot(v > 7)))) & 0xff;
  }
  out[i] = s + simd_shuffle_xor(v, 1);
}

// Vectors without padding travel as integers of 24, 48 and 96 bits.
kernel void packed(device packed_short3* out, const device packed_short3* in, constant uint& n,
                   uint i [[thread_position_in_grid]]) {
  packed_short3 v = in[i % n];
  short3 held = short3(v);
  held[i % 3] = in[(i * 7 + 3) % n].x;
  out[i] = packed_short3(held.zyx);
}

struct Six {
  float v[6];
};
// Too large for registers, so it is returned through memory.
__attribute__((noinline)) Six six(float x, int n) {
  Six made;
  for (int k = 0; k < 6; ++k) made.v[k] = x * k + n;
  return made;
}
kernel void returned(device float* out, const device float* in, uint i [[thread_position_in_grid]]) {
  Six got = six(in[i], i % 5);
  float sum = 0;
  for (uint k = 0; k < 6; ++k) sum += got.v[(k * i) % 6];
  out[i] = sum;
}

// What a shuffle gets of a lane that does not exist is zero, also of a number that is the same in all lanes.
kernel void shuffled_twice(device short *out, uint i [[thread_position_in_grid]]) {
  out[i] = quad_shuffle_and_fill_down(simd_shuffle_rotate_up(short(-7), ushort(28)), short(0), 3, 4);
}

// Two words of one number that change places, where the compiler knows of one that it is small.
kernel void swapped_words(device ulong* out, constant uint& high, constant uint& low,
                          uint i [[thread_position_in_grid]]) {
  ulong words = rotate(ulong(high & 2) << 32 | low, 32ul);
  out[i] = (words & 0x7fffffff) << 2 ^ words;
}

// The same for a number of each lane's own, read from memory: the first lane takes no part.
kernel void shuffled_in_an_arm(device short* out, constant short* in, uint i [[thread_position_in_grid]],
                               ushort lane [[thread_index_in_simdgroup]]) {
  short got = lane == 0 ? short(-1) : simd_shuffle_rotate_up(in[i], ushort(11));
  if (got != in[0]) out[i] = got;
}

// Elements of a table that a loop reads again and again: a compiler must not take them for a run of elements.
kernel void folded(device int* out, const device int* in, constant int& n, AT) {
  int held[16];
  int half_of_table = i % 2, column = i % 4;
  for (int k = 0; k < 16; ++k) {
    int block = k / 8 * 2 + half_of_table;
    int at = block % 2 * 16 + k % 4 + column;
    held[k] = at < n ? in[at] : 0;
  }
  int sum = 0;
  for (int k = 0; k < 16; ++k) sum = sum * 3 + held[k];
  out[i] = sum;
}
