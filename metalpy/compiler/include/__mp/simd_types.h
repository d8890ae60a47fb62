// <simd/simd.h>: the types of headers shared with the host, as other names of Metal's.
#pragma once
#pragma clang system_header
#include <__mp/integer.h>
#include <__mp/geometric.h>
#include <__mp/matrix.h>
#include <__mp/relational.h>

// simd_float4, simd::float4; packed ones from simd/packed.h. vector_float4 needs no header.
#define MP_SIMD_VECTOR(name, type, n)                                                                                 \
    using simd_##name##n = metal::vec<type, n>;                                                                       \
    using simd_packed_##name##n = metal::packed_vec<type, n>;                                                         \
    namespace simd {                                                                                                  \
    using ::name##n, ::packed_##name##n;                                                                              \
    }
#define MP_SIMD_TYPE(name, type)                                                                                      \
    using simd_##name##1 = type;                                                                                      \
    MP_SIMD_VECTOR(name, type, 2)                                                                                     \
    MP_SIMD_VECTOR(name, type, 3)                                                                                     \
    MP_SIMD_VECTOR(name, type, 4)
MP_SIMD_TYPE(char, char)
MP_SIMD_TYPE(uchar, uchar)
MP_SIMD_TYPE(short, short)
MP_SIMD_TYPE(ushort, ushort)
MP_SIMD_TYPE(int, int)
MP_SIMD_TYPE(uint, uint)
MP_SIMD_TYPE(long, long)
MP_SIMD_TYPE(ulong, ulong)
MP_SIMD_TYPE(half, half)
MP_SIMD_TYPE(float, float)

#define MP_SIMD_MATRIX(name, type, c, r)                                                                              \
    using matrix_##name##c##x##r = metal::matrix<type, c, r>;                                                         \
    using simd_##name##c##x##r = metal::matrix<type, c, r>;                                                           \
    namespace simd {                                                                                                  \
    using ::name##c##x##r;                                                                                            \
    }
#define MP_SIMD_MATRICES(name, type)                                                                                  \
    MP_SIMD_MATRIX(name, type, 2, 2) MP_SIMD_MATRIX(name, type, 2, 3) MP_SIMD_MATRIX(name, type, 2, 4)                \
    MP_SIMD_MATRIX(name, type, 3, 2) MP_SIMD_MATRIX(name, type, 3, 3) MP_SIMD_MATRIX(name, type, 3, 4)                \
    MP_SIMD_MATRIX(name, type, 4, 2) MP_SIMD_MATRIX(name, type, 4, 3) MP_SIMD_MATRIX(name, type, 4, 4)
MP_SIMD_MATRICES(float, float)
MP_SIMD_MATRICES(half, half)

MP_BEGIN
#define MP_SIMD_MAKE(name)                                                                                            \
    template <class V = name##2, class... A> MP_CX V simd_make_##name##2(A... a) { return V(a...); }                  \
    template <class V = name##3, class... A> MP_CX V simd_make_##name##3(A... a) { return V(a...); }                  \
    template <class V = name##4, class... A> MP_CX V simd_make_##name##4(A... a) { return V(a...); }
MP_SIMD_MAKE(char)
MP_SIMD_MAKE(uchar)
MP_SIMD_MAKE(short)
MP_SIMD_MAKE(ushort)
MP_SIMD_MAKE(int)
MP_SIMD_MAKE(uint)
MP_SIMD_MAKE(long)
MP_SIMD_MAKE(ulong)
MP_SIMD_MAKE(half)
MP_SIMD_MAKE(float)
#undef MP_SIMD_MAKE
MP_END
