// 256 bins: counted in local memory first, then added to the result.
__kernel __attribute__((reqd_work_group_size(256, 1, 1)))
void histogram(__global uint* counts, __global const uchar* values, const uint count) {
  __local uint bins[256];
  const size_t local_id = get_local_id(0);
  bins[local_id] = 0;
  barrier(CLK_LOCAL_MEM_FENCE);
  for (size_t at = get_global_id(0); at < count; at += get_global_size(0)) atomic_inc(&bins[values[at]]);
  barrier(CLK_LOCAL_MEM_FENCE);
  atomic_add(&counts[local_id], bins[local_id]);
}
