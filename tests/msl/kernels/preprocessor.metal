// Defines from the host, includes, and the macros that a Metal compiler sets.
#include <metal_stdlib>
using namespace metal;

#include "preprocessor/shapes.h"
#include "preprocessor/shapes.h"
#ifndef SCALE
#define SCALE 1
#endif
#define STRING(x) #x
#define JOIN_EXPANDED(a, b) a##b
#define JOIN(a, b) JOIN_EXPANDED(a, b)

kernel void JOIN(make_, NAME)(device TYPE* out, uint i [[thread_position_in_grid]]) {
  out[i] = TYPE(i) * SCALE;
}
kernel void facts(device int* out) {
  out[0] = __METAL_VERSION__ >= 310;
  out[1] = area(3, 4);
#ifdef __METAL__
  out[2] = 1;
#endif
#ifdef __HAVE_BFLOAT__
  out[3] = 1;
#endif
#if defined(FLAG) && FLAG
  out[4] = 1;
#endif
  out[5] = sizeof(STRING(abc));
  out[6] = __LINE__;
#ifdef __METAL_MACOS__
  out[7] = 1;
#endif
}
