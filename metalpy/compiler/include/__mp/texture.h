// <metal_texture>: textures. A texture variable is a pointer to the mp_texture_view of metalpy_kernel.h. Single texels are
// read and written here, by the format's own functions; filters are the runtime's (mp_texture_*).
#pragma once
#pragma clang system_header
#include <__mp/sampler.h>
#include <__mp/texture_atomic.h>
#include <__mp/texture_sparse.h>
#include <__mp/unsupported.h>

MP_BEGIN
namespace metal {
enum class access { sample, read, write, read_write };
enum class component { x, y, z, w };
enum memory_coherence { memory_coherence_threadgroup, memory_coherence_device };
} // namespace metal

namespace __mp::textures {
using metal::access, metal::component, metal::sampler, metal::vec;

template <class T> constexpr bool is_element = false;
template <> constexpr bool is_element<float> = true;
template <> constexpr bool is_element<half> = true;
template <> constexpr bool is_element<int> = true;
template <> constexpr bool is_element<uint> = true;
template <> constexpr bool is_element<ulong> = true; // two channels of 32 bits
template <> constexpr bool is_element<short> = true;
template <> constexpr bool is_element<ushort> = true;

typedef uint words __attribute__((vector_size(16)));

// ---- components ----

template <class T> MP_FN vec<T, 4> components(mp_texel texel) {
    if constexpr (same<T, ulong>) {
        const words channels = __builtin_bit_cast(words, texel);
        return vec<T, 4>(channels[0] | ulong(channels[1]) << 32, T(0), T(0), T(0));
    } else if constexpr (integer<T>) {
        const words bits = __builtin_bit_cast(words, texel);
        return vec<T, 4>(T(bits[0]), T(bits[1]), T(bits[2]), T(bits[3]));
    } else {
        return vec<T, 4>(T(texel[0]), T(texel[1]), T(texel[2]), T(texel[3]));
    }
}

template <class T> MP_FN mp_texel texel_of(vec<T, 4> v) {
    if constexpr (same<T, ulong>)
        return __builtin_bit_cast(mp_texel, words{uint(v.x), uint(v.x >> 32), 0, 0});
    else if constexpr (integer<T>) // signed ones are extended
        return __builtin_bit_cast(mp_texel, words{uint(int(v.x)), uint(int(v.y)), uint(int(v.z)), uint(int(v.w))});
    else
        return mp_texel{float(v.x), float(v.y), float(v.z), float(v.w)};
}

MP_FN const mp_texture_level &level_of(const mp_texture_view *view, uint lod) {
    return view->level[lod < MP_TEXTURE_LEVELS ? lod : 0];
}

// ---- single texels: those outside read as zero, and writing to them does nothing ----

// NULL for a texel outside. `axes` coordinates and, if `many`, the image vary.
template <int axes, bool many>
MP_FN unsigned char *texel_at(const mp_texture_view *view, uint x, uint y, uint z, uint image, uint lod) {
    if (lod && lod >= view->levels) return nullptr;
    const mp_texture_level &level = view->level[lod];
    bool inside = x < level.width;
    if constexpr (axes > 1) inside &= y < level.height;
    if constexpr (axes > 2) inside &= z < level.depth;
    if constexpr (many) inside &= image < view->images;
    if (!inside) return nullptr;
    unsigned char *texel = view->memory + level.offset + ulong(x) * view->texel_bytes;
    if constexpr (axes > 1) texel += y * level.row_bytes;
    if constexpr (axes > 2) texel += z * level.plane_bytes;
    if constexpr (many) texel += image * level.image_bytes;
    return texel;
}

// The commonest formats here, where the machine's own conversions are at hand; the others by the runtime's functions.
enum { r8_unorm = 10, r32_uint = 53, r32_sint = 54, r32_float = 55, rg32_uint = 103, rgba8_unorm = 70, bgra8_unorm = 80, rgba16_float = 115, rgba32_float = 125 };
typedef uchar bytes4 __attribute__((vector_size(4)));
typedef half halfs4 __attribute__((vector_size(8)));

// Texels start at a multiple of their channel's size.
template <class V, class Part> MP_FN V channels_at(const unsigned char *texel) {
    struct __attribute__((packed, aligned(sizeof(Part)))) held { V value; };
    return reinterpret_cast<const held *>(texel)->value;
}

MP_FN mp_texel decoded(const mp_texture_view *view, const unsigned char *texel) {
    switch (view->pixel_format) {
    case rgba8_unorm:
        return __builtin_convertvector(channels_at<bytes4, uchar>(texel), mp_texel) / 255.0f;
    case bgra8_unorm: {
        const mp_texel v = __builtin_convertvector(channels_at<bytes4, uchar>(texel), mp_texel) / 255.0f;
        return __builtin_shufflevector(v, v, 2, 1, 0, 3);
    }
    case rgba16_float:
        return __builtin_convertvector(channels_at<halfs4, half>(texel), mp_texel);
    case rgba32_float:
        return channels_at<mp_texel, float>(texel);
    case r8_unorm:
        return mp_texel{*texel / 255.0f, 0, 0, 1};
    case r32_float:
        return mp_texel{channels_at<float, float>(texel), 0, 0, 1};
    default:
        return view->load(texel);
    }
}

template <class T, int axes, bool many>
MP_FN vec<T, 4> load(const mp_texture_view *view, uint x, uint y, uint z, uint image, uint lod) {
    const unsigned char *texel = texel_at<axes, many>(view, x, y, z, image, lod);
    if (!texel) return vec<T, 4>(T(0));
    if constexpr (integer<T>)
        return components<T>(view->load(texel));
    else
        return components<T>(decoded(view, texel));
}

template <class T, int axes, bool many>
MP_FN void store(const mp_texture_view *view, vec<T, 4> value, uint x, uint y, uint z, uint image, uint lod) {
    unsigned char *texel = texel_at<axes, many>(view, x, y, z, image, lod);
    if (texel) view->store(texel, texel_of<T>(value));
}

// ---- lookups ----

MP_FN void apply(mp_lookup &lookup, __mp::lookups::level o) { lookup.flags |= MP_LOOKUP_LEVEL, lookup.level = o.lod; }
MP_FN void apply(mp_lookup &lookup, metal::min_lod_clamp o) { lookup.min_level = o.lod; }
MP_FN void apply(mp_lookup &lookup, metal::gradient2d o) {
    lookup.flags |= MP_LOOKUP_GRADIENTS;
    lookup.gradients[0][0] = o.dPdx.x, lookup.gradients[0][1] = o.dPdx.y;
    lookup.gradients[1][0] = o.dPdy.x, lookup.gradients[1][1] = o.dPdy.y;
}
template <class Gradient> requires(same<Gradient, metal::gradient3d> || same<Gradient, metal::gradientcube>)
MP_FN void apply(mp_lookup &lookup, Gradient o) {
    lookup.flags |= MP_LOOKUP_GRADIENTS;
    for (int i = 0; i < 3; ++i) lookup.gradients[0][i] = o.dPdx[i], lookup.gradients[1][i] = o.dPdy[i];
}
// Not defined: a kernel that reaches it is refused when it is lowered, and the fragment functions of its file are not.
extern "C" void bias_is_for_fragment_functions();
MP_FN void apply(mp_lookup &, __mp::lookups::bias) { bias_is_for_fragment_functions(); }

MP_FN mp_lookup lookup_at(float x, float y = 0, float z = 0, uint element = 0) {
    mp_lookup lookup = {};
    lookup.at[0] = x, lookup.at[1] = y, lookup.at[2] = z, lookup.element = element;
    return lookup;
}
template <class V> MP_FN mp_lookup shifted(mp_lookup lookup, V offset) {
    lookup.offset[0] = offset.x, lookup.offset[1] = offset.y;
    if constexpr (same<V, int3>) lookup.offset[2] = offset.z;
    return lookup;
}
template <class... Options> MP_FN mp_lookup with(mp_lookup lookup, Options... options) {
    (apply(lookup, options), ...);
    return lookup;
}
MP_FN mp_lookup comparing(mp_lookup lookup, float reference) {
    lookup.flags |= MP_LOOKUP_COMPARE, lookup.reference = reference;
    return lookup;
}

// What may follow the coordinates of a sample; gradients fit only their kind of texture.
template <class Option, class Gradient>
concept lod_option = same<Option, __mp::lookups::level> || same<Option, __mp::lookups::bias> || same<Option, metal::min_lod_clamp> ||
                     same<Option, Gradient>;
struct no_gradient {};

// ---- level 0 of a 2D texture by a sampler that the compiler knows: as mp_texture_sample_2d, with nothing to decide ----

MP_FN uint field(ulong word, int at, uint bits) { return uint(word >> at) & ((1u << bits) - 1); }

// The integer below, for any float.
MP_FN int below(float v) {
    v = v > -1e9f ? v : -1e9f;
    return int(__builtin_floorf(v < 1e9f ? v : 1e9f));
}

// The texel that stands for texel `i` of `n`; -1: outside.
MP_FN int addressed(int i, int n, uint mode) {
    if (mode == MP_ADDRESS_EDGE) return i < 0 ? 0 : i < n ? i : n - 1;
    if (uint(i) < uint(n)) return i;
    if (mode != MP_ADDRESS_REPEAT && mode != MP_ADDRESS_MIRROR) return -1;
    const int period = mode == MP_ADDRESS_REPEAT ? n : 2 * n;
    i %= period;
    i = i < 0 ? i + period : i;
    return i < n ? i : 2 * n - 1 - i;
}

// A function of its own: many samples in a kernel would be much code to compile.
template <class T> __attribute__((noinline, pure)) mp_texel tap(const mp_texture_view *view, ulong word, int x, int y) {
    if ((x | y) < 0) {
        const uint mode = field(word, MP_SAMPLER_ADDRESS + (x < 0 ? 0 : 3), 3);
        return view->border[mode == MP_ADDRESS_BORDER ? field(word, MP_SAMPLER_BORDER, 2) : 0];
    }
    const unsigned char *texel = view->memory + y * view->level[0].row_bytes + ulong(x) * view->texel_bytes;
    if constexpr (integer<T>) return view->load(texel);
    return decoded(view, texel);
}

MP_FN mp_texel mixed(mp_texel a, mp_texel b, float w) { return (1 - w) * a + w * b; }

// Inlined where LLVM likes to, which it does for a known sampler. Always inlining it put it into every sample() by an
// unknown one, too, for LLVM to optimise until it sees that it is not needed: 35 ms each.
template <class T> inline mp_texel sampled_2d(const mp_texture_view *view, ulong word, float x, float y) {
    const int width = view->level[0].width, height = view->level[0].height;
    const uint across = field(word, MP_SAMPLER_ADDRESS, 3), down = field(word, MP_SAMPLER_ADDRESS + 3, 3);
    if (!field(word, MP_SAMPLER_PIXEL, 1)) x *= width, y *= height;
    if (integer<T> || !field(word, MP_SAMPLER_MAG, 1))
        return tap<T>(view, word, addressed(below(x), width, across), addressed(below(y), height, down));
    x -= 0.5f, y -= 0.5f;
    const int i = below(x), j = below(y);
    float a = x - i, b = y - j;
    a = a >= 0 && a <= 1 ? a : 0, b = b >= 0 && b <= 1 ? b : 0; // far outside
    const int left = addressed(i, width, across), top = addressed(j, height, down);
    mp_texel upper = tap<T>(view, word, left, top);
    if (a != 0) upper = mixed(upper, tap<T>(view, word, addressed(i + 1, width, across), top), a);
    if (b == 0) return upper;
    const int bottom = addressed(j + 1, height, down);
    mp_texel lower = tap<T>(view, word, left, bottom);
    if (a != 0) lower = mixed(lower, tap<T>(view, word, addressed(i + 1, width, across), bottom), a);
    return mixed(upper, lower, b);
}

// ---- what all textures have ----

template <class T, access A> struct texture {
    static_assert(is_element<T>, "the texels of a texture are float, half, int, uint, short, ushort or ulong");
    const mp_texture_view *__view;

    MP_FN uint get_width(uint lod = 0) const { return level_of(__view, lod).width; }

protected:
    static constexpr bool readable = A != access::write, writable = A == access::write || A == access::read_write,
                          sampled = A == access::sample;
    template <class... Options> MP_FN vec<T, 4> look(sampler s, mp_lookup lookup, Options... options) const {
        static_assert(sampled, "sample() and gather() need a texture with access::sample");
        const mp_lookup whole = with(lookup, options...);
        return components<T>(mp_texture_sample(__view, s.__word, &whole));
    }
    MP_FN vec<T, 4> gathered(sampler s, mp_lookup lookup, component c) const {
        static_assert(sampled, "sample() and gather() need a texture with access::sample");
        lookup.component = uint(c);
        return components<T>(mp_texture_gather(__view, s.__word, &lookup));
    }
    template <int axes, bool many> MP_FN vec<T, 4> get(uint x, uint y, uint z, uint image, uint lod) const {
        static_assert(readable, "a texture with access::write cannot be read; declare it with access::read_write");
        return load<T, axes, many>(__view, x, y, z, image, lod);
    }
    template <int axes, bool many>
    MP_FN void put(vec<T, 4> value, uint x, uint y, uint z, uint image, uint lod) const {
        static_assert(writable, "this texture cannot be written; declare it with access::write or access::read_write");
        store<T, axes, many>(__view, value, x, y, z, image, lod);
    }
    // The texel for an atomic function; NULL outside and for other formats, where those read zero and do nothing.
    template <int axes, bool many> MP_FN T *word(uint x, uint y, uint z, uint image) const {
        static_assert(same<T, int> || same<T, uint>, "atomic functions need a texture of int or uint");
        static_assert(A == access::read_write, "atomic functions need a texture with access::read_write");
        if (__view->pixel_format != r32_uint && __view->pixel_format != r32_sint) return nullptr;
        return reinterpret_cast<T *>(texel_at<axes, many>(__view, x, y, z, image, 0));
    }
    // The same for the two functions of 64 bits.
    template <int axes, bool many> MP_FN T *long_word(uint x, uint y, uint z, uint image) const {
        static_assert(same<T, ulong>, "atomic_min() and atomic_max() need a texture of ulong");
        static_assert(A == access::read_write, "atomic functions need a texture with access::read_write");
        if (__view->pixel_format != rg32_uint) return nullptr;
        return reinterpret_cast<T *>(texel_at<axes, many>(__view, x, y, z, image, 0));
    }
};
#define MP_HEIGHT MP_FN uint get_height(uint lod = 0) const { return __mp::textures::level_of(this->__view, lod).height; }
#define MP_DEPTH MP_FN uint get_depth(uint lod = 0) const { return __mp::textures::level_of(this->__view, lod).depth; }
#define MP_LEVELS MP_FN uint get_num_mip_levels() const { return this->__view->levels; }
#define MP_ARRAY_SIZE MP_FN uint get_array_size() const { return this->__view->array_length; }
#define MP_SAMPLES MP_FN uint get_num_samples() const { return this->__view->samples; }
// A thread sees its own writes without it; the order of others' is up to barriers.
#define MP_FENCE MP_FN void fence() const { __atomic_signal_fence(__ATOMIC_SEQ_CST); }
#define MP_TEXTURE(name, default_access)                                                                              \
    template <class T, access A = access::default_access,                                                             \
              memory_coherence C = memory_coherence::memory_coherence_threadgroup>                                    \
    struct name : __mp::textures::texture<T, A>
} // namespace __mp::textures

