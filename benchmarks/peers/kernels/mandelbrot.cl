// Iterations until z leaves the circle of radius 2, a work-item a pixel.
__kernel __attribute__((reqd_work_group_size(32, 8, 1)))
void mandelbrot(__global uint* iterations, const uint limit) {
  const size_t px = get_global_id(0), py = get_global_id(1);
  const size_t width = get_global_size(0), height = get_global_size(1);
  const float cx = -2.0f + 3.0f * px / width;
  const float cy = -1.5f + 3.0f * py / height;
  float x = 0, y = 0;
  uint n = 0;
  while (n < limit && x * x + y * y <= 4.0f) {
    const float next = x * x - y * y + cx;
    y = 2 * x * y + cy;
    x = next;
    ++n;
  }
  iterations[py * width + px] = n;
}
