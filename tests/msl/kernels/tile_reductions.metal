// Rows and columns of tiles that a simdgroup holds: Metal 4.
#include <metal_stdlib>
#include <MetalPerformancePrimitives/MPPTensorOpsMatMul2d.h>
using namespace metal;
using namespace mpp; // as Apple's examples have it: reduce_rows is found by its arguments

using matrix_extents = dextents<int, 2>;

// What the rows and columns of a product come to: into memory, and under a name of the lanes' own.
template <typename T, int M, int N>
kernel void reduce(device T* rows, device T* columns, device float* a, device float* b, constant int& depth,
                   constant tensor_ops::reduction_operation& how, constant T& identity) {
  auto ta = tensor(a, matrix_extents(depth, M)), tb = tensor(b, matrix_extents(N, depth));
  constexpr auto descriptor = tensor_ops::matmul2d_descriptor(M, N, 0);
  tensor_ops::matmul2d<descriptor, execution_simdgroup> op;
  auto product = op.template get_destination_cooperative_tensor<decltype(ta), decltype(tb), T, short>();
  static_assert(is_same_v<typename decltype(product)::index_type, short> && op.descriptor.n == N, "");
  op.run(ta, tb, product);
  auto of_rows = op.template get_row_reduction_destination_cooperative_tensor<decltype(ta), decltype(tb), T>();
  auto of_columns = op.template get_column_reduction_destination_cooperative_tensor<decltype(ta), decltype(tb), T>();
  reduce_rows(product, of_rows, how, identity);
  reduce_columns(product, of_columns, how, identity);
  of_rows.store(tensor(rows, dextents<int, 1>(M)));
  for (int i = 0; i < of_columns.get_capacity(); ++i)
    if (of_columns.is_valid_element(i)) columns[of_columns.get_multidimensional_index(i)[0]] = of_columns[i];
}
#define REDUCE(name, T, M, N)                                          \
  template [[host_name("reduce_" #name)]] kernel void reduce<T, M, N>( \
      device T*, device T*, device float*, device float*, constant int&, constant tensor_ops::reduction_operation&, constant T&);
REDUCE(whole, float, 32, 48)
REDUCE(odd, float, 21, 10)
REDUCE(half, half, 16, 20)

// Attention of one tile: soft-max of the rows, from the scores to the next product's operand, and with the iterators.
kernel void attend(device float* out, device half* q, device half* k, device half* v, constant float& scale) {
  using namespace mpp::tensor_ops;
  constexpr int M = 16, N = 48, D = 32;
  auto tq = tensor(q, extents<int, D, M>());
  auto tk = tensor(k, extents<int, D, N>()), tv = tensor(v, extents<int, D, N>());
  matmul2d<matmul2d_descriptor(M, N, mpp::tensor_ops::dynamic_length_v<int>, false, true), execution_simdgroup> qk;
  matmul2d<matmul2d_descriptor(M, D, N), execution_simdgroup> pv;
  auto scores = qk.get_destination_cooperative_tensor<decltype(tq), decltype(tk), float>();
  auto most = qk.get_row_reduction_destination_cooperative_tensor<decltype(tq), decltype(tk), float>();
  auto sums = qk.get_row_reduction_destination_cooperative_tensor<decltype(tq), decltype(tk), float>();
  qk.run(tq, tk, scores);
  reduce_rows(scores, most, reduction_operation::max, reduction_operation_identity<float>::max_identity);
  if (!is_iterator_compatible(scores, most)) return;
  for (auto it = scores.begin(); it != scores.end(); it++) *it = exp((*it - *most.map_iterator(it)) * scale);
  reduce_rows(scores, sums);
  static_assert(decltype(pv)::is_compatible_as_left_input<float, half, float>(decltype(scores)()), "");
  auto weights = pv.get_left_input_cooperative_tensor<float, half, float>(scores);
  auto result = pv.get_destination_cooperative_tensor<decltype(weights), decltype(tv), float>();
  pv.run(weights, tv, result);
  for (auto it = result.begin(); it != result.end(); ++it) *it /= *sums.map_iterator(it);
  result.store(tensor(out, extents<int, D, M>()));
}

// A bias of one dimension before the product.
kernel void biased(device float* out, device float* a, device float* b, device float* bias) {
  auto ta = tensor(a, matrix_extents(7, 20)), tb = tensor(b, matrix_extents(24, 7));
  constexpr auto descriptor = tensor_ops::matmul2d_descriptor(
      20, 24, 0, false, false, false, tensor_ops::matmul2d_descriptor::mode::multiply_accumulate);
  tensor_ops::matmul2d<descriptor, execution_simdgroups<4>> op;
  auto sum = op.get_destination_cooperative_tensor<decltype(ta), decltype(tb), float>();
  array<int, 1> stride = {1};
  sum.load(tensor<device float, dextents<int, 1>, tensor_inline>(bias, dextents<int, 1>(24), stride));
  op.run(ta, tb, sum);
  sum.store(tensor(out, matrix_extents(24, 20)));
}
