// Every plain macro of the Metal library. Included in both passes: the one that only expands macros
// (__METALPY_HARVEST__), which sees nothing else of these headers, and the one that compiles.
#pragma once
#pragma clang system_header

#include <__mp/predefined.h>

// ---- functions ----
#define METAL_FUNC inline __attribute__((__always_inline__))
#define METAL_INTERNAL inline __attribute__((__always_inline__))
#define METAL_CONST __attribute__((__const__))
#define METAL_PURE __attribute__((__pure__))
#define METAL_VALID_ARGS(...)
#define METAL_CONST_ARG(...)
#define METAL_VALID_LOAD_ORDER(...)
#define METAL_VALID_STORE_ORDER(...)
#define METAL_ASM(...)

// ---- <metal_limits> ----
#define CHAR_BIT 8
#define SCHAR_MAX 127
#define SCHAR_MIN (-128)
#define UCHAR_MAX 255
#define CHAR_MAX SCHAR_MAX
#define CHAR_MIN SCHAR_MIN
#define SHRT_MAX 32767
#define SHRT_MIN (-32768)
#define USHRT_MAX 65535
#define INT_MAX 2147483647
#define INT_MIN (-2147483647 - 1)
#define UINT_MAX 4294967295U
#define LONG_MAX 9223372036854775807L
#define LONG_MIN (-9223372036854775807L - 1L)
#define ULONG_MAX 18446744073709551615UL

#define INT8_MAX 127
#define INT8_MIN (-128)
#define UINT8_MAX 255
#define INT16_MAX 32767
#define INT16_MIN (-32768)
#define UINT16_MAX 65535
#define INT32_MAX INT_MAX
#define INT32_MIN INT_MIN
#define UINT32_MAX UINT_MAX
#define INT64_MAX LONG_MAX
#define INT64_MIN LONG_MIN
#define UINT64_MAX ULONG_MAX
#define SIZE_MAX ULONG_MAX

#define FLT_DIG 6
#define FLT_MANT_DIG 24
#define FLT_MAX_10_EXP 38
#define FLT_MAX_EXP 128
#define FLT_MIN_10_EXP (-37)
#define FLT_MIN_EXP (-125)
#define FLT_RADIX 2
#define FLT_MAX 0x1.fffffep127f
#define FLT_MIN 0x1.0p-126f
#define FLT_EPSILON 0x1.0p-23f
#define FLT_DECIMAL_DIG 9
#define FLT_TRUE_MIN 0x1.0p-149f

#define HALF_DIG 3
#define HALF_MANT_DIG 11
#define HALF_MAX_10_EXP 4
#define HALF_MAX_EXP 16
#define HALF_MIN_10_EXP (-4)
#define HALF_MIN_EXP (-13)
#define HALF_RADIX 2
#define HALF_MAX 0x1.ffcp15h
#define HALF_MIN 0x1.0p-14h
#define HALF_EPSILON 0x1.0p-10h
#define HALF_DECIMAL_DIG 5
#define HALF_TRUE_MIN 0x1.0p-24h

#define BFLT_DIG 2
#define BFLT_MANT_DIG 8
#define BFLT_MAX_10_EXP 38
#define BFLT_MAX_EXP 128
#define BFLT_MIN_10_EXP (-37)
#define BFLT_MIN_EXP (-125)
#define BFLT_RADIX 2
#define BFLT_MAX 0x1.fep127_b
#define BFLT_MIN 0x1.0p-126_b
#define BFLT_EPSILON 0x1.0p-7_b
#define BFLT_DECIMAL_DIG 4
#define BFLT_TRUE_MIN 0x1.0p-133_b

// ---- <metal_math> ----
#define MAXFLOAT FLT_MAX
#define HUGE_VALF __builtin_huge_valf()
#define INFINITY __builtin_inff()
#define NAN __builtin_nanf("")
#define MAXHALF HALF_MAX
#define HUGE_VALH static_cast<_Float16>(__builtin_inff())
#define MAXBFLOAT BFLT_MAX
#define HUGE_VALBF metal::bfloat(__builtin_inff())
#define FP_ILOGB0 (-2147483647 - 1)
#define FP_ILOGBNAN (-2147483647 - 1)

#define M_E_F 2.71828182845904523536028747135266250f
#define M_LOG2E_F 1.44269504088896340735992468100189214f
#define M_LOG10E_F 0.434294481903251827651128918916605082f
#define M_LN2_F 0.693147180559945309417232121458176568f
#define M_LN10_F 2.30258509299404568401799145468436421f
#define M_PI_F 3.14159265358979323846264338327950288f
#define M_PI_2_F 1.57079632679489661923132169163975144f
#define M_PI_4_F 0.785398163397448309615660845819875721f
#define M_1_PI_F 0.318309886183790671537767526745028724f
#define M_2_PI_F 0.636619772367581343075535053490057448f
#define M_2_SQRTPI_F 1.12837916709551257389615890312154517f
#define M_SQRT2_F 1.41421356237309504880168872420969808f
#define M_SQRT1_2_F 0.707106781186547524400844362104849039f

#define M_E_H 2.71828182845904523536028747135266250h
#define M_LOG2E_H 1.44269504088896340735992468100189214h
#define M_LOG10E_H 0.434294481903251827651128918916605082h
#define M_LN2_H 0.693147180559945309417232121458176568h
#define M_LN10_H 2.30258509299404568401799145468436421h
#define M_PI_H 3.14159265358979323846264338327950288h
#define M_PI_2_H 1.57079632679489661923132169163975144h
#define M_PI_4_H 0.785398163397448309615660845819875721h
#define M_1_PI_H 0.318309886183790671537767526745028724h
#define M_2_PI_H 0.636619772367581343075535053490057448h
#define M_2_SQRTPI_H 1.12837916709551257389615890312154517h
#define M_SQRT2_H 1.41421356237309504880168872420969808h
#define M_SQRT1_2_H 0.707106781186547524400844362104849039h

#define M_E_BF 2.71828182845904523536028747135266250_b
#define M_LOG2E_BF 1.44269504088896340735992468100189214_b
#define M_LOG10E_BF 0.434294481903251827651128918916605082_b
#define M_LN2_BF 0.693147180559945309417232121458176568_b
#define M_LN10_BF 2.30258509299404568401799145468436421_b
#define M_PI_BF 3.14159265358979323846264338327950288_b
#define M_PI_2_BF 1.57079632679489661923132169163975144_b
#define M_PI_4_BF 0.785398163397448309615660845819875721_b
#define M_1_PI_BF 0.318309886183790671537767526745028724_b
#define M_2_PI_BF 0.636619772367581343075535053490057448_b
#define M_2_SQRTPI_BF 1.12837916709551257389615890312154517_b
#define M_SQRT2_BF 1.41421356237309504880168872420969808_b
#define M_SQRT1_2_BF 0.707106781186547524400844362104849039_b

// ---- ours ----
// Everything between the two is left out of debug info, which describes user code (and our types) only.
#define MP_BEGIN _Pragma("clang attribute push(__attribute__((nodebug)), apply_to = hasType(functionType))")
#define MP_END _Pragma("clang attribute pop")
#define MP_FN inline __attribute__((always_inline))
#define MP_CX constexpr inline __attribute__((always_inline))
// For functions that meet other threads. Always inlined: threads meet at the same call of the runtime's function, so
// each use needs one of its own.
#define MP_MEET inline __attribute__((always_inline, convergent))
