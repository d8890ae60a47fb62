__kernel __attribute__((reqd_work_group_size(256, 1, 1)))
void full(__global float* out, const float value) {
  const size_t i = get_global_id(0);
  out[i] = value;
}
