// What element-wise kernels do to their operands: NumPy's functions, in the types that the host has chosen.
#pragma once
#include "complex.h"
#include "convert.h"

// ---- arithmetic ----

struct Add {
  template <typename T>
  T operator()(T a, T b) const { return T(a + b); }
};

struct Subtract {
  template <typename T>
  T operator()(T a, T b) const { return T(a - b); }
};

struct Multiply {
  template <typename T>
  T operator()(T a, T b) const { return T(a * b); }
  float2 operator()(float2 a, float2 b) const { return complex_multiply(a, b); }
};

struct TrueDivide {
  float operator()(float a, float b) const { return a / b; }
  float2 operator()(float2 a, float2 b) const { return complex_divide(a, b); }
};

// Integers: division by zero gives 0, and the lowest number divided by -1 wraps.
struct FloorDivide {
  template <typename T>
  T operator()(T a, T b) const {
    if (b == T(0)) return T(0);
    if (T(-1) < T(0) && b == T(-1)) return T(T(0) - a);
    T quotient = T(a / b);
    return quotient * b != a && (a < T(0)) != (b < T(0)) ? T(quotient - T(1)) : quotient;
  }
  float operator()(float a, float b) const {
    if (b == 0.0f || isinf(a) || isinf(b)) return a / b; // as the array API has it; NumPy says NaN, or -1
    float remainder = fmod(a, b);
    float quotient = (a - remainder) / b;
    if (remainder != 0.0f && (b < 0.0f) != (remainder < 0.0f)) quotient -= 1.0f;
    if (quotient == 0.0f) return copysign(0.0f, a / b);
    float whole = floor(quotient);
    return quotient - whole > 0.5f ? whole + 1.0f : whole;
  }
};

struct Remainder {
  template <typename T>
  T operator()(T a, T b) const {
    if (b == T(0) || (T(-1) < T(0) && b == T(-1))) return T(0);
    T rest = T(a % b);
    return rest != T(0) && (rest < T(0)) != (b < T(0)) ? T(rest + b) : rest;
  }
  float operator()(float a, float b) const {
    float rest = fmod(a, b);
    if (b == 0.0f) return rest;
    if (rest == 0.0f) return copysign(0.0f, b);
    return (rest < 0.0f) != (b < 0.0f) ? rest + b : rest;
  }
};

struct Power {
  // Negative exponents give the whole part of the power: 0 but for bases 1 and -1.
  template <typename T>
  T operator()(T a, T b) const {
    if (b < T(0)) {
      if (a == T(1)) return T(1);
      if (a == T(-1)) return b & T(1) ? T(-1) : T(1);
      return T(0);
    }
    T result = T(1);
    for (; b > T(0); b = T(b >> 1)) {
      if (b & T(1)) result = T(result * a);
      a = T(a * a);
    }
    return result;
  }
  float operator()(float a, float b) const { return b == 2.0f ? a * a : pow(a, b); }
  float2 operator()(float2 a, float2 b) const { return complex_power(a, b); }
};

// ---- comparisons ----

template <typename T>
static bool equal(T a, T b) { return a == b; }
static bool equal(float2 a, float2 b) { return a.x == b.x && a.y == b.y; }
static bool equal(long a, ulong b) { return a >= 0 && ulong(a) == b; }
static bool equal(ulong a, long b) { return equal(b, a); }

template <typename T>
static bool less(T a, T b) { return a < b; }
static bool less(float2 a, float2 b) { // by real, then by imaginary part
  return (a.x < b.x && !isnan(a.y) && !isnan(b.y)) || (a.x == b.x && a.y < b.y);
}
static bool less(long a, ulong b) { return a < 0 || ulong(a) < b; }
static bool less(ulong a, long b) { return b >= 0 && a < ulong(b); }

