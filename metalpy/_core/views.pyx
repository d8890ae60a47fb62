"""Arrays over the memory of others: slices, other shapes, other orders of the axes.

Each function returns None where it does not know what is asked for, or where there is no such view: NumPy, whose rules
these are, then does it or says what is wrong.
"""

from cpython.long cimport PyLong_CheckExact
from cpython.slice cimport PySlice_AdjustIndices, PySlice_Check, PySlice_Unpack
from libc.stdint cimport int64_t, uint64_t

from metalpy._core.array cimport ArrayBase, make

cdef enum:
    MOST_AXES = 64


cdef tuple as_tuple(const Py_ssize_t *entries, Py_ssize_t count):
    cdef Py_ssize_t number
    return tuple([entries[number] for number in range(count)])


cdef ArrayBase viewed(ArrayBase x, tuple shape, tuple strides, int64_t offset, bint writable=True):
    """An array without elements lies in C order, as all that are made so."""
    return make(type(x), x.device, x.block, x.dtype, x.code, x.itemsize, shape, None if 0 in shape else strides,
                x.offset if 0 in shape else <uint64_t>offset, x.writable and writable)


def view_at(ArrayBase x not None, tuple key not None):
    """``x[key]`` for a key of integers, slices, ``...`` and None."""
    cdef Py_ssize_t[MOST_AXES] extents
    cdef Py_ssize_t[MOST_AXES] steps
    cdef Py_ssize_t ndim = len(x.shape)
    cdef Py_ssize_t axis = 0, place = 0, taken = 0, new = 0, extent, step, start, stop, stride, _rest
    cdef int64_t offset = <int64_t>x.offset
    cdef bint has_ellipsis = False
    for part in key:
        if part is None:
            new += 1
        elif part is not Ellipsis:
            taken += 1
        elif has_ellipsis:
            return None
        else:
            has_ellipsis = True
    if taken > ndim or ndim + new > MOST_AXES:
        return None
    for part in key if has_ellipsis else (*key, Ellipsis):
        if part is None:
            extents[place], steps[place] = 1, 0
            place += 1
            continue
        if part is Ellipsis:
            for _rest in range(ndim - taken):
                extents[place], steps[place] = x.shape[axis], x.strides[axis]
                place += 1
                axis += 1
            continue
        extent, step = x.shape[axis], x.strides[axis]
        if PySlice_Check(part):
            PySlice_Unpack(part, &start, &stop, &stride)
            extents[place] = PySlice_AdjustIndices(extent, &start, &stop, stride)
            steps[place] = step * stride
            if extents[place]:
                offset += start * step
            place += 1
        elif PyLong_CheckExact(part):
            if not -extent <= part < extent:
                return None
            start = part
            offset += (start + extent if start < 0 else start) * step
        else:
            return None
        axis += 1
    return viewed(x, as_tuple(extents, place), as_tuple(steps, place), offset)


def reshaped(ArrayBase x not None, tuple shape not None):
    """A contiguous array under another shape, in which one extent may be -1."""
    cdef Py_ssize_t size = 1, place = 0, unknown = -1, extent
    if not x.contiguous or x.size == 0:
        return None
    for wanted in shape:
        if not PyLong_CheckExact(wanted) or not -1 <= wanted <= x.size:
            return None
        extent = wanted
        if extent == -1 and unknown == -1:
            unknown = place
        elif extent <= 0 or size > x.size // extent:
            return None
        else:
            size *= extent
        place += 1
    if unknown >= 0:
        if x.size % size:
            return None
        shape = (*shape[:unknown], x.size // size, *shape[unknown + 1:])
    elif size != x.size:
        return None
    return viewed(x, shape, None, <int64_t>x.offset)


def transposed(ArrayBase x not None, tuple order not None):
    """The axes in another order."""
    cdef Py_ssize_t ndim = len(x.shape), axis
    cdef uint64_t seen = 0
    cdef list shape = [], strides = []
    if len(order) != ndim or ndim > MOST_AXES:
        return None
    for entry in order:
        if not PyLong_CheckExact(entry) or not 0 <= entry < ndim:
            return None
        axis = entry
        seen |= <uint64_t>1 << axis
        shape.append(x.shape[axis])
        strides.append(x.strides[axis])
    if ndim and seen != <uint64_t>-1 >> (64 - ndim):
        return None
    return viewed(x, tuple(shape), tuple(strides), <int64_t>x.offset)


def broadcasted(ArrayBase x not None, tuple shape not None):
    """A read-only view of another shape in which `x` repeats."""
    cdef Py_ssize_t missing = len(shape) - len(x.shape), axis, extent, wanted
    cdef list strides = [0] * len(shape)
    if missing < 0:
        return None
    for axis in range(len(x.shape)):
        extent, wanted = x.shape[axis], shape[missing + axis]
        if extent == wanted:
            if extent != 1:
                strides[missing + axis] = x.strides[axis]
        elif extent != 1:
            return None
    return viewed(x, shape, tuple(strides), <int64_t>x.offset, False)


def extent_bytes(ArrayBase x not None):
    """Offsets in the block of the first byte of `x` and of the one behind its last; `x` has elements."""
    cdef int64_t low, high
    reach(x, &low, &high)
    return low, high


def overlaps(ArrayBase x not None, ArrayBase y not None):
    """True if the two may have bytes in common. Wrapped memory may be in several blocks."""
    cdef int64_t low, high, other_low, other_high
    if x.block is None or y.block is None or x.size == 0 or y.size == 0:
        return False
    reach(x, &low, &high)
    reach(y, &other_low, &other_high)
    if x.block is not y.block:
        low, high = low + <int64_t>x.block.memory.contents, high + <int64_t>x.block.memory.contents
        other_low = other_low + <int64_t>y.block.memory.contents
        other_high = other_high + <int64_t>y.block.memory.contents
    return low < other_high and other_low < high


cdef void reach(ArrayBase x, int64_t *low, int64_t *high):
    cdef Py_ssize_t axis, step
    low[0] = high[0] = <int64_t>x.offset
    for axis in range(len(x.shape)):
        step = (<Py_ssize_t>x.shape[axis] - 1) * <Py_ssize_t>x.strides[axis]
        if step < 0:
            low[0] += step
        else:
            high[0] += step
    high[0] += x.itemsize
