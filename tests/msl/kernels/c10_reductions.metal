// Reductions of c10/metal/reduction_utils.h, one group at a time.
#include <c10/metal/reduction_utils.h>
using namespace metal;

#define REDUCTION(name, T, W)                                                                                  \
  kernel void name##_##T(device W* out, const device T* x, uint i [[thread_position_in_grid]],                 \
                         uint t [[thread_index_in_threadgroup]], uint size [[threads_per_threadgroup]],        \
                         uint group [[threadgroup_position_in_grid]]) {                                        \
    threadgroup W data[32];                                                                                    \
    const W all = c10::metal::threadgroup_##name(data, x[i], t, size);                                         \
    if (t == size - 1) out[2 * group] = all;                                                                   \
    const W few = W(c10::metal::simd_##name(x[i]));                                                            \
    if (t == 0) out[2 * group + 1] = few;                                                                      \
  }
REDUCTION(sum, float, float) REDUCTION(sum, half, float) REDUCTION(sum, int, int) REDUCTION(sum, long, long)
REDUCTION(sum, bfloat, float) REDUCTION(sum, float2, float2)
REDUCTION(prod, float, float) REDUCTION(prod, int, int) REDUCTION(prod, long, long) REDUCTION(prod, float2, float2)
REDUCTION(max, float, float) REDUCTION(max, bfloat, bfloat) REDUCTION(max, int, int) REDUCTION(max, long, long)
REDUCTION(max, ulong, ulong)
REDUCTION(min, float, float) REDUCTION(min, half, half) REDUCTION(min, short, short) REDUCTION(min, long, long)
REDUCTION(min, ulong, ulong)

#define INDEX(name, T)                                                                                         \
  kernel void name##_##T(device uint* out, const device T* x, uint i [[thread_position_in_grid]],              \
                         uint t [[thread_index_in_threadgroup]], uint size [[threads_per_threadgroup]],        \
                         uint group [[threadgroup_position_in_grid]]) {                                        \
    threadgroup T values[32];                                                                                  \
    threadgroup uint indices[32];                                                                              \
    const uint found = c10::metal::threadgroup_##name(values, indices, x[i], t, t, size);                      \
    if (t == 0) out[group] = found;                                                                            \
  }
INDEX(argmax, float) INDEX(argmax, int) INDEX(argmax, long) INDEX(argmin, float) INDEX(argmin, half) INDEX(argmin, long)

kernel void welford(device float3* out, const device float* x, uint i [[thread_position_in_grid]],
                    uint t [[thread_index_in_threadgroup]], uint size [[threads_per_threadgroup]],
                    uint group [[threadgroup_position_in_grid]]) {
  threadgroup float3 data[1024];
  data[t] = float3(x[i], 0, 1);
  const float3 all = c10::metal::threadgroup_welford_combine(data, t, size);
  if (t == 0) out[group] = all;
}

template <typename Op>
float fold(const device float* x, uint n) {
  float all = Op::identity();
  for (uint i = 0; i < n; ++i) all = Op::combine(all, x[i]);
  return all;
}
kernel void operations(device float* out, const device float* x, constant uint& n) {
  out[0] = fold<c10::metal::SumOp<float>>(x, n);
  out[1] = fold<c10::metal::ProdOp<float>>(x, n);
  out[2] = fold<c10::metal::MaxOp<float>>(x, n);
  out[3] = fold<c10::metal::MinOp<float>>(x, n);
  out[4] = c10::metal::MaxOp<float>::replace(NAN, 1.0f) + 2 * c10::metal::MaxOp<float>::replace(9.0f, NAN) +
      4 * c10::metal::MinOp<int>::replace(1, 2) + 8 * c10::metal::MinOp<int>::replace(2, 2);
}