struct Equal {
  template <typename T, typename U>
  bool operator()(T a, U b) const { return equal(a, b); }
};
struct NotEqual {
  template <typename T, typename U>
  bool operator()(T a, U b) const { return !equal(a, b); }
};
struct Less {
  template <typename T, typename U>
  bool operator()(T a, U b) const { return less(a, b); }
};
struct Greater {
  template <typename T, typename U>
  bool operator()(T a, U b) const { return less(b, a); }
};
struct LessEqual {
  template <typename T, typename U>
  bool operator()(T a, U b) const { return less(a, b) || equal(a, b); }
};
struct GreaterEqual {
  template <typename T, typename U>
  bool operator()(T a, U b) const { return less(b, a) || equal(a, b); }
};

// ---- larger and smaller; a NaN wins, the first of two ----

template <typename T>
static bool is_nan(T) { return false; }
static bool is_nan(float a) { return isnan(a); }
static bool is_nan(float2 a) { return isnan(a.x) || isnan(a.y); }

struct Maximum {
  template <typename T>
  T operator()(T a, T b) const { return a < b || b != b ? b : a; }  // a, if that is NaN: it is less than nothing
  float2 operator()(float2 a, float2 b) const { return is_nan(a) || (!is_nan(b) && !less(a, b)) ? a : b; }
};
struct Minimum {
  template <typename T>
  T operator()(T a, T b) const { return b < a || b != b ? b : a; }
  float2 operator()(float2 a, float2 b) const { return is_nan(a) || (!is_nan(b) && !less(b, a)) ? a : b; }
};

/// What one clips by, as the second operand.
template <typename T>
struct Bounds { T low, high; };

struct Clip {
  template <typename T>
  T operator()(T a, Bounds<T> b) const { return Minimum()(Maximum()(a, b.low), b.high); }
};

// ---- bits and truth ----

struct BitwiseAnd {
  template <typename T>
  T operator()(T a, T b) const { return T(a & b); }
};
struct BitwiseOr {
  template <typename T>
  T operator()(T a, T b) const { return T(a | b); }
};
struct BitwiseXor {
  template <typename T>
  T operator()(T a, T b) const { return T(a ^ b); }
};
struct Invert {
  template <typename T>
  T operator()(T a) const { return T(~a); }
  bool operator()(bool a) const { return !a; }
};

// All bits are gone when the distance is that of the type or more, or negative.
struct LeftShift {
  template <typename T>
  T operator()(T a, T b) const { return ulong(b) < sizeof(T) * 8 ? T(a << b) : T(0); }
};
struct RightShift {
  template <typename T>
  T operator()(T a, T b) const { return ulong(b) < sizeof(T) * 8 ? T(a >> b) : a < T(0) ? T(-1) : T(0); }
};

struct LogicalAnd {
  template <typename T>
  bool operator()(T a, T b) const { return Convert<bool>::from(a) && Convert<bool>::from(b); }
};
struct LogicalOr {
  template <typename T>
  bool operator()(T a, T b) const { return Convert<bool>::from(a) || Convert<bool>::from(b); }
};
struct LogicalXor {
  template <typename T>
  bool operator()(T a, T b) const { return Convert<bool>::from(a) != Convert<bool>::from(b); }
};
struct LogicalNot {
  template <typename T>
  bool operator()(T a) const { return !Convert<bool>::from(a); }
};

// ---- one operand of any type ----

