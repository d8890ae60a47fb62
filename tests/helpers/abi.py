"""metalpy_abi.h in ctypes: for devices made of Python, and to compare layouts."""

import ctypes
from ctypes import (
    CFUNCTYPE,
    POINTER,
    Structure,
    c_char,
    c_char_p,
    c_double,
    c_float,
    c_int32,
    c_uint32,
    c_uint64,
    c_void_p,
)  # fmt: skip

OK, TIMEOUT = 0, 1
INVALID, MEMORY, UNSUPPORTED, NOT_FOUND, LIBRARY, FAULT, TIME_LIMIT, FORKED, INTERNAL = range(-1, -10, -1)
ARGUMENT_BUFFER, ARGUMENT_BYTES, ARGUMENT_THREADGROUP, ARGUMENT_RESIDENT = 1, 2, 3, 4
ARGUMENT_TEXTURE, ARGUMENT_SAMPLER = 5, 6
TRACE_TIMES, TRACE_INTERVALS, TRACE_EVENTS, TRACE_OPERATIONS, TRACE_COPIES = 1, 2, 4, 8, 16
CAPTURE_ENABLED, CAPTURE_RUNNING = 1, 2


class Error(Structure):
    _fields_ = [("code", c_int32), ("message", c_char * 512)]


class DeviceInfo(Structure):
    _fields_ = [
        ("name", c_char * 128),
        ("registry_id", c_uint64),
        ("recommended_max_memory", c_uint64),
        ("max_buffer_length", c_uint64),
        ("max_threads_per_threadgroup", c_uint32),
        ("max_threadgroup_memory", c_uint32),
        ("thread_execution_width", c_uint32),
        ("core_count", c_uint32),
        ("has_unified_memory", c_uint32),
        ("gpu_family", c_uint32),
    ]


class PipelineLimits(Structure):
    _fields_ = [
        ("max_total_threads_per_threadgroup", c_uint32),
        ("thread_execution_width", c_uint32),
        ("static_threadgroup_memory", c_uint32),
        ("flags", c_uint32),
    ]


class Macro(Structure):
    _fields_ = [("name", c_char_p), ("value", c_char_p)]


class LibraryDesc(Structure):
    _fields_ = [
        ("kind", c_uint32),
        ("math_mode", c_uint32),
        ("data", c_void_p),
        ("size", c_uint64),
        ("macros", POINTER(Macro)),
        ("macro_count", c_uint32),
        ("language_version", c_uint32),
    ]


class Constant(Structure):
    _fields_ = [
        ("index", c_uint32),
        ("scalar", c_uint32),
        ("count", c_uint32),
        ("reserved", c_uint32),
        ("value", c_void_p),
    ]


class PipelineDesc(Structure):
    _fields_ = [
        ("name", c_char_p),
        ("constants", POINTER(Constant)),
        ("constant_count", c_uint32),
        ("reserved", c_uint32),
        ("archive", c_char_p),
    ]


class TypeRecord(Structure):
    _fields_ = [
        ("depth", c_uint32),
        ("kind", c_uint32),
        ("scalar", c_uint32),
        ("counts", c_uint32 * 2),
        ("binding", c_uint32),
        ("index", c_uint32),
        ("writes", c_uint32),
        ("offset", c_uint64),
        ("size", c_uint64),
        ("alignment", c_uint64),
        ("stride", c_uint64),
        ("name", c_char_p),
    ]


class ConstantRecord(Structure):
    _fields_ = [
        ("index", c_uint32),
        ("scalar", c_uint32),
        ("count", c_uint32),
        ("required", c_uint32),
        ("name", c_char_p),
    ]


class Argument(Structure):
    _fields_ = [
        ("kind", c_uint32),
        ("index", c_uint32),
        ("buffer", c_void_p),
        ("bytes", c_void_p),
        ("offset", c_uint64),
        ("size", c_uint64),
        ("texture", c_void_p),
        ("sampler", c_void_p),
    ]


