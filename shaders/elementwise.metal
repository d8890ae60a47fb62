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

#if UNARY

kernel void dense(device R* out, device const A* a, uint i [[thread_position_in_grid]]) {
  out[i] = Convert<R>::from(OPERATOR()(Convert<CA>::from(a[i])));
}

kernel void strided(device R* out, device const A* a, constant Layout<2>& layout,
                    uint3 position [[thread_position_in_grid]]) {
  Place<2> place = place_of(position, layout);
  out[place.at[0]] = Convert<R>::from(OPERATOR()(Convert<CA>::from(a[place.at[1]])));
}

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

kernel void strided(device R* out, device const A* a, device const B* b, constant Layout<3>& layout,
                    uint3 position [[thread_position_in_grid]]) {
  Place<3> place = place_of(position, layout);
  out[place.at[0]] =
      Convert<R>::from(OPERATOR()(Convert<CA>::from(a[place.at[1]]), Convert<CB>::from(b[place.at[2]])));
}

kernel void strided_scalar(device R* out, device const A* a, constant CB& b, constant Layout<2>& layout,
                           uint3 position [[thread_position_in_grid]]) {
  Place<2> place = place_of(position, layout);
  out[place.at[0]] = Convert<R>::from(OPERATOR()(Convert<CA>::from(a[place.at[1]]), b));
}

kernel void scalar_strided(device R* out, device const B* b, constant CA& a, constant Layout<2>& layout,
                           uint3 position [[thread_position_in_grid]]) {
  Place<2> place = place_of(position, layout);
  out[place.at[0]] = Convert<R>::from(OPERATOR()(a, Convert<CB>::from(b[place.at[1]])));
}

#endif
