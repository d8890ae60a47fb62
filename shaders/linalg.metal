// The kernels of metalpy.linalg, for float and complex numbers.
#include "linalg.h"
#include "vector_norm.h"

using namespace metalpy;

#define FACTORISATIONS(T, name)                                                                                       \
  template [[host_name("lu_" name)]] kernel void metalpy::lu<T>(device T*, device int*, device int*, device int*,     \
                                                                constant uint&, uint, uint, uint, uint, uint);        \
  template [[host_name("substitute_" name)]] kernel void metalpy::substitute<T>(                                      \
      device T*, const device T*, const device int*, const device T*, constant uint&, constant uint&, constant uint&, \
      uint);                                                                                                          \
  template [[host_name("determinant_" name)]] kernel void metalpy::determinant<T>(                                    \
      device T*, device T*, device float*, const device T*, const device int*, constant uint&, uint);                 \
  template [[host_name("cholesky_" name)]] kernel void metalpy::cholesky<T>(                                          \
      device T*, const device T*, device int*, constant uint&, constant uint&, uint, uint, uint, uint, uint);         \
  template [[host_name("qr_" name)]] kernel void metalpy::qr<T>(device T*, device T*, device T*,                      \
                                                                constant metalpy::Qr&, uint, uint, uint, uint, uint); \
  template [[host_name("jacobi_" name)]] kernel void metalpy::jacobi<T>(                                              \
      device T*, device T*, device float*, device T*, constant metalpy::Jacobi&, uint, uint, uint, uint, uint);       \
  template [[host_name("arrange_" name)]] kernel void metalpy::arrange<T>(                                            \
      device float*, device T*, device T*, const device float*, const device T*, const device T*,                     \
      constant metalpy::Arrange&, uint, uint);

FACTORISATIONS(float, "float")
FACTORISATIONS(float2, "float2")

#define NORMS(T, R, name)                                                                                             \
  template [[host_name("vector_norm_" name)]] kernel void metalpy::vector_norm<T, R>(                                 \
      device R*, const device T*, constant metalpy::Norm&, uint, uint);

NORMS(half, half, "half")
NORMS(bfloat, bfloat, "bfloat")
NORMS(float, float, "float")
NORMS(float2, float, "float2")
