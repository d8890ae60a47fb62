"""Where memory goes: counters, a limit, the lines that allocate, and a hook that watches."""

import metalpy as mp

MIB = 1 << 20


def layers(count):
    """Arrays as a small network might have them."""
    return [mp.zeros((256, 256 << number)) for number in range(count)]


mp.mps.record_memory_history()
weights = layers(4)
mp.mps.record_memory_history(False)

print(f"in arrays: {mp.mps.current_allocated_memory() / MIB:.2f} MiB")
by_line = {}
for heap in mp.mps.memory_snapshot():
    for block in heap.blocks:
        if block.state == "active" and block.source:
            where = f"line {block.source.line} ({block.source.function})"
            by_line[where] = by_line.get(where, 0) + block.size
for where, size in by_line.items():
    print(f"  {size / MIB:.2f} MiB from {where}")

# A block that is given back is used again, so a loop takes no new memory.
mp.mps.reset_accumulated_memory_stats()
for _ in range(10):
    activations = mp.empty((64, 4096))
    del activations
stats = mp.mps.memory_stats()
print(f"10 turns of a loop: {stats['num_hits']} reused, {stats['num_misses']} new")

# What a peak needs, and a limit that it meets.
mp.mps.reset_peak_memory_stats()
batch = mp.empty(8 * MIB)
del batch
print(f"peak: {mp.mps.max_memory_allocated() / MIB:.2f} MiB")

mp.mps.empty_cache()
mp.mps.set_memory_limit(mp.mps.memory_reserved() + 16 * MIB)
failed = []
hook = mp.mps.add_allocation_hook(lambda event: failed.append(event) if event.kind == "oom" else None)
try:
    mp.empty(8 * MIB)
except mp.OutOfMemoryError as error:
    print(type(error).__name__, "for", failed[0].size // MIB, "MiB:", str(error).split(". ")[-1])
hook.remove()
mp.mps.set_memory_limit(None)
print(f"and without the limit: {mp.empty(8 * MIB).nbytes // MIB} MiB")
