from metalpy._abi cimport MP_OK, mp_error, mp_status


cdef int raise_status(mp_status status, const mp_error *error) except -1 with gil


cdef inline int check(mp_status status, const mp_error *error) except -1 nogil:
    """Raise the exception of a failed driver call; success is one compare, without the GIL."""
    if status == MP_OK:
        return 0
    return raise_status(status, error)
