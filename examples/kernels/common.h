// Shared by the kernels of this folder.
#pragma once
#include <metal_stdlib>

constant constexpr uint simd_width = 32;

/// Rows `row` and columns `column` of a row-major matrix that is `width` wide.
inline uint offset_of(uint row, uint column, uint width) {
  return row * width + column;
}

/// A smooth palette after Inigo Quilez: a cosine per colour channel, `t` in [0, 1].
inline float3 palette(float t) {
  const float3 phase = float3(0.00f, 0.10f, 0.20f);
  return 0.5f + 0.5f * metal::cos(2 * M_PI_F * (t + phase) + M_PI_F);
}
