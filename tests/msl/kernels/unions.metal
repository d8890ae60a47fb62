// Unions of scalars, vectors and arrays.
#include <metal_stdlib>
using namespace metal;

union Word {
  float f;
  uint u;
  uchar4 bytes;
  ushort halves[2];
};
union Random {
  uint2 pair;
  uchar bytes[8];
};
kernel void views(device uint* out, const device float* x, uint i [[thread_position_in_grid]]) {
  Word w;
  w.f = x[i];
  Random r;
  r.pair = uint2(i, w.u);
  out[4 * i] = w.u;
  out[4 * i + 1] = w.bytes.w;
  out[4 * i + 2] = w.halves[1];
  out[4 * i + 3] = r.bytes[0] + 256 * r.bytes[7];
}
kernel void in_memory(device Word* words, uint i [[thread_position_in_grid]]) {
  words[i].halves[0] = ushort(i);
}
