// A step of the heat equation: inner cells become the mean of themselves and their four neighbours, the border is held.
__kernel __attribute__((reqd_work_group_size(32, 8, 1)))
void stencil(__global float* next, __global const float* now) {
  const size_t x = get_global_id(0), y = get_global_id(1);
  const size_t width = get_global_size(0), height = get_global_size(1);
  const size_t at = y * width + x;
  if (x == 0 || y == 0 || x == width - 1 || y == height - 1) {
    next[at] = now[at];
  } else {
    next[at] = 0.2f * (now[at] + now[at - 1] + now[at + 1] + now[at - width] + now[at + width]);
  }
}
