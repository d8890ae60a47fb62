from metalpy._core.array cimport ScalarCode
from metalpy._core.plan cimport TypePlan


cdef bint write_exact(ScalarCode code, value, char *target) except -1
cdef int write_scalar(TypePlan type, value, char *target) except -1
cdef object scalar_error(TypePlan type, value)
cdef int write_wrapped(ScalarCode code, value, char *target) except -1
cdef str described(value)
