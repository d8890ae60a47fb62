// The kernels of mp.random: what is instantiated for which types.
#include "philox.h"
#include "distributions.h"
#include "shuffle.h"

namespace metalpy {

/// The engine alone, for the known answers: out[i] is the block of counters[i] under keys[i].
kernel void philox(device uint4* out               [[buffer(0)]],
                   const device uint4* counters    [[buffer(1)]],
                   const device uint2* keys        [[buffer(2)]],
                   uint i                          [[thread_position_in_grid]]) {
  out[i] = philox4x32_10(counters[i], keys[i]);
}

template [[host_name("uniform_float")]]  kernel decltype(uniform<float>)  uniform<float>;
template [[host_name("uniform_half")]]   kernel decltype(uniform<half>)   uniform<half>;

template [[host_name("normal_float")]]  kernel decltype(normal<float>)  normal<float>;
template [[host_name("normal_half")]]   kernel decltype(normal<half>)   normal<half>;

template [[host_name("exponential_float")]]  kernel decltype(exponential<float>)  exponential<float>;
template [[host_name("exponential_half")]]   kernel decltype(exponential<half>)   exponential<half>;

#ifdef __HAVE_BFLOAT__
template [[host_name("uniform_bfloat")]]     kernel decltype(uniform<bfloat>)     uniform<bfloat>;
template [[host_name("normal_bfloat")]]      kernel decltype(normal<bfloat>)      normal<bfloat>;
template [[host_name("exponential_bfloat")]] kernel decltype(exponential<bfloat>) exponential<bfloat>;
#endif

// By size: signed integers, floats and bool are written as the unsigned integer of their size.
template [[host_name("bernoulli_1")]] kernel decltype(bernoulli<uchar>)  bernoulli<uchar>;
template [[host_name("bernoulli_2")]] kernel decltype(bernoulli<ushort>) bernoulli<ushort>;
template [[host_name("bernoulli_4")]] kernel decltype(bernoulli<uint>)   bernoulli<uint>;
template [[host_name("bernoulli_8")]] kernel decltype(bernoulli<ulong>)  bernoulli<ulong>;

template [[host_name("integers32_1")]] kernel decltype(integers32<uchar>)  integers32<uchar>;
template [[host_name("integers32_2")]] kernel decltype(integers32<ushort>) integers32<ushort>;
template [[host_name("integers32_4")]] kernel decltype(integers32<uint>)   integers32<uint>;
template [[host_name("integers32_8")]] kernel decltype(integers32<ulong>)  integers32<ulong>;

template [[host_name("gather_1")]] kernel decltype(gather<uchar>)  gather<uchar>;
template [[host_name("gather_2")]] kernel decltype(gather<ushort>) gather<ushort>;
template [[host_name("gather_4")]] kernel decltype(gather<uint>)   gather<uint>;
template [[host_name("gather_8")]] kernel decltype(gather<ulong>)  gather<ulong>;

}  // namespace metalpy
