// Pixel data types, as rgba8unorm<half4>: memory in a pixel format, read and written as T. Nothing but that can be done
// with one. Floats are rounded as textures of these formats round them (cpu/pixels.c).
#pragma once
#pragma clang system_header
#include <__mp/pack.h>

MP_BEGIN
namespace __mp::pixels {
template <class T> using float_of = rebind_t<typename shape<T>::value, float>;

// Channels one after another: Channel(-1) is the largest one if they are unsigned.
template <class T, class Channel, int N> struct channels {
    static constexpr bool is_signed = Channel(-1) < 0;
    static constexpr float scale = is_signed ? float((1u << (8 * sizeof(Channel) - 1)) - 1) : float(Channel(-1));
    Channel mp_channels[N];

    MP_FN static Channel packed(float x) {
        if constexpr (is_signed) return static_cast<Channel>(to_snorm(x, scale, ~0u));
        else return static_cast<Channel>(to_unorm(x, scale));
    }
    MP_FN static float unpacked(Channel c) { return is_signed ? from_snorm(c, scale) : c / scale; }
    MP_FN T get() const {
        if constexpr (N == 1) return T(unpacked(mp_channels[0]));
        else {
            T value;
            for (int i = 0; i < N; ++i) value[i] = static_cast<typename shape<T>::element>(unpacked(mp_channels[i]));
            return value;
        }
    }
    MP_FN void set(T value) {
        if constexpr (N == 1) mp_channels[0] = packed(value);
        else for (int i = 0; i < N; ++i) mp_channels[i] = packed(value[i]);
    }
};
template <class T> struct srgb {
    uchar mp_bytes[4];
    MP_FN T get() const { return T(unpack_srgb4x8<float>(__builtin_bit_cast(uint, mp_bytes))); }
    MP_FN void set(T value) {
        const uint word = pack_srgb4x8(float4(value));
        __builtin_memcpy(mp_bytes, &word, 4);
    }
};
template <class T> struct ten_ten_ten_two {
    uint mp_word;
    MP_FN T get() const { return T(unpack_unorm10a2<float>(mp_word)); }
    MP_FN void set(T value) { mp_word = pack_unorm10a2(float4(value)); }
};
// Floats without sign, of 5 bits of exponent and so many of mantissa: a half with its low bits cut off.
MP_FN float from_small(uint code, int bits) {
    return static_cast<float>(__builtin_bit_cast(half, static_cast<ushort>(code << (10 - bits))));
}
// To nearest even; finite values stay finite.
MP_FN uint to_small(float x, int bits) {
    const uint infinite = 31u << bits, word = __builtin_bit_cast(uint, x);
    if (x != x) return infinite | 1;
    if (!(x > 0)) return 0;
    if (word == 0x7f800000) return infinite;
    uint code = (word - 0x38000000 + ((1u << (22 - bits)) - 1) + (word >> (23 - bits) & 1)) >> (23 - bits);
    if (word < 0x38800000) code = static_cast<uint>(__builtin_rintf(x * static_cast<float>(1 << (14 + bits))));
    return code < infinite ? code : infinite - 1;
}
MP_FN float power_of_two(int n) { return __builtin_bit_cast(float, static_cast<uint>(n + 127) << 23); }

template <class T> struct eleven_eleven_ten {
    uint mp_word;
    MP_FN T get() const {
        return T(float3(from_small(mp_word & 2047, 6), from_small(mp_word >> 11 & 2047, 6), from_small(mp_word >> 22, 5)));
    }
    MP_FN void set(T value) {
        const float3 v(value);
        mp_word = to_small(v.x, 6) | to_small(v.y, 6) << 11 | to_small(v.z, 5) << 22;
    }
};
// Mantissas of 9 bits and the exponent of the largest.
template <class T> struct shared_exponent {
    uint mp_word;
    MP_FN T get() const {
        const float scale = power_of_two(static_cast<int>(mp_word >> 27) - 24);
        return T(float3(mp_word & 511, mp_word >> 9 & 511, mp_word >> 18 & 511) * scale);
    }
    MP_FN void set(T value) {
        const float3 v(value);
        float c[3], largest = 0;
        for (int i = 0; i < 3; ++i) {
            c[i] = v[i] > 0 ? __builtin_fminf(v[i], 65408) : 0;
            largest = __builtin_fmaxf(largest, c[i]);
        }
        int exponent = largest > 0x1p-16f ? static_cast<int>(__builtin_bit_cast(uint, largest) >> 23) - 111 : 0;
        exponent += __builtin_rintf(largest * power_of_two(24 - exponent)) == 512;
        mp_word = static_cast<uint>(exponent) << 27;
        for (int i = 0; i < 3; ++i)
            mp_word |= static_cast<uint>(__builtin_rintf(c[i] * power_of_two(24 - exponent))) << 9 * i;
    }
};
} // namespace __mp::pixels

#define MP_PIXEL(name, count, ...)                                                                                    \
    template <class T> struct name : __VA_ARGS__ {                                                                    \
        static_assert(__mp::shape<T>::lanes == count, #name " is read as a value of " #count " float or half");       \
        name() = default;                                                                                             \
        MP_FN name(T value) { this->set(value); }                                                                     \
        MP_FN name &operator=(T value) { this->set(value); return *this; }                                            \
        MP_FN operator T() const { return this->get(); }                                                              \
    };
#define MP_PIXELS(end, channel)                                                                                       \
    MP_PIXEL(r##end, 1, __mp::pixels::channels<T, channel, 1>)                                                        \
    MP_PIXEL(rg##end, 2, __mp::pixels::channels<T, channel, 2>)                                                       \
    MP_PIXEL(rgba##end, 4, __mp::pixels::channels<T, channel, 4>)
namespace metal {
MP_PIXELS(8unorm, uchar)
MP_PIXELS(8snorm, int8_t)
MP_PIXELS(16unorm, ushort)
MP_PIXELS(16snorm, short)
MP_PIXEL(srgba8unorm, 4, __mp::pixels::srgb<T>)
MP_PIXEL(rgb10a2, 4, __mp::pixels::ten_ten_ten_two<T>)
MP_PIXEL(rg11b10f, 3, __mp::pixels::eleven_eleven_ten<T>)
MP_PIXEL(rgb9e5, 3, __mp::pixels::shared_exponent<T>)
} // namespace metal
#undef MP_PIXEL
#undef MP_PIXELS
MP_END
