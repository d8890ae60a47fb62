__kernel __attribute__((reqd_work_group_size(256, 1, 1)))
void saxpy(__global float* y, __global const float* x, const float a) {
  const size_t i = get_global_id(0);
  y[i] += a * x[i];
}
