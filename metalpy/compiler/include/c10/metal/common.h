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

// X(name, number): the element types, with the numbers that the host gives them.
#define C10_METAL_ALL_TYPES_FUNCTOR(X)                                                          \
  X(Byte, 0) X(Char, 1) X(Short, 2) X(Int, 3) X(Long, 4) X(Half, 5) X(Float, 6)                 \
  X(ComplexHalf, 8) X(ComplexFloat, 9) X(Bool, 11) X(BFloat16, 15)                              \
  X(UInt16, 27) X(UInt32, 28) X(UInt64, 29)

namespace c10 {
namespace metal {

C10_METAL_CONSTEXPR unsigned max_ndim = 16;
C10_METAL_CONSTEXPR unsigned simdgroup_size = 32;
C10_METAL_CONSTEXPR unsigned ILP_PER_THREAD = 4;

#ifdef __METAL__
template <typename T, unsigned N>
using array = ::metal::array<T, N>;
#else
template <typename T, unsigned N>
using array = std::array<T, N>;
#endif

enum class ScalarType {
#define C10_METAL_ENUMERATOR(name, number) name = number,
  C10_METAL_ALL_TYPES_FUNCTOR(C10_METAL_ENUMERATOR)
#undef C10_METAL_ENUMERATOR
};

} // namespace metal
} // namespace c10
