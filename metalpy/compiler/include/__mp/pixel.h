// Pixel data types, as rgba8unorm<half4>: memory in a pixel format, read and written as T. Nothing but that can be done
// with one. rg11b10f and rgb9e5 are missing.
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
} // namespace metal
#undef MP_PIXEL
#undef MP_PIXELS
MP_END
