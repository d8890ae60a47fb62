"""Python values to argument bytes, as the kernel's own declarations say.

A launch walks the kernel's plans (see plan.pyx) with the values. Arrays are bound where they are. Values are written
one after another into the encoder's bytes, which the driver copies. Values that do not fit there, for Metal too takes
no more than 4 KiB that way, travel in a block of the pool.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_GET_SIZE
from cpython.float cimport PyFloat_CheckExact
from cpython.long cimport PyLong_CheckExact
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy, memset

from metalpy._abi cimport (
    MP_ARGUMENT_BUFFER,
    MP_ARGUMENT_BYTES,
    MP_ARGUMENT_RESIDENT,
    MP_ARGUMENT_SAMPLER,
    MP_ARGUMENT_TEXTURE,
)
from metalpy._core.array cimport BFLOAT16, FLOAT16, INT8, INT16, INT32, UINT8, UINT64, ArrayBase, ScalarCode
from metalpy._core.number cimport described, scalar_error, write_exact, write_scalar, write_wrapped
from metalpy._core.plan cimport (
    ARRAY,
    FUNCTION_TABLE,
    MATRIX,
    POINTER,
    SAMPLER,
    SCALAR,
    STRUCT,
    TENSOR,
    TEXTURE,
    UNION,
    VECTOR,
    VOID,
    accepts,
    item_bytes,
    packed_bytes,
)
from metalpy._core.driver cimport Device
from metalpy._core.pool cimport Block, pool_of
from metalpy._core.texture cimport SamplerBase, TextureBase
from metalpy._core.validation cimport (
    check_layout,
    check_length,
    check_raw_size,
    check_sampler,
    checked_texture,
    in_argument,
)

import numpy as np

from metalpy.errors import LaunchTypeError, LaunchValueError, MetalError, UnsupportedError

cdef enum:
    VALUE_BYTES = 4096            # Metal's own limit for arguments passed by value
    FIRST_CAPACITY = 64
    MOST_NESTED = 64              # as NumPy's axes

CASTS = {"fp16": FLOAT16, "bf16": BFLOAT16, "int32": INT32, "int16": INT16, "int8": INT8, "uint8": UINT8}

cdef Encoder spare = None


@cython.final
cdef class Encoder:

    def __cinit__(self):
        self.capacity = FIRST_CAPACITY
        self.arguments = <mp_argument *>PyMem_Malloc(FIRST_CAPACITY * sizeof(mp_argument))
        self.blocks = <void **>PyMem_Malloc(FIRST_CAPACITY * sizeof(void *))
        self.bytes = <char *>PyMem_Malloc(VALUE_BYTES)
        if self.arguments == NULL or self.blocks == NULL or self.bytes == NULL:
            raise MemoryError()
        self.keep = []

    def __dealloc__(self):
        PyMem_Free(self.arguments)
        PyMem_Free(self.blocks)
        PyMem_Free(self.bytes)

    cdef void reset(self):
        self.count = 0
        self.used = 0
        if self.keep:
            self.keep.clear()

    cdef mp_argument *add(self, uint32_t kind, uint32_t index) except NULL:
        """Room for one more argument."""
        cdef mp_argument *argument
        cdef void *grown
        if self.count == self.capacity:
            grown = PyMem_Realloc(self.arguments, 2 * self.capacity * sizeof(mp_argument))
            if grown == NULL:
                raise MemoryError()
            self.arguments = <mp_argument *>grown
            grown = PyMem_Realloc(self.blocks, 2 * self.capacity * sizeof(void *))
            if grown == NULL:
                raise MemoryError()
            self.blocks = <void **>grown
            self.capacity *= 2
        argument = &self.arguments[self.count]
        memset(argument, 0, sizeof(mp_argument))
        argument.kind = kind
        argument.index = index
        self.blocks[self.count] = NULL
        self.count += 1
        return argument

    cdef int bind(self, ArgumentPlan argument, value) except -1:
        """Encodes `value` for an argument."""
        cdef char *target
        if argument.is_handle:
            return self.bind_handles(argument, value)
        if isinstance(value, ArrayBase):
            if argument.type.kind == POINTER and argument.by_value and (<ArrayBase>value).code != UINT64:
                return self.bind_value(argument, value)  # its address is the value
            return self.bind_array(argument, value)
        if argument.by_value and argument.type.kind == SCALAR \
                and (PyFloat_CheckExact(value) or PyLong_CheckExact(value)):
            target = self.bind_bytes(argument, argument.type.size)
            if write_exact(argument.type.scalar, value, target):
                return 0
            raise in_argument(argument, scalar_error(argument.type, value))
        if value is None:
            if not argument.optional:
                raise LaunchTypeError(f"argument {argument.name!r} of kernel {argument.kernel!r} is "
                                      f"{argument.declaration} and cannot be None")
            self.add(MP_ARGUMENT_BUFFER, argument.index)
            return 0
        if not argument.by_value:
            raise LaunchTypeError(f"argument {argument.name!r} of kernel {argument.kernel!r} is "
                                  f"{argument.declaration}, got {described(value)}; pass an Array, such as "
                                  "metalpy.array(...)")
        return self.bind_value(argument, value)

    cdef int bind_array(self, ArgumentPlan argument, value) except -1:
        cdef ArrayBase array = <ArrayBase>value
        cdef mp_argument *bound
        if not accepts(argument.type, array):
            raise LaunchTypeError(
                f"argument {argument.name!r} of kernel {argument.kernel!r} is {argument.declaration}, got "
                f"{described(array)}; x.view(dtype) reinterprets the bytes, x.astype(dtype) converts the values"
            )
        check_layout(self.device, array, argument)
        if argument.type.kind == VECTOR and argument.type.size > argument.type.count * argument.type.item \
                and len(array.shape) > 1 and array.shape[len(array.shape) - 1] == argument.type.count:
            raise LaunchValueError(
                f"argument {argument.name!r} of kernel {argument.kernel!r} is {argument.declaration}, and a "
                f"{argument.type.name} takes {argument.type.size} bytes, a row of {described(array)} only "
                f"{argument.type.count * argument.type.item}; declare packed_{argument.type.name}, or pad the rows to "
                "four numbers"
            )
        if array.nbytes < argument.type.size and (array.nbytes or argument.is_reference):
            raise LaunchValueError(
                f"argument {argument.name!r} of kernel {argument.kernel!r} is {argument.declaration}: one "
                f"{argument.type.name} has {argument.type.size} bytes, the array only {array.nbytes}"
            )
        bound = self.add(MP_ARGUMENT_BUFFER, argument.index)
        if array.block is not None:
            if (<size_t>array.block.memory.contents + array.offset) % <size_t>argument.type.alignment:
                raise LaunchValueError(
                    f"argument {argument.name!r} of kernel {argument.kernel!r} is {argument.declaration} and must "
                    f"start at a multiple of {argument.type.alignment} bytes, the array starts at byte "
                    f"{array.offset} of its memory; pass x.copy()"
                )
            bound.buffer = array.block.memory.buffer
            bound.offset = array.offset
            bound.size = array.nbytes
            self.blocks[self.count - 1] = <void *>array.block
        return 0

    cdef int bind_handles(self, ArgumentPlan argument, value) except -1:
        """A texture or sampler, or a sequence of them for an array; a tensor or a table of functions."""
        try:
            if argument.type.kind == TENSOR:
                return self.bind_tensor(argument, value)
            if argument.type.kind == FUNCTION_TABLE:
                return self.bind_functions(argument, value)
            if argument.type.kind != ARRAY:
                return self.bind_handle(argument.type, argument.index, value)
            if not isinstance(value, (list, tuple)):
                raise LaunchTypeError(f"needs a sequence, got {described(value)}")
            check_length(argument.type, argument.type.count, len(value))
            for number, entry in enumerate(value):
                self.bind_handle(argument.type.element, argument.index + <uint32_t>number, entry)
        except MetalError as error:
            raise in_argument(argument, error) from None
        return 0

    cdef int bind_tensor(self, ArgumentPlan argument, value) except -1:
        """An array as a tensor: its last axis is the tensor's first dimension."""
        cdef TypePlan type = argument.type
        if value is None and argument.optional:
            self.add(MP_ARGUMENT_BUFFER, argument.index)
            return 0
        if not isinstance(value, ArrayBase):
            raise LaunchTypeError(f"needs an Array, got {described(value)}")
        if type.element.kind != VOID and not accepts(type.element, <ArrayBase>value):
            raise LaunchTypeError(f"got {described(value)}; x.view(dtype) reinterprets the bytes, x.astype(dtype) "
                                  "converts the values")
        if argument.writes and not (<ArrayBase>value).writable:
            raise LaunchValueError("the kernel may write, and the array is read-only; pass x.copy()")
        extents = value.shape[::-1]
        if len(extents) != len(type.shape) or any([given not in (-1, size)
                                                   for given, size in zip(type.shape, extents, strict=True)]):
            raise LaunchValueError(f"cannot be an array of shape {value.shape}: its last axis is the tensor's first "
                                   "dimension")
        strides, stride = [], 1
        for size in extents:
            strides.append(stride)
            stride *= size
        parts = {"mp_data": value, "mp_extents": [extents], "mp_strides": strides}
        return self.encode_struct(type, parts, self.bind_bytes(argument, type.size))

    cdef int bind_functions(self, ArgumentPlan argument, value) except -1:
        """A sequence of names of functions, None for places that stay empty."""
        cdef int *target
        if value is None and argument.optional:
            self.add(MP_ARGUMENT_BUFFER, argument.index)
            return 0
        if not isinstance(value, (list, tuple)):
            raise LaunchTypeError(f"needs a list of functions' names, got {described(value)}")
        numbers = []
        for name in value:
            if name is not None and name not in argument.type.by_name:
                known = ", ".join(argument.type.by_name) or "none"
                raise LaunchValueError(f"it holds [[visible]] functions of this type: {known}; got {name!r}")
            numbers.append(-1 if name is None else argument.type.by_name[name][1])
        target = <int *>self.bind_bytes(argument, 4 * (1 + len(numbers)))
        target[0] = len(numbers)
        for place, number in enumerate(numbers):
            target[1 + <Py_ssize_t>place] = number
        return 0

    cdef int bind_handle(self, TypePlan type, uint32_t index, value) except -1:
        cdef TextureBase texture
        if type.kind == VOID:
            return 0  # a function constant has taken the argument away, and its type is not known
        if type.kind == SAMPLER:
            check_sampler(self.device, value)
            self.add(MP_ARGUMENT_SAMPLER, index).sampler = (<SamplerBase>value).handle
        elif value is None:
            self.add(MP_ARGUMENT_TEXTURE, index)
        else:
            texture = checked_texture(self.device, type, value)
            self.add(MP_ARGUMENT_TEXTURE, index).texture = texture.handle
            self.blocks[self.count - 1] = <void *>texture.block
        return 0

    cdef int encode_handle(self, TypePlan type, value, char *target) except -1:
        """A texture or sampler in an argument buffer: the number by which kernels reach it."""
        cdef TextureBase texture
        cdef uint64_t address
        if value is None and type.kind == TEXTURE:
            return 0
        if type.kind == SAMPLER:
            check_sampler(self.device, value)
            address = (<SamplerBase>value).drv.sampler_address((<SamplerBase>value).handle)
            self.add(MP_ARGUMENT_RESIDENT, 0).sampler = (<SamplerBase>value).handle
        else:
            texture = checked_texture(self.device, type, value)
            address = texture.drv.texture_address(texture.handle)
            if address == 0:
                raise UnsupportedError("textures in argument buffers need macOS 13 or newer")
            self.add(MP_ARGUMENT_RESIDENT, 0).texture = texture.handle
            self.blocks[self.count - 1] = <void *>texture.block
        self.keep.append(value)
        memcpy(target, &address, sizeof(address))
        return 0

    cdef char *bind_bytes(self, ArgumentPlan argument, Py_ssize_t size) except NULL:
        """Binds `size` bytes, set to 0, and returns where to write them."""
        cdef mp_argument *bound
        cdef char *target
        cdef Block block
        cdef Py_ssize_t start = (self.used + 15) & ~15
        if start + size <= VALUE_BYTES:
            bound = self.add(MP_ARGUMENT_BYTES, argument.index)
            target = self.bytes + start
            bound.bytes = target
            bound.size = size
            self.used = start + size
        else:
            block = pool_of(self.device).allocate(size)
            self.keep.append(block)
            bound = self.add(MP_ARGUMENT_BUFFER, argument.index)
            bound.buffer = block.memory.buffer
            self.blocks[self.count - 1] = <void *>block
            target = block.memory.contents
        memset(target, 0, size)
        return target

    cdef int bind_value(self, ArgumentPlan argument, value) except -1:
        """Any value but the commonest, which `bind` deals with; errors get to know the argument here."""
        cdef const unsigned char[::1] raw
        cdef TypePlan type = argument.type
        cdef char *target
        cdef Py_ssize_t size
        try:
            if PyBytes_CheckExact(value):
                size = PyBytes_GET_SIZE(value)
                check_raw_size(type, argument.is_reference, size)
                memcpy(self.bind_bytes(argument, size), PyBytes_AS_STRING(value), size)
            elif isinstance(value, (bytes, bytearray, memoryview)):
                raw = memoryview(value).cast("B")
                check_raw_size(type, argument.is_reference, raw.shape[0])
                target = self.bind_bytes(argument, raw.shape[0])
                memcpy(target, &raw[0], raw.shape[0])
            elif argument.is_reference:
                target = self.bind_bytes(argument, type.size)
                self.encode(type, value, target)
            else:
                self.encode_pointed(argument, value)
        except MetalError as error:
            raise in_argument(argument, error) from None
        return 0

    cdef int encode_pointed(self, ArgumentPlan argument, value) except -1:
        """A value for ``constant T*``: one T or any number of them."""
        cdef TypePlan type = argument.type
        cdef char *target
        if type.kind == VOID:
            raise LaunchTypeError(f"got {described(value)}; pass an Array or bytes")
        if isinstance(value, np.ndarray) and value.ndim:
            if argument.declaration.startswith("device"):
                raise LaunchTypeError(f"got {described(value)}; pass metalpy.array(...)")
            packed = packed_bytes(type, value)
            if packed is not None:
                check_raw_size(type, False, len(packed))
                memcpy(self.bind_bytes(argument, len(packed)), <const char *>packed, len(packed))
                return 0
        if not is_sequence(value):
            return self.encode(type, value, self.bind_bytes(argument, type.size))
        values = as_list(value)
        if not values:
            raise LaunchValueError(f"an empty {value.__class__.__name__} cannot be an argument")
        if type.kind in (VECTOR, MATRIX) and not is_sequence(values[0]):  # flat
            values = in_rows(values, type.count * (type.columns if type.kind == MATRIX else 1), type)
        target = self.bind_bytes(argument, type.size * len(values))
        return self.encode_elements(type, type.size, values, target)

    cdef int encode(self, TypePlan type, value, char *target) except -1:
        """Writes one value of a declared type; `target` is set to 0."""
        cdef Py_ssize_t column, row
        if type.kind == SCALAR:
            if isinstance(value, (list, tuple)) and len(value) == 1:  # as a sequence to `T*`, whose first is meant
                value = value[0]
            return write_scalar(type, value, target)
        if type.kind == POINTER:
            return self.encode_address(type, value, target)
        if type.kind >= TEXTURE:
            return self.encode_handle(type, value, target)
        if isinstance(value, (bytes, bytearray, memoryview)):
            raw = bytes(value)
            check_raw_size(type, True, len(raw))
            memcpy(target, <const char *>raw, len(raw))
            return 0
        if type.kind == STRUCT or type.kind == UNION:
            return self.encode_struct(type, value, target)
        if type.kind == VECTOR and type.count == 2 and isinstance(value, (complex, np.complexfloating)):
            value = (value.real, value.imag)
        if not is_sequence(value):
            raise LaunchTypeError(f"a {type.name} needs a sequence, got {described(value)}")
        values = as_list(value)
        if type.kind == VECTOR:
            check_length(type, type.count, len(values))
            for row in range(type.count):
                write_scalar(type, values[row], target + row * type.item)
        elif type.kind == MATRIX:
            if values and not is_sequence(values[0]):
                check_length(type, type.columns * type.count, len(values))
                values = in_rows(values, type.count, type)
            check_length(type, type.columns, len(values))
            for column in range(type.columns):
                entries = as_list(values[column])
                check_length(type, type.count, len(entries), " in each column")
                for row in range(type.count):
                    write_scalar(type, entries[row], target + column * type.stride + row * type.item)
        elif type.kind == ARRAY:
            if len(values) != type.count and type.element.kind in (VECTOR, MATRIX, ARRAY) and values \
                    and not is_sequence(values[0]) and len(values) % type.count == 0:
                values = in_rows(values, len(values) // type.count, type)
            check_length(type, type.count, len(values))
            self.encode_elements(type.element, type.stride, values, target)
        else:
            raise LaunchTypeError(f"{type.name} cannot be passed by value")
        return 0

    cdef int encode_elements(self, TypePlan element, Py_ssize_t stride, values, char *target) except -1:
        cdef Py_ssize_t number = 0
        for value in <list>values:
            try:
                self.encode(element, value, target + number * stride)
            except MetalError as error:
                raise error.__class__(f"element {number}: {error}") from None
            number += 1
        return 0

    cdef int encode_struct(self, TypePlan type, value, char *target) except -1:
        """A struct from a dict or structured scalar by field name, or from a sequence in the fields' order."""
        cdef TypePlan field
        cdef Py_ssize_t offset
        if isinstance(value, np.ndarray) and value.ndim == 0:
            value = value[()]
        if isinstance(value, np.void) and value.dtype.names:
            value = {name: value[name] for name in value.dtype.names}
        elif isinstance(value, (complex, np.complexfloating)) and type.kind == STRUCT and len(type.fields) == 2:
            value = [value.real, value.imag]
        if is_sequence(value) and type.kind == STRUCT:
            values = as_list(value)
            if len(type.fields) == 1:
                # struct { device float *pointers[64]; } takes the 64 arrays as they are
                only = <TypePlan>type.fields[0][2]
                if only.kind not in (SCALAR, POINTER) and not (len(values) == 1 and is_sequence(values[0])):
                    return self.encode(only, values, target)
            check_length(type, len(type.fields), len(values))
            value = {entry[0]: values[number] for number, entry in enumerate(type.fields)}
        if not isinstance(value, dict):
            raise LaunchTypeError(f"a {type.name} needs a dict or a NumPy structured scalar, got {described(value)}")
        unknown = [name for name in value if name not in type.by_name]
        missing = [entry[0] for entry in type.fields if entry[0] not in value]
        if unknown:
            raise LaunchTypeError(f"{type.name} has no field {unknown[0]!r}; it has {', '.join(type.by_name)}")
        if type.kind == UNION:
            if len(value) != 1:
                raise LaunchTypeError(f"a {type.name} takes exactly one of {', '.join(type.by_name)}")
        elif missing:
            raise LaunchTypeError(f"{type.name} needs field{'s' * (len(missing) > 1)} {', '.join(missing)} too")
        for name in value:
            _, offset, field = type.by_name[name]
            try:
                self.encode(field, value[name], target + offset)
            except MetalError as error:
                raise error.__class__(f"field {name!r}: {error}") from None
        return 0

    cdef int encode_address(self, TypePlan type, value, char *target) except -1:
        """The address of an array, which the driver keeps alive and resident while the kernel runs."""
        cdef ArrayBase array
        cdef mp_argument *resident
        cdef uint64_t address
        if isinstance(value, (list, tuple)) and len(value) == 1:
            value = value[0]
        if value is None:
            return 0  # a null pointer
        if not isinstance(value, ArrayBase):
            raise LaunchTypeError(f"a {type.name} needs an Array or None, got {described(value)}")
        array = <ArrayBase>value
        if type.element is not None and not accepts(type.element, array):
            raise LaunchTypeError(f"a {type.name} cannot point to {described(array)}; x.view(dtype) reinterprets the "
                                  "bytes, x.astype(dtype) converts the values")
        check_layout(self.device, array, None)
        if array.block is None:
            return 0
        resident = self.add(MP_ARGUMENT_RESIDENT, 0)
        resident.buffer = array.block.memory.buffer
        self.blocks[self.count - 1] = <void *>array.block
        self.keep.append(array.block)
        address = array.block.memory.drv.buffer_address(array.block.memory.buffer)
        if address == 0:
            raise UnsupportedError("kernels that take addresses of arrays need macOS 13 or newer")
        address += array.offset
        if type.element is not None and address % <uint64_t>type.element.alignment:
            raise LaunchValueError(f"a {type.name} must point to a multiple of {type.element.alignment} bytes, the "
                                   f"array starts at byte {array.offset} of its memory; pass x.copy()")
        memcpy(target, &address, sizeof(address))
        return 0

    cdef int bind_cast(self, ArgumentPlan argument, value, str cast) except -1:
        """A number or sequence of them as the type that ``arg_casts`` names, which wraps where it is too narrow."""
        cdef ScalarCode code
        cdef Py_ssize_t size
        cdef char *target
        if value is None or isinstance(value, (ArrayBase, dict, bytes, bytearray, memoryview, np.void)):
            return self.bind(argument, value)
        if argument.is_handle or not argument.by_value:
            return self.bind(argument, value)  # says why not
        if cast not in CASTS:
            raise LaunchValueError(f"arg_casts knows {', '.join(CASTS)}, got {cast!r}")
        code = <ScalarCode><int>CASTS[cast]
        try:
            values = flattened(value)
        except LaunchValueError as error:
            raise in_argument(argument, error) from None
        if not values:
            raise LaunchValueError(f"argument {argument.name!r} of kernel {argument.kernel!r}: empty sequence")
        if isinstance(values[0], ArrayBase):
            return self.bind(argument, value)
        size = len(values) * item_bytes(code)
        if size < argument.type.size:
            raise LaunchValueError(f"argument {argument.name!r} of kernel {argument.kernel!r} is "
                                   f"{argument.declaration}, {argument.type.size} bytes, but arg_casts={cast!r} makes "
                                   f"{size}; leave the cast out to convert to the declared type")
        target = self.bind_bytes(argument, size)
        try:
            for number, entry in enumerate(values):
                write_wrapped(code, entry, target + <Py_ssize_t>number * item_bytes(code))
        except MetalError as error:
            raise in_argument(argument, error) from None
        return 0


# ---- sequences ----

cdef bint is_sequence(value) except -1:
    return isinstance(value, (list, tuple, range)) or (isinstance(value, np.ndarray) and value.ndim > 0)


cdef list as_list(value):
    if isinstance(value, np.ndarray):
        return list(value) if value.dtype.names is not None or value.ndim > 1 else value.tolist()
    return list(value)


cdef list in_rows(list values, Py_ssize_t length, TypePlan type):
    if len(values) % length:
        raise LaunchValueError(f"{len(values)} numbers do not make whole {type.name}s")
    return [values[start:start + length] for start in range(0, len(values), length)]


cdef list flattened(value, int depth=0):
    if not is_sequence(value):
        return [value]
    if depth == MOST_NESTED:  # a list may hold itself, and C code overflows its stack without an exception
        raise LaunchValueError(f"got a {value.__class__.__name__} nested more than {MOST_NESTED} deep")
    cdef list flat = []
    for entry in as_list(value):
        flat.extend(flattened(entry, depth + 1))
    return flat


# ---- the spare encoder ----

cdef Encoder take_encoder(Device device):
    """An encoder that nobody else uses: a conversion may run Python code, which may launch kernels itself."""
    global spare
    cdef Encoder encoder = spare
    spare = None
    if encoder is None:
        encoder = Encoder()
    encoder.device = device
    return encoder


cdef void return_encoder(Encoder encoder):
    global spare
    encoder.reset()
    encoder.device = None
    spare = encoder
