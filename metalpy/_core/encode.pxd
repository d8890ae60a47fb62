from libc.stdint cimport uint32_t

from metalpy._abi cimport mp_argument
from metalpy._core.driver cimport Device
from metalpy._core.plan cimport ArgumentPlan, TypePlan


cdef class Encoder:
    """The arguments of one launch, as the driver takes them. Reused, so that a launch does not allocate."""
    cdef:
        mp_argument *arguments    # owned; `capacity` of them
        void **blocks             # owned; the Block that each argument uses, borrowed, or NULL
        uint32_t count, capacity
        char *bytes               # owned; values, one after another
        Py_ssize_t used
        Device device
        list keep                 # what `blocks` borrows from if the caller's arguments do not hold it
    cdef void reset(self)
    cdef mp_argument *add(self, uint32_t kind, uint32_t index) except NULL
    cdef int bind(self, ArgumentPlan argument, value) except -1
    cdef int bind_cast(self, ArgumentPlan argument, value, str cast) except -1
    cdef int bind_array(self, ArgumentPlan argument, value) except -1
    cdef int bind_value(self, ArgumentPlan argument, value) except -1
    cdef char *bind_bytes(self, ArgumentPlan argument, Py_ssize_t size) except NULL
    cdef int encode(self, TypePlan type, value, char *target) except -1
    cdef int encode_struct(self, TypePlan type, value, char *target) except -1
    cdef int encode_elements(self, TypePlan element, Py_ssize_t stride, values, char *target) except -1
    cdef int encode_address(self, TypePlan type, value, char *target) except -1
    cdef int encode_pointed(self, ArgumentPlan argument, value) except -1
    cdef int bind_handles(self, ArgumentPlan argument, value) except -1
    cdef int bind_tensor(self, ArgumentPlan argument, value) except -1
    cdef int bind_functions(self, ArgumentPlan argument, value) except -1
    cdef int bind_handle(self, TypePlan type, uint32_t index, value) except -1
    cdef int encode_handle(self, TypePlan type, value, char *target) except -1


cdef Encoder take_encoder(Device device)
cdef void return_encoder(Encoder encoder)
