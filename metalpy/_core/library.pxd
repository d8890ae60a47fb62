from metalpy._abi cimport mp_driver, mp_library, mp_pipeline, mp_pipeline_limits
from metalpy._core.driver cimport Device


cdef class Library:
    cdef:
        const mp_driver *drv      # static
        mp_library *handle        # owned; keeps its device alive
        readonly Device device
        object __weakref__


cdef class Pipeline:
    cdef:
        const mp_driver *drv      # static
        mp_pipeline *handle       # owned; keeps its library alive
        mp_pipeline_limits limits
        readonly Device device
        readonly str name
        int serves                # which threadgroups it was compiled for, as dispatch.pyx numbers them; 0: any
