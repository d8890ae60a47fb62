// Functors over arrays with the kernels of c10/metal/indexing.h.
#include <c10/metal/indexing.h>
#include <c10/metal/special_math.h>
using namespace metal;
using namespace c10::metal;

struct twice_functor {
  template <typename T>
  T operator()(const T x) {
    return static_cast<T>(x + x);
  }
};
REGISTER_UNARY_OP(twice, float, float);
REGISTER_UNARY_OP(twice, short, short);
REGISTER_UNARY_OP(twice, float2, float2);
DEFINE_UNARY_FLOATING_FUNCTOR(erf);
REGISTER_UNARY_OP(erf, float, float);
REGISTER_UNARY_OP(erf, half, half);
REGISTER_UNARY_OP(erf, bfloat, bfloat);
REGISTER_UNARY_OP(erf, int, float);

struct scaled_functor {
  template <typename T>
  T operator()(const T x, const T factor) {
    return x * factor;
  }
};
REGISTER_UNARY_ALPHA_OP(scaled, float, float, float);
REGISTER_UNARY_OP_CAST(twice, float);
REGISTER_UNARY_OP_CAST(twice, long);

struct minus_functor {
  template <typename T>
  T operator()(const T a, const T b) {
    return static_cast<T>(a - b);
  }
};
REGISTER_BINARY_OP(minus, float, float);
REGISTER_BINARY_OP(minus, long, long);
REGISTER_OPMATH_BINARY_OP(minus, half, half);
REGISTER_OPMATH_BINARY_OP(minus, bfloat, bfloat);

struct product_functor {
  template <typename T>
  T operator()(const T a, const T b) {
    return c10::metal::mul(a, b);
  }
};
REGISTER_BINARY_OP(product, float2, float2);
REGISTER_BINARY_INDEXING_OP(product, int);

DEFINE_BINARY_COMPARISON_FUNCTOR(less, <);
REGISTER_BINARY_CASTOUT_OP(less, float, bool);

struct minus_alpha_functor {
  template <typename T>
  T operator()(const T a, const T b, const T alpha) {
    return static_cast<T>(a - alpha * b);
  }
};
REGISTER_BINARY_ALPHA_OP(minus_alpha, float, float, float);

struct lerp_functor {
  template <typename T>
  T operator()(const T a, const T b, const T c) {
    return static_cast<T>(a + c * (b - a));
  }
};
REGISTER_TERNARY_OP(lerp, float, float);
REGISTER_OPMATH_TERNARY_OP(lerp, half, half);

struct weighted_functor {
  template <typename T, typename A>
  T operator()(const T a, const T b, const T c, const A alpha) {
    return static_cast<T>(a + alpha * b * c);
  }
};
REGISTER_TERNARY_ALPHA_OP(weighted, float, float, float);
REGISTER_OPMATH_TERNARY_ALPHA_OP(weighted, half, float, half);

kernel void stores(device void* out, constant float* x, constant int& type, constant int& size,
                   uint i [[thread_position_in_grid]]) {
  store_at_offs(out, i * size, static_cast<ScalarType>(type), x[i]);
}
