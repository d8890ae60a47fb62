// C = A B for square matrices, 16x16 tiles in local memory, a work-item an element.
__kernel __attribute__((reqd_work_group_size(16, 16, 1)))
void matmul(__global float* c, __global const float* a, __global const float* b, const uint n) {
  __local float tile_a[16][16], tile_b[16][16];
  const size_t column = get_global_id(0), row = get_global_id(1);
  const size_t lx = get_local_id(0), ly = get_local_id(1);
  float sum = 0;
  for (uint k = 0; k < n; k += 16) {
    tile_a[ly][lx] = a[row * n + k + lx];
    tile_b[ly][lx] = b[(k + ly) * n + column];
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint j = 0; j < 16; ++j) sum += tile_a[ly][j] * tile_b[j][lx];
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  c[row * n + column] = sum;
}
