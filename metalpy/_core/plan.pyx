"""What reflection says of a kernel's arguments, as launching reads it: made once for each kernel."""

cimport cython

from metalpy._core.array cimport (
    BOOL,
    COMPLEX64,
    FLOAT32,
    INT8,
    RECORD,
    SCALAR_COUNT,
    UINT8,
    UINT64,
)

from metalpy._core.array import SCALAR_CODES
from metalpy._core.texture import TEXTURE_TYPES

KINDS = {
    "scalar": SCALAR, "vector": VECTOR, "matrix": MATRIX, "array": ARRAY, "struct": STRUCT, "union": UNION,
    "pointer": POINTER, "void": VOID, "texture": TEXTURE, "sampler": SAMPLER, "tensor": TENSOR,
    "function_table": FUNCTION_TABLE,
}

cdef uint32_t EVERY_CODE = (1 << SCALAR_COUNT) - 2
cdef uint32_t BYTE_CODES = 1 << UINT8 | 1 << INT8
# By ScalarCode; a record's size is its dtype's.
cdef unsigned char *ITEM_BYTES = [0, 1, 1, 2, 4, 8, 1, 2, 4, 8, 2, 2, 4, 8, 0]


@cython.final
cdef class TypePlan:

    def __init__(self, type):
        self.name = type.name
        self.kind = KINDS[type.kind]
        self.size = type.size
        self.alignment = max(type.alignment, 1)
        self.stride = type.stride
        self.columns = 1
        self.count = 1
        self.fields = ()
        self.by_name = {}
        if self.kind == TEXTURE:
            kind = type.name.partition("<")[0]
            self.is_depth = kind.startswith("depth")
            shape = kind.removeprefix("depth").removeprefix("texture").removeprefix("_")  # it is texture_buffer
            self.texture_type = TEXTURE_TYPES.index(shape)
            self.components = type.scalar.rstrip("0123456789")
            self.writes = type.access in ("write", "read_write")
        elif type.scalar is not None:
            self.scalar = <ScalarCode><int>SCALAR_CODES[type.scalar]
            self.item = item_bytes(self.scalar)
            self.accepts = 1 << self.scalar
            if self.scalar == BOOL:
                self.accepts |= 1 << UINT8
            elif self.item == 1:
                self.accepts = EVERY_CODE
        if self.kind == VECTOR or self.kind == ARRAY:
            self.count = type.shape[0]
        elif self.kind == MATRIX:
            self.columns, self.count = type.shape
        if self.kind == VECTOR and self.count == 2 and self.scalar == FLOAT32:
            self.accepts |= 1 << COMPLEX64
        if type.element is not None and self.kind == ARRAY:
            self.element = TypePlan(type.element)
            self.accepts = self.element.accepts
        elif type.element is not None:
            # A struct may hold a pointer to its own kind, so what is pointed to is not followed further.
            self.element = pointee_plan(type.element)
            self.accepts = 1 << UINT64
        if self.kind == TENSOR:
            self.shape = type.shape
        if self.kind == STRUCT or self.kind == UNION or self.kind == TENSOR or self.kind == FUNCTION_TABLE:
            self.fields = tuple([(field.name, field.offset, TypePlan(field.type)) for field in type.fields])
            self.by_name = {entry[0]: entry for entry in self.fields}
            # Plain bytes, or an array of the only scalar within; `accepts` adds records of this size.
            self.accepts = BYTE_CODES
            scalars = components(self)
            if len(scalars) == 1:
                self.accepts |= 1 << <int>scalars.pop()
        elif self.kind == VOID:
            self.accepts = EVERY_CODE
            self.size = 1


cdef set components(TypePlan type):
    """Codes of all scalars within a type; UINT64 stands for a pointer."""
    cdef set found = set()
    if type.kind == STRUCT or type.kind == UNION:
        for _, _, inner in type.fields:
            found |= components(inner)
    elif type.kind == ARRAY:
        found = components(type.element)
    else:
        found.add(type.scalar if type.kind < POINTER else UINT64)  # pointers and handles are 64 bits
    return found


cdef TypePlan pointee_plan(type):
    if type.kind not in ("struct", "union", "pointer"):
        return TypePlan(type)
    cdef TypePlan plan = TypePlan.__new__(TypePlan)
    plan.name = type.name
    plan.kind = KINDS[type.kind]
    plan.size = type.size
    plan.alignment = max(type.alignment, 1)
    plan.accepts = EVERY_CODE
    return plan


@cython.final
cdef class ArgumentPlan:

    def __init__(self, str kernel not None, argument):
        self.kernel = kernel
        self.name = argument.name or f"{argument.kind}({argument.index})"
        self.index = argument.index
        self.is_reference = argument.is_reference
        self.optional = argument.optional
        self.writes = argument.access in ("write", "read_write")
        self.is_handle = argument.kind in ("texture", "sampler") or argument.type.kind in ("tensor", "function_table")
        self.by_value = not self.writes
        self.declaration = declared(argument)
        self.type = TypePlan(argument.type)


def declared(argument):
    """An argument's type as Metal spells it, such as ``"device const float*"``."""
    if argument.kind in ("texture", "sampler") or argument.type.kind in ("tensor", "function_table"):
        return argument.type.name
    const = " const" if argument.address_space == "device" and argument.access == "read" else ""
    return f"{argument.address_space}{const} {argument.type.name}{'&' if argument.is_reference else '*'}"


cdef bint accepts(TypePlan type, ArrayBase array) noexcept:
    """True if the array's elements can be what `type` says."""
    if type.accepts >> <int>array.code & 1:
        return True
    if type.kind == STRUCT or type.kind == UNION:
        return array.code == RECORD and array.itemsize == type.size
    return False


cdef Py_ssize_t item_bytes(ScalarCode code) noexcept:
    return ITEM_BYTES[<int>code]


cdef object packed_bytes(TypePlan type, value):
    """The bytes of a NumPy array whose elements already are what `type` says, else None."""
    if type.kind == SCALAR and value.dtype.isnative and SCALAR_CODES.get(value.dtype.name) == type.scalar:
        return value.tobytes()
    if type.kind == STRUCT and value.dtype.itemsize == type.size and same_layout(type, value.dtype):
        return value.tobytes()
    return None


cdef bint same_layout(TypePlan type, dtype) except -1:
    if type.kind == SCALAR:
        return dtype.isnative and SCALAR_CODES.get(dtype.name) == type.scalar
    if type.kind == VECTOR:
        return dtype.shape == (type.count,) and dtype.base.isnative \
            and SCALAR_CODES.get(dtype.base.name) == type.scalar
    if type.kind != STRUCT or dtype.names is None or set(dtype.names) != set(type.by_name):
        return False
    for name, (inner, offset, *_) in dtype.fields.items():
        if type.by_name[name][1] != offset or not same_layout(type.by_name[name][2], inner):
            return False
    return True