namespace metal {
MP_TEXTURE(texture1d, sample) {
    MP_LEVELS MP_FENCE
    MP_ATOMICS((uint at), (<1, false>(at, 0, 0, 0)))
    MP_FN vec<T, 4> sample(sampler s, float at) const { return this->look(s, __mp::textures::lookup_at(at)); }
    MP_FN vec<T, 4> read(uint at, uint lod = 0) const { return this->template get<1, false>(at, 0, 0, 0, lod); }
    MP_FN void write(vec<T, 4> v, uint at, uint lod = 0) const {
        this->template put<1, false>(v, at, 0, 0, 0, lod);
    }
};

MP_TEXTURE(texture1d_array, sample) {
    MP_LEVELS MP_ARRAY_SIZE MP_FENCE
    MP_ATOMICS((uint at, uint array), (<1, true>(at, 0, 0, array)))
    MP_FN vec<T, 4> sample(sampler s, float at, uint array) const {
        return this->look(s, __mp::textures::lookup_at(at, 0, 0, array));
    }
    MP_FN vec<T, 4> read(uint at, uint array, uint lod = 0) const {
        return this->template get<1, true>(at, 0, 0, array, lod);
    }
    MP_FN void write(vec<T, 4> v, uint at, uint array, uint lod = 0) const {
        this->template put<1, true>(v, at, 0, 0, array, lod);
    }
};

MP_TEXTURE(texture2d, sample) {
    MP_HEIGHT MP_LEVELS MP_FENCE MP_SPARSE
    MP_ATOMICS((uint2 at), (<2, false>(at.x, at.y, 0, 0)))
    MP_ATOMICS((ushort2 at), (<2, false>(at.x, at.y, 0, 0)))
    MP_FN vec<T, 4> sample(sampler s, float2 at) const {
        static_assert(A == access::sample, "sample() and gather() need a texture with access::sample");
        if (__builtin_constant_p(s.__word) && !__mp::textures::field(s.__word, MP_SAMPLER_LOD_MIN, 16))
            return __mp::textures::components<T>(__mp::textures::sampled_2d<T>(this->__view, s.__word, at.x, at.y));
        return __mp::textures::components<T>(mp_texture_sample_2d(this->__view, s.__word, at.x, at.y));
    }
    MP_FN vec<T, 4> sample(sampler s, float2 at, int2 offset) const {
        return this->look(s, __mp::textures::shifted(__mp::textures::lookup_at(at.x, at.y), offset));
    }
    template <__mp::textures::lod_option<gradient2d> Option>
    MP_FN vec<T, 4> sample(sampler s, float2 at, Option option, int2 offset = int2(0)) const {
        return this->look(s, __mp::textures::shifted(__mp::textures::lookup_at(at.x, at.y), offset), option);
    }
    template <__mp::textures::lod_option<gradient2d> Option>
    MP_FN vec<T, 4> sample(sampler s, float2 at, Option option, min_lod_clamp least, int2 offset = int2(0)) const {
        return this->look(s, __mp::textures::shifted(__mp::textures::lookup_at(at.x, at.y), offset), option, least);
    }
    MP_FN vec<T, 4> gather(sampler s, float2 at, int2 offset = int2(0), component c = component::x) const {
        return this->gathered(s, __mp::textures::shifted(__mp::textures::lookup_at(at.x, at.y), offset), c);
    }
    MP_FN vec<T, 4> read(uint2 at, uint lod = 0) const {
        return this->template get<2, false>(at.x, at.y, 0, 0, lod);
    }
    MP_FN vec<T, 4> read(ushort2 at, uint lod = 0) const { return read(uint2(at), lod); }
    MP_FN void write(vec<T, 4> v, uint2 at, uint lod = 0) const {
        this->template put<2, false>(v, at.x, at.y, 0, 0, lod);
    }
    MP_FN void write(vec<T, 4> v, ushort2 at, uint lod = 0) const { write(v, uint2(at), lod); }
};

MP_TEXTURE(texture2d_array, sample) {
    MP_HEIGHT MP_LEVELS MP_ARRAY_SIZE MP_FENCE MP_SPARSE
    MP_ATOMICS((uint2 at, uint array), (<2, true>(at.x, at.y, 0, array)))
    MP_ATOMICS((ushort2 at, uint array), (<2, true>(at.x, at.y, 0, array)))
    MP_FN vec<T, 4> sample(sampler s, float2 at, uint array, int2 offset = int2(0)) const {
        return this->look(s, __mp::textures::shifted(__mp::textures::lookup_at(at.x, at.y, 0, array), offset));
    }
    template <__mp::textures::lod_option<gradient2d> Option>
    MP_FN vec<T, 4> sample(sampler s, float2 at, uint array, Option option, int2 offset = int2(0)) const {
        return this->look(s, __mp::textures::shifted(__mp::textures::lookup_at(at.x, at.y, 0, array), offset), option);
    }
    template <__mp::textures::lod_option<gradient2d> Option>
    MP_FN vec<T, 4> sample(sampler s, float2 at, uint array, Option option, min_lod_clamp least,
                           int2 offset = int2(0)) const {
        return this->look(s, __mp::textures::shifted(__mp::textures::lookup_at(at.x, at.y, 0, array), offset), option,
                          least);
    }
    MP_FN vec<T, 4> gather(sampler s, float2 at, uint array, int2 offset = int2(0), component c = component::x) const {
        return this->gathered(s, __mp::textures::shifted(__mp::textures::lookup_at(at.x, at.y, 0, array), offset), c);
    }
    MP_FN vec<T, 4> read(uint2 at, uint array, uint lod = 0) const {
        return this->template get<2, true>(at.x, at.y, 0, array, lod);
    }
    MP_FN vec<T, 4> read(ushort2 at, uint array, uint lod = 0) const { return read(uint2(at), array, lod); }
    MP_FN void write(vec<T, 4> v, uint2 at, uint array, uint lod = 0) const {
        this->template put<2, true>(v, at.x, at.y, 0, array, lod);
    }
    MP_FN void write(vec<T, 4> v, ushort2 at, uint array, uint lod = 0) const { write(v, uint2(at), array, lod); }
};

MP_TEXTURE(texture3d, sample) {
    MP_HEIGHT MP_DEPTH MP_LEVELS MP_FENCE MP_SPARSE
    MP_ATOMICS((uint3 at), (<3, false>(at.x, at.y, at.z, 0)))
    MP_ATOMICS((ushort3 at), (<3, false>(at.x, at.y, at.z, 0)))
    MP_FN vec<T, 4> sample(sampler s, float3 at, int3 offset = int3(0)) const {
        return this->look(s, __mp::textures::shifted(__mp::textures::lookup_at(at.x, at.y, at.z), offset));
    }
    template <__mp::textures::lod_option<gradient3d> Option>
    MP_FN vec<T, 4> sample(sampler s, float3 at, Option option, int3 offset = int3(0)) const {
        return this->look(s, __mp::textures::shifted(__mp::textures::lookup_at(at.x, at.y, at.z), offset), option);
    }
    template <__mp::textures::lod_option<gradient3d> Option>
    MP_FN vec<T, 4> sample(sampler s, float3 at, Option option, min_lod_clamp least, int3 offset = int3(0)) const {
        return this->look(s, __mp::textures::shifted(__mp::textures::lookup_at(at.x, at.y, at.z), offset), option,
                          least);
    }
    MP_FN vec<T, 4> read(uint3 at, uint lod = 0) const {
        return this->template get<3, false>(at.x, at.y, at.z, 0, lod);
    }
    MP_FN vec<T, 4> read(ushort3 at, uint lod = 0) const { return read(uint3(at), lod); }
    MP_FN void write(vec<T, 4> v, uint3 at, uint lod = 0) const {
        this->template put<3, false>(v, at.x, at.y, at.z, 0, lod);
    }
    MP_FN void write(vec<T, 4> v, ushort3 at, uint lod = 0) const { write(v, uint3(at), lod); }
};

MP_TEXTURE(texturecube, sample) {
    MP_HEIGHT MP_LEVELS MP_FENCE MP_SPARSE
    MP_ATOMICS((uint2 at, uint face), (<2, true>(at.x, at.y, 0, face)))
    MP_ATOMICS((ushort2 at, uint face), (<2, true>(at.x, at.y, 0, face)))
    MP_FN vec<T, 4> sample(sampler s, float3 at) const {
        return this->look(s, __mp::textures::lookup_at(at.x, at.y, at.z));
    }
    template <__mp::textures::lod_option<gradientcube>... Options> requires(sizeof...(Options) >= 1)
    MP_FN vec<T, 4> sample(sampler s, float3 at, Options... options) const {
        return this->look(s, __mp::textures::lookup_at(at.x, at.y, at.z), options...);
    }
    MP_FN vec<T, 4> gather(sampler s, float3 at, component c = component::x) const {
        return this->gathered(s, __mp::textures::lookup_at(at.x, at.y, at.z), c);
    }
    MP_FN vec<T, 4> read(uint2 at, uint face, uint lod = 0) const {
        return this->template get<2, true>(at.x, at.y, 0, face, lod);
    }
    MP_FN vec<T, 4> read(ushort2 at, uint face, uint lod = 0) const { return read(uint2(at), face, lod); }
    MP_FN void write(vec<T, 4> v, uint2 at, uint face, uint lod = 0) const {
        this->template put<2, true>(v, at.x, at.y, 0, face, lod);
    }
    MP_FN void write(vec<T, 4> v, ushort2 at, uint face, uint lod = 0) const { write(v, uint2(at), face, lod); }
};

MP_TEXTURE(texturecube_array, sample) {
    MP_HEIGHT MP_LEVELS MP_ARRAY_SIZE MP_FENCE MP_SPARSE
    MP_ATOMICS((uint2 at, uint face, uint array), (<2, true>(at.x, at.y, 0, face < 6 ? 6 * array + face : ~0u)))
    MP_ATOMICS((ushort2 at, uint face, uint array), (<2, true>(at.x, at.y, 0, face < 6 ? 6 * array + face : ~0u)))
    MP_FN vec<T, 4> sample(sampler s, float3 at, uint array) const {
        return this->look(s, __mp::textures::lookup_at(at.x, at.y, at.z, array));
    }
    template <__mp::textures::lod_option<gradientcube>... Options> requires(sizeof...(Options) >= 1)
    MP_FN vec<T, 4> sample(sampler s, float3 at, uint array, Options... options) const {
        return this->look(s, __mp::textures::lookup_at(at.x, at.y, at.z, array), options...);
    }
    MP_FN vec<T, 4> gather(sampler s, float3 at, uint array, component c = component::x) const {
        return this->gathered(s, __mp::textures::lookup_at(at.x, at.y, at.z, array), c);
    }
    MP_FN vec<T, 4> read(uint2 at, uint face, uint array, uint lod = 0) const {
        return this->template get<2, true>(at.x, at.y, 0, face < 6 ? 6 * array + face : ~0u, lod);
    }
    MP_FN vec<T, 4> read(ushort2 at, uint face, uint array, uint lod = 0) const {
        return read(uint2(at), face, array, lod);
    }
    MP_FN void write(vec<T, 4> v, uint2 at, uint face, uint array, uint lod = 0) const {
        this->template put<2, true>(v, at.x, at.y, 0, face < 6 ? 6 * array + face : ~0u, lod);
    }
    MP_FN void write(vec<T, 4> v, ushort2 at, uint face, uint array, uint lod = 0) const {
        write(v, uint2(at), face, array, lod);
    }
};

MP_TEXTURE(texture_buffer, read) {
    MP_FENCE
    MP_ATOMICS((uint at), (<1, false>(at, 0, 0, 0)))
    MP_FN vec<T, 4> read(uint at) const { return this->template get<1, false>(at, 0, 0, 0, 0); }
    MP_FN void write(vec<T, 4> v, uint at) const { this->template put<1, false>(v, at, 0, 0, 0, 0); }
};

// The samples of a texel are images of their own.
MP_TEXTURE(texture2d_ms, read) {
    MP_HEIGHT MP_SAMPLES
    MP_FN vec<T, 4> read(uint2 at, uint sample) const {
        return this->template get<2, true>(at.x, at.y, 0, sample, 0);
    }
    MP_FN vec<T, 4> read(ushort2 at, uint sample) const { return read(uint2(at), sample); }
};

MP_TEXTURE(texture2d_ms_array, read) {
    MP_HEIGHT MP_SAMPLES MP_ARRAY_SIZE
    MP_FN vec<T, 4> read(uint2 at, uint array, uint sample) const {
        const uint count = this->__view->samples;
        return this->template get<2, true>(at.x, at.y, 0, sample < count ? array * count + sample : ~0u, 0);
    }
    MP_FN vec<T, 4> read(ushort2 at, uint array, uint sample) const { return read(uint2(at), array, sample); }
};

// ---- depth textures: one component ----

MP_TEXTURE(depth2d, sample) {
    MP_HEIGHT MP_LEVELS MP_SPARSE
    MP_FN T sample(sampler s, float2 at, int2 offset = int2(0)) const {
        return this->look(s, __mp::textures::shifted(__mp::textures::lookup_at(at.x, at.y), offset)).x;
    }
    template <__mp::textures::lod_option<gradient2d> Option>
    MP_FN T sample(sampler s, float2 at, Option option, int2 offset = int2(0)) const {
        return this->look(s, __mp::textures::shifted(__mp::textures::lookup_at(at.x, at.y), offset), option).x;
    }
    MP_FN T sample_compare(sampler s, float2 at, float reference, int2 offset = int2(0)) const {
        const mp_lookup lookup = __mp::textures::shifted(__mp::textures::lookup_at(at.x, at.y), offset);
        return this->look(s, __mp::textures::comparing(lookup, reference)).x;
    }
    template <__mp::textures::lod_option<gradient2d> Option>
    MP_FN T sample_compare(sampler s, float2 at, float reference, Option option, int2 offset = int2(0)) const {
        const mp_lookup lookup = __mp::textures::shifted(__mp::textures::lookup_at(at.x, at.y), offset);
        return this->look(s, __mp::textures::comparing(lookup, reference), option).x;
    }
    MP_FN vec<T, 4> gather(sampler s, float2 at, int2 offset = int2(0)) const {
        return this->gathered(s, __mp::textures::shifted(__mp::textures::lookup_at(at.x, at.y), offset), component::x);
    }
    MP_FN vec<T, 4> gather_compare(sampler s, float2 at, float reference, int2 offset = int2(0)) const {
        const mp_lookup lookup = __mp::textures::shifted(__mp::textures::lookup_at(at.x, at.y), offset);
        return this->gathered(s, __mp::textures::comparing(lookup, reference), component::x);
    }
    MP_FN T read(uint2 at, uint lod = 0) const { return this->template get<2, false>(at.x, at.y, 0, 0, lod).x; }
    MP_FN T read(ushort2 at, uint lod = 0) const { return read(uint2(at), lod); }
};

MP_TEXTURE(depth2d_array, sample) {
    MP_HEIGHT MP_LEVELS MP_ARRAY_SIZE MP_SPARSE
    MP_FN T sample(sampler s, float2 at, uint array, int2 offset = int2(0)) const {
        return this->look(s, __mp::textures::shifted(__mp::textures::lookup_at(at.x, at.y, 0, array), offset)).x;
    }
    template <__mp::textures::lod_option<gradient2d> Option>
    MP_FN T sample(sampler s, float2 at, uint array, Option option, int2 offset = int2(0)) const {
        const mp_lookup lookup = __mp::textures::shifted(__mp::textures::lookup_at(at.x, at.y, 0, array), offset);
        return this->look(s, lookup, option).x;
    }
    MP_FN T sample_compare(sampler s, float2 at, uint array, float reference, int2 offset = int2(0)) const {
        const mp_lookup lookup = __mp::textures::shifted(__mp::textures::lookup_at(at.x, at.y, 0, array), offset);
        return this->look(s, __mp::textures::comparing(lookup, reference)).x;
    }
    template <__mp::textures::lod_option<gradient2d> Option>
    MP_FN T sample_compare(sampler s, float2 at, uint array, float reference, Option option,
                           int2 offset = int2(0)) const {
        const mp_lookup lookup = __mp::textures::shifted(__mp::textures::lookup_at(at.x, at.y, 0, array), offset);
        return this->look(s, __mp::textures::comparing(lookup, reference), option).x;
    }
    MP_FN vec<T, 4> gather(sampler s, float2 at, uint array, int2 offset = int2(0)) const {
        const mp_lookup lookup = __mp::textures::shifted(__mp::textures::lookup_at(at.x, at.y, 0, array), offset);
        return this->gathered(s, lookup, component::x);
    }
    MP_FN vec<T, 4> gather_compare(sampler s, float2 at, uint array, float reference, int2 offset = int2(0)) const {
        const mp_lookup lookup = __mp::textures::shifted(__mp::textures::lookup_at(at.x, at.y, 0, array), offset);
        return this->gathered(s, __mp::textures::comparing(lookup, reference), component::x);
    }
    MP_FN T read(uint2 at, uint array, uint lod = 0) const {
        return this->template get<2, true>(at.x, at.y, 0, array, lod).x;
    }
    MP_FN T read(ushort2 at, uint array, uint lod = 0) const { return read(uint2(at), array, lod); }
};

MP_TEXTURE(depthcube, sample) {
    MP_HEIGHT MP_LEVELS MP_SPARSE
    template <__mp::textures::lod_option<gradientcube>... Options>
    MP_FN T sample(sampler s, float3 at, Options... options) const {
        return this->look(s, __mp::textures::lookup_at(at.x, at.y, at.z), options...).x;
    }
    template <__mp::textures::lod_option<gradientcube>... Options>
    MP_FN T sample_compare(sampler s, float3 at, float reference, Options... options) const {
        const mp_lookup lookup = __mp::textures::lookup_at(at.x, at.y, at.z);
        return this->look(s, __mp::textures::comparing(lookup, reference), options...).x;
    }
    MP_FN vec<T, 4> gather(sampler s, float3 at) const {
        return this->gathered(s, __mp::textures::lookup_at(at.x, at.y, at.z), component::x);
    }
    MP_FN vec<T, 4> gather_compare(sampler s, float3 at, float reference) const {
        const mp_lookup lookup = __mp::textures::lookup_at(at.x, at.y, at.z);
        return this->gathered(s, __mp::textures::comparing(lookup, reference), component::x);
    }
    MP_FN T read(uint2 at, uint face, uint lod = 0) const {
        return this->template get<2, true>(at.x, at.y, 0, face, lod).x;
    }
    MP_FN T read(ushort2 at, uint face, uint lod = 0) const { return read(uint2(at), face, lod); }
};

MP_TEXTURE(depthcube_array, sample) {
    MP_HEIGHT MP_LEVELS MP_ARRAY_SIZE MP_SPARSE
    template <__mp::textures::lod_option<gradientcube>... Options>
    MP_FN T sample(sampler s, float3 at, uint array, Options... options) const {
        return this->look(s, __mp::textures::lookup_at(at.x, at.y, at.z, array), options...).x;
    }
    template <__mp::textures::lod_option<gradientcube>... Options>
    MP_FN T sample_compare(sampler s, float3 at, uint array, float reference, Options... options) const {
        const mp_lookup lookup = __mp::textures::lookup_at(at.x, at.y, at.z, array);
        return this->look(s, __mp::textures::comparing(lookup, reference), options...).x;
    }
    MP_FN vec<T, 4> gather(sampler s, float3 at, uint array) const {
        return this->gathered(s, __mp::textures::lookup_at(at.x, at.y, at.z, array), component::x);
    }
    MP_FN vec<T, 4> gather_compare(sampler s, float3 at, uint array, float reference) const {
        const mp_lookup lookup = __mp::textures::lookup_at(at.x, at.y, at.z, array);
        return this->gathered(s, __mp::textures::comparing(lookup, reference), component::x);
    }
    MP_FN T read(uint2 at, uint face, uint array, uint lod = 0) const {
        return this->template get<2, true>(at.x, at.y, 0, face < 6 ? 6 * array + face : ~0u, lod).x;
    }
    MP_FN T read(ushort2 at, uint face, uint array, uint lod = 0) const { return read(uint2(at), face, array, lod); }
};

MP_TEXTURE(depth2d_ms, read) {
    MP_HEIGHT MP_SAMPLES
    MP_FN T read(uint2 at, uint sample) const { return this->template get<2, true>(at.x, at.y, 0, sample, 0).x; }
    MP_FN T read(ushort2 at, uint sample) const { return read(uint2(at), sample); }
};

MP_TEXTURE(depth2d_ms_array, read) {
    MP_HEIGHT MP_SAMPLES MP_ARRAY_SIZE
    MP_FN T read(uint2 at, uint array, uint sample) const {
        const uint count = this->__view->samples;
        return this->template get<2, true>(at.x, at.y, 0, sample < count ? array * count + sample : ~0u, 0).x;
    }
    MP_FN T read(ushort2 at, uint array, uint sample) const { return read(uint2(at), array, sample); }
};
#undef MP_TEXTURE
#undef MP_HEIGHT
#undef MP_DEPTH
#undef MP_LEVELS
#undef MP_ARRAY_SIZE
#undef MP_SAMPLES
#undef MP_FENCE
#undef MP_SPARSE
#undef MP_ATOMICS
#undef MP_ATOMIC_FETCH
#undef MP_LIST

template <class Texture> MP_FN bool is_null_texture(Texture t) { return t.__view == nullptr; }
} // namespace metal
MP_END