class Dispatch(Structure):
    _fields_ = [
        ("pipeline", c_void_p),
        ("arguments", POINTER(Argument)),
        ("argument_count", c_uint32),
        ("threads", c_uint32 * 3),
        ("group_size", c_uint32 * 3),
        ("reserved", c_uint32),
    ]


class Matrix(Structure):
    _fields_ = [
        ("buffer", c_void_p),
        ("offset", c_uint64),
        ("rows", c_uint32),
        ("columns", c_uint32),
        ("row_bytes", c_uint64),
        ("scalar", c_uint32),
        ("transposed", c_uint32),
    ]


class TextureDesc(Structure):
    _fields_ = [
        (name, c_uint32)
        for name in "type pixel_format width height depth array_length levels samples usage reserved".split()
    ]


class TextureRegion(Structure):
    _fields_ = [
        ("level", c_uint32),
        ("element", c_uint32),
        ("origin", c_uint32 * 3),
        ("size", c_uint32 * 3),
        ("bytes_per_row", c_uint64),
        ("bytes_per_plane", c_uint64),
    ]


class SamplerDesc(Structure):
    _fields_ = [
        ("address_modes", c_uint32 * 3),
        ("min_filter", c_uint32),
        ("mag_filter", c_uint32),
        ("mip_filter", c_uint32),
        ("normalized_coordinates", c_uint32),
        ("max_anisotropy", c_uint32),
        ("compare_function", c_uint32),
        ("border_color", c_uint32),
        ("lod_min_clamp", c_float),
        ("lod_max_clamp", c_float),
    ]


class Timing(Structure):
    _fields_ = [("serial", c_uint64), ("start", c_uint64), ("end", c_uint64)]


class Message(Structure):
    _fields_ = [
        ("serial", c_uint64),
        ("level", c_uint32),
        ("line", c_uint32),
        ("has_thread", c_uint32),
        ("thread", c_uint32 * 3),
        ("kernel", c_char_p),
        ("file", c_char_p),
        ("subsystem", c_char_p),
        ("category", c_char_p),
        ("text", c_char_p),
    ]


_status, _handle, _out, _error, _serial = c_int32, c_void_p, POINTER(c_void_p), POINTER(Error), POINTER(c_uint64)
_u32, _u64 = c_uint32, c_uint64

