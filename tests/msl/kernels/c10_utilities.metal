// c10/metal/utils.h, random.h and atomic.h.
#include <c10/metal/atomic.h>
#include <c10/metal/random.h>
#include <c10/metal/utils.h>
using namespace metal;
using namespace c10::metal;

static_assert(is_same_v<opmath_t<half>, float> && is_same_v<opmath_t<uchar>, int> && is_same_v<opmath_t<long>, long>);
static_assert(is_same_v<accum_t<bfloat>, float> && is_same_v<accum_t<short>, short>);
static_assert(is_same_v<vec2type_t<float>, float2> && is_same_v<vec4type_t<int>, int4>);
static_assert(is_complex_v<float2> && !is_complex_v<float> && is_scalar_floating_point_v<bfloat>);
static_assert(is_scalar_integral_v<uchar> && !is_scalar_floating_point_v<float2> && max_ndim == 16);
static_assert(is_same_v<common_dtype<short, float>, float> && int(c10::metal::ScalarType::BFloat16) == 15);

kernel void integers(device int* out, const device int* x, const device int* y, uint i [[thread_position_in_grid]]) {
  out[6 * i] = floor_divide(x[i], y[i]);
  out[6 * i + 1] = c10::metal::remainder(x[i], y[i]);
  out[6 * i + 2] = c10::metal::fmod(x[i], y[i]);
  out[6 * i + 3] = c10::metal::max(x[i], short(y[i]));
  out[6 * i + 4] = c10::metal::min(x[i], y[i]);
  out[6 * i + 5] = safe_mod(x[i], y[i] - 1) + c10::metal::div(x[i], y[i]);
}
kernel void floats(device float* out, const device float* x, const device float* y, uint i [[thread_position_in_grid]]) {
  out[8 * i] = floor_divide(x[i], y[i]);
  out[8 * i + 1] = c10::metal::remainder(x[i], y[i]);
  out[8 * i + 2] = c10::metal::fmod(x[i], y[i]);
  out[8 * i + 3] = c10::metal::max(x[i], y[i]);
  out[8 * i + 4] = float(c10::metal::min(bfloat(x[i]), bfloat(y[i])));
  out[8 * i + 5] = div_floor(x[i], y[i]);
  out[8 * i + 6] = hypot(x[i], y[i]);
  out[8 * i + 7] = cast_to<float>(cast_to<half2>(x[i])) + cast_to<float>(cast_to<uchar>(y[i] > 0));
}
kernel void complexes(device float2* out, const device float2* x, const device float2* y, uint i [[thread_position_in_grid]]) {
  out[4 * i] = c10::metal::mul(x[i], y[i]);
  out[4 * i + 1] = c10::metal::div(x[i], y[i]);
  out[4 * i + 2] = conj(x[i]);
  out[4 * i + 3] = c10::metal::log1p(x[i]);
}
kernel void draws(device uint4* words, device float4* numbers, constant long& seed, uint i [[thread_position_in_grid]]) {
  words[i] = philox4::rand(seed, i);
  numbers[i] = float4(c10::metal::rand(seed, i), randn(seed, i), randint64(seed, i, -5, 20), 0);
}

template <typename T>
T larger(T a, T b) {
  return a > b ? a : b;
}
#define ATOMIC(T)                                                                                                \
  kernel void add_##T(device AtomicType_t<T>* out, const device T* x, uint i [[thread_position_in_grid]]) {      \
    AtomicType<T>::atomic_add(out, 1 + i % 5, x[i]);                                                             \
  }
#define ATOMIC_MAX(T)                                                                                            \
  kernel void max_##T(device AtomicType_t<T>* out, const device T* x, uint i [[thread_position_in_grid]]) {      \
    AtomicType<T>::atomic_binary_op(out, 1 + i % 5, x[i], larger<T>);                                            \
  }
ATOMIC(float) ATOMIC(int) ATOMIC(half) ATOMIC(bfloat) ATOMIC(short) ATOMIC(char) ATOMIC(uchar) ATOMIC(bool)
ATOMIC(half2) ATOMIC(float2) ATOMIC(long)
ATOMIC_MAX(float) ATOMIC_MAX(int) ATOMIC_MAX(half) ATOMIC_MAX(bfloat) ATOMIC_MAX(short) ATOMIC_MAX(char)
ATOMIC_MAX(uchar) ATOMIC_MAX(long)
