// Names of <c10/metal/indexing.h>: places in strided arrays, and kernels that apply a functor to every element. Sizes
// and strides go from the innermost dimension out; strides are in bytes. The kernels, their arguments and their names are
// those of version 2.13 of the counterpart, and forms of others that it lacks.
#pragma once
#include <c10/metal/common.h>
#include <c10/metal/utils.h>
#include <metal_stdlib>

namespace c10 {
namespace metal {

// ---- places ----

template <typename T>
inline T offset_from_coord(thread T position[max_ndim], constant long* strides, uint ndim) {
  T offset = 0;
  for (uint i = 0; i < ndim; ++i) offset += position[i] * static_cast<T>(strides[i]);
  return offset;
}
template <typename T>
inline void pos_from_thread_index(T index, thread T position[max_ndim], constant long* sizes, uint ndim) {
  for (uint i = 0; i < ndim; ++i) {
    position[i] = index % static_cast<T>(sizes[i]);
    index /= static_cast<T>(sizes[i]);
  }
}
// Of a grid of two dimensions: the first one is the innermost, the second one goes through all others.
template <typename T>
inline void pos_from_thread_index(uint2 index, thread T position[max_ndim], constant long* sizes, uint ndim) {
  position[0] = static_cast<T>(index.x);
  T left = static_cast<T>(index.y);
  for (uint i = 1; i < ndim; ++i) {
    position[i] = left % static_cast<T>(sizes[i]);
    left /= static_cast<T>(sizes[i]);
  }
}
inline long offset_from_thread_index(long index, constant long* sizes, constant long* strides, uint ndim) {
  long position[max_ndim];
  pos_from_thread_index(index, position, sizes, ndim);
  return offset_from_coord(position, strides, ndim);
}
inline long offset_from_thread_index(uint2 index, constant long* sizes, constant long* strides, uint ndim) {
  long position[max_ndim];
  pos_from_thread_index(index, position, sizes, ndim);
  return offset_from_coord(position, strides, ndim);
}

// ---- values at byte offsets, of a type known when compiling or only when running ----

template <typename T>
inline T val_at_offs(constant void* data, long offset) {
  return *reinterpret_cast<constant T*>(static_cast<constant char*>(data) + offset);
}
template <typename T>
inline T val_at_offs(device void* data, long offset) {
  return *reinterpret_cast<device T*>(static_cast<device char*>(data) + offset);
}
template <typename T>
inline device T& ref_at_offs(device void* data, long offset) {
  return *reinterpret_cast<device T*>(static_cast<device char*>(data) + offset);
}
template <typename T>
inline constant T& ref_at_offs(constant void* data, long offset) {
  return *reinterpret_cast<constant T*>(static_cast<constant char*>(data) + offset);
}

template <typename T, typename P>
inline T val_at_offs(P data, long offset, ScalarType type) {
  switch (type) {
#define C10_METAL_CASE(name, number, stored) \
  case ScalarType::name: return cast_to<T>(val_at_offs<stored>(data, offset));
    C10_METAL_ALL_TYPES_FUNCTOR(C10_METAL_CASE)
#undef C10_METAL_CASE
  }
  return T(0);
}
template <typename T>
inline void store_at_offs(device void* data, long offset, ScalarType type, T value) {
  switch (type) {
#define C10_METAL_CASE(name, number, stored) \
  case ScalarType::name: ref_at_offs<stored>(data, offset) = cast_to<stored>(value); break;
    C10_METAL_ALL_TYPES_FUNCTOR(C10_METAL_CASE)
#undef C10_METAL_CASE
  }
}

// ---- kernels of one array ----

namespace detail {
// change(i) for each of the elements that a thread takes, which are side by side.
template <typename F>
inline void each_of_thread(uint index, uint count, F change) {
  const uint first = index * ILP_PER_THREAD;
  if (first + ILP_PER_THREAD <= count) {
    for (uint i = 0; i < ILP_PER_THREAD; ++i) change(first + i);
  } else {
    for (uint i = first; i < count; ++i) change(i);
  }
}
} // namespace detail

// ILP_PER_THREAD elements for each thread; one element for each thread; and by byte strides, over a grid of two
// dimensions.
template <typename T, typename F>
kernel void unary_dense(device result_of<F, T>* output [[buffer(0)]], constant T* input [[buffer(1)]],
                        constant uint& count [[buffer(2)]], uint index [[thread_position_in_grid]]) {
  detail::each_of_thread(index, count, [=](uint i) {
    F f;
    output[i] = f(input[i]);
  });
}
template <typename T, typename F>
kernel void unary_dense_scalar(device result_of<F, T>* output [[buffer(0)]], constant T* input [[buffer(1)]],
                               uint index [[thread_position_in_grid]]) {
  F f;
  output[index] = f(input[index]);
}
template <typename T, typename F>
kernel void unary_strided(device void* output [[buffer(0)]], constant void* input [[buffer(1)]],
                          constant long* sizes [[buffer(2)]], constant long* input_strides [[buffer(3)]],
                          constant long* output_strides [[buffer(4)]], constant uint& ndim [[buffer(5)]],
                          uint2 index [[thread_position_in_grid]]) {
  F f;
  ref_at_offs<result_of<F, T>>(output, offset_from_thread_index(index, sizes, output_strides, ndim)) =
      f(val_at_offs<T>(input, offset_from_thread_index(index, sizes, input_strides, ndim)));
}
// What comes out is of a type that comes in when it runs, behind an element's size or the number of dimensions.
template <typename T, typename F>
kernel void unary_dense_castout(device void* output [[buffer(0)]], constant T* input [[buffer(1)]],
                                constant uint2& size_type [[buffer(2)]], uint index [[thread_position_in_grid]]) {
  F f;
  store_at_offs<result_of<F, T>>(output, long(index) * size_type.x, ScalarType(size_type.y), f(input[index]));
}
template <typename T, typename F>
kernel void unary_dense_castout_ilp(device void* output [[buffer(0)]], constant T* input [[buffer(1)]],
                                    constant uint3& size_type_count [[buffer(2)]],
                                    uint index [[thread_position_in_grid]]) {
  const long size = size_type_count.x;
  const ScalarType type = ScalarType(size_type_count.y);
  detail::each_of_thread(index, size_type_count.z, [=](uint i) {
    F f;
    store_at_offs<result_of<F, T>>(output, i * size, type, f(input[i]));
  });
}
template <typename T, typename F>
kernel void unary_strided_castout(device void* output [[buffer(0)]], constant void* input [[buffer(1)]],
                                  constant long* sizes [[buffer(2)]], constant long* input_strides [[buffer(3)]],
                                  constant long* output_strides [[buffer(4)]],
                                  constant uint2& ndim_type [[buffer(5)]], uint2 index [[thread_position_in_grid]]) {
  F f;
  const long place = offset_from_thread_index(index, sizes, input_strides, ndim_type.x);
  store_at_offs<result_of<F, T>>(output, offset_from_thread_index(index, sizes, output_strides, ndim_type.x),
                                 ScalarType(ndim_type.y), f(val_at_offs<T>(input, place)));
}
template <typename T, typename A, typename F>
kernel void unary_alpha_dense(device result_of<F, T, A>* output [[buffer(0)]], constant T* input [[buffer(1)]],
                              constant A& alpha [[buffer(2)]], uint index [[thread_position_in_grid]]) {
  F f;
  output[index] = f(input[index], alpha);
}
template <typename T, typename A, typename F>
kernel void unary_alpha_strided(device void* output [[buffer(0)]], constant void* input [[buffer(1)]],
                                constant long* sizes [[buffer(2)]], constant long* input_strides [[buffer(3)]],
                                constant long* output_strides [[buffer(4)]], constant uint& ndim [[buffer(5)]],
                                constant A& alpha [[buffer(6)]], uint2 index [[thread_position_in_grid]]) {
  F f;
  ref_at_offs<result_of<F, T, A>>(output, offset_from_thread_index(index, sizes, output_strides, ndim)) =
      f(val_at_offs<T>(input, offset_from_thread_index(index, sizes, input_strides, ndim)), alpha);
}
// The input is of a type that comes in when it runs, behind an element's size or the number of dimensions.
template <typename T, typename F>
kernel void unary_dense_cast(device result_of<F, T>* output [[buffer(0)]], constant void* input [[buffer(1)]],
                             constant uint2& size_type [[buffer(2)]], uint index [[thread_position_in_grid]]) {
  F f;
  const T x = val_at_offs<T>(input, long(index) * size_type.x, ScalarType(size_type.y));
  output[index] = static_cast<result_of<F, T>>(f(x));
}
template <typename T, typename F>
kernel void unary_strided_cast(device void* output [[buffer(0)]], constant void* input [[buffer(1)]],
                               constant long* sizes [[buffer(2)]], constant long* input_strides [[buffer(3)]],
                               constant long* output_strides [[buffer(4)]], constant uint2& ndim_type [[buffer(5)]],
                               uint index [[thread_position_in_grid]]) {
  F f;
  const long place = offset_from_thread_index(index, sizes, input_strides, ndim_type.x);
  ref_at_offs<result_of<F, T>>(output, offset_from_thread_index(index, sizes, output_strides, ndim_type.x)) =
      static_cast<result_of<F, T>>(f(val_at_offs<T>(input, place, ScalarType(ndim_type.y))));
}

} // namespace metal
} // namespace c10

