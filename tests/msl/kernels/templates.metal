// Metaprogramming as libraries use it: traits, if constexpr, variadics, function pointers as arguments, concepts of size.
#include <metal_stdlib>
#include <metal_type_traits>
using namespace metal;

template <typename T>
struct accumulator { using type = T; };
template <>
struct accumulator<half> { using type = float; };

template <typename T>
T first_of(T x) { return x; }
template <typename T, typename... Rest>
T first_of(T x, Rest... rest) { return x + first_of(T(rest)...); }

static float doubled(float x) { return 2 * x; }
static float squared(float x) { return x * x; }

template <typename T, float (*f)(float), uint n>
kernel void map_sum(device float* out, const device T* x, uint i [[thread_position_in_grid]]) {
  typename accumulator<T>::type sum = 0;
  for (uint k = 0; k < n; ++k) sum += f(float(x[i * n + k]));
  if constexpr (is_same_v<T, half>) sum += 1000;
  static_assert(sizeof(sum) == 4, "half accumulates in float");
  out[i] = first_of(sum, 1, 2.0f);
}
template [[host_name("double_sum_half")]] kernel decltype(map_sum<half, doubled, 3>) map_sum<half, doubled, 3>;
template [[host_name("square_sum_float")]] kernel decltype(map_sum<float, squared, 2>) map_sum<float, squared, 2>;

template <typename T, typename = enable_if_t<is_integral_v<T>>>
static int kind(T) { return 1; }
template <typename T, enable_if_t<is_floating_point_v<T>, int> = 0>
static int kind(T) { return 2; }
kernel void kinds(device int* out) {
  out[0] = kind(1u);
  out[1] = kind(1.0h);
  out[2] = conditional_t<is_signed_v<uint>, true_type, false_type>::value;
  out[3] = is_same_v<decltype(float2().x + 1), float>;
  out[4] = is_same_v<remove_cv_t<const int>, int>;
}
