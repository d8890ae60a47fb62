// Votes, ballots and the first active lane.
#include <metal_stdlib>
using namespace metal;

kernel void votes(device uint* out, const device int* x, uint i [[thread_position_in_grid]]) {
  device uint* row = out + 5 * i;
  row[0] = simd_all(x[i] > 0);
  row[1] = simd_any(x[i] > 90);
  row[2] = simd_is_first();
  row[3] = uint((simd_vote::vote_t)simd_ballot(x[i] % 2 == 0));
  row[4] = uint((simd_vote::vote_t)simd_active_threads_mask());
}
kernel void divergent(device uint* out, uint i [[thread_position_in_grid]], uint lane [[thread_index_in_simdgroup]]) {
  out[i] = 0;
  if (lane > 4 && lane < 20) out[i] = 1 + uint(simd_is_first());
}
kernel void vote_objects(device uint* out, const device int* x, uint i [[thread_position_in_grid]]) {
  const simd_vote vote = simd_ballot(x[i] > 50);
  out[i] = uint(vote.all()) + 2 * uint(vote.any());
}
