// Kernels of three arrays, for indexing.h. As ternary_alpha_..., a number behind the arrays goes to the functor as a
// fourth operand.
#pragma once
#include <c10/metal/indexing.h>

namespace c10 {
namespace metal {

template <typename T, typename F, typename O = T>
kernel void ternary_strided(device void* out [[buffer(0)]], constant void* a [[buffer(1)]],
                            constant void* b [[buffer(2)]], constant void* c [[buffer(3)]],
                            constant long* sizes [[buffer(4)]], constant long* out_strides [[buffer(5)]],
                            constant long* a_strides [[buffer(6)]], constant long* b_strides [[buffer(7)]],
                            constant long* c_strides [[buffer(8)]], constant uint& ndim [[buffer(9)]],
                            uint index [[thread_position_in_grid]]) {
  F f;
  using R = result_of<F, T, T, T>;
  ref_at_offs<R>(out, offset_from_thread_index(index, sizes, out_strides, ndim)) =
      static_cast<R>(f(O(val_at_offs<T>(a, offset_from_thread_index(index, sizes, a_strides, ndim))),
                       O(val_at_offs<T>(b, offset_from_thread_index(index, sizes, b_strides, ndim))),
                       O(val_at_offs<T>(c, offset_from_thread_index(index, sizes, c_strides, ndim)))));
}
template <typename T, typename F, typename O = opmath_t<T>>
kernel void ternary_strided_cast(device void* out [[buffer(0)]], constant void* a [[buffer(1)]],
                                 constant void* b [[buffer(2)]], constant void* c [[buffer(3)]],
                                 constant long* sizes [[buffer(4)]], constant long* out_strides [[buffer(5)]],
                                 constant long* a_strides [[buffer(6)]], constant long* b_strides [[buffer(7)]],
                                 constant long* c_strides [[buffer(8)]], constant uint& ndim [[buffer(9)]],
                                 constant uint4& types [[buffer(10)]], uint index [[thread_position_in_grid]]) {
  F f;
  using R = result_of<F, T, T, T>;
  const O x = val_at_offs<O>(a, offset_from_thread_index(index, sizes, a_strides, ndim), ScalarType(types.x));
  const O y = val_at_offs<O>(b, offset_from_thread_index(index, sizes, b_strides, ndim), ScalarType(types.y));
  const O z = val_at_offs<O>(c, offset_from_thread_index(index, sizes, c_strides, ndim), ScalarType(types.z));
  ref_at_offs<R>(out, offset_from_thread_index(index, sizes, out_strides, ndim)) = static_cast<R>(f(x, y, z));
}
template <typename T, typename F, typename O = opmath_t<T>>
kernel void ternary_dense(device result_of<F, T, T, T>* out [[buffer(0)]], constant T* a [[buffer(1)]],
                          constant T* b [[buffer(2)]], constant T* c [[buffer(3)]],
                          uint index [[thread_position_in_grid]]) {
  F f;
  out[index] = static_cast<result_of<F, T, T, T>>(f(O(a[index]), O(b[index]), O(c[index])));
}
template <typename T, typename F, typename O = T>
kernel void ternary_dense_cast(device result_of<F, T, T, T>* out [[buffer(0)]], constant void* a [[buffer(1)]],
                               constant void* b [[buffer(2)]], constant void* c [[buffer(3)]],
                               constant uint3& sizes [[buffer(4)]], constant uint3& types [[buffer(5)]],
                               uint index [[thread_position_in_grid]]) {
  F f;
  out[index] = static_cast<result_of<F, T, T, T>>(f(val_at_offs<O>(a, long(index) * sizes.x, ScalarType(types.x)),
                                                    val_at_offs<O>(b, long(index) * sizes.y, ScalarType(types.y)),
                                                    val_at_offs<O>(c, long(index) * sizes.z, ScalarType(types.z))));
}
template <typename T, typename A, typename F, typename O = T>
kernel void ternary_alpha_strided(device void* out [[buffer(0)]], constant void* a [[buffer(1)]],
                                  constant void* b [[buffer(2)]], constant void* c [[buffer(3)]],
                                  constant A& alpha [[buffer(4)]], constant long* sizes [[buffer(5)]],
                                  constant long* out_strides [[buffer(6)]], constant long* a_strides [[buffer(7)]],
                                  constant long* b_strides [[buffer(8)]], constant long* c_strides [[buffer(9)]],
                                  constant uint& ndim [[buffer(10)]], uint index [[thread_position_in_grid]]) {
  F f;
  using R = result_of<F, T, T, T, A>;
  const O x = O(val_at_offs<T>(a, offset_from_thread_index(index, sizes, a_strides, ndim)));
  const O y = O(val_at_offs<T>(b, offset_from_thread_index(index, sizes, b_strides, ndim)));
  const O z = O(val_at_offs<T>(c, offset_from_thread_index(index, sizes, c_strides, ndim)));
  ref_at_offs<R>(out, offset_from_thread_index(index, sizes, out_strides, ndim)) = static_cast<R>(f(x, y, z, alpha));
}
template <typename T, typename A, typename F, typename O = T>
kernel void ternary_alpha_strided_cast(device void* out [[buffer(0)]], constant void* a [[buffer(1)]],
                                       constant void* b [[buffer(2)]], constant void* c [[buffer(3)]],
                                       constant A& alpha [[buffer(4)]], constant long* sizes [[buffer(5)]],
                                       constant long* out_strides [[buffer(6)]],
                                       constant long* a_strides [[buffer(7)]],
                                       constant long* b_strides [[buffer(8)]],
                                       constant long* c_strides [[buffer(9)]], constant uint& ndim [[buffer(10)]],
                                       constant uint4& types [[buffer(11)]],
                                       uint index [[thread_position_in_grid]]) {
  F f;
  using R = result_of<F, T, T, T, A>;
  const O x = val_at_offs<O>(a, offset_from_thread_index(index, sizes, a_strides, ndim), ScalarType(types.x));
  const O y = val_at_offs<O>(b, offset_from_thread_index(index, sizes, b_strides, ndim), ScalarType(types.y));
  const O z = val_at_offs<O>(c, offset_from_thread_index(index, sizes, c_strides, ndim), ScalarType(types.z));
  ref_at_offs<R>(out, offset_from_thread_index(index, sizes, out_strides, ndim)) = static_cast<R>(f(x, y, z, alpha));
}
template <typename T, typename A, typename F, typename O = T>
kernel void ternary_alpha_dense(device result_of<F, T, T, T, A>* out [[buffer(0)]], constant T* a [[buffer(1)]],
                                constant T* b [[buffer(2)]], constant T* c [[buffer(3)]],
                                constant A& alpha [[buffer(4)]], uint index [[thread_position_in_grid]]) {
  F f;
  out[index] = static_cast<result_of<F, T, T, T, A>>(f(O(a[index]), O(b[index]), O(c[index]), alpha));
}
template <typename T, typename A, typename F, typename O = T>
kernel void ternary_alpha_dense_cast(device result_of<F, T, T, T, A>* out [[buffer(0)]],
                                     constant void* a [[buffer(1)]], constant void* b [[buffer(2)]],
                                     constant void* c [[buffer(3)]], constant A& alpha [[buffer(4)]],
                                     constant uint3& sizes [[buffer(5)]], constant uint3& types [[buffer(6)]],
                                     uint index [[thread_position_in_grid]]) {
  F f;
  const O x = val_at_offs<O>(a, long(index) * sizes.x, ScalarType(types.x));
  const O y = val_at_offs<O>(b, long(index) * sizes.y, ScalarType(types.y));
  const O z = val_at_offs<O>(c, long(index) * sizes.z, ScalarType(types.z));
  out[index] = static_cast<result_of<F, T, T, T, A>>(f(x, y, z, alpha));
}

} // namespace metal
} // namespace c10

