// Size and alignment of every vector and matrix type.
#include <metal_stdlib>
using namespace metal;

struct Table {
  device uint* out;
  template <typename T>
  void row() {
    *out++ = sizeof(T);
    *out++ = alignof(T);
  }
};
#define VECTORS(T) table.row<T##2>(), table.row<T##3>(), table.row<T##4>();
kernel void vectors(device uint* out) {
  Table table = {out};
  VECTORS(bool) VECTORS(char) VECTORS(uchar) VECTORS(short) VECTORS(ushort) VECTORS(int) VECTORS(uint) VECTORS(long)
  VECTORS(ulong) VECTORS(half) VECTORS(bfloat) VECTORS(float)
}
kernel void packed(device uint* out) {
  Table table = {out};
  VECTORS(packed_char) VECTORS(packed_uchar) VECTORS(packed_short) VECTORS(packed_ushort) VECTORS(packed_int)
  VECTORS(packed_uint) VECTORS(packed_half) VECTORS(packed_bfloat) VECTORS(packed_float) VECTORS(packed_long)
}
#define MATRICES(T) VECTORS(T##2x) VECTORS(T##3x) VECTORS(T##4x)
kernel void matrices(device uint* out) {
  Table table = {out};
  MATRICES(float) MATRICES(half)
}