# Name, result, arguments; the order is the header's.
FUNCTIONS = [
    ("device_count", _u32, ()),
    ("device_open", _status, (_u32, _out, _error)),
    ("device_release", None, (_handle,)),
    ("device_info", None, (_handle, POINTER(DeviceInfo))),
    ("device_allocated_size", _u64, (_handle,)),
    ("device_set_time_limit", _status, (_handle, _u64, _error)),
    ("device_now", _u64, (_handle,)),
    ("device_start_capture", _status, (_handle, c_char_p, _error)),
    ("device_stop_capture", None, (_handle,)),
    ("device_capture_state", _u32, (_handle,)),
    ("heap_buffer_size", _u64, (_handle, _u64)),
    ("heap_create", _status, (_handle, _u64, _u32, _out, _error)),
    ("heap_release", None, (_handle,)),
    ("heap_available", _u64, (_handle,)),
    ("heap_buffer_create", _status, (_handle, _u64, _out, _error)),
    ("buffer_create", _status, (_handle, _u64, _u32, _out, _error)),
    ("buffer_wrap", _status, (_handle, c_void_p, _u64, c_void_p, c_void_p, _out, _error)),
    ("buffer_retain", None, (_handle,)),
    ("buffer_release", None, (_handle,)),
    ("buffer_contents", c_void_p, (_handle,)),
    ("buffer_address", _u64, (_handle,)),
    ("buffer_size", _u64, (_handle,)),
    ("texture_size", _status, (_handle, POINTER(TextureDesc), _serial, _error)),
    ("texture_create", _status, (_handle, POINTER(TextureDesc), _handle, _u64, _u64, _out, _error)),
    ("texture_release", None, (_handle,)),
    ("texture_address", _u64, (_handle,)),
    ("texture_replace", _status, (_handle, POINTER(TextureRegion), c_void_p, _error)),
    ("texture_read", _status, (_handle, POINTER(TextureRegion), c_void_p, _error)),
    ("sampler_create", _status, (_handle, POINTER(SamplerDesc), _out, _error)),
    ("sampler_release", None, (_handle,)),
    ("sampler_address", _u64, (_handle,)),
    ("library_create", _status, (_handle, POINTER(LibraryDesc), _out, _error)),
    ("library_release", None, (_handle,)),
    ("library_compile_log", c_void_p, ()),
    ("library_names", None, (_handle, c_void_p, c_void_p)),
    ("library_constants", None, (_handle, c_char_p, c_void_p, c_void_p)),
    ("pipeline_create", _status, (_handle, POINTER(PipelineDesc), _out, _error)),
    ("pipeline_release", None, (_handle,)),
    ("pipeline_limits", None, (_handle, POINTER(PipelineLimits))),
    ("pipeline_arguments", None, (_handle, c_void_p, c_void_p)),
    ("queue_create", _status, (_handle, _out, _error)),
    ("queue_release", None, (_handle,)),
    ("queue_dispatch", _status, (_handle, POINTER(Dispatch), _serial, _error)),
    ("queue_copy", _status, (_handle, _handle, _u64, _handle, _u64, _u64, _serial, _error)),
    ("queue_fill", _status, (_handle, _handle, _u64, _u64, c_void_p, _u32, _serial, _error)),
    ("queue_matmul", _status, (_handle, *[POINTER(Matrix)] * 3, c_double, c_double, _serial, _error)),
    ("queue_softmax", _status, (_handle, *[POINTER(Matrix)] * 2, _serial, _error)),
    ("queue_generate_mipmaps", _status, (_handle, _handle, _serial, _error)),
    ("queue_signal_event", _status, (_handle, _handle, _u64, _serial, _error)),
    ("queue_wait_event", _status, (_handle, _handle, _u64, _serial, _error)),
    ("queue_commit", _status, (_handle, _error)),
    ("queue_wait", _status, (_handle, _u64, _u64, _error)),
    ("queue_completed", _u64, (_handle,)),
    ("queue_set_trace", _status, (_handle, _u32, _error)),
    ("queue_take_timings", _u32, (_handle, POINTER(Timing), _u32)),
    ("queue_take_messages", _u32, (_handle, c_void_p, c_void_p)),
    ("event_create", _status, (_handle, _out, _error)),
    ("event_release", None, (_handle,)),
    ("event_value", _u64, (_handle,)),
    ("event_time", _u64, (_handle,)),
    ("event_signal", _status, (_handle, _u64, _error)),
    ("event_wait", _status, (_handle, _u64, _u64, _error)),
]


class Driver(Structure):
    _fields_ = [
        ("abi_version", c_uint32),
        ("struct_size", c_uint32),
        ("name", c_char_p),
        *((name, CFUNCTYPE(result, *arguments)) for name, result, arguments in FUNCTIONS),
    ]


STRUCTS = {
    "mp_error": Error,
    "mp_device_info": DeviceInfo,
    "mp_pipeline_limits": PipelineLimits,
    "mp_macro": Macro,
    "mp_library_desc": LibraryDesc,
    "mp_constant": Constant,
    "mp_pipeline_desc": PipelineDesc,
    "mp_type_record": TypeRecord,
    "mp_constant_record": ConstantRecord,
    "mp_argument": Argument,
    "mp_dispatch": Dispatch,
    "mp_matrix": Matrix,
    "mp_texture_desc": TextureDesc,
    "mp_texture_region": TextureRegion,
    "mp_sampler_desc": SamplerDesc,
    "mp_timing": Timing,
    "mp_message": Message,
    "mp_driver": Driver,
}

RELEASE_CALLBACK = CFUNCTYPE(None, c_void_p)
MESSAGE_CALLBACK = CFUNCTYPE(None, c_void_p, POINTER(Message))


def address_of(structure):
    return ctypes.addressof(structure)
