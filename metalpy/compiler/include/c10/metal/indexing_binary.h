// Kernels of two arrays, for indexing.h. Each comes plain and, as binary_alpha_..., with a number that goes to the
// functor as a third operand. The forms differ in where an element is: side by side (dense), by strides, at a remainder
// of the index (broadcast: the right operand, or with rhs the left one) or in one place (scalar: the right one, or with
// lhs the left). In a form with `cast`, element types come in when it runs, behind the sizes of the elements.
#pragma once
#include <c10/metal/indexing.h>

namespace c10 {
namespace metal {

namespace detail {
inline long place(uint index, constant long* sizes, constant long* strides, uint ndim) {
  return offset_from_thread_index(index, sizes, strides, ndim);
}
} // namespace detail

template <typename T, typename F, typename O = T>
kernel void binary_strided(device void* out [[buffer(0)]], constant void* a [[buffer(1)]],
        constant void* b [[buffer(2)]], constant long* sizes [[buffer(3)]],
        constant long* out_strides [[buffer(4)]], constant long* a_strides [[buffer(5)]],
        constant long* b_strides [[buffer(6)]], constant uint3& ndim [[buffer(7)]],
        uint index [[thread_position_in_grid]]) {
  F f;
  const auto x = O(val_at_offs<T>(a, detail::place(index, sizes, a_strides, ndim.x)));
  const auto y = O(val_at_offs<T>(b, detail::place(index, sizes, b_strides, ndim.x)));
  ref_at_offs<result_of<F, T, T>>(out, detail::place(index, sizes, out_strides, ndim.x)) =
      static_cast<result_of<F, T, T>>(f(x, y));
}
template <typename T, typename A, typename F>
kernel void binary_alpha_strided(device void* out [[buffer(0)]], constant void* a [[buffer(1)]],
        constant void* b [[buffer(2)]], constant A& alpha [[buffer(3)]], constant long* sizes [[buffer(4)]],
        constant long* out_strides [[buffer(5)]], constant long* a_strides [[buffer(6)]],
        constant long* b_strides [[buffer(7)]], constant uint3& ndim [[buffer(8)]],
        uint index [[thread_position_in_grid]]) {
  F f;
  const auto x = T(val_at_offs<T>(a, detail::place(index, sizes, a_strides, ndim.x)));
  const auto y = T(val_at_offs<T>(b, detail::place(index, sizes, b_strides, ndim.x)));
  ref_at_offs<result_of<F, T, T, A>>(out, detail::place(index, sizes, out_strides, ndim.x)) =
      static_cast<result_of<F, T, T, A>>(f(x, y, alpha));
}
template <typename T, typename F, typename O = opmath_t<T>>
kernel void binary_strided_cast(device void* out [[buffer(0)]], constant void* a [[buffer(1)]],
        constant void* b [[buffer(2)]], constant long* sizes [[buffer(3)]],
        constant long* out_strides [[buffer(4)]], constant long* a_strides [[buffer(5)]],
        constant long* b_strides [[buffer(6)]], constant uint4& ndim_types [[buffer(7)]],
        uint index [[thread_position_in_grid]]) {
  F f;
  const auto x = val_at_offs<O>(a, detail::place(index, sizes, a_strides, ndim_types.x), ScalarType(ndim_types.y));
  const auto y = val_at_offs<O>(b, detail::place(index, sizes, b_strides, ndim_types.x), ScalarType(ndim_types.z));
  ref_at_offs<result_of<F, T, T>>(out, detail::place(index, sizes, out_strides, ndim_types.x)) =
      static_cast<result_of<F, T, T>>(f(x, y));
}
// What comes out is of a type that comes in too.
template <typename T, typename F, typename O = opmath_t<T>>
kernel void binary_strided_castout(device void* out [[buffer(0)]], constant void* a [[buffer(1)]],
        constant void* b [[buffer(2)]], constant long* sizes [[buffer(3)]],
        constant long* out_strides [[buffer(4)]], constant long* a_strides [[buffer(5)]],
        constant long* b_strides [[buffer(6)]], constant uint4& ndim_types [[buffer(7)]],
        uint index [[thread_position_in_grid]]) {
  F f;
  const auto x = val_at_offs<O>(a, detail::place(index, sizes, a_strides, ndim_types.x), ScalarType(ndim_types.y));
  const auto y = val_at_offs<O>(b, detail::place(index, sizes, b_strides, ndim_types.x), ScalarType(ndim_types.z));
  store_at_offs(out, detail::place(index, sizes, out_strides, ndim_types.x), ScalarType(ndim_types.w),
                static_cast<result_of<F, T, T>>(f(x, y)));
}
template <typename T, typename A, typename F>
kernel void binary_alpha_strided_cast(device void* out [[buffer(0)]], constant void* a [[buffer(1)]],
        constant void* b [[buffer(2)]], constant A& alpha [[buffer(3)]], constant long* sizes [[buffer(4)]],
        constant long* out_strides [[buffer(5)]], constant long* a_strides [[buffer(6)]],
        constant long* b_strides [[buffer(7)]], constant uint4& ndim_types [[buffer(8)]],
        uint index [[thread_position_in_grid]]) {
  F f;
  const auto x = val_at_offs<T>(a, detail::place(index, sizes, a_strides, ndim_types.x), ScalarType(ndim_types.y));
  const auto y = val_at_offs<T>(b, detail::place(index, sizes, b_strides, ndim_types.x), ScalarType(ndim_types.z));
  ref_at_offs<result_of<F, T, T, A>>(out, detail::place(index, sizes, out_strides, ndim_types.x)) =
      static_cast<result_of<F, T, T, A>>(f(x, y, alpha));
}
template <typename T, typename F, typename O = opmath_t<T>>
kernel void binary_dense(device result_of<F, T, T>* out [[buffer(0)]], constant T* a [[buffer(1)]],
        constant T* b [[buffer(2)]], uint index [[thread_position_in_grid]]) {
  F f;
  const auto x = O(a[index]);
  const auto y = O(b[index]);
  out[index] = static_cast<result_of<F, T, T>>(f(x, y));
}
// N elements for each thread.
template <typename T, typename F, typename O = opmath_t<T>, unsigned N = ILP_PER_THREAD>
kernel void binary_dense_ilp(device result_of<F, T, T>* out [[buffer(0)]], constant T* a [[buffer(1)]],
        constant T* b [[buffer(2)]], constant uint& count [[buffer(3)]], uint index [[thread_position_in_grid]]) {
  F f;
  const uint first = index * N, end = ::metal::min(first + N, count);
  for (uint i = first; i < end; ++i) out[i] = static_cast<result_of<F, T, T>>(f(O(a[i]), O(b[i])));
}
template <typename T, typename A, typename F>
kernel void binary_alpha_dense(device result_of<F, T, T, A>* out [[buffer(0)]], constant T* a [[buffer(1)]],
        constant T* b [[buffer(2)]], constant A& alpha [[buffer(3)]], uint index [[thread_position_in_grid]]) {
  F f;
  const auto x = T(a[index]);
  const auto y = T(b[index]);
  out[index] = static_cast<result_of<F, T, T, A>>(f(x, y, alpha));
}
template <typename T, typename F, typename O = T>
kernel void binary_dense_cast(device result_of<F, T, T>* out [[buffer(0)]], constant void* a [[buffer(1)]],
        constant void* b [[buffer(2)]], constant uint4& sizes_types [[buffer(3)]],
        uint index [[thread_position_in_grid]]) {
  F f;
  const auto x = val_at_offs<O>(a, long(index) * sizes_types.x, ScalarType(sizes_types.z));
  const auto y = val_at_offs<O>(b, long(index) * sizes_types.y, ScalarType(sizes_types.w));
  out[index] = static_cast<result_of<F, T, T>>(f(x, y));
}
template <typename T, typename A, typename F>
kernel void binary_alpha_dense_cast(device result_of<F, T, T, A>* out [[buffer(0)]],
        constant void* a [[buffer(1)]], constant void* b [[buffer(2)]], constant A& alpha [[buffer(3)]],
        constant uint4& sizes_types [[buffer(4)]], uint index [[thread_position_in_grid]]) {
  F f;
  const auto x = val_at_offs<T>(a, long(index) * sizes_types.x, ScalarType(sizes_types.z));
  const auto y = val_at_offs<T>(b, long(index) * sizes_types.y, ScalarType(sizes_types.w));
  out[index] = static_cast<result_of<F, T, T, A>>(f(x, y, alpha));
}
template <typename T, typename F, typename O = opmath_t<T>>
kernel void binary_dense_broadcast(device result_of<F, T, T>* out [[buffer(0)]], constant T* a [[buffer(1)]],
        constant T* b [[buffer(2)]], constant long& count [[buffer(3)]],
        uint index [[thread_position_in_grid]]) {
  F f;
  const auto x = O(a[index]);
  const auto y = O(b[index % count]);
  out[index] = static_cast<result_of<F, T, T>>(f(x, y));
}
template <typename T, typename A, typename F>
kernel void binary_alpha_dense_broadcast(device result_of<F, T, T, A>* out [[buffer(0)]],
        constant T* a [[buffer(1)]], constant T* b [[buffer(2)]], constant long& count [[buffer(3)]],
        constant A& alpha [[buffer(4)]], uint index [[thread_position_in_grid]]) {
  F f;
  const auto x = T(a[index]);
  const auto y = T(b[index % count]);
  out[index] = static_cast<result_of<F, T, T, A>>(f(x, y, alpha));
}
template <typename T, typename F, typename O = opmath_t<T>>
kernel void binary_dense_broadcast_rhs(device result_of<F, T, T>* out [[buffer(0)]],
        constant T* a [[buffer(1)]], constant T* b [[buffer(2)]], constant long& count [[buffer(3)]],
        uint index [[thread_position_in_grid]]) {
  F f;
  const auto x = O(a[index % count]);
  const auto y = O(b[index]);
  out[index] = static_cast<result_of<F, T, T>>(f(x, y));
}
template <typename T, typename A, typename F>
kernel void binary_alpha_dense_broadcast_rhs(device result_of<F, T, T, A>* out [[buffer(0)]],
        constant T* a [[buffer(1)]], constant T* b [[buffer(2)]], constant long& count [[buffer(3)]],
        constant A& alpha [[buffer(4)]], uint index [[thread_position_in_grid]]) {
  F f;
  const auto x = T(a[index % count]);
  const auto y = T(b[index]);
  out[index] = static_cast<result_of<F, T, T, A>>(f(x, y, alpha));
}
template <typename T, typename F, typename O = T>
kernel void binary_dense_broadcast_cast(device result_of<F, T, T>* out [[buffer(0)]],
        constant void* a [[buffer(1)]], constant void* b [[buffer(2)]], constant long& count [[buffer(3)]],
        constant uint4& sizes_types [[buffer(4)]], uint index [[thread_position_in_grid]]) {
  F f;
  const auto x = val_at_offs<O>(a, long(index) * sizes_types.x, ScalarType(sizes_types.z));
  const auto y = val_at_offs<O>(b, long(index % count) * sizes_types.y, ScalarType(sizes_types.w));
  out[index] = static_cast<result_of<F, T, T>>(f(x, y));
}
template <typename T, typename A, typename F>
kernel void binary_alpha_dense_broadcast_cast(device result_of<F, T, T, A>* out [[buffer(0)]],
        constant void* a [[buffer(1)]], constant void* b [[buffer(2)]], constant long& count [[buffer(3)]],
        constant A& alpha [[buffer(4)]], constant uint4& sizes_types [[buffer(5)]],
        uint index [[thread_position_in_grid]]) {
  F f;
  const auto x = val_at_offs<T>(a, long(index) * sizes_types.x, ScalarType(sizes_types.z));
  const auto y = val_at_offs<T>(b, long(index % count) * sizes_types.y, ScalarType(sizes_types.w));
  out[index] = static_cast<result_of<F, T, T, A>>(f(x, y, alpha));
}
template <typename T, typename F, typename O = T>
kernel void binary_dense_broadcast_rhs_cast(device result_of<F, T, T>* out [[buffer(0)]],
        constant void* a [[buffer(1)]], constant void* b [[buffer(2)]], constant long& count [[buffer(3)]],
        constant uint4& sizes_types [[buffer(4)]], uint index [[thread_position_in_grid]]) {
  F f;
  const auto x = val_at_offs<O>(a, long(index % count) * sizes_types.x, ScalarType(sizes_types.z));
  const auto y = val_at_offs<O>(b, long(index) * sizes_types.y, ScalarType(sizes_types.w));
  out[index] = static_cast<result_of<F, T, T>>(f(x, y));
}
template <typename T, typename A, typename F>
kernel void binary_alpha_dense_broadcast_rhs_cast(device result_of<F, T, T, A>* out [[buffer(0)]],
        constant void* a [[buffer(1)]], constant void* b [[buffer(2)]], constant long& count [[buffer(3)]],
        constant A& alpha [[buffer(4)]], constant uint4& sizes_types [[buffer(5)]],
        uint index [[thread_position_in_grid]]) {
  F f;
  const auto x = val_at_offs<T>(a, long(index % count) * sizes_types.x, ScalarType(sizes_types.z));
  const auto y = val_at_offs<T>(b, long(index) * sizes_types.y, ScalarType(sizes_types.w));
  out[index] = static_cast<result_of<F, T, T, A>>(f(x, y, alpha));
}
template <typename T, typename F, typename O = opmath_t<T>>
kernel void binary_dense_scalar(device result_of<F, T, T>* out [[buffer(0)]], constant T* a [[buffer(1)]],
        device T* b [[buffer(2)]], uint index [[thread_position_in_grid]]) {
  F f;
  const auto x = O(a[index]);
  const auto y = O(b[0]);
  out[index] = static_cast<result_of<F, T, T>>(f(x, y));
}
template <typename T, typename A, typename F>
kernel void binary_alpha_dense_scalar(device result_of<F, T, T, A>* out [[buffer(0)]],
        constant T* a [[buffer(1)]], device T* b [[buffer(2)]], constant A& alpha [[buffer(3)]],
        uint index [[thread_position_in_grid]]) {
  F f;
  const auto x = T(a[index]);
  const auto y = T(b[0]);
  out[index] = static_cast<result_of<F, T, T, A>>(f(x, y, alpha));
}
template <typename T, typename F, typename O = opmath_t<T>>
kernel void binary_dense_scalar_lhs(device result_of<F, T, T>* out [[buffer(0)]], device T* a [[buffer(1)]],
        constant T* b [[buffer(2)]], uint index [[thread_position_in_grid]]) {
  F f;
  const auto x = O(a[0]);
  const auto y = O(b[index]);
  out[index] = static_cast<result_of<F, T, T>>(f(x, y));
}
template <typename T, typename A, typename F>
kernel void binary_alpha_dense_scalar_lhs(device result_of<F, T, T, A>* out [[buffer(0)]],
        device T* a [[buffer(1)]], constant T* b [[buffer(2)]], constant A& alpha [[buffer(3)]],
        uint index [[thread_position_in_grid]]) {
  F f;
  const auto x = T(a[0]);
  const auto y = T(b[index]);
  out[index] = static_cast<result_of<F, T, T, A>>(f(x, y, alpha));
}
template <typename T, typename F, typename O = T>
kernel void binary_dense_scalar_cast(device result_of<F, T, T>* out [[buffer(0)]],
        constant void* a [[buffer(1)]], device void* b [[buffer(2)]], constant uint4& sizes_types [[buffer(3)]],
        uint index [[thread_position_in_grid]]) {
  F f;
  const auto x = val_at_offs<O>(a, long(index) * sizes_types.x, ScalarType(sizes_types.z));
  const auto y = val_at_offs<O>(b, long(0) * sizes_types.y, ScalarType(sizes_types.w));
  out[index] = static_cast<result_of<F, T, T>>(f(x, y));
}
template <typename T, typename A, typename F>
kernel void binary_alpha_dense_scalar_cast(device result_of<F, T, T, A>* out [[buffer(0)]],
        constant void* a [[buffer(1)]], device void* b [[buffer(2)]], constant A& alpha [[buffer(3)]],
        constant uint4& sizes_types [[buffer(4)]], uint index [[thread_position_in_grid]]) {
  F f;
  const auto x = val_at_offs<T>(a, long(index) * sizes_types.x, ScalarType(sizes_types.z));
  const auto y = val_at_offs<T>(b, long(0) * sizes_types.y, ScalarType(sizes_types.w));
  out[index] = static_cast<result_of<F, T, T, A>>(f(x, y, alpha));
}
template <typename T, typename F, typename O = T>
kernel void binary_dense_scalar_lhs_cast(device result_of<F, T, T>* out [[buffer(0)]],
        device void* a [[buffer(1)]], constant void* b [[buffer(2)]], constant uint4& sizes_types [[buffer(3)]],
        uint index [[thread_position_in_grid]]) {
  F f;
  const auto x = val_at_offs<O>(a, long(0) * sizes_types.x, ScalarType(sizes_types.z));
  const auto y = val_at_offs<O>(b, long(index) * sizes_types.y, ScalarType(sizes_types.w));
  out[index] = static_cast<result_of<F, T, T>>(f(x, y));
}
template <typename T, typename A, typename F>
kernel void binary_alpha_dense_scalar_lhs_cast(device result_of<F, T, T, A>* out [[buffer(0)]],
        device void* a [[buffer(1)]], constant void* b [[buffer(2)]], constant A& alpha [[buffer(3)]],
        constant uint4& sizes_types [[buffer(4)]], uint index [[thread_position_in_grid]]) {
  F f;
  const auto x = val_at_offs<T>(a, long(0) * sizes_types.x, ScalarType(sizes_types.z));
  const auto y = val_at_offs<T>(b, long(index) * sizes_types.y, ScalarType(sizes_types.w));
  out[index] = static_cast<result_of<F, T, T, A>>(f(x, y, alpha));
}

} // namespace metal
} // namespace c10