#define REGISTER_TERNARY_OP_(NAME, DTYPEI, DTYPEO, OMT) \
  static_assert(::metal::is_same_v<DTYPEO, ::c10::metal::result_of<NAME##_functor, DTYPEI, DTYPEI, DTYPEI>>, \
                "Output dtype mismatch for ternary op " #NAME " and input " #DTYPEI); \
  C10_METAL_INSTANCE(#NAME "_strided_" #DTYPEO "_" #DTYPEI, ternary_strided, DTYPEI, NAME##_functor, OMT); \
  C10_METAL_INSTANCE(#NAME "_strided_cast_" #DTYPEI, ternary_strided_cast, DTYPEI, NAME##_functor, OMT); \
  C10_METAL_INSTANCE(#NAME "_dense_" #DTYPEO "_" #DTYPEI, ternary_dense, DTYPEI, NAME##_functor, OMT); \
  C10_METAL_INSTANCE(#NAME "_dense_cast_" #DTYPEI, ternary_dense_cast, DTYPEI, NAME##_functor, OMT)
#define REGISTER_TERNARY_OP(NAME, DTYPEI, DTYPEO) REGISTER_TERNARY_OP_(NAME, DTYPEI, DTYPEO, DTYPEI)
#define REGISTER_OPMATH_TERNARY_OP(NAME, DTYPEI, DTYPEO) \
  REGISTER_TERNARY_OP_(NAME, DTYPEI, DTYPEO, ::c10::metal::opmath_t<DTYPEI>)

#define REGISTER_TERNARY_ALPHA_OP_(NAME, DTYPEI, DTYPEA, DTYPEO, OMT) \
  static_assert(::metal::is_same_v<DTYPEO, ::c10::metal::result_of<NAME##_functor, DTYPEI, DTYPEI, DTYPEI, DTYPEA>>, \
                "Output dtype mismatch for ternary op " #NAME " and input " #DTYPEI); \
  C10_METAL_INSTANCE(#NAME "_strided_" #DTYPEO "_" #DTYPEI "_" #DTYPEA, ternary_alpha_strided, \
                     DTYPEI, DTYPEA, NAME##_functor, OMT); \
  C10_METAL_INSTANCE(#NAME "_strided_cast_" #DTYPEI "_" #DTYPEA, ternary_alpha_strided_cast, \
                     DTYPEI, DTYPEA, NAME##_functor, OMT); \
  C10_METAL_INSTANCE(#NAME "_dense_" #DTYPEO "_" #DTYPEI "_" #DTYPEA, ternary_alpha_dense, \
                     DTYPEI, DTYPEA, NAME##_functor, OMT); \
  C10_METAL_INSTANCE(#NAME "_dense_cast_" #DTYPEI "_" #DTYPEA, ternary_alpha_dense_cast, \
                     DTYPEI, DTYPEA, NAME##_functor, OMT)
#define REGISTER_TERNARY_ALPHA_OP(NAME, DTYPEI, DTYPEA, DTYPEO) \
  REGISTER_TERNARY_ALPHA_OP_(NAME, DTYPEI, DTYPEA, DTYPEO, DTYPEI)
#define REGISTER_OPMATH_TERNARY_ALPHA_OP(NAME, DTYPEI, DTYPEA, DTYPEO) \
  REGISTER_TERNARY_ALPHA_OP_(NAME, DTYPEI, DTYPEA, DTYPEO, ::c10::metal::opmath_t<DTYPEI>)
