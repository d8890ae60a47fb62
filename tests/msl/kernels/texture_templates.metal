// Kernels over textures that templates and macros make.
#include <metal_stdlib>
using namespace metal;

// One kernel for several element types, by host names; a macro spells the parameter.
#define IMAGE(name, T, a, n) texture2d<T, access::a> name [[texture(n)]]
template <typename T> kernel void doubled(IMAGE(source, T, read, 0), IMAGE(target, T, write, 1),
                                          uint2 p [[thread_position_in_grid]]) {
  target.write(source.read(p) * 2, p);
}
template [[host_name("doubled_float")]] kernel void doubled<float>(texture2d<float, access::read>,
                                                                   texture2d<float, access::write>, uint2);
template [[host_name("doubled_int")]] kernel void doubled<int>(texture2d<int, access::read>,
                                                               texture2d<int, access::write>, uint2);
template [[host_name("doubled_ushort")]] kernel void doubled<ushort>(texture2d<ushort, access::read>,
                                                                     texture2d<ushort, access::write>, uint2);
