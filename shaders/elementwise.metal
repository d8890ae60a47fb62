// Element-wise operators on arrays, as NumPy defines them.
//
// The host compiles this once for each operator and choice of types, with these macros (addition of floats without them):
//   OPERATOR       one of the functors below
//   A, B, R        types of the elements in memory: operands and result
//   CA, CB         types in which the operator computes; float for the 16-bit floating-point types
//   UNARY          1 if there is no B
// Complex numbers are float2.

#include <metal_stdlib>
using namespace metal;

#ifndef OPERATOR // on its own, for tools
#define OPERATOR Add
#define UNARY 0
#define A float
#define B float
#define R float
#define CA float
#define CB float
#endif

template <typename To>
struct Convert {
  template <typename From>
  static To from(From x) { return To(x); }
};

template <>
struct Convert<float2> {
  static float2 from(float2 x) { return x; }
  template <typename From>
  static float2 from(From x) { return float2(float(x), 0.0f); }
};

// ---- arithmetic ----

struct Add {
  template <typename T>
  T operator()(T a, T b) const { return T(a + b); }
};

struct Subtract {
  template <typename T>
  T operator()(T a, T b) const { return T(a - b); }
};

static float2 complex_multiply(float2 a, float2 b) { return float2(a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x); }

// Smith's method, as NumPy: no overflow in between.
static float2 complex_divide(float2 a, float2 b) {
  if (fabs(b.x) >= fabs(b.y)) {
    if (b.x == 0.0f && b.y == 0.0f) return float2(a.x / fabs(b.x), a.y / fabs(b.x));
    float ratio = b.y / b.x, scale = 1.0f / (b.x + b.y * ratio);
    return float2((a.x + a.y * ratio) * scale, (a.y - a.x * ratio) * scale);
  }
  float ratio = b.x / b.y, scale = 1.0f / (b.y + b.x * ratio);
  return float2((a.x * ratio + a.y) * scale, (a.y * ratio - a.x) * scale);
}

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
    if (b == 0.0f) return a / b;
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
  float2 operator()(float2 a, float2 b) const {
    if (b.x == 0.0f && b.y == 0.0f) return float2(1.0f, 0.0f);
    if (a.x == 0.0f && a.y == 0.0f) return b.x > 0.0f ? float2(0.0f) : float2(NAN, NAN);
    if (b.y == 0.0f && b.x == rint(b.x) && fabs(b.x) < 100.0f) {
      float2 result = float2(1.0f, 0.0f), factor = a;
      for (int n = int(fabs(b.x)); n; n >>= 1) {
        if (n & 1) result = complex_multiply(result, factor);
        factor = complex_multiply(factor, factor);
      }
      return b.x < 0.0f ? complex_divide(float2(1.0f, 0.0f), result) : result;
    }
    float radius = log(length(a)), angle = atan2(a.y, a.x);
    float size = exp(b.x * radius - b.y * angle), turn = b.y * radius + b.x * angle;
    return size * float2(cos(turn), sin(turn));
  }
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

// ---- one operand ----

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
  float operator()(float2 a) const { // as hypot: no overflow in between
    float large = max(fabs(a.x), fabs(a.y)), small = min(fabs(a.x), fabs(a.y));
    if (isinf(a.x) || isinf(a.y)) return INFINITY;
    if (large == 0.0f || isnan(a.x) || isnan(a.y)) return large + fabs(a.x + a.y);
    float ratio = small / large;
    return large * sqrt(1.0f + ratio * ratio);
  }
};

// ---- the kernels ----

#define MAX_RANK 16

struct Layout {
  uint rank;
  uint shape[MAX_RANK];
  long out[MAX_RANK + 1], a[MAX_RANK + 1], b[MAX_RANK + 1]; // elements from one to the next; last: to the first
};

struct Place { long out, a, b; };

static Place place_of(uint i, constant Layout& layout) {
  Place place = {layout.out[MAX_RANK], layout.a[MAX_RANK], layout.b[MAX_RANK]};
  for (uint axis = layout.rank; axis-- > 0;) {
    uint extent = layout.shape[axis];
    long index = long(i % extent);
    i /= extent;
    place.out += index * layout.out[axis];
    place.a += index * layout.a[axis];
    place.b += index * layout.b[axis];
  }
  return place;
}

#if UNARY

kernel void dense(device R* out, device const A* a, uint i [[thread_position_in_grid]]) {
  out[i] = Convert<R>::from(OPERATOR()(Convert<CA>::from(a[i])));
}

kernel void strided(device R* out, device const A* a, constant Layout& layout, uint i [[thread_position_in_grid]]) {
  Place place = place_of(i, layout);
  out[place.out] = Convert<R>::from(OPERATOR()(Convert<CA>::from(a[place.a])));
}

#else

kernel void dense(device R* out, device const A* a, device const B* b, uint i [[thread_position_in_grid]]) {
  out[i] = Convert<R>::from(OPERATOR()(Convert<CA>::from(a[i]), Convert<CB>::from(b[i])));
}

kernel void dense_scalar(device R* out, device const A* a, constant CB& b, uint i [[thread_position_in_grid]]) {
  out[i] = Convert<R>::from(OPERATOR()(Convert<CA>::from(a[i]), b));
}

kernel void scalar_dense(device R* out, constant CA& a, device const B* b, uint i [[thread_position_in_grid]]) {
  out[i] = Convert<R>::from(OPERATOR()(a, Convert<CB>::from(b[i])));
}

kernel void strided(device R* out, device const A* a, device const B* b, constant Layout& layout,
                    uint i [[thread_position_in_grid]]) {
  Place place = place_of(i, layout);
  out[place.out] = Convert<R>::from(OPERATOR()(Convert<CA>::from(a[place.a]), Convert<CB>::from(b[place.b])));
}

kernel void strided_scalar(device R* out, device const A* a, constant CB& b, constant Layout& layout,
                           uint i [[thread_position_in_grid]]) {
  Place place = place_of(i, layout);
  out[place.out] = Convert<R>::from(OPERATOR()(Convert<CA>::from(a[place.a]), b));
}

kernel void scalar_strided(device R* out, constant CA& a, device const B* b, constant Layout& layout,
                           uint i [[thread_position_in_grid]]) {
  Place place = place_of(i, layout);
  out[place.out] = Convert<R>::from(OPERATOR()(a, Convert<CB>::from(b[place.b])));
}

#endif
