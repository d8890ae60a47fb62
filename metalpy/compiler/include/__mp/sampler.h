// <metal_texture>: samplers. A sampler is a number that says everything (MP_SAMPLER_* of metalpy_kernel.h).
#pragma once
#pragma clang system_header
#include <__mp/vec.h>
#include <metalpy_kernel.h>

MP_BEGIN
// What a lookup takes besides coordinates. A program may have names of its own for two of them: see frontend.py.
namespace __mp::lookups {
struct level {
    float lod;
    explicit constexpr level(float l) : lod(l) {}
};
struct bias {
    float value;
    explicit constexpr bias(float b) : value(b) {}
};
} // namespace __mp::lookups

namespace metal {
#ifndef __METALPY_HIDE_level
using __mp::lookups::level;
#endif
#ifndef __METALPY_HIDE_bias
using __mp::lookups::bias;
#endif

enum class coord { normalized, pixel };
#define MP_ADDRESSES                                                                                                  \
    {                                                                                                                 \
        clamp_to_edge = MP_ADDRESS_EDGE, repeat = MP_ADDRESS_REPEAT, mirrored_repeat = MP_ADDRESS_MIRROR,             \
        clamp_to_zero = MP_ADDRESS_ZERO, clamp_to_border = MP_ADDRESS_BORDER                                          \
    }
enum class address MP_ADDRESSES;
enum class s_address MP_ADDRESSES;
enum class t_address MP_ADDRESSES;
enum class r_address MP_ADDRESSES;
#undef MP_ADDRESSES
enum class filter { nearest, linear };
enum class min_filter { nearest, linear };
enum class mag_filter { nearest, linear };
enum class mip_filter { none, nearest, linear };
enum class border_color { transparent_black, opaque_black, opaque_white };
enum class compare_func {
    none = MP_COMPARE_NEVER,
    never = MP_COMPARE_NEVER,
    less = MP_COMPARE_LESS,
    equal = MP_COMPARE_EQUAL,
    less_equal = MP_COMPARE_LESS_EQUAL,
    greater = MP_COMPARE_GREATER,
    not_equal = MP_COMPARE_NOT_EQUAL,
    greater_equal = MP_COMPARE_GREATER_EQUAL,
    always = MP_COMPARE_ALWAYS
};
struct max_anisotropy {
    int value;
    constexpr max_anisotropy(int v) : value(v) {}
};
struct lod_clamp {
    float least, most;
    constexpr lod_clamp(float a, float b) : least(a), most(b) {}
};

struct sampler {
    unsigned long __word;

    sampler() = default;
    template <class First, class... Rest> requires(!__mp::same<First, sampler>)
    constexpr sampler(First first, Rest... rest) : __word(0xfffful << MP_SAMPLER_LOD_MAX) {
        set(first);
        (set(rest), ...);
    }

private:
    constexpr void put(int at, unsigned bits, unsigned long value) {
        __word = (__word & ~(((1ul << bits) - 1) << at)) | value << at;
    }
    constexpr void set(coord v) { put(MP_SAMPLER_PIXEL, 1, static_cast<unsigned long>(v)); }
    constexpr void set(address v) {
        for (int axis = 0; axis < 3; ++axis) put(MP_SAMPLER_ADDRESS + 3 * axis, 3, static_cast<unsigned long>(v));
    }
    constexpr void set(s_address v) { put(MP_SAMPLER_ADDRESS, 3, static_cast<unsigned long>(v)); }
    constexpr void set(t_address v) { put(MP_SAMPLER_ADDRESS + 3, 3, static_cast<unsigned long>(v)); }
    constexpr void set(r_address v) { put(MP_SAMPLER_ADDRESS + 6, 3, static_cast<unsigned long>(v)); }
    constexpr void set(filter v) {
        put(MP_SAMPLER_MIN, 1, static_cast<unsigned long>(v));
        put(MP_SAMPLER_MAG, 1, static_cast<unsigned long>(v));
    }
    constexpr void set(min_filter v) { put(MP_SAMPLER_MIN, 1, static_cast<unsigned long>(v)); }
    constexpr void set(mag_filter v) { put(MP_SAMPLER_MAG, 1, static_cast<unsigned long>(v)); }
    constexpr void set(mip_filter v) { put(MP_SAMPLER_MIP, 2, static_cast<unsigned long>(v)); }
    constexpr void set(border_color v) { put(MP_SAMPLER_BORDER, 2, static_cast<unsigned long>(v)); }
    constexpr void set(compare_func v) { put(MP_SAMPLER_COMPARE, 3, static_cast<unsigned long>(v)); }
    constexpr void set(max_anisotropy) {} // an isotropic filter is one of those that it allows
    constexpr void set(lod_clamp v) {
        put(MP_SAMPLER_LOD_MIN, 16, level(v.least));
        put(MP_SAMPLER_LOD_MAX, 16, level(v.most));
    }
    static constexpr unsigned long level(float lod) {
        return lod > 0 ? lod >= 255 ? 0xfffful : static_cast<unsigned long>(lod * 256 + 0.5f) : 0ul;
    }
};

struct min_lod_clamp {
    float lod;
    explicit constexpr min_lod_clamp(float l) : lod(l) {}
};
struct gradient2d {
    float2 dPdx, dPdy;
    constexpr gradient2d(float2 x, float2 y) : dPdx(x), dPdy(y) {}
};
struct gradient3d {
    float3 dPdx, dPdy;
    constexpr gradient3d(float3 x, float3 y) : dPdx(x), dPdy(y) {}
};
struct gradientcube {
    float3 dPdx, dPdy;
    constexpr gradientcube(float3 x, float3 y) : dPdx(x), dPdy(y) {}
};
} // namespace metal
MP_END
