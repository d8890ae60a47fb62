// Loops, switches and branches, with and without unrolling.
#include <metal_stdlib>
using namespace metal;

kernel void collatz(device uint* out, uint i [[thread_position_in_grid]]) {
  uint n = i + 1, steps = 0;
  while (n != 1) {
    n = n % 2 ? 3 * n + 1 : n / 2;
    ++steps;
  }
  out[i] = steps;
}
kernel void choose(device int* out, const device int* x, uint i [[thread_position_in_grid]]) {
  switch (x[i] % 5) {
    case 0: out[i] = 100; break;
    case 1:
    case 2: out[i] = 200; [[fallthrough]];
    case 3: out[i] = x[i]; break;
    default: out[i] = -1;
  }
}
kernel void loops(device int* out, uint i [[thread_position_in_grid]]) {
  int sum = 0;
#pragma unroll
  for (int k = 0; k < 8; ++k) sum += k * int(i);
#pragma unroll(4)
  for (int k = 0; k < 10; ++k) {
    if (k == 3) continue;
    if (k == 9) break;
    sum += k;
  }
  _Pragma("clang loop unroll(full)") for (short k = 0; k < 4; ++k) sum ^= k;
  int k = 5;
  do {
    sum -= k;
  } while (--k > 0);
  out[i] = sum;
}
