// The C names of types have the sizes of Metal, not of the host.
#include <metal_stdlib>
using namespace metal;

kernel void sizes(device uint* out) {
  uint n = 0;
  out[n++] = sizeof(int8_t);
  out[n++] = sizeof(uint8_t);
  out[n++] = sizeof(int16_t);
  out[n++] = sizeof(uint16_t);
  out[n++] = sizeof(int32_t);
  out[n++] = sizeof(uint32_t);
  out[n++] = sizeof(int64_t);
  out[n++] = sizeof(uint64_t);
  out[n++] = sizeof(long);
  out[n++] = sizeof(unsigned long);
  out[n++] = sizeof(size_t);
  out[n++] = sizeof(ptrdiff_t);
  out[n++] = sizeof(unsigned char);
  out[n++] = sizeof(unsigned);
  out[n++] = sizeof(bool);
  out[n++] = sizeof(half);
  out[n++] = sizeof(bfloat);
  out[n++] = sizeof(float);
  out[n++] = sizeof(device float*);
}
