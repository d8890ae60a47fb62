from libc.stdint cimport uint32_t, uint64_t

from metalpy._abi cimport mp_dispatch

cdef extern from *:
    """
    #define MPY_LARGEST_GRID UINT32_MAX /* threads along one axis */
    """
    const uint64_t LARGEST_GRID "MPY_LARGEST_GRID"

cdef enum:  # threadgroups that code was compiled for: any; as wide as simdgroups; 16 wide and of even height
    ANY_SHAPE, ROWS, HALF


cdef int parse_extents(str what, value, uint32_t *extents) except -1
cdef int shape_of(const mp_dispatch *dispatch) noexcept
cdef void default_group(int rank, const uint32_t *grid, uint64_t most, uint32_t *group) noexcept
