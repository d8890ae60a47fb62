from libc.stdint cimport uint32_t, uint64_t

from metalpy._abi cimport mp_dispatch
from metalpy._core.driver cimport Device, Queue
from metalpy._core.graph cimport Node
from metalpy._core.library cimport Pipeline
from metalpy._core.encode cimport Encoder
from metalpy._core.plan cimport ArgumentPlan


cdef class Kernel:
    cdef:
        readonly Device device
        readonly str name
        object info               # compiler.reflection.KernelInfo
        object load               # () -> Pipeline, called once, on first need
        object specializer        # (dict of constants) -> Kernel, or None
        readonly object origin    # (program, function constants by index) that it is made from; None if not known
        Pipeline pipeline         # None until loaded
        list kept                 # of Pipeline: `suitable` ones, since recorded launches may still use those before
        uint64_t most             # threads of a threadgroup, where that is known before loading; 0: it is not
        tuple plans               # of ArgumentPlan, in the order of calling
        tuple threadgroup         # of reflection's Argument, those in threadgroup memory
        dict positions            # argument name -> position in `plans`
        # What recordings were last told of a launch, since the next one is often the same.
        tuple noted
        uint32_t[3] noted_threads
        uint32_t[3] noted_group
        uint64_t noted_bound
        object __weakref__
    cdef uint64_t give(self, Encoder encoder, const mp_dispatch *dispatch, Queue queue, Pipeline pipeline) except 0
    cdef Pipeline loaded(self)
    cdef Pipeline suitable(self, int shape)
    cdef tuple match(self, tuple args, dict by_name)
    cdef int encode(self, Encoder encoder, tuple values, arg_casts) except -1
    cdef int encode_cast(self, Encoder encoder, tuple values, arg_casts) except -1
    cdef tuple around_error_buffer(self, tuple args, dict by_name, error_buf_idx)
    cdef int bind_error_buffer(self, Encoder encoder, ArgumentPlan plan) except -1
    cdef int encode_threadgroup(self, Encoder encoder, threadgroup_memory) except -1
    cdef int set_grid(self, mp_dispatch *dispatch, tuple values, threads, groups, group_size) except -1
    cdef int default_grid(self, tuple values, uint32_t *grid) except -1
    cdef bint add_to_graph(self, Encoder encoder, const mp_dispatch *dispatch, tuple values, tuple options) except -1
    cdef int find_error_buffer(self, Node node) except -1
    cdef tuple details(self, const mp_dispatch *dispatch, tuple values)
    cdef int record(self, Queue queue, uint64_t serial, uint64_t began, const mp_dispatch *dispatch,
                    tuple values) except -1
