// Norms of rows, and what the singular values of a matrix say about its rank.
#pragma once
#include "complex_numbers.h"

namespace metalpy {

enum NormKind : uint { count_of_others_than_0, sum, root_of_squares, maximum, minimum, any_power };

struct Norm {
  uint count, length;  // rows and numbers in each
  NormKind kind;
  float power;
};

inline float2 computed(float2 x) { return x; }
template <typename T>
float computed(T x) { return float(x); }

/// The norm of each row, a simdgroup for each. Sums are in float.
template <typename T, typename R>
kernel void vector_norm(device R* out, const device T* x, constant Norm& norm,
                        uint thread_in_grid [[thread_position_in_grid]], uint lane [[thread_index_in_simdgroup]]) {
  uint index = thread_in_grid / 32;
  if (index >= norm.count) return;
  const device T* own = x + ulong(index) * norm.length;
  float result = norm.kind == minimum ? INFINITY : 0.0f;
  bool has_nan = false;
  for (uint i = lane; i < norm.length; i += 32) {
    float size = magnitude(computed(own[i]));
    has_nan |= isnan(size);
    switch (norm.kind) {
      case count_of_others_than_0: result += size != 0.0f ? 1.0f : 0.0f; break;
      case sum: result += size; break;
      case root_of_squares: result += squared(computed(own[i])); break;
      case maximum: result = max(result, size); break;
      case minimum: result = min(result, size); break;
      case any_power: result += pow(size, norm.power); break;
    }
  }
  if (norm.kind == maximum) result = simd_max(result);
  else if (norm.kind == minimum) result = simd_min(result);
  else result = simd_sum(result);
  if (norm.kind == root_of_squares) result = sqrt(result);
  if (norm.kind == any_power) result = pow(result, 1.0f / norm.power);
  if ((norm.kind == maximum || norm.kind == minimum) && simd_any(has_nan)) result = NAN;
  if (lane == 0) out[index] = R(result);
}

inline float greatest(const device float* values, uint count) {
  float most = 0.0f;
  for (uint i = 0; i < count; ++i) most = max(most, values[i]);
  return most;
}

/// How many singular values are above a tolerance, a part of the greatest: a thread for each matrix.
kernel void rank_of(device long* out, const device float* values, const device float* tolerances, constant uint& count,
                    uint matrix [[thread_position_in_grid]]) {
  const device float* own = values + ulong(matrix) * count;
  float limit = tolerances[matrix] * greatest(own, count);
  long above = 0;
  for (uint i = 0; i < count; ++i) above += own[i] > limit;
  out[matrix] = above;
}

/// One over the singular values that are above a tolerance, 0 for the others.
kernel void inverted(device float* out, const device float* values, const device float* tolerances,
                     constant uint& count, uint matrix [[thread_position_in_grid]]) {
  const device float* own = values + ulong(matrix) * count;
  float limit = tolerances[matrix] * greatest(own, count);
  for (uint i = 0; i < count; ++i) out[ulong(matrix) * count + i] = own[i] <= limit ? 0.0f : 1.0f / own[i];
}

}  // namespace metalpy
