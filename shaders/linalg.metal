// The factorisations of metalpy.linalg. The host compiles this for NUMBER float and float2, which is complex.
#include "linalg.h"

#ifndef NUMBER  // on its own, for tools
#define NUMBER float
#endif

namespace metalpy {

template [[host_name("lu")]] kernel decltype(lu<NUMBER>) lu<NUMBER>;
template [[host_name("substitute")]] kernel decltype(substitute<NUMBER>) substitute<NUMBER>;
template [[host_name("determinant")]] kernel decltype(determinant<NUMBER>) determinant<NUMBER>;
template [[host_name("cholesky")]] kernel decltype(cholesky<NUMBER>) cholesky<NUMBER>;
template [[host_name("qr")]] kernel decltype(qr<NUMBER>) qr<NUMBER>;
template [[host_name("jacobi")]] kernel decltype(jacobi<NUMBER>) jacobi<NUMBER>;
template [[host_name("arrange")]] kernel decltype(arrange<NUMBER>) arrange<NUMBER>;

}  // namespace metalpy
