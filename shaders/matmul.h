// Matrix products of any strides, and products of rows.
//
// A simdgroup computes a block of ROWS x 32 elements, a column for each lane: a number of A, the same for all lanes,
// times a row of B. Both come through threadgroup memory, in which panels of PANEL numbers lie without gaps, already
// converted to the type in which sums are made (the packing of Goto and van de Geijn, "Anatomy of High-Performance
// Matrix Multiplication", ACM TOMS 34, 2008).
#include "convert.h"

namespace metalpy {

#define MAX_RANK 8

/// Sizes and strides, in elements, of products of many matrices.
struct Product {
  uint rows, columns, inner, tile_rows, rank;
  uint conjugate, shape[MAX_RANK];  // conjugate: the left operand
  long a[MAX_RANK], b[MAX_RANK];                    // along the axes before the last two
  long a_start, b_start, a_row, a_column, b_row, b_column;
};

inline float multiply_add(float a, float b, float sum) { return fma(a, b, sum); }
inline float2 multiply_add(float2 a, float2 b, float2 sum) {
  return float2(fma(a.x, b.x, fma(-a.y, b.y, sum.x)), fma(a.x, b.y, fma(a.y, b.x, sum.y)));
}
template <typename T>
T multiply_add(T a, T b, T sum) { return T(sum + a * b); }

inline float2 conjugated(float2 x) { return float2(x.x, -x.y); }
template <typename T>
T conjugated(T x) { return x; }

template <typename T>
T add_product(T a, T b, T sum, constant Product& p) { return multiply_add(p.conjugate ? conjugated(a) : a, b, sum); }

/// Where the matrices of a product begin; `batch` counts products.
inline void find_matrices(constant Product& p, uint batch, thread long& a, thread long& b) {
  a = p.a_start;
  b = p.b_start;
  for (uint axis = p.rank; axis-- > 0;) {
    uint extent = p.shape[axis];
    long index = long(batch % extent);
    batch /= extent;
    a += index * p.a[axis];
    b += index * p.b[axis];
  }
}

/// A panel of `height` x WIDTH numbers of B; what is outside is 0.
template <typename Sum, uint WIDTH, typename T>
void pack_columns(threadgroup Sum* panel, const device T* b, constant Product& p, uint first, uint height, uint column,
                  uint lane) {
  b += long(first) * p.b_row + long(column) * p.b_column;
  uint width = min(WIDTH, p.columns - column);
  if (p.b_column == 1 && width == WIDTH) {
    for (uint k = 0; k < height; ++k)
      for (uint j = 0; j < WIDTH; j += 32) panel[k * WIDTH + j + lane] = Convert<Sum>::from(b[k * p.b_row + j + lane]);
  } else if (p.b_row == 1) {
    for (uint j = 0; j < WIDTH; ++j)
      for (uint k = lane; k < height; k += 32)
        panel[k * WIDTH + j] = j < width ? Convert<Sum>::from(b[j * p.b_column + k]) : Sum(0);
  } else {
    for (uint j = lane; j < WIDTH; j += 32)
      for (uint k = 0; k < height; ++k)
        panel[k * WIDTH + j] = j < width ? Convert<Sum>::from(b[k * p.b_row + j * p.b_column]) : Sum(0);
  }
}

/// A panel of 30 x `height` numbers of A, where `step_row` and `step` lead from one to the next; what is outside is 0.
/// Lanes lie along the axis of A that is contiguous, so that neither reads nor writes are scattered.
template <typename Sum, uint DEPTH, typename T>
void pack_rows(threadgroup Sum* panel, const device T* a, constant Product& p, uint first, uint height, uint row,
               uint lane) {
  a += long(first) * p.a_column + long(row) * p.a_row;
  uint rows = min(30u, p.rows - row);
  if (p.a_row == 1) {
    for (uint k = 0; k < height; ++k) panel[k * 32 + lane] = lane < rows ? Convert<Sum>::from(a[k * p.a_column + lane]) : Sum(0);
  } else if (p.a_column == 1) {
    for (uint r = 0; r < 30; ++r)
      for (uint k = lane; k < height; k += 32)
        panel[r * DEPTH + k] = r < rows ? Convert<Sum>::from(a[r * p.a_row + k]) : Sum(0);
  } else {
    for (uint r = 0; r < 30; ++r)
      for (uint k = lane; k < height; k += 32)
        panel[r * DEPTH + k] = r < rows ? Convert<Sum>::from(a[r * p.a_row + k * p.a_column]) : Sum(0);
  }
}

/// sums = a block of A times a panel of B, whose rows are WIDTH long.
template <uint ROWS, uint COLUMNS, uint ROW_STEP, uint STEP, typename Sum>
void multiply_block(thread Sum (&sums)[ROWS][COLUMNS], const threadgroup Sum* a, const threadgroup Sum* b, uint height,
                    uint lane) {
  for (uint k = 0; k < height; ++k) {
    Sum factor[COLUMNS];
#pragma unroll
    for (uint c = 0; c < COLUMNS; ++c) factor[c] = b[k * (32 * COLUMNS) + c * 32 + lane];
#pragma unroll
    for (uint r = 0; r < ROWS; ++r)
#pragma unroll
      for (uint c = 0; c < COLUMNS; ++c) sums[r][c] = multiply_add(a[r * ROW_STEP + k * STEP], factor[c], sums[r][c]);
  }
}

/// What a panel gave is added to what those before it gave; the last one rounds.
template <bool TRANSPOSED, typename T, typename Sum, uint ROWS, uint COLUMNS>
void store_block(const thread Sum (&sums)[ROWS][COLUMNS], device T* out, device Sum* partial, constant Product& p,
                 uint row, uint rows, uint column, bool is_first, bool is_last) {
#pragma unroll
  for (uint r = 0; r < ROWS; ++r)
#pragma unroll
    for (uint c = 0; c < COLUMNS; ++c) {
      uint own = column + c * 32;
      if (r >= rows || own >= p.columns) continue;
      ulong place = TRANSPOSED ? ulong(own) * p.rows + row + r : ulong(row + r) * p.columns + own;
      Sum sum = is_first ? sums[r][c] : sums[r][c] + partial[place];
      if (is_last) out[place] = T(sum);
      else partial[place] = sum;
    }
}

/// A threadgroup of 32 threads computes `tile_rows` x (32 * COLUMNS) elements, in blocks of ROWS rows, and writes them
/// row after row or, if TRANSPOSED, column after column.
template <bool TRANSPOSED, typename A, typename B, typename T, typename Sum, uint ROWS, uint COLUMNS, uint DEPTH>
kernel void product_tiles(device T* out, const device A* a, const device B* b, device Sum* partial,
                          constant Product& p, uint3 group [[threadgroup_position_in_grid]],
                          uint lane [[thread_index_in_simdgroup]]) {
  constexpr uint WIDTH = 32 * COLUMNS;
  threadgroup Sum rows_of_a[32 * DEPTH];
  threadgroup Sum columns_of_b[WIDTH * DEPTH];
  long start_a, start_b;
  find_matrices(p, group.z, start_a, start_b);
  ulong start = ulong(group.z) * p.rows * p.columns;
  uint column = group.x * WIDTH;
  uint first_row = group.y * p.tile_rows, last_row = min(p.rows, first_row + p.tile_rows);
  for (uint first = 0; first < p.inner; first += DEPTH) {
    uint height = min(DEPTH, p.inner - first);
    bool is_first = first == 0, is_last = first + height == p.inner;
    simdgroup_barrier(mem_flags::mem_threadgroup);
    pack_columns<Sum, WIDTH>(columns_of_b, b + start_b, p, first, height, column, lane);
    for (uint row = first_row; row < last_row; row += ROWS) {
      uint in_panel = (row - first_row) % 30;
      if (in_panel == 0) {
        simdgroup_barrier(mem_flags::mem_threadgroup);
        pack_rows<Sum, DEPTH>(rows_of_a, a + start_a, p, first, height, row, lane);
        simdgroup_barrier(mem_flags::mem_threadgroup);
      }
      Sum sums[ROWS][COLUMNS];
#pragma unroll
      for (uint r = 0; r < ROWS; ++r)
#pragma unroll
        for (uint c = 0; c < COLUMNS; ++c) sums[r][c] = Sum(0);
      if (p.a_row == 1)
        multiply_block<ROWS, COLUMNS, 1, 32>(sums, rows_of_a + in_panel, columns_of_b, height, lane);
      else
        multiply_block<ROWS, COLUMNS, DEPTH, 1>(sums, rows_of_a + in_panel * DEPTH, columns_of_b, height, lane);
      uint rows = min(ROWS, p.rows - row);
      device Sum* sums_before = partial + start;
      store_block<TRANSPOSED>(sums, out + start, sums_before, p, row, rows, column + lane, is_first, is_last);
    }
  }
}

inline float lanes_sum(float x, threadgroup float*, uint) { return simd_sum(x); }
inline float2 lanes_sum(float2 x, threadgroup float2*, uint) { return simd_sum(x); }
inline int lanes_sum(int x, threadgroup int*, uint) { return simd_sum(x); }
inline uint lanes_sum(uint x, threadgroup uint*, uint) { return simd_sum(x); }
/// For 64-bit integers, which simdgroups do not add up.
template <typename T>
T lanes_sum(T x, threadgroup T* room, uint lane) {
  room[lane] = x;
  simdgroup_barrier(mem_flags::mem_threadgroup);
  T sum = T(0);
  for (uint i = 0; i < 32; ++i) sum += room[i];
  return sum;
}

/// A product of a row and a column for each simdgroup: lanes lie along the sum.
template <typename A, typename B, typename T, typename Sum>
kernel void long_sums(device T* out, const device A* a, const device B* b, constant Product& p, constant uint& count,
                      uint thread_in_grid [[thread_position_in_grid]],
                      uint lane [[thread_index_in_simdgroup]], uint simdgroup [[simdgroup_index_in_threadgroup]]) {
  threadgroup Sum room[8 * 32];
  uint index = thread_in_grid / 32;
  if (index >= count) return;
  long start_a, start_b;
  find_matrices(p, index, start_a, start_b);
  a += start_a;
  b += start_b;
  Sum sum = Sum(0);
  if (p.a_column == 1 && p.b_row == 1) {
    for (uint k = lane; k < p.inner; k += 32) sum = add_product(Convert<Sum>::from(a[k]), Convert<Sum>::from(b[k]), sum, p);
  } else {
    for (uint k = lane; k < p.inner; k += 32)
      sum = add_product(Convert<Sum>::from(a[k * p.a_column]), Convert<Sum>::from(b[k * p.b_row]), sum, p);
  }
  sum = lanes_sum(sum, room + simdgroup * 32, lane);
  if (lane == 0) out[index] = T(sum);
}

/// A product of a row and a column for each thread.
template <typename A, typename B, typename T, typename Sum>
kernel void short_sums(device T* out, const device A* a, const device B* b, constant Product& p, constant uint& count,
                       uint index [[thread_position_in_grid]]) {
  if (index >= count) return;
  long start_a, start_b;
  find_matrices(p, index, start_a, start_b);
  Sum sum = Sum(0);
  for (uint k = 0; k < p.inner; ++k)
    sum = add_product(Convert<Sum>::from(a[start_a + k * p.a_column]), Convert<Sum>::from(b[start_b + k * p.b_row]), sum, p);
  out[index] = T(sum);
}

}  // namespace metalpy
