// Element-wise functions of arrays, as NumPy defines them.
//
// The host compiles this once for each function and choice of types, with these macros (addition of floats without them):
//   OPERATOR       one of the functors of functors.h
//   A, B, R        types of the elements in memory: operands and result
//   CA, CB         types in which the operator computes; float for the 16-bit floating-point types
//   UNARY          1 if there is no B
// Complex numbers are float2.

#include <metal_stdlib>
using namespace metal;

#include "functors.h"
#include "layout.h"

#ifndef OPERATOR // on its own, for tools
#define OPERATOR Add
#define UNARY 0
#define A float
#define B float
#define R float
#define CA float
#define CB float
#endif

// Kernels over rows are named after the steps along them, of the result and the arrays: none for any.
#if UNARY

kernel void dense(device R* out, device const A* a, uint i [[thread_position_in_grid]]) {
  out[i] = Convert<R>::from(OPERATOR()(Convert<CA>::from(a[i])));
}

template <int SO, int SA>
kernel void rows(device R* out, device const A* a, constant Layout<2>& layout,
                 uint3 group [[threadgroup_position_in_grid]], uint3 position [[thread_position_in_grid]]) {
  const Row<2> row = row_of(group, layout);
  const A value = element<SA>(a, row, 1, position.x);
  set_element<SO>(out, row, 0, position.x, Convert<R>::from(OPERATOR()(Convert<CA>::from(value))));
}

template [[host_name("strided")]]    kernel decltype(rows<ANY, ANY>) rows<ANY, ANY>;
template [[host_name("strided_11")]] kernel decltype(rows<1, 1>) rows<1, 1>;
template [[host_name("strided_10")]] kernel decltype(rows<1, 0>) rows<1, 0>;

#else

kernel void dense(device R* out, device const A* a, device const B* b, uint i [[thread_position_in_grid]]) {
  out[i] = Convert<R>::from(OPERATOR()(Convert<CA>::from(a[i]), Convert<CB>::from(b[i])));
}

kernel void dense_scalar(device R* out, device const A* a, constant CB& b, uint i [[thread_position_in_grid]]) {
  out[i] = Convert<R>::from(OPERATOR()(Convert<CA>::from(a[i]), b));
}

kernel void scalar_dense(device R* out, device const B* b, constant CA& a, uint i [[thread_position_in_grid]]) {
  out[i] = Convert<R>::from(OPERATOR()(a, Convert<CB>::from(b[i])));
}

template <int SO, int SA, int SB>
kernel void rows(device R* out, device const A* a, device const B* b, constant Layout<3>& layout,
                 uint3 group [[threadgroup_position_in_grid]], uint3 position [[thread_position_in_grid]]) {
  const Row<3> row = row_of(group, layout);
  const A left = element<SA>(a, row, 1, position.x);
  const B right = element<SB>(b, row, 2, position.x);
  set_element<SO>(out, row, 0, position.x,
                  Convert<R>::from(OPERATOR()(Convert<CA>::from(left), Convert<CB>::from(right))));
}

template [[host_name("strided")]]     kernel decltype(rows<ANY, ANY, ANY>) rows<ANY, ANY, ANY>;
template [[host_name("strided_111")]] kernel decltype(rows<1, 1, 1>) rows<1, 1, 1>;
template [[host_name("strided_110")]] kernel decltype(rows<1, 1, 0>) rows<1, 1, 0>;
template [[host_name("strided_101")]] kernel decltype(rows<1, 0, 1>) rows<1, 0, 1>;

template <int SO, int SA>
kernel void rows_scalar(device R* out, device const A* a, constant CB& b, constant Layout<2>& layout,
                        uint3 group [[threadgroup_position_in_grid]], uint3 position [[thread_position_in_grid]]) {
  const Row<2> row = row_of(group, layout);
  const A left = element<SA>(a, row, 1, position.x);
  set_element<SO>(out, row, 0, position.x, Convert<R>::from(OPERATOR()(Convert<CA>::from(left), b)));
}

template [[host_name("strided_scalar")]]    kernel decltype(rows_scalar<ANY, ANY>) rows_scalar<ANY, ANY>;
template [[host_name("strided_scalar_11")]] kernel decltype(rows_scalar<1, 1>) rows_scalar<1, 1>;

template <int SO, int SB>
kernel void scalar_rows(device R* out, device const B* b, constant CA& a, constant Layout<2>& layout,
                        uint3 group [[threadgroup_position_in_grid]], uint3 position [[thread_position_in_grid]]) {
  const Row<2> row = row_of(group, layout);
  const B right = element<SB>(b, row, 1, position.x);
  set_element<SO>(out, row, 0, position.x, Convert<R>::from(OPERATOR()(a, Convert<CB>::from(right))));
}

template [[host_name("scalar_strided")]]    kernel decltype(scalar_rows<ANY, ANY>) scalar_rows<ANY, ANY>;
template [[host_name("scalar_strided_11")]] kernel decltype(scalar_rows<1, 1>) scalar_rows<1, 1>;

#endif
