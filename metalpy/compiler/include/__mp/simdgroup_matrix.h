// <metal_simdgroup_matrix>: declared, not supported yet.
#pragma once
#pragma clang system_header
#include <__mp/unsupported.h>

namespace metal {
template <class T, int C, int R, class... Rest> struct simdgroup_matrix {
    MP_UNSUPPORTED("simdgroup_matrix");
};
using simdgroup_float8x8 = simdgroup_matrix<float, 8, 8>;
using simdgroup_half8x8 = simdgroup_matrix<half, 8, 8>;
using simdgroup_bfloat8x8 = simdgroup_matrix<bfloat, 8, 8>;
template <class T, int C, int R> simdgroup_matrix<T, C, R> make_filled_simdgroup_matrix(T);
template <class T, int C = 8, int R = 8> simdgroup_matrix<T, C, R> make_diagonal_simdgroup_matrix(T);
template <class T, int C, int R, class... A> void simdgroup_load(simdgroup_matrix<T, C, R> &, A...);
template <class T, int C, int R, class... A> void simdgroup_store(simdgroup_matrix<T, C, R>, A...);
template <class T, int C, int R, class... A> void simdgroup_multiply(simdgroup_matrix<T, C, R> &, A...);
template <class T, int C, int R, class... A> void simdgroup_multiply_accumulate(simdgroup_matrix<T, C, R> &, A...);
} // namespace metal
