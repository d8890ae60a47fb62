"""Python numbers as the bytes of a Metal scalar: exact, or an error that says why not."""

from cpython.float cimport PyFloat_AS_DOUBLE, PyFloat_CheckExact
from cpython.long cimport PyLong_AsLongLongAndOverflow, PyLong_CheckExact
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy

from metalpy._core.array cimport FLOAT16, FLOAT32, UINT64, ArrayBase, ScalarCode
from metalpy._core.plan cimport TypePlan, item_bytes

from math import inf, isfinite

import numpy as np

from metalpy._core.array import SCALAR_CODES
from metalpy.errors import LaunchTypeError, ScalarRangeError

cdef dict NAMES = {code: name for name, code in SCALAR_CODES.items()}

cdef extern from *:
    """
    #include <math.h>
    #include <string.h>

    static const long long mpy_lowest[] = {0, 0, INT8_MIN, INT16_MIN, INT32_MIN, INT64_MIN, 0, 0, 0, 0};
    static const unsigned long long mpy_highest[] =
        {0, 1, INT8_MAX, INT16_MAX, INT32_MAX, INT64_MAX, UINT8_MAX, UINT16_MAX, UINT32_MAX, UINT64_MAX};

    /* Each writes the number rounded to nearest even and returns 0 if a finite one became infinite. */
    static inline int mpy_write_float(double value, char *target)
    {
        float narrow = (float)value;
        memcpy(target, &narrow, sizeof narrow);
        return !isinf(narrow) || isinf(value);
    }
    static inline int mpy_write_half(double value, char *target)
    {
        int fits = !(fabs(value) >= 65520.0) || isinf(value);
        PyFloat_Pack2(fits ? value : copysign(INFINITY, value), target, PY_LITTLE_ENDIAN);
        return fits;
    }
    static inline int mpy_write_bfloat(double value, char *target)
    {
        float narrow = (float)value;
        uint32_t bits;
        uint16_t result;
        memcpy(&bits, &narrow, sizeof bits);
        if (isnan(narrow))
            result = (uint16_t)(bits >> 16 | 0x40);
        else
            result = (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
        memcpy(target, &result, sizeof result);
        return (result & 0x7fff) != 0x7f80 || isinf(value);
    }
    """
    const long long mpy_lowest[10]
    const unsigned long long mpy_highest[10]
    bint mpy_write_float(double value, char *target) noexcept
    bint mpy_write_half(double value, char *target) noexcept
    bint mpy_write_bfloat(double value, char *target) noexcept


cdef bint write_exact(ScalarCode code, value, char *target) except -1:
    """Writes a Python float or int; returns False, with `target` as it was or infinite, if the type cannot hold it."""
    cdef double real
    cdef int64_t integer
    cdef uint64_t wide
    cdef int overflow = 0
    if code >= FLOAT16:
        if PyFloat_CheckExact(value):
            real = PyFloat_AS_DOUBLE(value)
        else:
            try:
                real = value
            except OverflowError:
                return False
        if code == FLOAT32:
            return mpy_write_float(real, target)
        if code == FLOAT16:
            return mpy_write_half(real, target)
        return mpy_write_bfloat(real, target)
    if PyFloat_CheckExact(value):
        return False
    integer = PyLong_AsLongLongAndOverflow(value, &overflow)
    if overflow == 0:
        if integer < mpy_lowest[<int>code] or (integer > 0 and <uint64_t>integer > mpy_highest[<int>code]):
            return False
        wide = <uint64_t>integer
    elif overflow > 0 and code == UINT64:
        try:
            wide = value
        except OverflowError:
            return False
    else:
        return False
    memcpy(target, &wide, item_bytes(code))  # little-endian, as every machine that this runs on
    return True


cdef int write_scalar(TypePlan type, value, char *target) except -1:
    """Writes any number for a scalar or for one component of a vector or matrix."""
    number = plain_number(value)
    if number is None or not write_exact(type.scalar, number, target):
        raise scalar_error(type, value)
    return 0


cdef object plain_number(value):
    """The Python int or float that `value` stands for; None if it is no real number."""
    if PyFloat_CheckExact(value) or PyLong_CheckExact(value):
        return value
    if isinstance(value, np.ndarray):
        if value.ndim:
            return None
        value = value[()]
    if isinstance(value, (bool, np.bool_)):
        return int(value)
    if isinstance(value, (complex, np.complexfloating, str, bytes, ArrayBase)):
        return None
    if hasattr(value, "__index__"):
        return value.__index__()
    if hasattr(value, "__float__"):
        return float(value)
    return None


cdef object scalar_error(TypePlan type, value):
    """Why `value` cannot be what a scalar or component is declared as."""
    number = plain_number(value)
    name = NAMES[<int>type.scalar]
    if number is None:
        return LaunchTypeError(f"{with_article(name)} needs a number, got {described(value)}")
    if type.scalar >= FLOAT16:
        return ScalarRangeError(f"{shown(value)} is out of the range of {name}")
    if PyFloat_CheckExact(number):
        return LaunchTypeError(f"{name} takes integers, got the float {value}; pass int({value})")
    return ScalarRangeError(f"{shown(value)} is out of the range of {name}, {mpy_lowest[<int>type.scalar]} to "
                            f"{mpy_highest[<int>type.scalar]}")


cdef int write_wrapped(ScalarCode code, value, char *target) except -1:
    cdef uint64_t wide
    number = plain_number(value)
    if number is None:
        raise LaunchTypeError(f"arg_casts converts numbers, got {described(value)}")
    if code >= FLOAT16:
        if not write_exact(code, number, target):
            write_exact(code, inf if number > 0 else -inf, target)
    elif PyFloat_CheckExact(number) and not isfinite(number):
        raise ScalarRangeError(f"{number} is no integer, which arg_casts asks for")
    else:
        wide = <uint64_t>(int(number) & 0xFFFFFFFFFFFFFFFF)
        memcpy(target, &wide, item_bytes(code))
    return 0


# ---- words for messages ----

cdef str described(value):
    cdef ArrayBase array
    if isinstance(value, ArrayBase):
        array = <ArrayBase>value
        return f"{with_article(str(array.dtype))} array of shape {array.shape}"
    if isinstance(value, np.ndarray):
        return f"a NumPy array of {value.dtype} and shape {value.shape}"
    return f"{value.__class__.__name__} {shown(value)[:40]}" if isinstance(value, (int, float, complex, np.generic)) \
        else f"a {value.__class__.__name__}"


cdef str shown(value):
    """A number in a message. Python refuses to write very long ones, and nobody would read them."""
    if isinstance(value, int) and value.bit_length() > 256:
        return f"an int of {value.bit_length()} bits"
    return str(value)


cdef str with_article(str name):
    article = "an" if name.startswith(("a", "e", "i", "o")) else "a"
    return f"{article} {name}"
