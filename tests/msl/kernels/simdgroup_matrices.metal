// 8x8 matrices that a simdgroup holds together, and the copies that feed them.
#include <metal_stdlib>
using namespace metal;

// ---- which lane holds what ----

kernel void lane_map(device float* out, const device float* x, ushort lane [[thread_index_in_simdgroup]]) {
  simdgroup_float8x8 m;
  simdgroup_load(m, x);
  out[2 * lane] = m.thread_elements()[0];
  out[2 * lane + 1] = m.thread_elements()[1];
}
// elements written by lane, as tinygrad and MLX do
kernel void from_lanes(device float* out, const device float* x, ushort lane [[thread_index_in_simdgroup]]) {
  simdgroup_float8x8 m;
  reinterpret_cast<thread float2&>(m.thread_elements()) = float2(x[2 * lane], x[2 * lane + 1]);
  simdgroup_store(m, out);
}

// ---- constructors ----

kernel void filled(device float* out) {
  simdgroup_float8x8 zero = simdgroup_float8x8(0), diagonal(3), two = make_filled_simdgroup_matrix<float, 8>(2.0f);
  simdgroup_half8x8 halves = make_diagonal_simdgroup_matrix<half, 8, 8>(0.5h);
  simdgroup_store(zero, out, 32);
  simdgroup_store(diagonal, out, 32, ulong2(8, 0));
  simdgroup_store(two, out + 16, 32);
  simdgroup_float8x8 copy;
  simdgroup_multiply(copy, halves, two);
  simdgroup_store(copy, out, 32, ulong2(24, 0));
}

// ---- loads and stores: row length, origin, transposition, both kinds of memory ----

kernel void places(device float* out, const device float* x, constant uint& width) {
  threadgroup float tile[8 * 12];
  simdgroup_float8x8 m;
  simdgroup_load(m, x, width, ulong2(3, 2));
  simdgroup_store(m, out);
  simdgroup_load(m, x, width, ulong2(3, 2), true);
  simdgroup_store(m, out + 64);
  simdgroup_load(m, x + 5, width, 0, false);
  simdgroup_store(m, tile, 12, ulong2(0), true);
  simdgroup_barrier(mem_flags::mem_threadgroup);
  simdgroup_load(m, (const threadgroup float*)tile, 12);
  simdgroup_store(m, out + 128, 8, ulong2(0, 0), true);
}
// in place, which only works if all lanes load before one stores
kernel void turn(device float* x) {
  simdgroup_matrix<float, 8, 8> m;
  simdgroup_load(m, x, 8, 0, true);
  simdgroup_store(m, x);
}

// ---- products ----

template <typename T, typename Sum>
kernel void product(device Sum* out, const device T* a, const device T* b, const device Sum* c) {
  simdgroup_matrix<T, 8, 8> ma, mb;
  simdgroup_matrix<Sum, 8, 8> mc, md;
  simdgroup_load(ma, a);
  simdgroup_load(mb, b);
  simdgroup_load(mc, c);
  simdgroup_multiply_accumulate(md, ma, mb, mc);
  simdgroup_store(md, out);
}
template [[host_name("product_float")]] kernel decltype(product<float, float>) product<float, float>;
template [[host_name("product_half")]] kernel decltype(product<half, half>) product<half, half>;
template [[host_name("product_bfloat")]] kernel decltype(product<bfloat, bfloat>) product<bfloat, bfloat>;
template [[host_name("product_half_float")]] kernel decltype(product<half, float>) product<half, float>;
template [[host_name("product_bfloat_float")]] kernel decltype(product<bfloat, float>) product<bfloat, float>;

static void square(thread simdgroup_float8x8& m) { m = m * m; }
static simdgroup_float8x8 quadrupled(simdgroup_float8x8 m) {
  simdgroup_multiply(m, m, simdgroup_float8x8(4));
  return m;
}
kernel void helpers(device float* out, const device float* a) {
  simdgroup_float8x8 m;
  simdgroup_load(m, a);
  square(m);
  const simdgroup_float8x8 scaled = quadrupled(m);
  simdgroup_store(scaled, out);
}

// A whole product of matrices: each of four simdgroups makes 16x16 of it from an array of matrices.
kernel void gemm(device float* c, const device half* a, const device half* b, constant uint3& mnk,
                 uint2 group [[threadgroup_position_in_grid]], ushort sg [[simdgroup_index_in_threadgroup]],
                 ushort i [[thread_index_in_threadgroup]]) {
  threadgroup half as[32 * 16], bs[16 * 32];
  const uint n = mnk.y, depth = mnk.z;
  simdgroup_float8x8 sums[2][2];
#pragma unroll
  for (short y = 0; y < 2; ++y)
    for (short x = 0; x < 2; ++x) sums[y][x] = make_filled_simdgroup_matrix<float, 8>(0.f);
  for (uint k = 0; k < depth; k += 16) {
    threadgroup_barrier(mem_flags::mem_threadgroup);
    for (ushort e = i; e < 512; e += 128) {
      as[e] = a[(group.y * 32 + e / 16) * depth + k + e % 16];
      bs[e] = b[(k + e / 32) * n + group.x * 32 + e % 32];
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    for (ushort at = 0; at < 16; at += 8) {
      simdgroup_half8x8 ma[2], mb[2];
      for (short y = 0; y < 2; ++y) simdgroup_load(ma[y], as + (sg / 2 * 16 + y * 8) * 16 + at, 16);
      for (short x = 0; x < 2; ++x) simdgroup_load(mb[x], bs + at * 32 + sg % 2 * 16 + x * 8, 32);
      for (short y = 0; y < 2; ++y)
        for (short x = 0; x < 2; ++x) simdgroup_multiply_accumulate(sums[y][x], ma[y], mb[x], sums[y][x]);
    }
  }
  for (short y = 0; y < 2; ++y)
    for (short x = 0; x < 2; ++x)
      simdgroup_store(sums[y][x], c, n, ulong2(group.x * 32 + sg % 2 * 16 + x * 8, group.y * 32 + sg / 2 * 16 + y * 8));
}
