// Literals of every kind; a literal without suffix is single precision, as Metal has no double.
#include <metal_stdlib>
using namespace metal;

kernel void values(device float* out) {
  uint n = 0;
  out[n++] = 1.5;
  out[n++] = 0.1f;
  out[n++] = 2.5h;
  out[n++] = .125H;
  out[n++] = 3.25bf;
  out[n++] = 1e-3h;
  out[n++] = 0x1.8p3f;
  out[n++] = 1'000'000;
  out[n++] = 0b1011;
  out[n++] = 0x7fu;
  out[n++] = 'A';
  out[n++] = 017;
  out[n++] = float(18446744073709551615ul);
  out[n++] = sizeof(1.0);
  out[n++] = sizeof(1.0h);
  out[n++] = sizeof(1.0bf);
  out[n++] = 0.1h + 0.2h;
  out[n++] = 1.0 / 3;
}
