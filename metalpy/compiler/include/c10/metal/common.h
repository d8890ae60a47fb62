// Names of <c10/metal/common.h>: constants that kernels and the host share. Everything in this folder is plain Metal.
#pragma once

#ifdef __METAL__
#include <metal_array>
#define C10_METAL_CONSTEXPR constant constexpr
#else
#include <array>
#define C10_METAL_CONSTEXPR constexpr
#endif

#define IF_CONSTEXPR constexpr

// Whether there are Metal Performance Primitives.
#if defined(__METAL__) && __METAL_VERSION__ >= 400
#include <metal_tensor>
#include <MetalPerformancePrimitives/MetalPerformancePrimitives.h>
#define C10_METAL_HAS_MPP 1
#else
#define C10_METAL_HAS_MPP 0
#endif

// X(name, number, type): the element types, with the numbers that the host gives them.
#define C10_METAL_ALL_TYPES_FUNCTOR(X)                                                                     \
  X(Byte, 0, uchar) X(Char, 1, char) X(Short, 2, short) X(Int, 3, int) X(Long, 4, long) X(Half, 5, half)   \
  X(Float, 6, float) X(ComplexHalf, 8, half2) X(ComplexFloat, 9, float2) X(Bool, 11, bool)                 \
  X(BFloat16, 15, bfloat) X(UInt16, 27, uint16_t) X(UInt32, 28, uint32_t) X(UInt64, 29, uint64_t)

namespace c10 {
namespace metal {

C10_METAL_CONSTEXPR unsigned max_ndim = 16;
C10_METAL_CONSTEXPR unsigned simdgroup_size = 32;
// Elements that a thread of a dense element-wise kernel takes, and the number as its name has it.
C10_METAL_CONSTEXPR unsigned ILP_PER_THREAD = 4;
#define C10_METAL_ILP_PER_THREAD_STR "4"

#ifdef __METAL__
template <typename T, unsigned N>
using array = ::metal::array<T, N>;
#else
template <typename T, unsigned N>
using array = std::array<T, N>;
#endif

// The quotient of whole numbers rounded up, and a number rounded up to a multiple.
template <typename T, typename U>
constexpr auto ceil_div(T x, U y) -> decltype(T(0) + U(0)) {
  return (x + y - 1) / y;
}
template <typename T, typename U>
constexpr auto round_up(T x, U y) -> decltype(T(0) + U(0)) {
  return ceil_div(x, y) * y;
}

enum class ScalarType {
#define C10_METAL_ENUMERATOR(name, number, type) name = number,
  C10_METAL_ALL_TYPES_FUNCTOR(C10_METAL_ENUMERATOR)
#undef C10_METAL_ENUMERATOR
};

} // namespace metal
} // namespace c10
