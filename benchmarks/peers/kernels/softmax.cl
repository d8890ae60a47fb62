// Softmax of rows, a work-group of 256 a row: trees in local memory.
__kernel __attribute__((reqd_work_group_size(256, 1, 1)))
void softmax(__global float* out, __global const float* in, const uint columns) {
  __local float tree[256];
  const size_t local_id = get_local_id(0);
  in += get_group_id(0) * columns;
  out += get_group_id(0) * columns;

  float largest = -INFINITY;
  for (size_t c = local_id; c < columns; c += 256) largest = fmax(largest, in[c]);
  tree[local_id] = largest;
  barrier(CLK_LOCAL_MEM_FENCE);
  for (uint half_width = 128; half_width > 0; half_width /= 2) {
    if (local_id < half_width) tree[local_id] = fmax(tree[local_id], tree[local_id + half_width]);
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  largest = tree[0];
  barrier(CLK_LOCAL_MEM_FENCE);

  float sum = 0;
  for (size_t c = local_id; c < columns; c += 256) {
    const float e = exp(in[c] - largest);
    out[c] = e;
    sum += e;
  }
  tree[local_id] = sum;
  barrier(CLK_LOCAL_MEM_FENCE);
  for (uint half_width = 128; half_width > 0; half_width /= 2) {
    if (local_id < half_width) tree[local_id] += tree[local_id + half_width];
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  sum = tree[0];

  for (size_t c = local_id; c < columns; c += 256) out[c] /= sum;
}
