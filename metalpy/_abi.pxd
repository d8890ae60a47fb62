"""Mirror of include/metalpy_abi.h: same names, same order, no logic. The comments are in the header."""

from libc.stdint cimport int32_t, uint32_t, uint64_t


cdef extern from "metalpy_abi.h" nogil:
    const uint32_t MP_ABI_VERSION
    const uint32_t MP_MAX_BUFFERS
    const uint32_t MP_MAX_THREADGROUP_ARGUMENTS
    const uint32_t MP_MAX_TEXTURES
    const uint32_t MP_MAX_SAMPLERS
    const uint32_t MP_MAX_THREADS_PER_THREADGROUP
    const uint32_t MP_MAX_THREADGROUP_MEMORY
    const uint32_t MP_THREAD_EXECUTION_WIDTH
    const uint32_t MP_ERROR_MESSAGE_SIZE
    const uint32_t MP_NAME_SIZE
    const uint64_t MP_FOREVER
    const uint32_t MP_TRACE_CAPACITY

    ctypedef int32_t mp_status
    enum:
        MP_OK
        MP_TIMEOUT
        MP_ERROR_INVALID
        MP_ERROR_MEMORY
        MP_ERROR_UNSUPPORTED
        MP_ERROR_NOT_FOUND
        MP_ERROR_LIBRARY
        MP_ERROR_FAULT
        MP_ERROR_TIME_LIMIT
        MP_ERROR_FORKED
        MP_ERROR_INTERNAL

    ctypedef struct mp_error:
        mp_status code
        char message[512]

    ctypedef struct mp_device:
        pass
    ctypedef struct mp_heap:
        pass
    ctypedef struct mp_buffer:
        pass
    ctypedef struct mp_texture:
        pass
    ctypedef struct mp_sampler:
        pass
    ctypedef struct mp_library:
        pass
    ctypedef struct mp_pipeline:
        pass
    ctypedef struct mp_queue:
        pass
    ctypedef struct mp_event:
        pass

    ctypedef struct mp_device_info:
        char name[128]
        uint64_t registry_id
        uint64_t recommended_max_memory
        uint64_t max_buffer_length
        uint32_t max_threads_per_threadgroup
        uint32_t max_threadgroup_memory
        uint32_t thread_execution_width
        uint32_t core_count
        uint32_t has_unified_memory
        uint32_t gpu_family

    ctypedef struct mp_pipeline_limits:
        uint32_t max_total_threads_per_threadgroup
        uint32_t thread_execution_width
        uint32_t static_threadgroup_memory
        uint32_t flags

    enum:
        MP_PIPELINE_MESSAGES
        MP_PIPELINE_GPU
        MP_PIPELINE_CHECKED
        MP_PIPELINE_SIMDGROUPS

    enum:
        MP_LIBRARY_SOURCE
        MP_LIBRARY_METALLIB
        MP_LIBRARY_NATIVE
        MP_LIBRARY_METALLIB_FILE

    enum:
        MP_MATH_SAFE
        MP_MATH_RELAXED
        MP_MATH_FAST

    ctypedef struct mp_macro:
        const char *name
        const char *value

    ctypedef struct mp_library_desc:
        uint32_t kind
        uint32_t math_mode
        const char *data
        uint64_t size
        const mp_macro *macros
        uint32_t macro_count
        uint32_t language_version

    enum:
        MP_SCALAR_NONE
        MP_SCALAR_BOOL
        MP_SCALAR_INT8
        MP_SCALAR_UINT8
        MP_SCALAR_INT16
        MP_SCALAR_UINT16
        MP_SCALAR_INT32
        MP_SCALAR_UINT32
        MP_SCALAR_INT64
        MP_SCALAR_UINT64
        MP_SCALAR_FLOAT16
        MP_SCALAR_BFLOAT16
        MP_SCALAR_FLOAT32

    ctypedef struct mp_constant:
        uint32_t index
        uint32_t scalar
        uint32_t count
        uint32_t reserved
        const void *value

    ctypedef struct mp_pipeline_desc:
        const char *name
        const mp_constant *constants
        uint32_t constant_count
        uint32_t reserved
        const char *archive

    enum:
        MP_TYPE_UNKNOWN
        MP_TYPE_SCALAR
        MP_TYPE_VECTOR
        MP_TYPE_MATRIX
        MP_TYPE_ARRAY
        MP_TYPE_STRUCT
        MP_TYPE_POINTER
        MP_TYPE_TEXTURE
        MP_TYPE_SAMPLER

    ctypedef struct mp_type_record:
        uint32_t depth
        uint32_t kind
        uint32_t scalar
        uint32_t counts[2]
        uint32_t binding
        uint32_t index
        uint32_t writes
        uint64_t offset
        uint64_t size
        uint64_t alignment
        uint64_t stride
        const char *name

    ctypedef void (*mp_type_callback)(void *context, const mp_type_record *record) noexcept nogil

    ctypedef struct mp_constant_record:
        uint32_t index
        uint32_t scalar
        uint32_t count
        uint32_t required
        const char *name

    ctypedef void (*mp_constant_callback)(void *context, const mp_constant_record *record) noexcept nogil
    ctypedef void (*mp_name_callback)(void *context, const char *name) noexcept nogil

    enum:
        MP_ARGUMENT_BUFFER
        MP_ARGUMENT_BYTES
        MP_ARGUMENT_THREADGROUP
        MP_ARGUMENT_RESIDENT
        MP_ARGUMENT_TEXTURE
        MP_ARGUMENT_SAMPLER

    ctypedef struct mp_argument:
        uint32_t kind
        uint32_t index
        mp_buffer *buffer
        const void *bytes
        uint64_t offset
        uint64_t size
        mp_texture *texture
        mp_sampler *sampler

    ctypedef struct mp_dispatch:
        mp_pipeline *pipeline
        const mp_argument *arguments
        uint32_t argument_count
        uint32_t threads[3]
        uint32_t group_size[3]
        uint32_t reserved

    ctypedef struct mp_matrix:
        mp_buffer *buffer
        uint64_t offset
        uint32_t rows
        uint32_t columns
        uint64_t row_bytes
        uint32_t scalar
        uint32_t transposed

    enum:
        MP_TEXTURE_READ
        MP_TEXTURE_WRITE

    ctypedef struct mp_texture_desc:
        uint32_t type
        uint32_t pixel_format
        uint32_t width
        uint32_t height
        uint32_t depth
        uint32_t array_length
        uint32_t levels
        uint32_t samples
        uint32_t usage
        uint32_t reserved

    ctypedef struct mp_texture_region:
        uint32_t level
        uint32_t element
        uint32_t origin[3]
        uint32_t size[3]
        uint64_t bytes_per_row
        uint64_t bytes_per_plane

    ctypedef struct mp_sampler_desc:
        uint32_t address_modes[3]
        uint32_t min_filter
        uint32_t mag_filter
        uint32_t mip_filter
        uint32_t normalized_coordinates
        uint32_t max_anisotropy
        uint32_t compare_function
        uint32_t border_color
        float lod_min_clamp
        float lod_max_clamp

    enum:
        MP_RESOURCE_PRIVATE
        MP_RESOURCE_UNTRACKED

    enum:
        MP_TRACE_TIMES
        MP_TRACE_INTERVALS
        MP_TRACE_EVENTS
        MP_TRACE_OPERATIONS
        MP_TRACE_COPIES

    ctypedef struct mp_timing:
        uint64_t serial
        uint64_t start
        uint64_t end

    enum:
        MP_MESSAGE_DEBUG
        MP_MESSAGE_INFO
        MP_MESSAGE_DEFAULT
        MP_MESSAGE_ERROR
        MP_MESSAGE_FAULT
        MP_MESSAGE_PRINT
        MP_MESSAGE_REPORT
        MP_MESSAGE_LOST

    ctypedef struct mp_message:
        uint64_t serial
        uint32_t level
        uint32_t line
        uint32_t has_thread
        uint32_t thread[3]
        const char *kernel
        const char *file
        const char *subsystem
        const char *category
        const char *text

    ctypedef void (*mp_message_callback)(void *context, const mp_message *message) noexcept nogil

    enum:
        MP_CAPTURE_ENABLED
        MP_CAPTURE_RUNNING

    ctypedef void (*mp_release_callback)(void *context) noexcept nogil

    ctypedef struct mp_driver:
        uint32_t abi_version
        uint32_t struct_size
        const char *name

        uint32_t (*device_count)() noexcept nogil
        mp_status (*device_open)(uint32_t index, mp_device **device, mp_error *error) noexcept nogil
        void (*device_release)(mp_device *device) noexcept nogil
        void (*device_info)(mp_device *device, mp_device_info *info) noexcept nogil
        uint64_t (*device_allocated_size)(mp_device *device) noexcept nogil
        mp_status (*device_set_time_limit)(mp_device *device, uint64_t limit_ns, mp_error *error) noexcept nogil
        uint64_t (*device_now)(mp_device *device) noexcept nogil

        mp_status (*device_start_capture)(mp_device *device, const char *path, mp_error *error) noexcept nogil
        void (*device_stop_capture)(mp_device *device) noexcept nogil
        uint32_t (*device_capture_state)(mp_device *device) noexcept nogil

        uint64_t (*heap_buffer_size)(mp_device *device, uint64_t size) noexcept nogil
        mp_status (*heap_create)(mp_device *device, uint64_t size, uint32_t options, mp_heap **heap,
                                 mp_error *error) noexcept nogil
        void (*heap_release)(mp_heap *heap) noexcept nogil
        uint64_t (*heap_available)(mp_heap *heap) noexcept nogil
        mp_status (*heap_buffer_create)(mp_heap *heap, uint64_t size, mp_buffer **buffer,
                                        mp_error *error) noexcept nogil

        mp_status (*buffer_create)(mp_device *device, uint64_t size, uint32_t options, mp_buffer **buffer,
                                   mp_error *error) noexcept nogil
        mp_status (*buffer_wrap)(mp_device *device, void *memory, uint64_t size, mp_release_callback release,
                                 void *context, mp_buffer **buffer, mp_error *error) noexcept nogil
        void (*buffer_retain)(mp_buffer *buffer) noexcept nogil
        void (*buffer_release)(mp_buffer *buffer) noexcept nogil
        void *(*buffer_contents)(mp_buffer *buffer) noexcept nogil
        uint64_t (*buffer_address)(mp_buffer *buffer) noexcept nogil
        uint64_t (*buffer_size)(mp_buffer *buffer) noexcept nogil

        mp_status (*texture_size)(mp_device *device, const mp_texture_desc *desc, uint64_t *size,
                                  mp_error *error) noexcept nogil
        mp_status (*texture_create)(mp_device *device, const mp_texture_desc *desc, mp_buffer *buffer,
                                    uint64_t offset, uint64_t bytes_per_row, mp_texture **texture,
                                    mp_error *error) noexcept nogil
        void (*texture_release)(mp_texture *texture) noexcept nogil
        uint64_t (*texture_address)(mp_texture *texture) noexcept nogil
        mp_status (*texture_replace)(mp_texture *texture, const mp_texture_region *region, const void *bytes,
                                     mp_error *error) noexcept nogil
        mp_status (*texture_read)(mp_texture *texture, const mp_texture_region *region, void *bytes,
                                  mp_error *error) noexcept nogil
        mp_status (*sampler_create)(mp_device *device, const mp_sampler_desc *desc, mp_sampler **sampler,
                                    mp_error *error) noexcept nogil
        void (*sampler_release)(mp_sampler *sampler) noexcept nogil
        uint64_t (*sampler_address)(mp_sampler *sampler) noexcept nogil

        mp_status (*library_create)(mp_device *device, const mp_library_desc *desc, mp_library **library,
                                    mp_error *error) noexcept nogil
        void (*library_release)(mp_library *library) noexcept nogil
        const char *(*library_compile_log)() noexcept nogil
        void (*library_names)(mp_library *library, mp_name_callback each, void *context) noexcept nogil
        void (*library_constants)(mp_library *library, const char *name, mp_constant_callback each,
                                  void *context) noexcept nogil
        mp_status (*pipeline_create)(mp_library *library, const mp_pipeline_desc *desc, mp_pipeline **pipeline,
                                     mp_error *error) noexcept nogil
        void (*pipeline_release)(mp_pipeline *pipeline) noexcept nogil
        void (*pipeline_limits)(mp_pipeline *pipeline, mp_pipeline_limits *limits) noexcept nogil
        void (*pipeline_arguments)(mp_pipeline *pipeline, mp_type_callback each, void *context) noexcept nogil

        mp_status (*queue_create)(mp_device *device, mp_queue **queue, mp_error *error) noexcept nogil
        void (*queue_release)(mp_queue *queue) noexcept nogil
        mp_status (*queue_dispatch)(mp_queue *queue, const mp_dispatch *dispatch, uint64_t *serial,
                                    mp_error *error) noexcept nogil
        mp_status (*queue_copy)(mp_queue *queue, mp_buffer *target, uint64_t target_offset, mp_buffer *source,
                                uint64_t source_offset, uint64_t size, uint64_t *serial,
                                mp_error *error) noexcept nogil
        mp_status (*queue_fill)(mp_queue *queue, mp_buffer *target, uint64_t offset, uint64_t size,
                                const void *pattern, uint32_t pattern_size, uint64_t *serial,
                                mp_error *error) noexcept nogil
        mp_status (*queue_matmul)(mp_queue *queue, const mp_matrix *target, const mp_matrix *left,
                                  const mp_matrix *right, double alpha, double beta, uint64_t *serial,
                                  mp_error *error) noexcept nogil
        mp_status (*queue_softmax)(mp_queue *queue, const mp_matrix *target, const mp_matrix *source, uint64_t *serial,
                                   mp_error *error) noexcept nogil
        mp_status (*queue_generate_mipmaps)(mp_queue *queue, mp_texture *texture, uint64_t *serial,
                                            mp_error *error) noexcept nogil
        mp_status (*queue_signal_event)(mp_queue *queue, mp_event *event, uint64_t value, uint64_t *serial,
                                        mp_error *error) noexcept nogil
        mp_status (*queue_wait_event)(mp_queue *queue, mp_event *event, uint64_t value, uint64_t *serial,
                                      mp_error *error) noexcept nogil
        mp_status (*queue_commit)(mp_queue *queue, mp_error *error) noexcept nogil
        mp_status (*queue_wait)(mp_queue *queue, uint64_t serial, uint64_t timeout_ns, mp_error *error) noexcept nogil
        uint64_t (*queue_completed)(mp_queue *queue) noexcept nogil
        mp_status (*queue_set_trace)(mp_queue *queue, uint32_t trace, mp_error *error) noexcept nogil
        uint32_t (*queue_take_timings)(mp_queue *queue, mp_timing *timings, uint32_t capacity) noexcept nogil
        uint32_t (*queue_take_messages)(mp_queue *queue, mp_message_callback each, void *context) noexcept nogil

        mp_status (*event_create)(mp_device *device, mp_event **event, mp_error *error) noexcept nogil
        void (*event_release)(mp_event *event) noexcept nogil
        uint64_t (*event_value)(mp_event *event) noexcept nogil
        uint64_t (*event_time)(mp_event *event) noexcept nogil
        mp_status (*event_signal)(mp_event *event, uint64_t value, mp_error *error) noexcept nogil
        mp_status (*event_wait)(mp_event *event, uint64_t value, uint64_t timeout_ns, mp_error *error) noexcept nogil

    const mp_driver *mp_software_driver()
    const mp_driver *mp_metal_driver()
