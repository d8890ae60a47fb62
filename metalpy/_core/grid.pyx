"""Extents of a launch: threads of the grid and of a threadgroup, and what follows from them."""

from cpython.long cimport PyLong_CheckExact

from operator import index

from metalpy.errors import LaunchTypeError, LaunchValueError


cdef int parse_extents(str what, value, uint32_t *extents) except -1:
    """An int or a sequence of one to three of them; returns how many."""
    cdef int axis
    extents[0] = extents[1] = extents[2] = 1
    if PyLong_CheckExact(value):
        extents[0] = parse_extent(what, value)
        return 1
    if not isinstance(value, (tuple, list)):
        try:
            extents[0] = parse_extent(what, index(value))
            return 1
        except TypeError:  # perhaps another kind of sequence
            pass
    try:
        sequence = tuple(value)
    except TypeError:
        raise LaunchTypeError(f"{what} is an int or one to three ints, got {value!r}") from None
    if not 1 <= len(sequence) <= 3:
        raise LaunchValueError(f"{what} has one to three dimensions, got {len(sequence)}")
    for axis in range(<int>len(sequence)):
        entry = sequence[axis]
        if not hasattr(entry, "__index__"):
            raise LaunchTypeError(f"{what} is an int or one to three ints, got {value!r}")
        extents[axis] = parse_extent(what, entry.__index__())
    return <int>len(sequence)


cdef uint32_t parse_extent(str what, value) except? 0:
    if not 0 <= value <= LARGEST_GRID:
        raise LaunchValueError(f"{what} must be between 0 and {LARGEST_GRID}, got {value}")
    return <uint32_t>value


cdef int shape_of(const mp_dispatch *dispatch) noexcept:
    """What all threadgroups of a launch have in common, those at the grid's edges too."""
    if dispatch.group_size[0] % 32 == 0 and dispatch.threads[0] % 32 == 0:
        return ROWS
    if dispatch.group_size[0] == 16 and dispatch.threads[0] % 16 == 0 and \
            dispatch.group_size[1] % 2 == 0 and dispatch.threads[1] % 2 == 0:
        return HALF
    return ANY_SHAPE


cdef void default_group(int rank, const uint32_t *grid, uint64_t most, uint32_t *group) noexcept:
    """Fills a threadgroup as `Kernel` documents."""
    cdef uint64_t one = 1, simdgroup = 32
    cdef uint64_t width, height, depth
    if rank == 1:
        group[0] = <uint32_t>min(max(<uint64_t>grid[0], one), most)
        group[1] = group[2] = 1
        return
    width = min(min(max(<uint64_t>grid[0], one), simdgroup), most)
    height = min(max(<uint64_t>grid[1], one), most // width)
    depth = min(max(<uint64_t>grid[2], one), most // (width * height))
    if grid[0] > width and most // (height * depth) > 32:
        width = min(<uint64_t>grid[0], most // (height * depth) // 32 * 32)
    group[0] = <uint32_t>width
    group[1] = <uint32_t>height
    group[2] = <uint32_t>depth