#define REGISTER_BINARY_OP_(NAME, DTYPEI, DTYPEO, OMT) \
  static_assert(::metal::is_same_v<DTYPEO, ::c10::metal::result_of<NAME##_functor, DTYPEI, DTYPEI>>, \
                "Output dtype mismatch for binary op " #NAME " and input " #DTYPEI); \
  C10_METAL_INSTANCE(#NAME "_strided_" #DTYPEO "_" #DTYPEI, binary_strided, DTYPEI, NAME##_functor, OMT); \
  C10_METAL_INSTANCE(#NAME "_dense_" #DTYPEO "_" #DTYPEI, binary_dense, DTYPEI, NAME##_functor, OMT); \
  C10_METAL_INSTANCE(#NAME "_dense_ilp" C10_METAL_ILP_PER_THREAD_STR "_" #DTYPEO "_" #DTYPEI, \
                     binary_dense_ilp, DTYPEI, NAME##_functor, OMT); \
  C10_METAL_INSTANCE(#NAME "_dense_broadcast_" #DTYPEO "_" #DTYPEI, binary_dense_broadcast, \
                     DTYPEI, NAME##_functor, OMT); \
  C10_METAL_INSTANCE(#NAME "_dense_broadcast_rhs_" #DTYPEO "_" #DTYPEI, binary_dense_broadcast_rhs, \
                     DTYPEI, NAME##_functor, OMT); \
  C10_METAL_INSTANCE(#NAME "_dense_scalar_" #DTYPEO "_" #DTYPEI, binary_dense_scalar, \
                     DTYPEI, NAME##_functor, OMT); \
  C10_METAL_INSTANCE(#NAME "_dense_scalar_lhs_" #DTYPEO "_" #DTYPEI, binary_dense_scalar_lhs, \
                     DTYPEI, NAME##_functor, OMT); \
  C10_METAL_INSTANCE(#NAME "_strided_cast_" #DTYPEO "_" #DTYPEI, binary_strided_cast, DTYPEI, NAME##_functor, OMT); \
  C10_METAL_INSTANCE(#NAME "_dense_cast_" #DTYPEO "_" #DTYPEI, binary_dense_cast, DTYPEI, NAME##_functor, OMT); \
  C10_METAL_INSTANCE(#NAME "_dense_broadcast_cast_" #DTYPEO "_" #DTYPEI, binary_dense_broadcast_cast, \
                     DTYPEI, NAME##_functor, OMT); \
  C10_METAL_INSTANCE(#NAME "_dense_broadcast_rhs_cast_" #DTYPEO "_" #DTYPEI, binary_dense_broadcast_rhs_cast, \
                     DTYPEI, NAME##_functor, OMT); \
  C10_METAL_INSTANCE(#NAME "_dense_scalar_cast_" #DTYPEO "_" #DTYPEI, binary_dense_scalar_cast, \
                     DTYPEI, NAME##_functor, OMT); \
  C10_METAL_INSTANCE(#NAME "_dense_scalar_lhs_cast_" #DTYPEO "_" #DTYPEI, binary_dense_scalar_lhs_cast, \
                     DTYPEI, NAME##_functor, OMT)

#define DEFINE_BINARY_COMPARISON_FUNCTOR(NAME, OP) \
  struct NAME##_functor { \
    template <typename T> \
    inline bool operator()(const T a, const T b) { \
      return a OP b; \
    } \
  }

// Computed in the type of the operands, or in the one that they are better computed in.
#define REGISTER_BINARY_OP(NAME, DTYPEI, DTYPEO) REGISTER_BINARY_OP_(NAME, DTYPEI, DTYPEO, DTYPEI)
#define REGISTER_OPMATH_BINARY_OP(NAME, DTYPEI, DTYPEO) \
  REGISTER_BINARY_OP_(NAME, DTYPEI, DTYPEO, ::c10::metal::opmath_t<DTYPEI>)

#define REGISTER_BINARY_CASTOUT_OP(NAME, DTYPEI, DTYPEO) \
  C10_METAL_INSTANCE(#NAME "_strided_castout_" #DTYPEO "_" #DTYPEI, binary_strided_castout, \
                     DTYPEI, NAME##_functor, DTYPEI)

#define REGISTER_BINARY_ALPHA_OP(NAME, DTYPEI, DTYPEA, DTYPEO) \
  static_assert(::metal::is_same_v<DTYPEO, ::c10::metal::result_of<NAME##_functor, DTYPEI, DTYPEI, DTYPEA>>, \
                "Output dtype mismatch for binary op " #NAME " and input " #DTYPEI); \
  C10_METAL_INSTANCE(#NAME "_strided_" #DTYPEO "_" #DTYPEI "_" #DTYPEA, binary_alpha_strided, \
                     DTYPEI, DTYPEA, NAME##_functor); \
  C10_METAL_INSTANCE(#NAME "_dense_" #DTYPEO "_" #DTYPEI "_" #DTYPEA, binary_alpha_dense, \
                     DTYPEI, DTYPEA, NAME##_functor); \
  C10_METAL_INSTANCE(#NAME "_dense_broadcast_" #DTYPEO "_" #DTYPEI "_" #DTYPEA, binary_alpha_dense_broadcast, \
                     DTYPEI, DTYPEA, NAME##_functor); \
  C10_METAL_INSTANCE(#NAME "_dense_broadcast_rhs_" #DTYPEO "_" #DTYPEI "_" #DTYPEA, binary_alpha_dense_broadcast_rhs, \
                     DTYPEI, DTYPEA, NAME##_functor); \
  C10_METAL_INSTANCE(#NAME "_dense_scalar_" #DTYPEO "_" #DTYPEI "_" #DTYPEA, binary_alpha_dense_scalar, \
                     DTYPEI, DTYPEA, NAME##_functor); \
  C10_METAL_INSTANCE(#NAME "_dense_scalar_lhs_" #DTYPEO "_" #DTYPEI "_" #DTYPEA, binary_alpha_dense_scalar_lhs, \
                     DTYPEI, DTYPEA, NAME##_functor); \
  C10_METAL_INSTANCE(#NAME "_strided_cast_" #DTYPEO "_" #DTYPEI "_" #DTYPEA, binary_alpha_strided_cast, \
                     DTYPEI, DTYPEA, NAME##_functor); \
  C10_METAL_INSTANCE(#NAME "_dense_cast_" #DTYPEO "_" #DTYPEI "_" #DTYPEA, binary_alpha_dense_cast, \
                     DTYPEI, DTYPEA, NAME##_functor); \
  C10_METAL_INSTANCE(#NAME "_dense_broadcast_cast_" #DTYPEO "_" #DTYPEI "_" #DTYPEA, binary_alpha_dense_broadcast_cast, \
                     DTYPEI, DTYPEA, NAME##_functor); \
  C10_METAL_INSTANCE(#NAME "_dense_broadcast_rhs_cast_" #DTYPEO "_" #DTYPEI "_" #DTYPEA, binary_alpha_dense_broadcast_rhs_cast, \
                     DTYPEI, DTYPEA, NAME##_functor); \
  C10_METAL_INSTANCE(#NAME "_dense_scalar_cast_" #DTYPEO "_" #DTYPEI "_" #DTYPEA, binary_alpha_dense_scalar_cast, \
                     DTYPEI, DTYPEA, NAME##_functor); \
  C10_METAL_INSTANCE(#NAME "_dense_scalar_lhs_cast_" #DTYPEO "_" #DTYPEI "_" #DTYPEA, binary_alpha_dense_scalar_lhs_cast, \
                     DTYPEI, DTYPEA, NAME##_functor)

// The name of earlier versions: the dense and the strided form, named by the operands' type alone.
#define REGISTER_BINARY_INDEXING_OP(NAME, DTYPE) \
  C10_METAL_INSTANCE(#NAME "_strided_" #DTYPE, binary_strided, DTYPE, NAME##_functor); \
  C10_METAL_INSTANCE(#NAME "_dense_" #DTYPE, binary_dense, DTYPE, NAME##_functor, DTYPE)
