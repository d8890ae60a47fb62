from libc.stdint cimport uint32_t, uint64_t

from metalpy._abi cimport mp_argument, mp_dispatch
from metalpy._core.driver cimport Device, Queue
from metalpy._core.pool cimport Block

cdef int recorders                # recordings that are under way, of all threads


cdef class Node:
    """One command of a graph."""
    cdef:
        readonly str kind         # "launch", "copy" or "fill"
        readonly str name
        readonly object kernel    # of a launch
        readonly tuple values     # the caller's, one for each argument of the kernel; they keep what is bound alive
        readonly object options   # what else says how the values are encoded: dispatch.pyx knows
        object details            # what recordings of the profiler are told
        mp_dispatch dispatch
        mp_argument *arguments    # owned. Of a copy: target and source; of a fill: target and pattern
        uint32_t count
        char *bytes               # owned; what arguments refer to, one after another
        list blocks               # the Block that each argument uses, or None
        bint speaks               # the kernel may say something
        int errors                # the argument that is the queue's error buffer, or -1
    cdef int take(self, const mp_dispatch *dispatch, list blocks) except -1
    cdef uint64_t give(self, Queue queue) except 0


cdef class GraphBase:
    cdef:
        readonly Device device
        list commands             # of Node
        dict blocks               # keys: all that the nodes use
        bint runs                 # what is recorded also runs
        dict thread               # of the thread that records
        object __weakref__
    cdef int add(self, Node node, const mp_dispatch *dispatch, list blocks) except -1


cdef GraphBase recording_graph(Device device)
