// The kernels of metalpy.fft.
#include "fft.h"

namespace metalpy {

#define PASS(RADIX) template [[host_name("fft_pass_" #RADIX)]] kernel decltype(fft_pass<RADIX>) fft_pass<RADIX>;

PASS(2)
PASS(3)
PASS(4)
PASS(5)
PASS(8)

}  // namespace metalpy
