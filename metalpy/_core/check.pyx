"""Status of the C ABI to Python exception: the one place."""

from metalpy._abi cimport (
    MP_ERROR_FAULT,
    MP_ERROR_FORKED,
    MP_ERROR_INTERNAL,
    MP_ERROR_INVALID,
    MP_ERROR_LIBRARY,
    MP_ERROR_MEMORY,
    MP_ERROR_NOT_FOUND,
    MP_ERROR_TIME_LIMIT,
    MP_ERROR_UNSUPPORTED,
)

from metalpy import errors

EXCEPTIONS = {
    MP_ERROR_INVALID: errors.LaunchValueError,
    MP_ERROR_MEMORY: errors.OutOfMemoryError,
    MP_ERROR_UNSUPPORTED: errors.UnsupportedError,
    MP_ERROR_NOT_FOUND: errors.MetalError,
    MP_ERROR_LIBRARY: errors.MetalError,
    MP_ERROR_FAULT: errors.KernelFaultError,
    MP_ERROR_TIME_LIMIT: errors.TimeLimitError,
    MP_ERROR_FORKED: errors.ForkError,
    MP_ERROR_INTERNAL: errors.MetalError,
}


cdef int raise_status(mp_status status, const mp_error *error) except -1 with gil:
    message = (<bytes>error.message).decode("utf-8", "replace")
    if status == MP_ERROR_INTERNAL:
        message = f"internal error of the device driver, please report it: {message}"
    elif status not in EXCEPTIONS:
        message = f"the device driver returned the unknown status {status}: {message}"
    raise EXCEPTIONS.get(status, errors.MetalError)(message)
