"""What a program does, as a table and as a timeline for https://ui.perfetto.dev."""

import json

import metalpy as mp
from metalpy.mps import profiler

lib = mp.mps.compile_shader("""
#include <metal_stdlib>
using namespace metal;
kernel void heat(device float* next, device const float* now, uint2 at [[thread_position_in_grid]],
                 uint2 size [[threads_per_grid]]) {
  uint i = at.y * size.x + at.x;
  bool edge = at.x == 0 || at.y == 0 || at.x == size.x - 1 || at.y == size.y - 1;
  next[i] = edge ? now[i] : 0.25f * (now[i - 1] + now[i + 1] + now[i - size.x] + now[i + size.x]);
}
kernel void largest(device atomic_uint* result, device const float* x, uint i [[thread_position_in_grid]]) {
  atomic_fetch_max_explicit(result, as_type<uint>(x[i]), memory_order_relaxed);
}
""")

now = mp.zeros((256, 256))
now[0].fill(1.0)
following = now.copy()
result = mp.zeros(1, dtype=mp.uint32)

with profiler.profile() as p:
    for step in range(20):
        with profiler.record_function("step", number=step):
            lib.heat(following, now, threads=(256, 256))
            now, following = following, now
    with mp.mps.stream(mp.mps.Stream()) as other:
        other.wait_stream(mp.mps.default_stream())
        lib.largest(result, now.reshape(-1)[256:-256], threads=256 * 254)
        backup = now.copy()
        other.synchronize()

print(p)
print(p.table())
p.export_chrome_trace("profile.json")
with open("profile.json") as file:
    entries = json.load(file)["traceEvents"]
print(f"profile.json: {len(entries)} entries, to be dropped into https://ui.perfetto.dev")
