// The kernels of metalpy.linalg, for real and complex numbers.
#include "linalg.h"
#include "vector_norm.h"

namespace metalpy {

#define FACTORISATIONS(T)                                                                                             \
  template [[host_name("lu_" #T)]] kernel decltype(lu<T>) lu<T>;                                                      \
  template [[host_name("substitute_" #T)]] kernel decltype(substitute<T>) substitute<T>;                              \
  template [[host_name("determinant_" #T)]] kernel decltype(determinant<T>) determinant<T>;                           \
  template [[host_name("cholesky_" #T)]] kernel decltype(cholesky<T>) cholesky<T>;                                    \
  template [[host_name("qr_" #T)]] kernel decltype(qr<T>) qr<T>;                                                      \
  template [[host_name("jacobi_" #T)]] kernel decltype(jacobi<T>) jacobi<T>;                                          \
  template [[host_name("arrange_" #T)]] kernel decltype(arrange<T>) arrange<T>;

FACTORISATIONS(float)
FACTORISATIONS(float2)

#define NORM(T, R) template [[host_name("vector_norm_" #T)]] kernel decltype(vector_norm<T, R>) vector_norm<T, R>;

NORM(half, half)
NORM(bfloat, bfloat)
NORM(float, float)
NORM(float2, float)

}  // namespace metalpy
