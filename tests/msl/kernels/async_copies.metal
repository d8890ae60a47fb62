// Asynchronous copies, as generated kernels declare them.
#include <metal_stdlib>
using namespace metal;

struct _simdgroup_event_t;
thread _simdgroup_event_t* load_1d(ulong size, ulong alignment, threadgroup void* dst, const device void* src, ulong n)
    __asm("air.simdgroup_async_copy_1d.p3i8.p1i8");
thread _simdgroup_event_t* load_2d(
    ulong size, ulong alignment, threadgroup void* dst, ulong dst_row, ulong dst_stride, ulong2 dst_tile,
    const device void* src, ulong src_row, ulong src_stride, ulong2 src_tile, long2 offset, int clamp_mode)
    __asm("air.simdgroup_async_copy_2d.p3i8.p1i8");
thread _simdgroup_event_t* store_2d(
    ulong size, ulong alignment, device void* dst, ulong dst_row, ulong dst_stride, ulong2 dst_tile,
    const threadgroup void* src, ulong src_row, ulong src_stride, ulong2 src_tile, long2 offset, int clamp_mode)
    __asm("\01air.simdgroup_async_copy_2d.p1i8.p3i8");
void wait_for_copies(int count, thread _simdgroup_event_t** events) __asm("air.wait_simdgroup_events");

// 6 rows of 10 of a source that has only 4 rows of 7; the first simdgroup alone copies
kernel void tile(device ushort* out, const device ushort* x, constant uint& width, constant int& clamp_mode,
                 ushort sg [[simdgroup_index_in_threadgroup]], ushort i [[thread_index_in_threadgroup]]) {
  threadgroup ushort block[6 * 12];
  if (i < 12) block[i * 6 + 5] = 0;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (sg == 0) {
    thread _simdgroup_event_t* event = load_2d(2, 2, block, 12, 1, ulong2(10, 6), x + 3, width, 1, ulong2(7, 4),
                                               long2(0), clamp_mode);
    wait_for_copies(1, &event);
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (sg == 1) {
    thread _simdgroup_event_t* event = store_2d(2, 2, out, 10, 1, ulong2(10, 6), block, 12, 1, ulong2(10, 6), long2(0), 0);
    wait_for_copies(1, &event);
  }
}
// by one thread, as well
kernel void row(device float* out, const device float* x, ushort i [[thread_index_in_threadgroup]]) {
  threadgroup float block[100];
  if (i == 7) {
    thread _simdgroup_event_t* events[1] = {load_1d(4, 4, block, x, 100)};
    wait_for_copies(1, events);
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  for (ushort k = i; k < 100; k += 64) out[k] = block[k];
}
