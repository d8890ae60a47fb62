// Every form of naming an instantiation for the host.
#include <metal_stdlib>
using namespace metal;

template <typename T>
kernel void add(device T* out, constant T& by, uint i [[thread_position_in_grid]]) {
  out[i] = T(i) + by;
}
// decltype
template [[host_name("add_float")]] [[kernel]] decltype(add<float>) add<float>;
template [[host_name("add_half")]] kernel decltype(add<half>) add<half>;
// the signature in full
template [[host_name("add_int")]] kernel void add<int>(device int* out, constant int& by, uint i [[thread_position_in_grid]]);
template [[host_name("add_short")]] kernel void add(device short*, constant short&, uint);
// a function type
typedef decltype(add<uint>) add_t;
template [[host_name("add_uint")]] kernel add_t add<uint>;
using add_long_t = void(device long*, constant long&, uint);
template [[host_name("add_long")]] [[kernel]] add_long_t add<long>;

// values and several parameters
template <typename From, typename To, int factor, bool negate = false>
[[kernel]] void convert(device To* out [[buffer(0)]], device const From* in [[buffer(1)]], uint i [[thread_position_in_grid]]) {
  To x = To(in[i]) * To(factor);
  if constexpr (negate) x = -x;
  out[i] = x;
}
#define instantiate(name, from, to, factor) \
  template [[host_name("convert_" name "_" #factor)]] [[kernel]] decltype(convert<from, to, factor>) convert<from, to, factor>;
#define instantiate_factors(name, from, to) instantiate(name, from, to, 1) instantiate(name, from, to, 3)
instantiate_factors("u8_f32", uchar, float)
instantiate_factors("i32_f16", int, half)
template [[host_name("negated")]] [[kernel]] decltype(convert<int, int, 2, true>) convert<int, int, 2, true>;

// a plain kernel under another name
[[host_name("renamed")]] kernel void original(device int* out, uint i [[thread_position_in_grid]]) {
  out[i] = 7;
}
[[kernel]] void attribute_form(device int* out, uint i [[thread_position_in_grid]]) {
  out[i] = 8;
}
namespace inner {
kernel void nested(device int* out, uint i [[thread_position_in_grid]]) {
  out[i] = 9;
}
}
