// The Mandelbrot set, one thread a pixel; the host passes the whole of Params as a dict.
#include <metal_stdlib>
#include "common.h"
using namespace metal;

struct Params {
  float2 centre;
  float scale;          // of the plane that one pixel spans
  uint max_iterations;
};

/// Iterations until |z| leaves the circle of radius `escape`; `z` is where it went.
static uint iterate(float2 c, uint limit, float escape, thread float2& z) {
  z = 0;
  for (uint i = 0; i < limit; ++i) {
    if (length_squared(z) > escape * escape) return i;
    z = float2(z.x * z.x - z.y * z.y, 2 * z.x * z.y) + c;
  }
  return limit;
}

kernel void mandelbrot(device uchar4* image          [[buffer(0)]],
                       constant Params& params       [[buffer(1)]],
                       uint2 pixel                   [[thread_position_in_grid]],
                       uint2 size                    [[threads_per_grid]]) {
  const float2 offset = float2(pixel) - 0.5f * float2(size);
  const float2 c = params.centre + params.scale * float2(offset.x, -offset.y);

  float2 z;
  const uint n = iterate(c, params.max_iterations, 8, z);

  float3 colour = 0;
  if (n < params.max_iterations) {
    const float smooth = float(n) + 1 - log2(log2(length(z)) / 3);
    colour = palette(sqrt(smooth / 96));
  }
  image[offset_of(pixel.y, pixel.x, size.x)] = uchar4(uchar3(rint(255 * colour)), 255);
}
