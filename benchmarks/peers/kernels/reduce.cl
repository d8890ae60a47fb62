// A tree in local memory: each work-group adds up 256 elements.
__kernel __attribute__((reqd_work_group_size(256, 1, 1)))
void reduce(__global float* sums, __global const float* x) {
  __local float tree[256];
  const size_t local_id = get_local_id(0);
  tree[local_id] = x[get_global_id(0)];
  barrier(CLK_LOCAL_MEM_FENCE);
  for (uint half_width = 128; half_width > 0; half_width /= 2) {
    if (local_id < half_width) tree[local_id] += tree[local_id + half_width];
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  if (local_id == 0) sums[get_group_id(0)] = tree[0];
}
