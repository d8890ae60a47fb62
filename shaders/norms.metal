// Means, variances and group normalisation. Sums are in float, whatever the elements are.
#include <metal_stdlib>
using namespace metal;

namespace metalpy {

/// The sum over a threadgroup, in every thread. `partial` has room for 32 numbers.
inline float group_sum(float value, threadgroup float* partial, uint member, uint width) {
  value = simd_sum(value);
  threadgroup_barrier(mem_flags::mem_threadgroup);  // the sum before this one has been read
  if (member % 32 == 0) partial[member / 32] = value;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  float total = 0;
  for (uint i = 0; i < (width + 31) / 32; ++i) total += partial[i];
  return total;
}

/// Mean and sum of squared distances from it of a row of `length` numbers, by a threadgroup.
template <typename T>
float2 row_moments(const device T* own, uint length, threadgroup float* partial, uint member, uint width) {
  float sum = 0, squares = 0;
  for (uint i = member; i < length; i += width) sum += float(own[i]);
  float middle = group_sum(sum, partial, member, width) / float(length);
  for (uint i = member; i < length; i += width) {
    float distance = float(own[i]) - middle;
    squares += distance * distance;
  }
  return float2(middle, group_sum(squares, partial, member, width));
}

/// Mean and variance of each row, a threadgroup for each.
template <typename T>
kernel void moments(device T* variance, device T* mean, const device T* x, constant uint& length,
                    constant float& divisor, uint row [[threadgroup_position_in_grid]],
                    uint member [[thread_position_in_threadgroup]], uint width [[threads_per_threadgroup]]) {
  threadgroup float partial[32];
  float2 found = row_moments(x + ulong(row) * length, length, partial, member, width);
  if (member == 0) {
    mean[row] = T(found.x);
    variance[row] = T(found.y / divisor);
  }
}

/// The same without rounding to T.
template <typename T>
kernel void exact_moments(device float* variance, device float* mean, const device T* x, constant uint& length,
                          constant float& divisor, uint row [[threadgroup_position_in_grid]],
                          uint member [[thread_position_in_threadgroup]], uint width [[threads_per_threadgroup]]) {
  threadgroup float partial[32];
  float2 found = row_moments(x + ulong(row) * length, length, partial, member, width);
  if (member == 0) {
    mean[row] = found.x;
    variance[row] = found.y / divisor;
  }
}

struct Groups {
  uint channels, groups, area;  // of one example; area: elements of a channel
  uint has_weight, has_bias;
  float epsilon;
};

/// What group_norm remembers: the mean as T, and one over the deviation.
template <typename T>
kernel void group_statistics(device T* mean, device T* rstd, const device float* exact_mean,
                             const device float* variance, constant Groups& groups,
                             uint i [[thread_position_in_grid]]) {
  mean[i] = T(exact_mean[i]);
  rstd[i] = T(rsqrt(variance[i] + groups.epsilon));
}

template <typename T>
kernel void group_norm(device T* out, const device T* x, const device float* mean, const device float* variance,
                       const device T* weight, const device T* bias, constant Groups& groups,
                       uint i [[thread_position_in_grid]]) {
  uint row = i / groups.area, channel = row % groups.channels;
  uint group = row / (groups.channels / groups.groups);
  float value = (float(x[i]) - mean[group]) * rsqrt(variance[group] + groups.epsilon);
  if (groups.has_weight) value *= float(weight[channel]);
  if (groups.has_bias) value += float(bias[channel]);
  out[i] = T(value);
}

/// For each channel of each example the sums of gradient * input and of the gradient, a threadgroup for each.
template <typename T>
kernel void channel_sums(device float* products, device float* sums, const device T* gradient, const device T* x,
                         constant Groups& groups, uint row [[threadgroup_position_in_grid]],
                         uint member [[thread_position_in_threadgroup]], uint width [[threads_per_threadgroup]]) {
  threadgroup float partial[32];
  float product = 0, sum = 0;
  for (uint i = member; i < groups.area; i += width) {
    float g = float(gradient[ulong(row) * groups.area + i]);
    product += g * float(x[ulong(row) * groups.area + i]);
    sum += g;
  }
  product = group_sum(product, partial, member, width);
  sum = group_sum(sum, partial, member, width);
  if (member == 0) {
    products[row] = product;
    sums[row] = sum;
  }
}

/// For each group the factor of the input and the constant in its gradient.
template <typename T>
kernel void group_coefficients(device float2* coefficients, const device float* products, const device float* sums,
                               const device T* mean, const device T* rstd, const device T* weight,
                               constant Groups& groups, uint i [[thread_position_in_grid]]) {
  uint width = groups.channels / groups.groups, first = i % groups.groups * width;
  float product = 0, sum = 0;
  for (uint c = 0; c < width; ++c) {
    float w = groups.has_weight ? float(weight[first + c]) : 1.0f;
    product += products[i * width + c] * w;
    sum += sums[i * width + c] * w;
  }
  float scale = 1.0f / (float(width) * float(groups.area)), r = float(rstd[i]), m = float(mean[i]);
  float factor = (sum * m - product) * r * r * r * scale;
  coefficients[i] = float2(factor, -factor * m - sum * r * scale);
}

template <typename T>
kernel void input_gradient(device T* out, const device T* gradient, const device T* x, const device T* rstd,
                           const device T* weight, const device float2* coefficients, constant Groups& groups,
                           uint i [[thread_position_in_grid]]) {
  uint row = i / groups.area, channel = row % groups.channels;
  uint group = row / (groups.channels / groups.groups);
  float factor = float(rstd[group]) * (groups.has_weight ? float(weight[channel]) : 1.0f);
  out[i] = T(float(gradient[i]) * factor + float(x[i]) * coefficients[group].x + coefficients[group].y);
}

/// Gradients of weight and bias, a thread for each channel.
template <typename T>
kernel void parameter_gradients(device T* weight_gradient, device T* bias_gradient, const device float* products,
                                const device float* sums, const device T* mean, const device T* rstd,
                                constant Groups& groups, constant uint& examples,
                                uint channel [[thread_position_in_grid]]) {
  uint width = groups.channels / groups.groups;
  float of_weight = 0, of_bias = 0;
  for (uint n = 0; n < examples; ++n) {
    uint row = n * groups.channels + channel, group = row / width;
    of_weight += (products[row] - sums[row] * float(mean[group])) * float(rstd[group]);
    of_bias += sums[row];
  }
  weight_gradient[channel] = T(of_weight);
  bias_gradient[channel] = T(of_bias);
}

#define INSTANTIATE(T)                                                                                             \
  template [[host_name("moments_" #T)]] kernel decltype(moments<T>) moments<T>;                                    \
  template [[host_name("exact_moments_" #T)]] kernel decltype(exact_moments<T>) exact_moments<T>;                  \
  template [[host_name("group_statistics_" #T)]] kernel decltype(group_statistics<T>) group_statistics<T>;         \
  template [[host_name("group_norm_" #T)]] kernel decltype(group_norm<T>) group_norm<T>;                           \
  template [[host_name("channel_sums_" #T)]] kernel decltype(channel_sums<T>) channel_sums<T>;                     \
  template [[host_name("group_coefficients_" #T)]] kernel decltype(group_coefficients<T>) group_coefficients<T>;   \
  template [[host_name("input_gradient_" #T)]] kernel decltype(input_gradient<T>) input_gradient<T>;               \
  template [[host_name("parameter_gradients_" #T)]] kernel decltype(parameter_gradients<T>) parameter_gradients<T>;

INSTANTIATE(half)
#ifdef __HAVE_BFLOAT__
INSTANTIATE(bfloat)
#endif
INSTANTIATE(float)

}  // namespace metalpy