// An instance of one of the kernels of these headers.
#define C10_METAL_INSTANCE(name, function, ...) \
  template [[host_name(name)]] kernel decltype(c10::metal::function<__VA_ARGS__>) c10::metal::function<__VA_ARGS__>

#define REGISTER_UNARY_OP(NAME, DTYPE0, DTYPE1)                                                            \
  static_assert(::metal::is_same_v<DTYPE1, ::c10::metal::result_of<NAME##_functor, DTYPE0>>,               \
                "Output dtype mismatch for unary op " #NAME " and input " #DTYPE0);                        \
  C10_METAL_INSTANCE(#NAME "_dense_" #DTYPE1 "_" #DTYPE0, unary_dense, DTYPE0, NAME##_functor);            \
  C10_METAL_INSTANCE(#NAME "_dense_scalar_" #DTYPE1 "_" #DTYPE0, unary_dense_scalar, DTYPE0,               \
                     NAME##_functor);                                                                      \
  C10_METAL_INSTANCE(#NAME "_strided_" #DTYPE1 "_" #DTYPE0, unary_strided, DTYPE0, NAME##_functor);        \
  C10_METAL_INSTANCE(#NAME "_dense_castout_" #DTYPE0, unary_dense_castout, DTYPE0, NAME##_functor);        \
  C10_METAL_INSTANCE(#NAME "_dense_castout_ilp_" #DTYPE0, unary_dense_castout_ilp, DTYPE0,                 \
                     NAME##_functor);                                                                      \
  C10_METAL_INSTANCE(#NAME "_strided_castout_" #DTYPE0, unary_strided_castout, DTYPE0, NAME##_functor)

#define REGISTER_UNARY_ALPHA_OP(NAME, DTYPEI, DTYPEA, DTYPEO)                                              \
  static_assert(::metal::is_same_v<DTYPEO, ::c10::metal::result_of<NAME##_functor, DTYPEI, DTYPEA>>,       \
                "Output dtype mismatch for unary op " #NAME " and input " #DTYPEI);                        \
  C10_METAL_INSTANCE(#NAME "_dense_" #DTYPEO "_" #DTYPEI "_" #DTYPEA, unary_alpha_dense, DTYPEI, DTYPEA,   \
                     NAME##_functor);                                                                      \
  C10_METAL_INSTANCE(#NAME "_strided_" #DTYPEO "_" #DTYPEI "_" #DTYPEA, unary_alpha_strided, DTYPEI,       \
                     DTYPEA, NAME##_functor)

#define REGISTER_UNARY_OP_CAST(NAME, DTYPE)                                                                \
  C10_METAL_INSTANCE(#NAME "_dense_cast_" #DTYPE "_" #DTYPE, unary_dense_cast, DTYPE, NAME##_functor);     \
  C10_METAL_INSTANCE(#NAME "_strided_cast_" #DTYPE "_" #DTYPE, unary_strided_cast, DTYPE, NAME##_functor)

// A functor for the function NAME: of floating-point numbers as it is, of integers by way of float.
#define DEFINE_UNARY_FLOATING_FUNCTOR(NAME)                                                                \
  struct NAME##_functor {                                                                                  \
    template <typename T>                                                                                  \
    inline ::metal::enable_if_t<::metal::is_floating_point_v<T>, T> operator()(const T x) {                \
      return T(NAME(x));                                                                                   \
    }                                                                                                      \
    template <typename T>                                                                                  \
    inline ::metal::enable_if_t<::metal::is_integral_v<T>, float> operator()(const T x) {                  \
      return NAME(static_cast<float>(x));                                                                  \
    }                                                                                                      \
  }

#include <c10/metal/indexing_binary.h>
#include <c10/metal/indexing_ternary.h>
