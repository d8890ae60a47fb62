// Element-wise functions of arrays, as NumPy defines them.
//
// The host compiles this once for each function and choice of types, with these macros (addition of floats without them):
//   OPERATOR                one of the functors of functors.h
//   TYPE_A, TYPE_B, RESULT  types of the elements in memory: operands and result
//   COMPUTE_A, COMPUTE_B    types in which the operator computes; float for the 16-bit floating-point types
//   UNARY                   1 if there is no TYPE_B
// Complex numbers are float2.

#include <metal_stdlib>
using namespace metal;

#include "functors.h"
#include "layout.h"

#ifndef OPERATOR // on its own, for tools
#define OPERATOR Add
#define UNARY 0
#define TYPE_A float
#define TYPE_B float
#define RESULT float
#define COMPUTE_A float
#define COMPUTE_B float
#endif

// Kernels over rows are named after the steps along them, of the result and the arrays: none for any, r for -1.
#if UNARY

kernel void dense(device RESULT* out, device const TYPE_A* a, uint i [[thread_position_in_grid]]) {
  out[i] = Convert<RESULT>::from(OPERATOR()(Convert<COMPUTE_A>::from(a[i])));
}

template <int SO, int SA>
kernel void rows(device RESULT* out, device const TYPE_A* a, constant Layout<2>& layout,
                 uint3 group [[threadgroup_position_in_grid]], uint3 position [[thread_position_in_grid]]) {
  const Row<2> row = row_of(group, layout);
  const TYPE_A value = element<SA>(a, row, 1, position.x);
  set_element<SO>(out, row, 0, position.x, Convert<RESULT>::from(OPERATOR()(Convert<COMPUTE_A>::from(value))));
}

template [[host_name("strided")]]    kernel decltype(rows<ANY, ANY>) rows<ANY, ANY>;
template [[host_name("strided_11")]] kernel decltype(rows<1, 1>) rows<1, 1>;
template [[host_name("strided_10")]] kernel decltype(rows<1, 0>) rows<1, 0>;
template [[host_name("strided_12")]] kernel decltype(rows<1, 2>) rows<1, 2>;
template [[host_name("strided_1r")]] kernel decltype(rows<1, -1>) rows<1, -1>;

#else

kernel void dense(device RESULT* out, device const TYPE_A* a, device const TYPE_B* b, uint i [[thread_position_in_grid]]) {
  out[i] = Convert<RESULT>::from(OPERATOR()(Convert<COMPUTE_A>::from(a[i]), Convert<COMPUTE_B>::from(b[i])));
}

kernel void dense_scalar(device RESULT* out, device const TYPE_A* a, constant COMPUTE_B& b, uint i [[thread_position_in_grid]]) {
  out[i] = Convert<RESULT>::from(OPERATOR()(Convert<COMPUTE_A>::from(a[i]), b));
}

kernel void scalar_dense(device RESULT* out, device const TYPE_B* b, constant COMPUTE_A& a, uint i [[thread_position_in_grid]]) {
  out[i] = Convert<RESULT>::from(OPERATOR()(a, Convert<COMPUTE_B>::from(b[i])));
}

template <int SO, int SA, int SB>
kernel void rows(device RESULT* out, device const TYPE_A* a, device const TYPE_B* b, constant Layout<3>& layout,
                 uint3 group [[threadgroup_position_in_grid]], uint3 position [[thread_position_in_grid]]) {
  const Row<3> row = row_of(group, layout);
  const TYPE_A left = element<SA>(a, row, 1, position.x);
  const TYPE_B right = element<SB>(b, row, 2, position.x);
  set_element<SO>(out, row, 0, position.x,
                  Convert<RESULT>::from(OPERATOR()(Convert<COMPUTE_A>::from(left), Convert<COMPUTE_B>::from(right))));
}

template [[host_name("strided")]]     kernel decltype(rows<ANY, ANY, ANY>) rows<ANY, ANY, ANY>;
template [[host_name("strided_111")]] kernel decltype(rows<1, 1, 1>) rows<1, 1, 1>;
template [[host_name("strided_110")]] kernel decltype(rows<1, 1, 0>) rows<1, 1, 0>;
template [[host_name("strided_101")]] kernel decltype(rows<1, 0, 1>) rows<1, 0, 1>;
template [[host_name("strided_112")]] kernel decltype(rows<1, 1, 2>) rows<1, 1, 2>;
template [[host_name("strided_121")]] kernel decltype(rows<1, 2, 1>) rows<1, 2, 1>;
template [[host_name("strided_122")]] kernel decltype(rows<1, 2, 2>) rows<1, 2, 2>;

template <int SO, int SA>
kernel void rows_scalar(device RESULT* out, device const TYPE_A* a, constant COMPUTE_B& b, constant Layout<2>& layout,
                        uint3 group [[threadgroup_position_in_grid]], uint3 position [[thread_position_in_grid]]) {
  const Row<2> row = row_of(group, layout);
  const TYPE_A left = element<SA>(a, row, 1, position.x);
  set_element<SO>(out, row, 0, position.x, Convert<RESULT>::from(OPERATOR()(Convert<COMPUTE_A>::from(left), b)));
}

template [[host_name("strided_scalar")]]    kernel decltype(rows_scalar<ANY, ANY>) rows_scalar<ANY, ANY>;
template [[host_name("strided_scalar_11")]] kernel decltype(rows_scalar<1, 1>) rows_scalar<1, 1>;
template [[host_name("strided_scalar_12")]] kernel decltype(rows_scalar<1, 2>) rows_scalar<1, 2>;

template <int SO, int SB>
kernel void scalar_rows(device RESULT* out, device const TYPE_B* b, constant COMPUTE_A& a, constant Layout<2>& layout,
                        uint3 group [[threadgroup_position_in_grid]], uint3 position [[thread_position_in_grid]]) {
  const Row<2> row = row_of(group, layout);
  const TYPE_B right = element<SB>(b, row, 1, position.x);
  set_element<SO>(out, row, 0, position.x, Convert<RESULT>::from(OPERATOR()(a, Convert<COMPUTE_B>::from(right))));
}

template [[host_name("scalar_strided")]]    kernel decltype(scalar_rows<ANY, ANY>) scalar_rows<ANY, ANY>;
template [[host_name("scalar_strided_11")]] kernel decltype(scalar_rows<1, 1>) scalar_rows<1, 1>;

#endif
