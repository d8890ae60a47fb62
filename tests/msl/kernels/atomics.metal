// Atomic operations on device and threadgroup memory; all relaxed, as Metal has them.
#include <metal_stdlib>
using namespace metal;

#define OPERATION(name, T)                                                                                        \
  kernel void name##_##T(device atomic_##T* slots, const device T* x, uint i [[thread_position_in_grid]]) {       \
    atomic_fetch_##name##_explicit(&slots[i % 5], x[i], memory_order_relaxed);                                    \
  }
OPERATION(add, int) OPERATION(sub, int) OPERATION(min, int) OPERATION(max, int) OPERATION(and, int) OPERATION(or, int)
OPERATION(xor, int)
OPERATION(add, uint) OPERATION(sub, uint) OPERATION(min, uint) OPERATION(max, uint) OPERATION(and, uint)
OPERATION(or, uint) OPERATION(xor, uint)
OPERATION(add, float) OPERATION(sub, float)

kernel void tickets(device uint* order, device atomic_uint* next, uint i [[thread_position_in_grid]]) {
  const uint mine = atomic_fetch_add_explicit(next, 1u, memory_order_relaxed);
  order[mine] = i;
}
kernel void load_store_exchange(device atomic_int* slots, device int* out, uint i [[thread_position_in_grid]]) {
  atomic_store_explicit(&slots[i], int(i) * 3, memory_order_relaxed);
  const int before = atomic_exchange_explicit(&slots[i], -1, memory_order_relaxed);
  out[i] = before + 1000 * atomic_load_explicit(&slots[i], memory_order_relaxed);
}
// any operation out of compare and exchange: here a product
kernel void compare_exchange(device atomic_uint* slot, const device uint* x, uint i [[thread_position_in_grid]]) {
  uint expected = atomic_load_explicit(slot, memory_order_relaxed);
  while (!atomic_compare_exchange_weak_explicit(slot, &expected, expected * x[i], memory_order_relaxed, memory_order_relaxed)) {
  }
}
kernel void in_threadgroup(device uint* out, uint i [[thread_index_in_threadgroup]], uint group [[threadgroup_position_in_grid]]) {
  threadgroup atomic_uint total;
  threadgroup atomic_int lowest;
  if (i == 0) {
    atomic_store_explicit(&total, 0u, memory_order_relaxed);
    atomic_store_explicit(&lowest, 1000, memory_order_relaxed);
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  atomic_fetch_add_explicit(&total, i, memory_order_relaxed);
  atomic_fetch_min_explicit(&lowest, int(i) - 5, memory_order_relaxed);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (i == 0) {
    out[2 * group] = atomic_load_explicit(&total, memory_order_relaxed);
    out[2 * group + 1] = uint(atomic_load_explicit(&lowest, memory_order_relaxed) + 100);
  }
}
template <typename T>
kernel void dependent(device atomic<T>* slot, constant T& by, uint i [[thread_position_in_grid]]) {
  atomic_fetch_add_explicit(slot, by, memory_order_relaxed);
}
template [[host_name("dependent_int")]] kernel decltype(dependent<int>) dependent<int>;
template [[host_name("dependent_float")]] kernel decltype(dependent<float>) dependent<float>;
// a cast from plain memory
kernel void cast(device uint* x, uint i [[thread_position_in_grid]]) {
  atomic_fetch_or_explicit((device atomic_uint*)&x[i / 32], 1u << (i % 32), memory_order_relaxed);
}
kernel void wide(device atomic_ulong* x, const device ulong* y, uint i [[thread_position_in_grid]]) {
  atomic_max_explicit(x, y[i], memory_order_relaxed);
}
