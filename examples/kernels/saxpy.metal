// y = a x + y: the smallest useful kernel, for several element types from one template.
#include <metal_stdlib>
using namespace metal;

template <typename T>
kernel void saxpy(device T* y           [[buffer(0)]],
                  const device T* x     [[buffer(1)]],
                  constant T& a         [[buffer(2)]],
                  uint i                [[thread_position_in_grid]]) {
  y[i] = a * x[i] + y[i];
}

template [[host_name("saxpy_float")]] kernel decltype(saxpy<float>) saxpy<float>;
template [[host_name("saxpy_half")]]  kernel decltype(saxpy<half>)  saxpy<half>;
template [[host_name("saxpy_int")]]   kernel decltype(saxpy<int>)   saxpy<int>;
