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

#if UNARY

kernel void dense(device RESULT* out, device const TYPE_A* a, uint i [[thread_position_in_grid]]) {
  out[i] = Convert<RESULT>::from(OPERATOR()(Convert<COMPUTE_A>::from(a[i])));
}

kernel void strided(device RESULT* out, device const TYPE_A* a, constant Layout<2>& layout,
                    uint3 position [[thread_position_in_grid]]) {
  Place<2> place = place_of(position, layout);
  out[place.at[0]] = Convert<RESULT>::from(OPERATOR()(Convert<COMPUTE_A>::from(a[place.at[1]])));
}

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

kernel void strided(device RESULT* out, device const TYPE_A* a, device const TYPE_B* b, constant Layout<3>& layout,
                    uint3 position [[thread_position_in_grid]]) {
  Place<3> place = place_of(position, layout);
  out[place.at[0]] =
      Convert<RESULT>::from(OPERATOR()(Convert<COMPUTE_A>::from(a[place.at[1]]), Convert<COMPUTE_B>::from(b[place.at[2]])));
}

kernel void strided_scalar(device RESULT* out, device const TYPE_A* a, constant COMPUTE_B& b, constant Layout<2>& layout,
                           uint3 position [[thread_position_in_grid]]) {
  Place<2> place = place_of(position, layout);
  out[place.at[0]] = Convert<RESULT>::from(OPERATOR()(Convert<COMPUTE_A>::from(a[place.at[1]]), b));
}

kernel void scalar_strided(device RESULT* out, device const TYPE_B* b, constant COMPUTE_A& a, constant Layout<2>& layout,
                           uint3 position [[thread_position_in_grid]]) {
  Place<2> place = place_of(position, layout);
  out[place.at[0]] = Convert<RESULT>::from(OPERATOR()(a, Convert<COMPUTE_B>::from(b[place.at[1]])));
}

#endif