struct Positive {
  template <typename T>
  T operator()(T a) const { return a; }
};
struct Negative {
  template <typename T>
  T operator()(T a) const { return T(-a); }
};
struct Absolute {
  template <typename T>
  T operator()(T a) const { return a < T(0) ? T(-a) : a; }
  float operator()(float a) const { return fabs(a); }
  float operator()(float2 a) const { return real_hypot(a.x, a.y); }
};
struct Sign {
  template <typename T>
  T operator()(T a) const { return T(a > T(0)) - T(a < T(0)); }
  float operator()(float a) const { return isnan(a) ? a : float(a > 0.0f) - float(a < 0.0f); }
  float2 operator()(float2 a) const { return complex_sign(a); }
};
struct Square {
  template <typename T>
  T operator()(T a) const { return T(a * a); }
  float2 operator()(float2 a) const { return complex_multiply(a, a); }
};
struct Reciprocal {
  template <typename T>
  T operator()(T a) const { return a == T(0) ? T(0) : T(T(1) / a); }
  float operator()(float a) const { return 1.0f / a; }
  float2 operator()(float2 a) const { return complex_divide(float2(1.0f, 0.0f), a); }
};
struct Conjugate {
  template <typename T>
  T operator()(T a) const { return a; }
  float2 operator()(float2 a) const { return float2(a.x, -a.y); }
};
struct RealPart {
  template <typename T>
  T operator()(T a) const { return a; }
  float operator()(float2 a) const { return a.x; }
};
struct ImaginaryPart {
  template <typename T>
  T operator()(T) const { return T(0); }
  float operator()(float2 a) const { return a.y; }
};
struct IsNan {
  template <typename T>
  bool operator()(T a) const { return is_nan(a); }
};
struct IsInf {
  template <typename T>
  bool operator()(T) const { return false; }
  bool operator()(float a) const { return isinf(a); }
  bool operator()(float2 a) const { return isinf(a.x) || isinf(a.y); }
};
struct IsFinite {
  template <typename T>
  bool operator()(T) const { return true; }
  bool operator()(float a) const { return isfinite(a); }
  bool operator()(float2 a) const { return isfinite(a.x) && isfinite(a.y); }
};

// ---- rounding ----

#define ROUNDING(Name, function)                          \
  struct Name {                                           \
    template <typename T>                                 \
    T operator()(T a) const { return a; }                 \
    float operator()(float a) const { return function(a); } \
  };
ROUNDING(Ceil, ceil)
ROUNDING(Floor, floor)
ROUNDING(Trunc, trunc)

struct Round { // halves to even
  template <typename T>
  T operator()(T a) const { return a; }
  float operator()(float a) const { return rint(a); }
  float2 operator()(float2 a) const { return float2(rint(a.x), rint(a.y)); }
};

// ---- functions of floats ----

#define FUNCTION(Name, real, complex)                         \
  struct Name {                                               \
    float operator()(float a) const { return real(a); }       \
    float2 operator()(float2 a) const { return complex(a); }  \
  };
FUNCTION(Sqrt, sqrt, complex_sqrt)
FUNCTION(Exp, exp, complex_exp)
FUNCTION(Expm1, real_expm1, complex_expm1)
FUNCTION(Log, log, complex_log)
FUNCTION(Log1p, real_log1p, complex_log1p)
FUNCTION(Sin, sin, complex_sin)
FUNCTION(Cos, cos, complex_cos)
FUNCTION(Tan, tan, complex_tan)
FUNCTION(Sinh, sinh, complex_sinh)
FUNCTION(Cosh, cosh, complex_cosh)
FUNCTION(Tanh, tanh, complex_tanh)
FUNCTION(Arcsin, asin, complex_asin)
FUNCTION(Arccos, acos, complex_acos)
FUNCTION(Arctan, atan, complex_atan)
FUNCTION(Arcsinh, asinh, complex_asinh)
FUNCTION(Arccosh, acosh, complex_acosh)
FUNCTION(Arctanh, atanh, complex_atanh)

struct Log2 {
  float operator()(float a) const { return log2(a); }
  float2 operator()(float2 a) const { return complex_log(a) * 1.44269504088896341f; }
};
struct Log10 {
  float operator()(float a) const { return log10(a); }
  float2 operator()(float2 a) const { return complex_log(a) * 0.434294481903251828f; }
};
struct SignBit {
  bool operator()(float a) const { return signbit(a); }
};

struct Arctan2 {
  float operator()(float a, float b) const { return atan2(a, b); }
};
struct Copysign {
  float operator()(float a, float b) const { return copysign(a, b); }
};
struct Hypot {
  float operator()(float a, float b) const { return real_hypot(a, b); }
};
struct LogAddExp {
  float operator()(float a, float b) const { return real_logaddexp(a, b); }
};
struct NextAfter { // in the type itself, unlike all others
  template <typename T>
  T operator()(T a, T b) const { return nextafter(a, b); }
};

#ifdef SPECIAL // for those that need them: the header takes time to compile
#include <c10/metal/special_math.h>

struct Erf {
  float operator()(float a) const { return c10::metal::erf(a); }
};
#endif
