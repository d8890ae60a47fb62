// Inclusive prefix sum in three kernels: of each 256 elements in local memory, of the blocks' totals by one
// work-group, and the addition of what earlier blocks hold.
__kernel __attribute__((reqd_work_group_size(256, 1, 1)))
void scan_blocks(__global uint* out, __global uint* totals, __global const uint* in) {
  __local uint sums[256];
  const size_t i = get_global_id(0), local_id = get_local_id(0);
  sums[local_id] = in[i];
  barrier(CLK_LOCAL_MEM_FENCE);
  for (uint distance = 1; distance < 256; distance *= 2) {
    const uint before = local_id >= distance ? sums[local_id - distance] : 0;
    barrier(CLK_LOCAL_MEM_FENCE);
    sums[local_id] += before;
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  out[i] = sums[local_id];
  if (local_id == 255) totals[get_group_id(0)] = sums[local_id];
}

// Each of 256 work-items adds up its share of the totals, and starts at what the ones before it have.
__kernel __attribute__((reqd_work_group_size(256, 1, 1)))
void scan_totals(__global uint* totals, const uint blocks) {
  __local uint sums[256];
  const uint local_id = get_local_id(0);
  const uint share = (blocks + 255) / 256, start = min(local_id * share, blocks), end = min(start + share, blocks);
  uint sum = 0;
  for (uint i = start; i < end; ++i) sum += totals[i];
  sums[local_id] = sum;
  barrier(CLK_LOCAL_MEM_FENCE);
  uint before = 0;
  for (uint t = 0; t < local_id; ++t) before += sums[t];
  for (uint i = start; i < end; ++i) totals[i] = before += totals[i];
}

__kernel __attribute__((reqd_work_group_size(256, 1, 1)))
void add_totals(__global uint* out, __global const uint* totals) {
  const size_t block = get_group_id(0);
  if (block > 0) out[get_global_id(0)] += totals[block - 1];
}
