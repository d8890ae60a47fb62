// <metal_pack>: normalized integers packed into a word, first component in the low bits.
#pragma once
#pragma clang system_header
#include <__mp/common.h>

MP_BEGIN
namespace __mp {
MP_FN uint to_unorm(float x, float scale) { return static_cast<uint>(__builtin_rintf(metal::saturate(x) * scale)); }
MP_FN uint to_snorm(float x, float scale, uint mask) {
    float limited = __builtin_fminf(__builtin_fmaxf(x, -1), 1);
    limited = limited == limited ? limited : 0;
    return static_cast<uint>(static_cast<int>(__builtin_rintf(limited * scale))) & mask;
}
MP_FN float from_snorm(int x, float scale) { return __builtin_fmaxf(static_cast<float>(x) / scale, -1); }
MP_FN float to_srgb(float x) {
    x = metal::saturate(x);
    return x <= 0.0031308f ? x * 12.92f : 1.055f * __mp::math::pow_above(x, 1 / 2.4f) - 0.055f;
}
MP_FN float from_srgb(float x) { return x <= 0.04045f ? x / 12.92f : __mp::math::pow_above((x + 0.055f) / 1.055f, 2.4f); }

template <class T, int N> using floats_t = vec<float_for<T>, N>;
template <class T> MP_FN uint pack_unorm4x8(vec<T, 4> v) {
    return to_unorm(v.x, 255) | to_unorm(v.y, 255) << 8 | to_unorm(v.z, 255) << 16 | to_unorm(v.w, 255) << 24;
}
template <class T> MP_FN uint pack_snorm4x8(vec<T, 4> v) {
    return to_snorm(v.x, 127, 255) | to_snorm(v.y, 127, 255) << 8 | to_snorm(v.z, 127, 255) << 16 |
           to_snorm(v.w, 127, 255) << 24;
}
template <class T> MP_FN uint pack_srgb4x8(vec<T, 4> v) {
    return pack_unorm4x8(vec<T, 4>(to_srgb(v.x), to_srgb(v.y), to_srgb(v.z), v.w));
}
template <class T> MP_FN uint pack_unorm2x16(vec<T, 2> v) { return to_unorm(v.x, 65535) | to_unorm(v.y, 65535) << 16; }
template <class T> MP_FN uint pack_snorm2x16(vec<T, 2> v) {
    return to_snorm(v.x, 32767, 65535) | to_snorm(v.y, 32767, 65535) << 16;
}
template <class T> MP_FN uint pack_unorm10a2(vec<T, 4> v) {
    return to_unorm(v.x, 1023) | to_unorm(v.y, 1023) << 10 | to_unorm(v.z, 1023) << 20 | to_unorm(v.w, 3) << 30;
}
template <class T> MP_FN ushort pack_unorm565(vec<T, 3> v) {
    return static_cast<ushort>(to_unorm(v.x, 31) << 11 | to_unorm(v.y, 63) << 5 | to_unorm(v.z, 31));
}

template <class T> MP_FN vec<T, 4> unpack_unorm4x8(uint x) {
    return vec<T, 4>(x & 255, x >> 8 & 255, x >> 16 & 255, x >> 24) / 255;
}
template <class T> MP_FN vec<T, 4> unpack_snorm4x8(uint x) {
    return vec<T, 4>(from_snorm(static_cast<int8_t>(x), 127), from_snorm(static_cast<int8_t>(x >> 8), 127),
                  from_snorm(static_cast<int8_t>(x >> 16), 127), from_snorm(static_cast<int8_t>(x >> 24), 127));
}
template <class T> MP_FN vec<T, 4> unpack_srgb4x8(uint x) {
    vec<T, 4> v = unpack_unorm4x8<T>(x);
    return vec<T, 4>(from_srgb(v.x), from_srgb(v.y), from_srgb(v.z), v.w);
}
template <class T> MP_FN vec<T, 2> unpack_unorm2x16(uint x) { return vec<T, 2>(x & 65535, x >> 16) / 65535; }
template <class T> MP_FN vec<T, 2> unpack_snorm2x16(uint x) {
    return vec<T, 2>(from_snorm(static_cast<short>(x), 32767), from_snorm(static_cast<short>(x >> 16), 32767));
}
template <class T> MP_FN vec<T, 4> unpack_unorm10a2(uint x) {
    return vec<T, 4>(x & 1023, x >> 10 & 1023, x >> 20 & 1023, x >> 30) / vec<T, 4>(1023, 1023, 1023, 3);
}
template <class T> MP_FN vec<T, 3> unpack_unorm565(ushort x) {
    return vec<T, 3>(x >> 11, x >> 5 & 63, x & 31) / vec<T, 3>(31, 63, 31);
}
} // namespace __mp

namespace metal {
// Templates, so that the vector types are not needed before a function is.
#define MP_PACK(n, packing, unpacking, function, word)                                                                \
    template <__mp::same<float> T> MP_FN word pack_float_to_##packing(vec<T, n> v) {                                  \
        return __mp::pack_##function(v);                                                                              \
    }                                                                                                                 \
    template <__mp::same<half> T> MP_FN word pack_half_to_##packing(vec<T, n> v) {                                    \
        return __mp::pack_##function(__mp::floats_t<T, n>(v));                                                        \
    }                                                                                                                 \
    template <__mp::same<float> T = float> MP_FN vec<T, n> unpack_##unpacking##_to_float(word x) {                    \
        return __mp::unpack_##function<T>(x);                                                                         \
    }                                                                                                                 \
    template <__mp::same<half> T = half> MP_FN vec<T, n> unpack_##unpacking##_to_half(word x) {                       \
        return vec<T, n>(__mp::unpack_##function<__mp::float_for<T>>(x));                                             \
    }
MP_PACK(4, unorm4x8, unorm4x8, unorm4x8, uint)
MP_PACK(4, snorm4x8, snorm4x8, snorm4x8, uint)
MP_PACK(4, srgb_unorm4x8, unorm4x8_srgb, srgb4x8, uint)
MP_PACK(2, unorm2x16, unorm2x16, unorm2x16, uint)
MP_PACK(2, snorm2x16, snorm2x16, snorm2x16, uint)
MP_PACK(4, unorm10a2, unorm10a2, unorm10a2, uint)
MP_PACK(3, unorm565, unorm565, unorm565, ushort)
#undef MP_PACK
} // namespace metal
MP_END
