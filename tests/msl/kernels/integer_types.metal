// Arithmetic of every integer type, wrapping at its own width; smaller ones promote to int in between.
#include <metal_stdlib>
using namespace metal;

template <typename T>
kernel void arithmetic(device T* out, const device T* a, const device T* b, uint i [[thread_position_in_grid]]) {
  T t = a[i];
  t += b[i];
  t *= T(3);
  t -= a[i] ^ b[i];
  t |= T(a[i] & T(5));
  t = T(~t);
  out[i] = t;
}

template <typename T>
kernel void division(device T* out, const device T* a, const device T* b, uint i [[thread_position_in_grid]]) {
  out[i] = T(a[i] / b[i] * T(2) - a[i] % b[i]);
}

template <typename T>
kernel void shifts(device T* out, const device T* a, uint i [[thread_position_in_grid]]) {
  out[i] = T(T(a[i] >> 3) ^ T(a[i] << (i % (8 * sizeof(T) - 1))));
}

#define FOR_TYPE(T)                                                                         \
  template [[host_name("arithmetic_" #T)]] kernel decltype(arithmetic<T>) arithmetic<T>;    \
  template [[host_name("division_" #T)]] kernel decltype(division<T>) division<T>;          \
  template [[host_name("shifts_" #T)]] kernel decltype(shifts<T>) shifts<T>;
FOR_TYPE(char)
FOR_TYPE(uchar)
FOR_TYPE(short)
FOR_TYPE(ushort)
FOR_TYPE(int)
FOR_TYPE(uint)
FOR_TYPE(long)
FOR_TYPE(ulong)
