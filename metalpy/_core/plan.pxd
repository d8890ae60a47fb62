from libc.stdint cimport uint32_t

from metalpy._core.array cimport ArrayBase, ScalarCode


cdef enum TypeKind:
    SCALAR
    VECTOR
    MATRIX
    ARRAY
    STRUCT
    UNION
    POINTER
    VOID
    TENSOR
    FUNCTION_TABLE
    TEXTURE
    SAMPLER


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
        tuple shape               # of a tensor: its extents, -1 for any
        dict by_name              # field name -> its entry in `fields`
        uint32_t accepts          # bit n: arrays with ScalarCode n
        int texture_type          # of a texture: MTLTextureType
        str components            # of a texture: "float", "int" or "uint"
        bint is_depth             # of a texture: only depth formats
        bint writes               # of a texture


cdef class ArgumentPlan:
    """One buffer, texture or sampler argument of a kernel."""
    cdef:
        readonly str name
        readonly str kernel
        readonly str declaration  # "device const float*"
        uint32_t index
        bint is_reference
        bint optional
        bint by_value             # only read, so that a value will do
        bint writes
        bint is_handle            # a texture, a sampler or an array of them, a tensor, a table of functions
        TypePlan type


cdef Py_ssize_t item_bytes(ScalarCode code) noexcept
cdef bint accepts(TypePlan type, ArrayBase array) noexcept
cdef object packed_bytes(TypePlan type, value)
