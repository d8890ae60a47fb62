// Evenly spaced numbers: start + i step.
#include <metal_stdlib>
using namespace metal;

namespace metalpy {

/// Numbers of about 48 bits, as sums of two floats, for the results are to be correctly rounded floats nearly always.
struct Sequence {
  float start, start_rest;
  float step, step_rest;
};

struct Sum { float value, rest; };

static Sum add(Sum a, float b) {
  const float sum = a.value + b, back = sum - a.value;
  return {sum, a.rest + ((a.value - (sum - back)) + (b - back))};
}

static float number(constant Sequence& sequence, uint i) {
  const float high = float(i & 0xFFFFF000u), low = float(i & 0xFFFu);  // both exact
  const float a = high * sequence.step, b = low * sequence.step;
  Sum sum = {a, fma(high, sequence.step, -a) + fma(low, sequence.step, -b)};
  sum = add(add(sum, b), sequence.start);
  return sum.value + (sum.rest + (float(i) * sequence.step_rest + sequence.start_rest));
}

template <typename T>
kernel void floats(device T* out [[buffer(0)]], constant Sequence& sequence [[buffer(1)]],
                   uint i [[thread_position_in_grid]]) {
  out[i] = T(number(sequence, i));
}

struct Integers { long start, step; };

template <typename T>
kernel void integers(device T* out [[buffer(0)]], constant Integers& sequence [[buffer(1)]],
                     uint i [[thread_position_in_grid]]) {
  out[i] = T(ulong(sequence.start) + ulong(sequence.step) * i);
}

template [[host_name("floats_float")]]  kernel decltype(floats<float>)  floats<float>;
template [[host_name("floats_half")]]   kernel decltype(floats<half>)   floats<half>;
#ifdef __HAVE_BFLOAT__
template [[host_name("floats_bfloat")]] kernel decltype(floats<bfloat>) floats<bfloat>;
#endif

template [[host_name("integers_1")]] kernel decltype(integers<uchar>)  integers<uchar>;
template [[host_name("integers_2")]] kernel decltype(integers<ushort>) integers<ushort>;
template [[host_name("integers_4")]] kernel decltype(integers<uint>)   integers<uint>;
template [[host_name("integers_8")]] kernel decltype(integers<ulong>)  integers<ulong>;

}  // namespace metalpy
