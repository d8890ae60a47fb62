// <metal_texture>: declared, not supported yet.
#pragma once
#pragma clang system_header
#include <__mp/unsupported.h>

namespace metal {
enum class access { sample, read, write, read_write };
enum class component { x, y, z, w };
template <class T, access A = access::sample, class... Rest> struct texture1d {
    MP_UNSUPPORTED("texture1d");
};
template <class T, access A = access::sample, class... Rest> struct texture1d_array {
    MP_UNSUPPORTED("texture1d_array");
};
template <class T, access A = access::sample, class... Rest> struct texture2d {
    MP_UNSUPPORTED("texture2d");
};
template <class T, access A = access::sample, class... Rest> struct texture2d_array {
    MP_UNSUPPORTED("texture2d_array");
};
template <class T, access A = access::sample, class... Rest> struct texture3d {
    MP_UNSUPPORTED("texture3d");
};
template <class T, access A = access::sample, class... Rest> struct texturecube {
    MP_UNSUPPORTED("texturecube");
};
template <class T, access A = access::sample, class... Rest> struct texturecube_array {
    MP_UNSUPPORTED("texturecube_array");
};
template <class T, access A = access::read, class... Rest> struct texture2d_ms {
    MP_UNSUPPORTED("texture2d_ms");
};
template <class T, access A = access::read, class... Rest> struct texture2d_ms_array {
    MP_UNSUPPORTED("texture2d_ms_array");
};
template <class T, access A = access::read, class... Rest> struct texture_buffer {
    MP_UNSUPPORTED("texture_buffer");
};
template <class T, access A = access::sample, class... Rest> struct depth2d {
    MP_UNSUPPORTED("depth2d");
};
template <class T, access A = access::sample, class... Rest> struct depth2d_array {
    MP_UNSUPPORTED("depth2d_array");
};
template <class T, access A = access::sample, class... Rest> struct depthcube {
    MP_UNSUPPORTED("depthcube");
};
template <class T, access A = access::sample, class... Rest> struct depthcube_array {
    MP_UNSUPPORTED("depthcube_array");
};
template <class T, access A = access::read, class... Rest> struct depth2d_ms {
    MP_UNSUPPORTED("depth2d_ms");
};
template <class T, access A = access::read, class... Rest> struct depth2d_ms_array {
    MP_UNSUPPORTED("depth2d_ms_array");
};

enum class coord { normalized, pixel };
enum class address { clamp_to_zero, clamp_to_edge, repeat, mirrored_repeat, clamp_to_border };
enum class filter { nearest, linear, bicubic };
enum class mip_filter { none, nearest, linear };
enum class compare_func { none, never, less, less_equal, equal, greater_equal, greater, not_equal, always };
struct sampler {
    template <class T = void, class... Rest> constexpr sampler(T, Rest...) { MP_UNSUPPORTED("sampler"); }
};
} // namespace metal
