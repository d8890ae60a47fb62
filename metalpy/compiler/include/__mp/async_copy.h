// simdgroup_async_copy: Apple has no header for it. Programs declare the functions themselves, under names of their own,
// with `__asm("air....")`; the definitions here have the same labels, so that those declarations mean them. The lanes
// that make the call share the rows; the copy is over when the call returns, and waiting is a simdgroup barrier.
#pragma once
#pragma clang system_header
#include <__mp/simdgroup.h>

MP_BEGIN
namespace __mp {
// Counts of elements, `x` within a row and `y` rows; laid out as the programs' ulong2 and long2.
struct alignas(16) async_extent {
    ulong x, y;
};
struct alignas(16) async_offset {
    long x, y;
};
constexpr int clamp_to_zero = 0;

// What the destination gets from outside the source tile: zeros, or the element at its edge.
MP_MEET void *async_copy_2d(ulong size, char *dst, ulong dst_row, async_extent dst_tile, const char *src,
                            ulong src_row, async_extent src_tile, async_offset offset, int clamp_mode) {
    uint lane = mp_simd_lane(), active = static_cast<uint>(mp_simd_active());
    ulong first = static_cast<ulong>(__builtin_popcount(active & ((1u << lane) - 1)));
    ulong step = static_cast<ulong>(__builtin_popcount(active));
    for (ulong y = first; y < dst_tile.y; y += step) {
        for (ulong x = 0; x < dst_tile.x; ++x) {
            long sx = static_cast<long>(x) + offset.x, sy = static_cast<long>(y) + offset.y;
            long last_x = static_cast<long>(src_tile.x) - 1, last_y = static_cast<long>(src_tile.y) - 1;
            char *to = dst + (y * dst_row + x) * size;
            bool outside = sx < 0 || sy < 0 || sx > last_x || sy > last_y;
            if (outside && (clamp_mode == clamp_to_zero || last_x < 0 || last_y < 0)) {
                for (ulong i = 0; i < size; ++i) to[i] = 0;
                continue;
            }
            sx = sx < 0 ? 0 : sx > last_x ? last_x : sx;
            sy = sy < 0 ? 0 : sy > last_y ? last_y : sy;
            const char *from = src + (static_cast<ulong>(sy) * src_row + static_cast<ulong>(sx)) * size;
            for (ulong i = 0; i < size; ++i) to[i] = from[i];
        }
    }
    return dst;
}
} // namespace __mp

// From device to threadgroup memory and back. A definition is emitted only
// where a program calls its label.
#define MP_ASYNC_COPY_1D(name, label)                                                                                 \
    MP_MEET void *name(ulong size, ulong, void *dst, const void *src, ulong count) __asm(label);                      \
    MP_MEET void *name(ulong size, ulong, void *dst, const void *src, ulong count) {                                  \
        __mp::async_extent bytes = {size, count};                                                                     \
        return __mp::async_copy_2d(1, static_cast<char *>(dst), size, bytes, static_cast<const char *>(src), size,    \
                                   bytes, {}, __mp::clamp_to_zero);                                                   \
    }
#define MP_ASYNC_COPY_2D(name, label)                                                                                 \
    MP_MEET void *name(ulong size, ulong, void *dst, ulong dst_row, ulong, __mp::async_extent dst_tile,               \
                       const void *src, ulong src_row, ulong, __mp::async_extent src_tile,                            \
                       __mp::async_offset offset, int clamp_mode) __asm(label);                                       \
    MP_MEET void *name(ulong size, ulong, void *dst, ulong dst_row, ulong, __mp::async_extent dst_tile,               \
                       const void *src, ulong src_row, ulong, __mp::async_extent src_tile,                            \
                       __mp::async_offset offset, int clamp_mode) {                                                   \
        return __mp::async_copy_2d(size, static_cast<char *>(dst), dst_row, dst_tile,                                 \
                                   static_cast<const char *>(src), src_row, src_tile, offset, clamp_mode);            \
    }
#define MP_WAIT(name, label)                                                                                          \
    MP_MEET void name(int, void **) __asm(label);                                                                     \
    MP_MEET void name(int, void **) { mp_simdgroup_barrier(); }
MP_ASYNC_COPY_1D(__mp_async_load_1d, "air.simdgroup_async_copy_1d.p3i8.p1i8")
MP_ASYNC_COPY_1D(__mp_async_store_1d, "air.simdgroup_async_copy_1d.p1i8.p3i8")
MP_ASYNC_COPY_2D(__mp_async_load_2d, "air.simdgroup_async_copy_2d.p3i8.p1i8")
MP_ASYNC_COPY_2D(__mp_async_store_2d, "air.simdgroup_async_copy_2d.p1i8.p3i8")
MP_WAIT(__mp_async_wait, "air.wait_simdgroup_events")
// as some programs write the labels, for LLVM to take them literally
MP_ASYNC_COPY_1D(__mp_async_load_1d_, "\01air.simdgroup_async_copy_1d.p3i8.p1i8")
MP_ASYNC_COPY_1D(__mp_async_store_1d_, "\01air.simdgroup_async_copy_1d.p1i8.p3i8")
MP_ASYNC_COPY_2D(__mp_async_load_2d_, "\01air.simdgroup_async_copy_2d.p3i8.p1i8")
MP_ASYNC_COPY_2D(__mp_async_store_2d_, "\01air.simdgroup_async_copy_2d.p1i8.p3i8")
MP_WAIT(__mp_async_wait_, "\01air.wait_simdgroup_events")
#undef MP_ASYNC_COPY_1D
#undef MP_ASYNC_COPY_2D
#undef MP_WAIT
MP_END
