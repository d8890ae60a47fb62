"""Two streams at work, ordered by an event; the time that it took; and waiting in a coroutine."""

import asyncio

import metalpy as mp

lib = mp.mps.compile_shader("""
#include <metal_stdlib>
using namespace metal;

kernel void iterate(device float* x, constant int& turns, uint i [[thread_position_in_grid]]) {
  for (int n = 0; n < turns; ++n) x[i] = 0.5f * (x[i] + 2.0f / x[i]);
}
""")

producer, consumer = mp.mps.Stream(), mp.mps.Stream()
start, ready = mp.mps.Event(enable_timing=True), mp.mps.Event(enable_timing=True)
x = mp.full(4096, 3.0)

with mp.mps.stream(producer):  # launches in this block go to `producer`
    start.record()
    lib.iterate(x, 100)
    ready.record()

with mp.mps.stream(consumer):  # runs beside it, but waits where it needs the result
    unrelated = mp.ones(4096) * 2
    ready.wait()
    squares = x * x

print(f"the square root of 2, squared: {squares[0].item():.6f}")
print(f"the kernel took {start.elapsed_time(ready):.3f} ms")


async def root(value: float) -> float:
    """The square root of 2 from another starting point, without blocking other coroutines."""
    own, done = mp.mps.Stream(), mp.mps.Event()
    y = mp.full(16, value)
    with mp.mps.stream(own):
        lib.iterate(y, 1000)
        done.record()
    await done
    return y[0].item()


async def main() -> None:
    """Several at once."""
    roots = await asyncio.gather(*(root(value) for value in (0.5, 1.0, 10.0)))
    print("awaited:", ", ".join(f"{value:.6f}" for value in roots))


asyncio.run(main())
mp.mps.synchronize()  # all streams
