// Tensors and products of their tiles: Metal 4.
#include <metal_stdlib>
#define N 3 // which the library's headers do not mind
#define K 5
#include <metal_tensor>
#include <metal_cooperative_tensor>
#include <MetalPerformancePrimitives/MetalPerformancePrimitives.h>
using namespace metal;
using namespace mpp::tensor_ops;

#ifndef __HAVE_TENSOR__
#error "a language version with tensors says so"
#endif

using matrix_extents = dextents<int32_t, 2>;
constant constexpr auto accumulate = matmul2d_descriptor::mode::multiply_accumulate;

// ---- products, read from device memory ----

// C = A B of any size, a threadgroup of two simdgroups for each tile of 32 x 48
template <typename A, typename B, typename C, bool TA, bool TB, int Depth>
kernel void product(device C* c, device A* a, device B* b, constant int3& size,
                    uint2 group [[threadgroup_position_in_grid]]) {
  const int rows = size.x, columns = size.y, depth = size.z;
  auto ta = tensor<device A, matrix_extents, tensor_inline>(a, TA ? matrix_extents(rows, depth) : matrix_extents(depth, rows));
  auto tb = tensor(b, TB ? matrix_extents(depth, columns) : matrix_extents(columns, depth));
  auto tc = tensor(c, matrix_extents(columns, rows), array<int, 2>({1, columns}));
  matmul2d<matmul2d_descriptor(32, 48, Depth, TA, TB, false, accumulate), execution_simdgroups<2>> op;
  const int top = group.y * 32, left = group.x * 48;
  auto sum = op.template get_destination_cooperative_tensor<decltype(ta), decltype(tb), C>();
  const int step = Depth < 0 ? depth : Depth;
  for (int k = 0; k < depth; k += step) {
    auto sa = TA ? ta.slice(top, k) : ta.slice(k, top);
    auto sb = TB ? tb.slice(k, left) : tb.slice(left, k);
    op.run(sa, sb, sum);
  }
  sum.store(tc.slice(left, top));
}
#define PRODUCT(name, A, B, C, TA, TB, depth) \
  template [[host_name("product_" #name)]] kernel void product<A, B, C, TA, TB, depth>( \
      device C*, device A*, device B*, constant int3&, uint2);
PRODUCT(float, float, float, float, false, false, -1)
PRODUCT(half, half, half, half, false, false, -1)
PRODUCT(bfloat, bfloat, bfloat, bfloat, false, false, -1)
PRODUCT(half_half_float, half, half, float, false, false, -1)
PRODUCT(float_half_float, float, half, float, false, true, 16)
PRODUCT(bfloat_float_float, bfloat, float, float, true, false, 16)
PRODUCT(char_char_int, char, char, int, false, true, -1)
PRODUCT(nn, half, half, float, false, false, 16)
PRODUCT(nt, half, half, float, false, true, 16)
PRODUCT(tn, half, half, float, true, false, 16)
PRODUCT(tt, half, half, float, true, true, 16)

// into memory: once it is replaced, once it is added to
template <bool Adds> kernel void into_memory(device float* c, device half* a, device half* b) {
  constexpr auto what = Adds ? accumulate : matmul2d_descriptor::mode::multiply;
  constexpr auto descriptor = matmul2d_descriptor(16, 32, static_cast<int>(dynamic_extent), false, false, true, what);
  matmul2d<descriptor, execution_simdgroup> op;
  tensor<device half, matrix_extents, tensor_inline> ta(a, matrix_extents(20, 14)), tb(b, matrix_extents(30, 20));
  tensor<device float, matrix_extents, tensor_inline> tc(c, matrix_extents(30, 14));
  op.run(ta, tb, tc);
}
template [[host_name("replaces")]] kernel void into_memory<false>(device float*, device half*, device half*);
template [[host_name("adds")]] kernel void into_memory<true>(device float*, device half*, device half*);

// a thread alone
kernel void by_thread(device float* c, device float* a, device float* b, uint i [[thread_position_in_grid]]) {
  matmul2d<matmul2d_descriptor(3, 5, 7), execution_thread> op;
  auto ta = tensor(a + 21 * i, matrix_extents(7, 3)), tb = tensor(b + 35 * i, matrix_extents(5, 7));
  auto tc = tensor(c + 15 * i, matrix_extents(5, 3));
  auto left = op.get_left_input_cooperative_tensor<float, float, float>();
  auto right = op.get_right_input_cooperative_tensor<float, float, float>();
  auto sum = op.get_destination_cooperative_tensor<decltype(ta), decltype(tb), float>();
  if (i % 2) {
    left.load(ta);
    right.load(tb);
    op.run(left, right, sum);
  } else {
    op.run(ta, tb, sum);
  }
  sum.store(tc);
}

// ---- tiles in threadgroup memory ----

// The four simdgroups fetch tiles of A and B (transposed), which must not be overwritten while one still reads.
kernel void staged(device float* c, const device float* a, const device half* b, constant int3& size,
                   uint2 group [[threadgroup_position_in_grid]], ushort i [[thread_index_in_threadgroup]]) {
  threadgroup half tiles[64 * 32 + 32 * 32];
  threadgroup half* left = tiles;
  threadgroup half* right = tiles + 64 * 32;
  auto ta = tensor<threadgroup half, matrix_extents, tensor_inline>(left, matrix_extents(32, 64));
  auto tb = tensor<threadgroup half, extents<int, 32, 32>, tensor_inline>(right, {});
  matmul2d<matmul2d_descriptor(64, 32, 32, false, true, false, accumulate), execution_simdgroups<4>> op;
  auto sum = op.get_destination_cooperative_tensor<decltype(ta), decltype(tb), float>();
  const int top = group.y * 64, across = group.x * 32;
  for (int k0 = 0; k0 < size.z; k0 += 32) {
    for (int x = i; x < 64 * 32; x += 128) {
      int row = top + x / 32, k = k0 + x % 32;
      left[x] = row < size.x && k < size.z ? half(a[row * size.z + k]) : 0.0h;
      if (x >= 32 * 32) continue;
      int column = across + x / 32;
      right[x] = column < size.y && k < size.z ? b[column * size.z + k] : 0.0h;
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    auto sa = ta.slice(0, 0);
    auto sb = tb.slice(0, 0);
    op.run(sa, sb, sum);
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
  sum.store(tensor(c, matrix_extents(size.y, size.x)).slice(across, top));
}
// One simdgroup: what it stores it may read at once.
kernel void turned(device float* out, device float* x, ushort lane [[thread_index_in_simdgroup]]) {
  threadgroup float memory[16 * 16];
  matmul2d<matmul2d_descriptor(16, 16, 16), execution_simdgroup> op;
  auto tile = op.get_destination_cooperative_tensor<float, float, float>();
  tile.load(tensor(x, matrix_extents(16, 16)));
  tile.store(tensor(memory, matrix_extents(16, 16), array<int, 2>({16, 1})));
  for (int i = lane; i < 256; i += 32) out[i] = memory[i];
}

// What it reads, the lanes have just written.
kernel void fetched(device float* out, const device float* x, ushort lane [[thread_index_in_simdgroup]]) {
  threadgroup float memory[16 * 16];
  matmul2d<matmul2d_descriptor(16, 16, 16), execution_simdgroup> op;
  for (int i = lane; i < 256; i += 32) memory[i] = x[i];
  auto tile = tensor(memory, matrix_extents(16, 16));
  op.run(tile, tile, tensor(out, matrix_extents(16, 16)));
}

// ---- who holds what ----

template <typename Tile> static void tell_places(Tile tile, device short* out, ushort thread_index) {
  for (ushort i = 0; i < tile.get_capacity(); ++i) {
    auto at = tile.get_multidimensional_index(i);
    device short* place = out + 3 * (thread_index * tile.get_capacity() + i);
    place[0] = at[0], place[1] = at[1], place[2] = tile.is_valid_element(i);
  }
}
template <int Which> kernel void places(device short* out, ushort i [[thread_index_in_threadgroup]]) {
  matmul2d<matmul2d_descriptor(16, 32, 48, false, true), execution_simdgroup> op;
  matmul2d<matmul2d_descriptor(40, 24, -1), execution_simdgroups<4>> shared;
  if constexpr (Which == 0) tell_places(op.get_left_input_cooperative_tensor<half, half, float>(), out, i);
  if constexpr (Which == 1) tell_places(op.get_right_input_cooperative_tensor<half, half, float>(), out, i);
  if constexpr (Which == 2) tell_places(op.get_destination_cooperative_tensor<half, half, float>(), out, i);
  if constexpr (Which == 3) tell_places(shared.get_destination_cooperative_tensor<half, half, float>(), out, i);
}
template [[host_name("places_left")]] kernel void places<0>(device short*, ushort);
template [[host_name("places_right")]] kernel void places<1>(device short*, ushort);
template [[host_name("places_destination")]] kernel void places<2>(device short*, ushort);
template [[host_name("places_shared")]] kernel void places<3>(device short*, ushort);

// ---- operands that a simdgroup holds ----

// filled element by element, in the order of the lanes
template <typename T, bool TA, bool TB, int M_, int N_, int K_>
kernel void held(device float* out, const device T* a, const device T* b, ushort lane [[thread_index_in_simdgroup]]) {
  matmul2d<matmul2d_descriptor(M_, N_, K_, TA, TB, true, accumulate), execution_simdgroup> op;
  auto left = op.template get_left_input_cooperative_tensor<T, T, float>();
  auto right = op.template get_right_input_cooperative_tensor<T, T, float>();
  auto sum = op.template get_destination_cooperative_tensor<remove_addrspace_t<decltype(left)>, decltype(right), float>();
#pragma unroll
  for (short i = 0; i < left.get_capacity(); ++i) left[i] = a[lane * left.get_capacity() + i];
  for (short i = 0; i < right.get_capacity(); ++i) right[i] = b[lane * right.get_capacity() + i];
  for (thread float& x : sum) x = 1;
  op.run(left, right, sum);
  for (short i = 0; i < sum.get_capacity(); ++i) out[lane * sum.get_capacity() + i] = sum[i];
}
#define HELD(name, T, TA, TB, M_, N_, K_) \
  template [[host_name("held_" #name)]] kernel void held<T, TA, TB, M_, N_, K_>( \
      device float*, const device T*, const device T*, ushort);
HELD(nn, half, false, false, 16, 32, 16)
HELD(nt, half, false, true, 16, 32, 16)
HELD(tn, bfloat, true, false, 16, 32, 16)
HELD(tt, float, true, true, 16, 32, 16)
HELD(large, float, true, true, 32, 48, 64)
HELD(odd, float, false, true, 10, 20, 30)

// one of the operands held, the other in memory; lanes that stand aside count as zero
kernel void half_held(device float* out, device float* a, device float* b, constant int& active,
                      ushort lane [[thread_index_in_simdgroup]]) {
  matmul2d<matmul2d_descriptor(16, 16, 16), execution_simdgroup> op;
  tensor ta(a, matrix_extents(16, 16)), tb(b, matrix_extents(16, 16)), tc(out, matrix_extents(16, 16));
  auto left = op.get_left_input_cooperative_tensor<float, float, float>();
  if (lane < active) {
    left.load(ta);
    op.run(left, tb, tc);
  }
}

// ---- element by element ----

// Fresh tensors are zero; outside the operands' 5 rows and 6 columns there is nothing to add; again is not twice.
kernel void at_first(device float* out, device float* x, ushort lane [[thread_index_in_simdgroup]]) {
  matmul2d<matmul2d_descriptor(16, 16, 16), execution_simdgroup> op;
  auto left = tensor(x, matrix_extents(16, 5)), right = tensor(x, matrix_extents(6, 16), array<int, 2>({1, 16}));
  auto fresh = op.get_destination_cooperative_tensor<decltype(left), decltype(right), float>();
  auto sum = op.get_destination_cooperative_tensor<decltype(left), decltype(right), float>();
  op.run(left, right, sum);
  op.run(left, right, sum);
  for (ushort i = 0; i < 8; ++i) {
    out[lane * 16 + i] = fresh[i];
    out[lane * 16 + 8 + i] = sum[i];
  }
}

kernel void epilogue(device half* out, device half* a, device half* b, const device float* bias) {
  matmul2d<matmul2d_descriptor(40, 40, -1), execution_simdgroups<3>> op;
  tensor ta(a, matrix_extents(8, 40)), tb(b, matrix_extents(40, 8)), tc(out, matrix_extents(40, 40));
  auto sum = op.get_destination_cooperative_tensor<decltype(ta), decltype(tb), float>();
  auto rounded = op.get_destination_cooperative_tensor<decltype(ta), decltype(tb), half>();
  op.run(ta, tb, sum);
  uint16_t e = 0;
  for (auto it = sum.begin(); it != sum.end(); ++it, ++e) {
    if (!sum.is_valid_element(e)) continue;
    auto at = it.get_multidimensional_index();
    rounded[e] = half(*it + bias[at[0]] * at[1]);
  }
  rounded.store(tc);
}

// ---- views ----

kernel void views(device int* out, device int* x) {
  auto cube = tensor(x, dextents<int, 3>{4, 3, 2});
  auto inner = cube.slice<2, dynamic_extent, 1>(1, 1, 1);
  auto deeper = inner.slice(1, 1, 0);
  using Inner = decltype(inner);
  static_assert(Inner::get_static_extent(0) == 2 && Inner::get_static_extent(1) == dynamic_extent);
  static_assert(is_same_v<Inner::element_type, int> && cube.get_rank() == 3 && dynamic_length_v<int> == -1);
  static_assert(extents<int, 4, dynamic_extent>::rank_dynamic() == 1);
  constexpr extents<int, 4, dynamic_extent> one(7), both(4, 9);
  auto row = tensor(x + 4, dextents<int, 1>(4));
  const int results[] = {
      inner[array<int, 3>({0, 0, 0})], deeper[array<int, 3>({0, 0, 0})], row[2],
      inner.get_extent(0), inner.get_extent(1), inner.get_extent(2), deeper.get_extent(0), deeper.get_extent(1),
      cube.get_stride(1), cube.get_stride(2), one.extent(0), one.extent(1), both.extent(1)};
  for (int i = 0; i < 13; ++i) out[i] = results[i];
}
kernel void wide_vectors(device float* out) {
  vec<float, 8> a(2), b(1, 2, 3, 4, 5, 6, 7, 8);
  a += b * vec<float, 8>(bfloat(3));
  vec<half, 8> narrow(a);
  vec<float, 16> zero(0);
  for (int i = 0; i < 8; ++i) out[i] = -(a / b - zero[i])[i] + float(narrow[i]);
}
