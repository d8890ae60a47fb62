// Selecting, indexing and triangles of arrays: what is instantiated for which sizes of elements.
#include <metal_stdlib>
using namespace metal;

#include "moving.h"

namespace metalpy {

// Named after the steps along rows, as in elementwise.metal.
#define INSTANTIATE(size, T)                                                                                            \
  template [[host_name("triangle_" #size)]] kernel decltype(triangle<T>) triangle<T>;                                   \
  template [[host_name("select_" #size)]] kernel decltype(select<T, ANY, ANY, ANY, ANY>) select<T, ANY, ANY, ANY, ANY>; \
  template [[host_name("select_" #size "_1111")]] kernel decltype(select<T, 1, 1, 1, 1>) select<T, 1, 1, 1, 1>;         \
  template [[host_name("select_" #size "_1110")]] kernel decltype(select<T, 1, 1, 1, 0>) select<T, 1, 1, 1, 0>;         \
  template [[host_name("select_" #size "_1101")]] kernel decltype(select<T, 1, 1, 0, 1>) select<T, 1, 1, 0, 1>;         \
  INSTANTIATE_STEPS(select_number, "select_number_" #size, T, "", ANY, ANY, ANY)                                        \
  INSTANTIATE_STEPS(select_number, "select_number_" #size, T, "_111", 1, 1, 1)                                          \
  INSTANTIATE_STEPS(select_number, "select_number_" #size, T, "_101", 1, 0, 1)                                          \
  INSTANTIATE_STEPS(select_number, "select_number_" #size, T, "_110", 1, 1, 0)                                          \
  template [[host_name("take_" #size)]] kernel decltype(take<T, ANY, ANY, ANY>) take<T, ANY, ANY, ANY>;                 \
  template [[host_name("take_" #size "_110")]] kernel decltype(take<T, 1, 1, 0>) take<T, 1, 1, 0>;                      \
  template [[host_name("take_" #size "_101")]] kernel decltype(take<T, 1, 0, 1>) take<T, 1, 0, 1>;                      \
  template [[host_name("put_" #size)]] kernel decltype(put<T, ANY, ANY, ANY>) put<T, ANY, ANY, ANY>;                    \
  template [[host_name("put_" #size "_110")]] kernel decltype(put<T, 1, 1, 0>) put<T, 1, 1, 0>;                         \
  INSTANTIATE_AT(size, T, int)                                                                                          \
  INSTANTIATE_AT(size, T, long)

#define INSTANTIATE_AT(size, T, I)                                                                                      \
  INSTANTIATE_INDEX(take_at, "take_" #I "_" #size, T, I, "", ANY, ANY, ANY)                                             \
  INSTANTIATE_INDEX(take_at, "take_" #I "_" #size, T, I, "_101", 1, 0, 1)                                               \
  INSTANTIATE_INDEX(take_at, "take_" #I "_" #size, T, I, "_110", 1, 1, 0)                                               \
  INSTANTIATE_INDEX(take_at, "take_" #I "_" #size, T, I, "_111", 1, 1, 1)                                               \
  INSTANTIATE_INDEX(put_at, "put_" #I "_" #size, T, I, "", ANY, ANY, ANY)                                               \
  INSTANTIATE_INDEX(put_at, "put_" #I "_" #size, T, I, "_001", 0, 0, 1)                                                 \
  INSTANTIATE_INDEX(put_at, "put_" #I "_" #size, T, I, "_101", 1, 0, 1)                                                 \
  INSTANTIATE_INDEX(put_at, "put_" #I "_" #size, T, I, "_110", 1, 1, 0)
#define INSTANTIATE_INDEX(kernel_, name, T, I, steps, A, B, C)                                                          \
  template [[host_name(name steps)]] kernel decltype(kernel_<T, I, A, B, C>) kernel_<T, I, A, B, C>;
#define INSTANTIATE_STEPS(kernel_, name, T, steps, A, B, C)                                                             \
  template [[host_name(name steps)]] kernel decltype(kernel_<T, A, B, C>) kernel_<T, A, B, C>;

INSTANTIATE(1, uchar)
INSTANTIATE(2, ushort)
INSTANTIATE(4, uint)
INSTANTIATE(8, ulong)

template [[host_name("offsets_int")]]     kernel decltype(offsets<int, ANY, ANY>)  offsets<int, ANY, ANY>;
template [[host_name("offsets_int_11")]]  kernel decltype(offsets<int, 1, 1>)      offsets<int, 1, 1>;
template [[host_name("offsets_long")]]    kernel decltype(offsets<long, ANY, ANY>) offsets<long, ANY, ANY>;
template [[host_name("offsets_long_11")]] kernel decltype(offsets<long, 1, 1>)     offsets<long, 1, 1>;

}  // namespace metalpy
