__kernel __attribute__((reqd_work_group_size(256, 1, 1)))
void exp_sin(__global float* out, __global const float* x) {
  const size_t i = get_global_id(0);
  out[i] = exp(x[i]) + sin(x[i]);
}
