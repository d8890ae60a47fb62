"""Random numbers made on the device: the same seed gives the same numbers on every machine."""

import numpy as np

import metalpy as mp

mp.mps.manual_seed(2026)  # the default generator, which the functions of mp.random use
print("normal:     ", mp.random.normal(size=4))
print("dice:       ", mp.random.integers(1, 6, size=10, endpoint=True))
print("permutation:", mp.random.permutation(8))

# A state is kept and gone back to.
state = mp.mps.get_rng_state()
first = mp.random.exponential(size=3).tolist()
mp.mps.set_rng_state(state)
print("again:      ", mp.random.exponential(size=3).tolist() == first)

# Streams of one seed share no numbers, so workers need not know of each other: here four of them estimate pi, each
# with a kernel that reads what its generator makes.
lib = mp.mps.compile_shader("""
#include <metal_stdlib>
using namespace metal;

kernel void inside(device atomic_uint* hits, const device float2* points, uint i [[thread_position_in_grid]]) {
  if (length_squared(points[i]) < 1) atomic_fetch_add_explicit(hits, 1, memory_order_relaxed);
}
""")
root = mp.Generator(seed=1)
n = 100_000
for worker in range(4):
    points = root.jump(worker).random((n, 2))
    hits = mp.zeros(1, dtype=np.uint32)
    lib.inside(hits, points, threads=n)
    print(f"stream {worker}:    pi is about {4 * hits.item() / n:.4f}")

# Dropout: an array times a mask keeps its mean.
x = np.ones((1000, 1000), np.float32)
mask = mp.random.dropout_mask(x.shape, p=0.25)
print(f"dropout:     {np.mean(np.asarray(mask) == 0):.2%} dropped, mean {np.mean(x * np.asarray(mask)):.3f}")
