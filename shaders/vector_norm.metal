// The norms of metalpy.linalg, and what it asks of singular values.
#include "vector_norm.h"

namespace metalpy {

#define NORM(T, R) template [[host_name("vector_norm_" #T)]] kernel decltype(vector_norm<T, R>) vector_norm<T, R>;

NORM(half, half)
#ifdef __HAVE_BFLOAT__
NORM(bfloat, bfloat)
#endif
NORM(float, float)
NORM(float2, float)

}  // namespace metalpy
