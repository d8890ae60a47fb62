"""Whether an array, a texture, a sampler or a number of values can be what a kernel declares, and the errors if not."""

from metalpy._core.number cimport described

from metalpy.errors import LaunchTypeError, LaunchValueError


cdef int check_layout(Device device, ArrayBase array, ArgumentPlan argument) except -1:
    if array.device is not device:
        raise LaunchValueError(f"{placed(argument)}the array is on {array.device}, the kernel on {device}")
    if not array.contiguous:
        raise LaunchValueError(f"{placed(argument)}kernels see memory without strides, and the array of strides "
                               f"{array.strides} is not contiguous; pass x.copy()")
    if argument is not None and argument.writes and not array.writable:
        raise LaunchValueError(f"{placed(argument)}the kernel may write ({argument.declaration}), and the array is "
                               "read-only; pass x.copy()")
    return 0


cdef int check_sampler(Device device, value) except -1:
    if not isinstance(value, SamplerBase):
        raise LaunchTypeError(f"needs a metalpy.Sampler, got {described(value)}")
    if (<SamplerBase>value).device is not device:
        raise LaunchValueError(f"the sampler is on {(<SamplerBase>value).device}, the kernel on {device}")
    return 0


cdef TextureBase checked_texture(Device device, TypePlan type, value):
    """The texture `value`, if a kernel's texture of this type can be it."""
    cdef TextureBase texture
    if not isinstance(value, TextureBase):
        raise LaunchTypeError(f"needs a texture, got {described(value)}; metalpy.texture(x) makes one of an array")
    texture = <TextureBase>value
    if texture.device is not device:
        raise LaunchValueError(f"the texture is on {texture.device}, the kernel on {device}")
    if <int>texture.desc.type != type.texture_type:
        raise LaunchTypeError(f"got a texture of type {texture.texture_type!r}")
    if texture.components != type.components or type.is_depth and not texture.is_depth:
        raise LaunchTypeError(f"got a texture of {texture.pixel_format}, whose texels are "
                              f"{texture.components}{'' if texture.is_depth else ' and no depth' * type.is_depth}")
    if type.writes and not texture.writable:
        why = "which kernels cannot write" if texture.is_depth else "which is read-only"
        raise LaunchTypeError(f"got a texture of {texture.pixel_format}, {why}")
    return texture


cdef int check_length(TypePlan type, Py_ssize_t wanted, Py_ssize_t found, str where="") except -1:
    if wanted != found:
        raise LaunchValueError(f"a {type.name} has {wanted} elements{where}, got {found}")
    return 0


cdef int check_raw_size(TypePlan type, bint exact, Py_ssize_t size) except -1:
    if size == 0 or (size != type.size if exact else size % type.size):
        raise LaunchValueError(f"a {type.name} has {type.size} bytes, got {size}")
    return 0


cdef str placed(ArgumentPlan argument):
    return "" if argument is None else f"argument {argument.name!r} of kernel {argument.kernel!r}: "


cdef object in_argument(ArgumentPlan argument, error):
    """The same error with the argument's name and type in front."""
    return error.__class__(
        f"argument {argument.name!r} of kernel {argument.kernel!r} is {argument.declaration}: {error}")
