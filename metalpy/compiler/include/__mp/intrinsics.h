// Names from inside Apple's headers that some libraries call directly. The last argument of a math function says
// whether it may be fast; there is one accuracy here.
#pragma once
#pragma clang system_header
#include <__mp/quadgroup.h>

MP_BEGIN
#define MP_PRIVATE1(f)                                                                                                \
    template <class T> MP_FN auto __metal_##f(T x, bool = false) { return metal::f(x); }
#define MP_PRIVATE2(f)                                                                                                \
    template <class T> MP_FN auto __metal_##f(T x, T y, bool = false) { return metal::f(x, y); }
#define MP_PRIVATE3(f)                                                                                                \
    template <class T> MP_FN auto __metal_##f(T x, T y, T z, bool = false) { return metal::f(x, y, z); }
MP_PRIVATE1(abs) MP_PRIVATE1(fabs) MP_PRIVATE1(acos) MP_PRIVATE1(acosh) MP_PRIVATE1(asin) MP_PRIVATE1(asinh)
MP_PRIVATE1(atan) MP_PRIVATE1(atanh) MP_PRIVATE1(ceil) MP_PRIVATE1(cos) MP_PRIVATE1(cosh) MP_PRIVATE1(cospi)
MP_PRIVATE1(exp) MP_PRIVATE1(exp10) MP_PRIVATE1(exp2) MP_PRIVATE1(floor) MP_PRIVATE1(fract) MP_PRIVATE1(log)
MP_PRIVATE1(log10) MP_PRIVATE1(log2) MP_PRIVATE1(rint) MP_PRIVATE1(round) MP_PRIVATE1(rsqrt) MP_PRIVATE1(saturate)
MP_PRIVATE1(sign) MP_PRIVATE1(sin) MP_PRIVATE1(sinh) MP_PRIVATE1(sinpi) MP_PRIVATE1(sqrt) MP_PRIVATE1(tan)
MP_PRIVATE1(tanh) MP_PRIVATE1(tanpi) MP_PRIVATE1(trunc)
MP_PRIVATE2(atan2) MP_PRIVATE2(copysign) MP_PRIVATE2(divide) MP_PRIVATE2(fdim) MP_PRIVATE2(fmax) MP_PRIVATE2(fmin)
MP_PRIVATE2(fmod) MP_PRIVATE2(pow) MP_PRIVATE2(powr) MP_PRIVATE2(step)
MP_PRIVATE3(fma) MP_PRIVATE3(fmax3) MP_PRIVATE3(fmedian3) MP_PRIVATE3(fmin3) MP_PRIVATE3(mix) MP_PRIVATE3(smoothstep)
template <class T> MP_FN T __metal_nextafter(T x, T y) { return metal::nextafter(x, y); }
template <class T> MP_FN T __metal_ldexp(T x, int k, bool = false) { return metal::ldexp(x, k); }
template <class T> MP_FN T __metal_frexp(T x, int *exponent) { return metal::frexp(x, *exponent); }

#define MP_PRIVATE_SIMD(f)                                                                                            \
    template <class T> MP_MEET T __metal_simd_##f(T x) { return metal::simd_##f(x); }
#define MP_PRIVATE_SHUFFLE(f)                                                                                         \
    template <class T> MP_MEET T __metal_simd_##f(T x, ushort lane) { return metal::simd_##f(x, lane); }
MP_PRIVATE_SIMD(sum) MP_PRIVATE_SIMD(product) MP_PRIVATE_SIMD(min) MP_PRIVATE_SIMD(max)
MP_PRIVATE_SIMD(prefix_inclusive_sum) MP_PRIVATE_SIMD(prefix_exclusive_sum) MP_PRIVATE_SIMD(prefix_inclusive_product)
MP_PRIVATE_SIMD(prefix_exclusive_product) MP_PRIVATE_SIMD(broadcast_first)
MP_PRIVATE_SHUFFLE(broadcast) MP_PRIVATE_SHUFFLE(shuffle) MP_PRIVATE_SHUFFLE(shuffle_up)
MP_PRIVATE_SHUFFLE(shuffle_down) MP_PRIVATE_SHUFFLE(shuffle_xor) MP_PRIVATE_SHUFFLE(shuffle_rotate_up)
MP_PRIVATE_SHUFFLE(shuffle_rotate_down)
#undef MP_PRIVATE1
#undef MP_PRIVATE2
#undef MP_PRIVATE3
#undef MP_PRIVATE_SIMD
#undef MP_PRIVATE_SHUFFLE
// also of floats, whose bits it combines
template <class T> MP_MEET T __metal_simd_xor(T x) {
    if constexpr (__mp::same<T, float>) return as_type<float>(metal::simd_xor(as_type<uint>(x)));
    else return metal::simd_xor(x);
}
template <class T> MP_MEET T __metal_simd_shuffle_and_fill_up(T data, T filling, ushort delta, ushort modulo) {
    return metal::simd_shuffle_and_fill_up(data, filling, delta, modulo);
}
template <class T> MP_MEET T __metal_simd_shuffle_and_fill_down(T data, T filling, ushort delta, ushort modulo) {
    return metal::simd_shuffle_and_fill_down(data, filling, delta, modulo);
}
template <class T> MP_FN T __metal_get_simdgroup_size(T) { return T(__mp::simd_width); }
template <class T> MP_FN T __metal_get_thread_index_in_simdgroup(T) { return T(mp_simd_lane()); }
MP_END
