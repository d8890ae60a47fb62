// Discrete Fourier transforms by Stockham's algorithm, which needs no reordering: each pass joins `radix` transforms of
// length `done` to one (Van Loan, "Computational Frameworks for the Fast Fourier Transform", 1992, 1.7 and 2.2). Lengths
// with large prime factors become convolutions (Bluestein; Van Loan 4.2.3).
#include "complex_numbers.h"

namespace metalpy {

enum NumberKind : uint { complex_numbers, real_numbers, half_of_hermitian };

/// Rows of an array of shape (outer, extent, inner): row `o * inner + s` has the elements (o, i, s).
struct Transform {
  uint length, rows, inner;
  uint in_extent, in_count, out_count;  // in memory along a row; elements that are read, others being 0; written
  NumberKind in_kind, out_kind;
  uint conjugate_in, conjugate_out;
  float scale;
  uint passes, radices[20];
};

/// a / b for a below `limit`; processors have no vectors of quotients of integers.
inline uint quotient(uint a, uint b, uint limit) {
  return limit < 0x400000u ? uint((float(a) + 0.5f) * (1.0f / float(b))) : a / b;
}

inline float2 load_element(const device float* x, const thread Transform& t, uint row, uint i) {
  uint from = i;
  bool mirrored = t.in_kind == half_of_hermitian && i > t.length / 2;
  if (mirrored) from = t.length - i;
  if (from >= t.in_count) return float2(0.0f);
  ulong place = t.inner == 1 ? ulong(row) * t.in_extent + from
                             : (ulong(row / t.inner) * t.in_extent + from) * t.inner + row % t.inner;
  if (t.in_kind == real_numbers) return float2(x[place], 0.0f);
  float2 value = ((const device float2*)x)[place];
  if (t.in_kind == half_of_hermitian && (from == 0 || 2 * from == t.length)) value.y = 0.0f;
  return mirrored != bool(t.conjugate_in) ? conjugate(value) : value;
}

inline void store_element(device float* out, const thread Transform& t, uint row, uint i, float2 value) {
  ulong place = t.inner == 1 ? ulong(row) * t.out_count + i
                             : (ulong(row / t.inner) * t.out_count + i) * t.inner + row % t.inner;
  value *= t.scale;
  if (t.out_kind == real_numbers) out[place] = value.x;
  else ((device float2*)out)[place] = t.conjugate_out ? conjugate(value) : value;
}

inline float2 turned(float2 x) { return float2(x.y, -x.x); }  // times -i

template <uint RADIX>
struct Butterfly;

template <>
struct Butterfly<2> {
  static void apply(thread float2* v) {
    float2 a = v[0], b = v[1];
    v[0] = a + b;
    v[1] = a - b;
  }
};

template <>
struct Butterfly<3> {
  static void apply(thread float2* v) {
    float2 sum = v[1] + v[2], difference = turned(v[1] - v[2]) * 0.866025403784438647f;
    float2 middle = v[0] - 0.5f * sum;
    v[0] += sum;
    v[1] = middle + difference;
    v[2] = middle - difference;
  }
};

template <>
struct Butterfly<4> {
  static void apply(thread float2* v) {
    float2 a = v[0] + v[2], b = v[0] - v[2], c = v[1] + v[3], d = turned(v[1] - v[3]);
    v[0] = a + c;
    v[1] = b + d;
    v[2] = a - c;
    v[3] = b - d;
  }
};

template <>
struct Butterfly<5> {
  static void apply(thread float2* v) {
    const float c1 = 0.309016994374947424f, c2 = -0.809016994374947424f;  // of 1/5 and 2/5 of a turn
    const float s1 = 0.951056516295153572f, s2 = 0.587785252292473129f;
    float2 a = v[1] + v[4], b = v[2] + v[3], c = turned(v[1] - v[4]), d = turned(v[2] - v[3]);
    float2 x = v[0] + c1 * a + c2 * b, y = v[0] + c2 * a + c1 * b;
    float2 z = s1 * c + s2 * d, w = s2 * c - s1 * d;
    v[0] += a + b;
    v[1] = x + z;
    v[4] = x - z;
    v[2] = y + w;
    v[3] = y - w;
  }
};

template <>
struct Butterfly<8> {
  static void apply(thread float2* v) {
    const float root = 0.707106781186547524f;
    float2 even[4] = {v[0], v[2], v[4], v[6]}, odd[4] = {v[1], v[3], v[5], v[7]};
    Butterfly<4>::apply(even);
    Butterfly<4>::apply(odd);
    odd[1] = float2(odd[1].x + odd[1].y, odd[1].y - odd[1].x) * root;
    odd[2] = turned(odd[2]);
    odd[3] = float2(odd[3].y - odd[3].x, -odd[3].x - odd[3].y) * root;
    for (uint i = 0; i < 4; ++i) {
      v[i] = even[i] + odd[i];
      v[i + 4] = even[i] - odd[i];
    }
  }
};

/// The `j`th of `length / RADIX` groups of numbers of a pass. `roots` has the powers of the first root of unity.
template <uint RADIX, typename To, typename From>
void join(To to, From from, const device float2* roots, uint length, uint done, uint j) {
  uint groups = length / RADIX;
  uint k = j - quotient(j, done, groups) * done;
  float2 v[RADIX];
  for (uint s = 0; s < RADIX; ++s) v[s] = from[j + s * groups];
  if (done > 1) {
    uint step = k * (groups / done);
    for (uint s = 1; s < RADIX; ++s) v[s] = multiply(v[s], roots[s * step]);
  }
  Butterfly<RADIX>::apply(v);
  To place = to + ((j - k) * RADIX + k);
  for (uint s = 0; s < RADIX; ++s) place[s * done] = v[s];
}

/// As join, for the groups j of a simdgroup's lanes, the first of which is a multiple of 32: all accesses are vectors. DONE
/// is how much is done, 0 for any multiple of 32; `factors` has the roots of this pass, those of one s after another, for
/// 32 lanes at least.
template <uint RADIX, uint DONE, typename To, typename From>
void join_together(To to, From from, const device float2* factors, uint length, uint any_done, uint j, uint lane) {
  const uint groups = length / RADIX, done = DONE ? DONE : any_done;
  const uint first = simd_broadcast_first(j), start = first / done * done;
  const uint k = DONE ? lane % DONE : j - start;
  float2 v[RADIX];
  for (uint s = 0; s < RADIX; ++s) v[s] = from[j + s * groups];
  if (done > 1)
    for (uint s = 1; s < RADIX; ++s) v[s] = multiply(v[s], factors[DONE ? (s - 1) * 32 + lane : (s - 1) * done + k]);
  Butterfly<RADIX>::apply(v);
  To place = to + start * RADIX;
  for (uint s = 0; s < RADIX; ++s) place[(DONE ? lane / DONE * DONE * RADIX : 0) + k + s * done] = v[s];
}

/// One number of a pass of any radix: `index` counts the results.
template <typename To, typename From>
void join_any(To to, From from, const device float2* roots, uint length, uint radix, uint done, uint index) {
  uint groups = length / radix, block = quotient(index, done * radix, length);
  uint within = index - block * done * radix;  // a frequency of the joined transform
  uint k = within - quotient(within, done, length) * done, j = block * done + k;
  uint step = within * (groups / done), power = 0;
  float2 sum = from[j];
  for (uint s = 1; s < radix; ++s) {
    power += step;
    if (power >= length) power -= length;
    sum = multiply_add(from[j + s * groups], roots[power], sum);
  }
  to[index] = sum;
}

struct Member { uint index, width, lane; };  // of a threadgroup, whose width is a multiple of 32

template <uint RADIX, uint DONE>
void join_rows_together(threadgroup float2* to, const threadgroup float2* from, const device float2* factors,
                        uint length, uint done, uint rows, Member member) {
  const uint groups = length / RADIX;
  for (uint i = member.index; i < rows * groups; i += member.width) {
    const uint row = simd_broadcast_first(i) / groups;
    join_together<RADIX, DONE>(to + row * length, from + row * length, factors, length, done, i - row * groups,
                               member.lane);
  }
}

template <uint RADIX>
void join_rows(threadgroup float2* to, const threadgroup float2* from, const device float2* roots,
               const device float2* factors, uint length, uint done, uint rows, Member member) {
  uint groups = length / RADIX;
  // Each of these takes a quarter of a second to compile: those that powers of two need.
  if (groups % 32 == 0) {
    if (RADIX == 8 && done == 1) return join_rows_together<RADIX, 1>(to, from, factors, length, done, rows, member);
    if (RADIX == 8 && done == 8) return join_rows_together<RADIX, 8>(to, from, factors, length, done, rows, member);
    if (RADIX % 2 == 0 && done % 32 == 0)
      return join_rows_together<RADIX, 0>(to, from, factors, length, done, rows, member);
  }
  for (uint i = member.index; i < rows * groups; i += member.width) {
    uint row = rows == 1 ? 0 : quotient(i, groups, rows * groups);
    join<RADIX>(to + row * length, from + row * length, roots, length, done, i - row * groups);
  }
}

/// Short transforms, `rows_each` in a threadgroup, whose memory has room for them twice.
kernel void fft_rows(device float* out, const device float* x, const device float2* roots, constant Transform& given,
                     constant uint& rows_each, threadgroup float2* room [[threadgroup(0)]],
                     uint group [[threadgroup_position_in_grid]], uint member [[thread_position_in_threadgroup]],
                     uint width [[threads_per_threadgroup]], uint lane [[thread_index_in_simdgroup]]) {
  // What is loaded again behind a store may differ between lanes, as far as the software device knows.
  const Transform t = given;
  const Member self = {member, width, lane};
  const device float2* factors = roots + t.length;
  uint length = t.length, first = group * rows_each, rows = min(rows_each, t.rows - first);
  threadgroup float2* from = room;
  threadgroup float2* to = room + rows_each * length;
  const bool is_plain = t.inner == 1 && t.in_kind != half_of_hermitian && t.in_count == length && !t.conjugate_in;
  for (uint row = 0; row < rows; ++row) {
    const ulong start = ulong(first + row) * t.in_extent;
    if (is_plain && t.in_kind == real_numbers)
      for (uint i = member; i < length; i += width) from[row * length + i] = float2(x[start + i], 0.0f);
    else if (is_plain)
      for (uint i = member; i < length; i += width)
        from[row * length + i] = ((const device float2*)x)[start + i];
    else
      for (uint i = member; i < length; i += width) from[row * length + i] = load_element(x, t, first + row, i);
  }
  uint done = 1;
  for (uint pass = 0; pass < t.passes; ++pass) {
    threadgroup_barrier(mem_flags::mem_threadgroup);
    uint radix = simd_broadcast_first(given.radices[pass]);
    if (radix == 8) join_rows<8>(to, from, roots, factors, length, done, rows, self);
    else if (radix == 4) join_rows<4>(to, from, roots, factors, length, done, rows, self);
    else if (radix == 2) join_rows<2>(to, from, roots, factors, length, done, rows, self);
    else if (radix == 3) join_rows<3>(to, from, roots, factors, length, done, rows, self);
    else if (radix == 5) join_rows<5>(to, from, roots, factors, length, done, rows, self);
    else
      for (uint i = member; i < rows * length; i += width) {
        uint row = quotient(i, length, rows * length);
        join_any(to + row * length, from + row * length, roots, length, radix, done, i - row * length);
      }
    factors += (radix - 1) * max(done, 32u);
    done *= radix;
    threadgroup float2* joined = to;
    to = from;
    from = joined;
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  for (uint row = 0; row < rows; ++row) {
    const ulong start = ulong(first + row) * t.out_count;
    if (t.inner == 1 && t.out_kind != real_numbers && !t.conjugate_out)
      for (uint i = member; i < t.out_count; i += width)
        ((device float2*)out)[start + i] = from[row * length + i] * t.scale;
    else
      for (uint i = member; i < t.out_count; i += width) store_element(out, t, first + row, i, from[row * length + i]);
  }
}

/// One pass of long transforms: a thread for each group of numbers.
template <uint RADIX>
kernel void fft_pass(device float2* to, const device float2* from, const device float2* roots, constant uint& length,
                     constant uint& done, uint2 id [[thread_position_in_grid]]) {
  ulong start = ulong(id.y) * length;
  join<RADIX>(to + start, from + start, roots, length, done, id.x);
}

kernel void fft_pass_any(device float2* to, const device float2* from, const device float2* roots,
                         constant uint& length, constant uint& done, constant uint& radix,
                         uint2 id [[thread_position_in_grid]]) {
  ulong start = ulong(id.y) * length;
  join_any(to + start, from + start, roots, length, radix, done, id.x);
}

/// Rows of complex numbers from those of an array; times `chirp` and followed by zeros, for a convolution.
kernel void fft_load(device float2* to, const device float* x, const device float2* chirp, constant Transform& given,
                     constant uint& padded, uint2 id [[thread_position_in_grid]]) {
  const Transform t = given;
  float2 value = id.x < t.length ? load_element(x, t, id.y, id.x) : float2(0.0f);
  if (padded != t.length && id.x < t.length) value = multiply(value, chirp[id.x]);
  to[ulong(id.y) * padded + id.x] = value;
}

kernel void fft_store(device float* out, const device float2* from, const device float2* chirp, constant Transform& given,
                      constant uint& padded, uint2 id [[thread_position_in_grid]]) {
  const Transform t = given;
  float2 value = from[ulong(id.y) * padded + id.x];
  if (padded != t.length) value = multiply(conjugate(value), chirp[id.x]);
  store_element(out, t, id.y, id.x, value);
}

/// Conjugated products with one row: what a second transform forward takes for the one backward.
kernel void fft_convolve(device float2* x, const device float2* factor, constant uint& length,
                         uint2 id [[thread_position_in_grid]]) {
  ulong place = ulong(id.y) * length + id.x;
  x[place] = conjugate(multiply(x[place], factor[id.x]));
}

}  // namespace metalpy
