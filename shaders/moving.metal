// Selecting, indexing and triangles of arrays: what is instantiated for which sizes of elements.
#include <metal_stdlib>
using namespace metal;

#include "moving.h"

namespace metalpy {

#define INSTANTIATE(size, T)                                                                      \
  template [[host_name("select_" #size)]] kernel decltype(select<T>) select<T>;                   \
  template [[host_name("triangle_" #size)]] kernel decltype(triangle<T>) triangle<T>;             \
  template [[host_name("take_" #size)]] kernel decltype(take<T>) take<T>;                         \
  template [[host_name("put_" #size)]] kernel decltype(put<T>) put<T>;

INSTANTIATE(1, uchar)
INSTANTIATE(2, ushort)
INSTANTIATE(4, uint)
INSTANTIATE(8, ulong)

template [[host_name("offsets_int")]]  kernel decltype(offsets<int>)  offsets<int>;
template [[host_name("offsets_long")]] kernel decltype(offsets<long>) offsets<long>;

}  // namespace metalpy
