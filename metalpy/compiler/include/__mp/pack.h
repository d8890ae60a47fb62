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
    return x <= 0.0031308f ? x * 12.92f : 1.055f * __builtin_powf(x, 1 / 2.4f) - 0.055f;
}
MP_FN float from_srgb(float x) { return x <= 0.04045f ? x / 12.92f : __builtin_powf((x + 0.055f) / 1.055f, 2.4f); }

MP_FN uint pack_unorm4x8(float4 v) {
    return to_unorm(v.x, 255) | to_unorm(v.y, 255) << 8 | to_unorm(v.z, 255) << 16 | to_unorm(v.w, 255) << 24;
}
MP_FN uint pack_snorm4x8(float4 v) {
    return to_snorm(v.x, 127, 255) | to_snorm(v.y, 127, 255) << 8 | to_snorm(v.z, 127, 255) << 16 |
           to_snorm(v.w, 127, 255) << 24;
}
MP_FN uint pack_srgb4x8(float4 v) { return pack_unorm4x8(float4(to_srgb(v.x), to_srgb(v.y), to_srgb(v.z), v.w)); }
MP_FN uint pack_unorm2x16(float2 v) { return to_unorm(v.x, 65535) | to_unorm(v.y, 65535) << 16; }
MP_FN uint pack_snorm2x16(float2 v) { return to_snorm(v.x, 32767, 65535) | to_snorm(v.y, 32767, 65535) << 16; }
MP_FN uint pack_unorm10a2(float4 v) {
    return to_unorm(v.x, 1023) | to_unorm(v.y, 1023) << 10 | to_unorm(v.z, 1023) << 20 | to_unorm(v.w, 3) << 30;
}
MP_FN ushort pack_unorm565(float3 v) {
    return static_cast<ushort>(to_unorm(v.x, 31) << 11 | to_unorm(v.y, 63) << 5 | to_unorm(v.z, 31));
}

MP_FN float4 unpack_unorm4x8(uint x) { return float4(x & 255, x >> 8 & 255, x >> 16 & 255, x >> 24) / 255; }
MP_FN float4 unpack_snorm4x8(uint x) {
    return float4(from_snorm(static_cast<int8_t>(x), 127), from_snorm(static_cast<int8_t>(x >> 8), 127),
                  from_snorm(static_cast<int8_t>(x >> 16), 127), from_snorm(static_cast<int8_t>(x >> 24), 127));
}
MP_FN float4 unpack_srgb4x8(uint x) {
    float4 v = unpack_unorm4x8(x);
    return float4(from_srgb(v.x), from_srgb(v.y), from_srgb(v.z), v.w);
}
MP_FN float2 unpack_unorm2x16(uint x) { return float2(x & 65535, x >> 16) / 65535; }
MP_FN float2 unpack_snorm2x16(uint x) {
    return float2(from_snorm(static_cast<short>(x), 32767), from_snorm(static_cast<short>(x >> 16), 32767));
}
MP_FN float4 unpack_unorm10a2(uint x) {
    return float4(x & 1023, x >> 10 & 1023, x >> 20 & 1023, x >> 30) / float4(1023, 1023, 1023, 3);
}
MP_FN float3 unpack_unorm565(ushort x) { return float3(x >> 11, x >> 5 & 63, x & 31) / float3(31, 63, 31); }
} // namespace __mp

namespace metal {
#define MP_PACK(n, format, word)                                                                                      \
    MP_FN word pack_float_to_##format(float##n v) { return __mp::pack_##format(v); }                                  \
    MP_FN word pack_half_to_##format(half##n v) { return __mp::pack_##format(float##n(v)); }                          \
    MP_FN float##n unpack_##format##_to_float(word x) { return __mp::unpack_##format(x); }                            \
    MP_FN half##n unpack_##format##_to_half(word x) { return half##n(__mp::unpack_##format(x)); }
MP_PACK(4, unorm4x8, uint)
MP_PACK(4, snorm4x8, uint)
MP_PACK(2, unorm2x16, uint)
MP_PACK(2, snorm2x16, uint)
MP_PACK(4, unorm10a2, uint)
MP_PACK(3, unorm565, ushort)
#undef MP_PACK
MP_FN uint pack_float_to_srgb_unorm4x8(float4 v) { return __mp::pack_srgb4x8(v); }
MP_FN uint pack_half_to_srgb_unorm4x8(half4 v) { return __mp::pack_srgb4x8(float4(v)); }
MP_FN float4 unpack_unorm4x8_srgb_to_float(uint x) { return __mp::unpack_srgb4x8(x); }
MP_FN half4 unpack_unorm4x8_srgb_to_half(uint x) { return half4(__mp::unpack_srgb4x8(x)); }
} // namespace metal
MP_END
