from libc.stdint cimport uint32_t, uint64_t

from metalpy._abi cimport MP_MAX_BUFFERS, mp_argument
from metalpy._core.array cimport ScalarCode
from metalpy._core.driver cimport Device


cdef enum TypeKind:
    SCALAR
    VECTOR
    MATRIX
    ARRAY
    STRUCT
    UNION
    POINTER
    VOID


cdef class TypePlan:
    """How values of one declared type are laid out, and which arrays may stand behind a pointer to it."""
    cdef:
        readonly str name
        TypeKind kind
        readonly Py_ssize_t size
        readonly Py_ssize_t alignment
        ScalarCode scalar         # of a scalar, vector or matrix component
        Py_ssize_t item           # bytes of one component
        Py_ssize_t count          # components of a vector, rows of a matrix, elements of an array
        Py_ssize_t columns        # of a matrix
        Py_ssize_t stride         # between matrix columns or array elements
        TypePlan element          # of an array or pointer
        tuple fields              # of (name, offset, TypePlan)
        dict by_name              # field name -> its entry in `fields`
        uint32_t accepts          # bit n: arrays with ScalarCode n


cdef class ArgumentPlan:
    """One buffer argument of a kernel."""
    cdef:
        readonly str name
        readonly str kernel
        readonly str declaration  # "device const float*"
        uint32_t index
        bint is_reference
        bint optional
        bint by_value             # only read, so that a value will do
        bint writes
        TypePlan type


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


cdef Encoder take_encoder(Device device)
cdef void return_encoder(Encoder encoder)
