// Iterations until z leaves the circle of radius 2, a thread a pixel.
#include <metal_stdlib>
using namespace metal;

[[max_total_threads_per_threadgroup(256)]]
kernel void mandelbrot(device uint* iterations [[buffer(0)]], constant uint& limit [[buffer(1)]],
                       uint2 pixel [[thread_position_in_grid]], uint2 size [[threads_per_grid]]) {
  const float cx = -2.0f + 3.0f * pixel.x / size.x;
  const float cy = -1.5f + 3.0f * pixel.y / size.y;
  float x = 0, y = 0;
  uint n = 0;
  while (n < limit && x * x + y * y <= 4.0f) {
    const float next = x * x - y * y + cx;
    y = 2 * x * y + cy;
    x = next;
    ++n;
  }
  iterations[pixel.y * size.x + pixel.x] = n;
}
