// <metal_simdgroup_matrix>: 8x8 matrices that the 32 lanes of a simdgroup hold together, two elements each. Loading
// meets nobody, as each lane fetches its own two; a product is one meeting.
#pragma once
#pragma clang system_header
#include <__mp/simdgroup.h>

MP_BEGIN
namespace __mp {
// Where a lane's two elements lie: at (row, column) and the next column. Kernels rely on this map of Apple's GPUs.
struct matrix_place {
    uint row, column;
};
MP_FN matrix_place place_in_matrix() {
    uint lane = mp_simd_lane(), quad = lane / 4;
    return {(quad & 4) + lane / 2 % 4, (quad & 2) * 2 + lane % 2 * 2};
}
template <int N> using matrix_origin_t = vec<ulong, N / 4>; // ulong2, once N is known
// The elements as the runtime takes them: two floats.
template <class T> MP_FN ulong matrix_bits(vec<T, 2> v) { return __builtin_bit_cast(ulong, vec<float_for<T>, 2>(v)); }
} // namespace __mp

namespace metal {
template <class T, int Cols, int Rows = Cols> struct simdgroup_matrix {
    static_assert(__mp::floating<T>, "simdgroup_matrix holds float, half or bfloat");
    static_assert(Cols == 8 && Rows == 8, "simdgroup_matrix has 8 columns and 8 rows");
    vec<T, 2> mp_elements;

    simdgroup_matrix() = default;
    explicit simdgroup_matrix(T diagonal) {
        __mp::matrix_place at = __mp::place_in_matrix();
        mp_elements.x = at.row == at.column ? diagonal : T(0);
        mp_elements.y = at.row == at.column + 1 ? diagonal : T(0);
    }
    constexpr vec<T, 2> &thread_elements() { return mp_elements; }
    constexpr const vec<T, 2> &thread_elements() const { return mp_elements; }
    friend MP_MEET simdgroup_matrix operator*(simdgroup_matrix a, simdgroup_matrix b) {
        simdgroup_multiply(a, a, b);
        return a;
    }
};
using simdgroup_float8x8 = simdgroup_matrix<float, 8, 8>;
using simdgroup_half8x8 = simdgroup_matrix<half, 8, 8>;
using simdgroup_bfloat8x8 = simdgroup_matrix<bfloat, 8, 8>;

template <class T, int Cols = 8, int Rows = Cols>
MP_FN simdgroup_matrix<T, Cols, Rows> make_filled_simdgroup_matrix(__mp::plain<T> value) {
    simdgroup_matrix<T, Cols, Rows> m;
    m.mp_elements = value;
    return m;
}
template <class T, int Cols = 8, int Rows = Cols>
MP_FN simdgroup_matrix<T, Cols, Rows> make_diagonal_simdgroup_matrix(__mp::plain<T> value) {
    return simdgroup_matrix<T, Cols, Rows>(value);
}

// `matrix_origin` is a place in memory: x within a row of `elements_per_row` elements, y the row.
template <class T, int C, int R, class S> requires __mp::same<__remove_cv(S), T>
MP_FN void simdgroup_load(simdgroup_matrix<T, C, R> &d, S *src, ulong elements_per_row = C,
                          __mp::matrix_origin_t<C> matrix_origin = 0, bool transpose_matrix = false) {
    __mp::matrix_place at = __mp::place_in_matrix();
    src += matrix_origin.y * elements_per_row + matrix_origin.x;
    src += transpose_matrix ? at.column * elements_per_row + at.row : at.row * elements_per_row + at.column;
    d.mp_elements.x = src[0];
    d.mp_elements.y = src[transpose_matrix ? elements_per_row : 1];
}
// As if all lanes stored at once: what they loaded before is loaded, and what they load behind it is there.
template <class T, int C, int R, class S> requires __mp::same<__remove_volatile(S), T>
MP_MEET void simdgroup_store(simdgroup_matrix<T, C, R> a, S *dst, ulong elements_per_row = C,
                             __mp::matrix_origin_t<C> matrix_origin = 0, bool transpose_matrix = false) {
    __mp::matrix_place at = __mp::place_in_matrix();
    dst += matrix_origin.y * elements_per_row + matrix_origin.x;
    dst += transpose_matrix ? at.column * elements_per_row + at.row : at.row * elements_per_row + at.column;
    mp_simdgroup_barrier();
    dst[0] = a.mp_elements.x;
    dst[transpose_matrix ? elements_per_row : 1] = a.mp_elements.y;
    mp_simdgroup_barrier();
}

// d = a b + c, summed in float whatever the types, and rounded once.
template <class T, class A, class B, class C>
MP_MEET void simdgroup_multiply_accumulate(simdgroup_matrix<T, 8, 8> &d, const simdgroup_matrix<A, 8, 8> &a,
                                           const simdgroup_matrix<B, 8, 8> &b, const simdgroup_matrix<C, 8, 8> &c) {
    ulong sum = mp_simd_multiply_accumulate(__mp::matrix_bits(a.mp_elements), __mp::matrix_bits(b.mp_elements),
                                            __mp::matrix_bits(c.mp_elements));
    d.mp_elements = vec<T, 2>(__builtin_bit_cast(vec<__mp::float_for<T>, 2>, sum));
}
template <class T, class A, class B>
MP_MEET void simdgroup_multiply(simdgroup_matrix<T, 8, 8> &d, const simdgroup_matrix<A, 8, 8> &a,
                                const simdgroup_matrix<B, 8, 8> &b) {
    ulong product = mp_simd_multiply_accumulate(__mp::matrix_bits(a.mp_elements), __mp::matrix_bits(b.mp_elements), 0);
    d.mp_elements = vec<T, 2>(__builtin_bit_cast(vec<__mp::float_for<T>, 2>, product));
}
} // namespace metal
MP_END
