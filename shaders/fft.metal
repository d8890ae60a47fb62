// The kernels of metalpy.fft.
#include "fft.h"

#define PASS(RADIX, name)                                                                                             \
  template [[host_name(name)]] kernel void metalpy::fft_pass<RADIX>(                                                  \
      device float2*, const device float2*, const device float2*, constant uint&, constant uint&, uint2);

PASS(2, "fft_pass_2")
PASS(3, "fft_pass_3")
PASS(4, "fft_pass_4")
PASS(5, "fft_pass_5")
PASS(8, "fft_pass_8")
