/* record.c: checks commands and writes them into the queue's open batch. */
#include "software.h"

#include <stdlib.h>
#include <string.h>

#define MAX_GROUPS (UINT64_C(1) << 62) /* so that claim counters cannot overflow */

/* ---- batches ---- */

static struct sw_batch *take_batch(mp_queue *queue)
{
    pthread_mutex_lock(&sw_device.lock);
    struct sw_batch *batch = queue->spare;
    if (batch) {
        queue->spare = batch->next;
        queue->spare_count--;
    }
    pthread_mutex_unlock(&sw_device.lock);
    if (!batch)
        batch = malloc(sizeof *batch);
    if (batch) {
        batch->next = NULL;
        batch->blocks = NULL;
        batch->work = 0;
        batch->count = 0;
        batch->used = 0;
    }
    return batch;
}

void sw_batch_clear(struct sw_batch *batch)
{
    while (batch->blocks) {
        struct sw_block *block = batch->blocks;
        batch->blocks = block->next;
        free(block);
    }
}

void sw_batch_free(struct sw_batch *batch)
{
    sw_batch_clear(batch);
    free(batch);
}

static inline uint64_t padded(uint64_t size)
{
    return (size + 15) & ~UINT64_C(15);
}

/* 16-byte aligned memory that lives as long as the batch; NULL without memory. The caller has made sure with
 * `begin` that what one command needs fits, or is so large that it gets a block of its own. */
static void *arena_take(struct sw_batch *batch, uint64_t size)
{
    uint64_t rounded = padded(size);
    if (rounded <= SW_ARENA_SIZE - batch->used) {
        void *taken = batch->arena + batch->used;
        batch->used += (uint32_t)rounded;
        return taken;
    }
    struct sw_block *block = malloc(sizeof *block + rounded);
    if (!block)
        return NULL;
    block->next = batch->blocks;
    batch->blocks = block;
    return block->bytes;
}

/* A command to fill in, in a batch with `bytes` of arena left if any batch has that much. record_lock is held. */
static struct sw_command *begin(mp_queue *queue, uint64_t bytes, mp_error *error)
{
    struct sw_batch *batch = queue->open;
    if (batch && bytes > SW_ARENA_SIZE - batch->used) {
        sw_queue_commit_open(queue, true);
        batch = NULL;
    }
    if (!batch) {
        batch = take_batch(queue);
        if (!batch) {
            sw_fail(error, MP_ERROR_MEMORY, "no memory for a command buffer");
            return NULL;
        }
        batch->first_serial = queue->next_serial;
        queue->open = batch;
    }
    struct sw_command *command = &batch->commands[batch->count];
    command->retained_count = 0;
    command->texture_count = 0;
    return command;
}

/* Takes the command that `begin` returned into the batch. */
static void end(mp_queue *queue, uint64_t work, uint64_t *serial)
{
    struct sw_batch *batch = queue->open;
    batch->commands[batch->count++].timed = queue->timed;
    batch->work = work > UINT64_MAX - batch->work ? UINT64_MAX : batch->work + work;
    if (serial)
        *serial = queue->next_serial;
    queue->next_serial++;
    if (batch->count == SW_BATCH_COMMANDS || batch->work >= SW_BATCH_THREADS)
        sw_queue_commit_open(queue, true);
}

/* When filling in failed: an open batch must not stay empty. */
static void cancel(mp_queue *queue)
{
    if (queue->open->count == 0) {
        sw_batch_free(queue->open);
        queue->open = NULL;
    }
}

void sw_command_release(struct sw_command *command)
{
    for (uint32_t i = 0; i < command->retained_count; i++)
        sw_buffer_release(command->retained[i]);
    for (uint32_t i = 0; i < command->texture_count; i++)
        sw_texture_release(command->textures[i]);
    if (command->kind == SW_DISPATCH)
        sw_pipeline_release(command->u.dispatch.pipeline);
    else if (command->kind == SW_SIGNAL || command->kind == SW_WAIT)
        sw_event_release(command->u.event.event);
}

/* ---- dispatches ---- */

struct needs {             /* what a dispatch takes from the arena */
    uint64_t bytes;        /* arguments by value, each rounded up to 16 */
    uint32_t retained;
    uint32_t textures;     /* retained, too */
    bool threadgroup;
    bool texture_table;
    bool sampler_table;
    bool sizes;            /* of buffers, for a kernel that looks at its accesses */
};

static uint32_t index_limit(uint32_t kind)
{
    switch (kind) {
    case MP_ARGUMENT_THREADGROUP:
        return MP_MAX_THREADGROUP_ARGUMENTS;
    case MP_ARGUMENT_TEXTURE:
        return MP_MAX_TEXTURES;
    case MP_ARGUMENT_SAMPLER:
        return MP_MAX_SAMPLERS;
    case MP_ARGUMENT_RESIDENT:
        return UINT32_MAX;
    default:
        return MP_MAX_BUFFERS;
    }
}

static mp_status check_sizes(const mp_dispatch *dispatch, uint32_t group_count[3], uint64_t *work, mp_error *error)
{
    const mp_pipeline *pipeline = dispatch->pipeline;
    const uint32_t *group = dispatch->group_size;
    uint64_t threads = 1, groups = 1;
    for (int i = 0; i < 3; i++) {
        if (group[i] == 0 || group[i] > MP_MAX_THREADS_PER_THREADGROUP)
            return sw_fail(error, MP_ERROR_INVALID,
                           "kernel '%s': threadgroup size (%u, %u, %u) needs every entry to be from 1 to %d",
                           pipeline->name, group[0], group[1], group[2], MP_MAX_THREADS_PER_THREADGROUP);
        threads *= group[i];
        group_count[i] = dispatch->threads[i] / group[i] + (dispatch->threads[i] % group[i] != 0);
        if (group_count[i] && groups > MAX_GROUPS / group_count[i])
            return sw_fail(error, MP_ERROR_INVALID, "kernel '%s': a grid of (%u, %u, %u) threads is too large",
                           pipeline->name, dispatch->threads[0], dispatch->threads[1], dispatch->threads[2]);
        groups *= group_count[i];
    }
    if (threads > pipeline->max_threads)
        return sw_fail(error, MP_ERROR_INVALID,
                       "kernel '%s': a threadgroup of (%u, %u, %u) has %llu threads; the kernel's limit is %u",
                       pipeline->name, group[0], group[1], group[2], (unsigned long long)threads,
                       pipeline->max_threads);
    *work = groups > UINT64_MAX / threads ? UINT64_MAX : groups * threads;
    return MP_OK;
}

static mp_status check_arguments(const mp_dispatch *dispatch, struct needs *needs, mp_error *error)
{
    const mp_pipeline *pipeline = dispatch->pipeline;
    uint64_t memory[MP_MAX_THREADGROUP_ARGUMENTS] = {0};
    *needs = (struct needs){.sizes = pipeline->kernel->flags & MP_KERNEL_CHECKED};
    for (uint32_t i = 0; i < dispatch->argument_count; i++) {
        const mp_argument *argument = &dispatch->arguments[i];
        uint32_t limit = index_limit(argument->kind);
        if (argument->index >= limit)
            return sw_fail(error, MP_ERROR_INVALID, "kernel '%s': argument index %u is not below %u", pipeline->name,
                           argument->index, limit);
        switch (argument->kind) {
        case MP_ARGUMENT_BUFFER:
            if (argument->buffer && argument->offset > argument->buffer->size)
                return sw_fail(error, MP_ERROR_INVALID,
                               "kernel '%s': offset %llu of buffer(%u) lies outside the buffer of %llu bytes",
                               pipeline->name, (unsigned long long)argument->offset, argument->index,
                               (unsigned long long)argument->buffer->size);
            needs->retained += argument->buffer != NULL;
            break;
        case MP_ARGUMENT_BYTES:
            if (!argument->bytes || argument->size == 0 || argument->size > UINT32_MAX)
                return sw_fail(error, MP_ERROR_INVALID, "kernel '%s': buffer(%u) cannot be bound to %llu bytes by value",
                               pipeline->name, argument->index, (unsigned long long)argument->size);
            needs->bytes += padded(argument->size);
            break;
        case MP_ARGUMENT_THREADGROUP:
            memory[argument->index] =
                argument->size > MP_MAX_THREADGROUP_MEMORY ? UINT64_C(1) << 32 : padded(argument->size);
            needs->threadgroup = true;
            break;
        case MP_ARGUMENT_RESIDENT:
            if (!argument->buffer && !argument->texture && !argument->sampler) /* a sampler is its address */
                return sw_fail(error, MP_ERROR_INVALID,
                               "kernel '%s': a resident argument needs a buffer, texture or sampler", pipeline->name);
            needs->retained += argument->buffer != NULL;
            needs->textures += argument->texture != NULL;
            break;
        case MP_ARGUMENT_TEXTURE:
            needs->textures += argument->texture != NULL;
            needs->texture_table = true;
            break;
        case MP_ARGUMENT_SAMPLER:
            if (!argument->sampler)
                return sw_fail(error, MP_ERROR_INVALID, "kernel '%s': sampler(%u) is bound to nothing", pipeline->name,
                               argument->index);
            needs->sampler_table = true;
            break;
        default:
            return sw_fail(error, MP_ERROR_INVALID, "kernel '%s': argument kind %u is unknown", pipeline->name,
                           argument->kind);
        }
    }
    uint64_t total = pipeline->kernel->static_threadgroup_memory;
    for (int i = 0; needs->threadgroup && i < MP_MAX_THREADGROUP_ARGUMENTS; i++)
        total += memory[i];
    if (total > MP_MAX_THREADGROUP_MEMORY)
        return sw_fail(error, MP_ERROR_INVALID,
                       "kernel '%s': its threadgroup memory, static and bound, exceeds the device's limit of %d bytes",
                       pipeline->name, MP_MAX_THREADGROUP_MEMORY);
    return MP_OK;
}

/* Bytes of arena that a dispatch takes at most. */
static uint64_t arena_needed(const struct needs *needs)
{
    uint64_t total = sizeof(void *) * MP_MAX_BUFFERS + needs->bytes + sizeof(mp_buffer *) * needs->retained +
                     sizeof(mp_texture *) * needs->textures;
    if (needs->threadgroup)
        total += sizeof(uint32_t) * MP_MAX_THREADGROUP_ARGUMENTS;
    if (needs->texture_table)
        total += sizeof(void *) * MP_MAX_TEXTURES;
    if (needs->sampler_table)
        total += sizeof(uint64_t) * MP_MAX_SAMPLERS;
    if (needs->sizes)
        total += sizeof(uint64_t) * MP_MAX_BUFFERS;
    return total + 16 * 8; /* each is rounded up */
}

/* `size` zeroed bytes if there is a need for them; sets `failed` where there is no memory. */
static inline void *table(struct sw_batch *batch, bool needed, uint64_t size, bool *failed)
{
    if (!needed)
        return NULL;
    void *taken = arena_take(batch, size);
    if (taken)
        memset(taken, 0, size);
    else
        *failed = true;
    return taken;
}

/* Turns the sizes of threadgroup arguments (plus 1) into their offsets (plus 1). */
static uint32_t place_threadgroup(uint32_t *threadgroup)
{
    uint32_t offset = 0;
    for (int i = 0; threadgroup && i < MP_MAX_THREADGROUP_ARGUMENTS; i++) {
        if (threadgroup[i]) {
            uint32_t size = threadgroup[i] - 1;
            threadgroup[i] = offset + 1;
            offset += size;
        }
    }
    return offset;
}

static mp_status fill_dispatch(struct sw_batch *batch, struct sw_command *command, const mp_dispatch *dispatch,
                               const struct needs *needs, mp_error *error)
{
    bool failed = false;
    void **buffers = table(batch, true, sizeof(void *) * MP_MAX_BUFFERS, &failed);
    mp_buffer **retained = table(batch, needs->retained, sizeof(mp_buffer *) * needs->retained, &failed);
    mp_texture **textures = table(batch, needs->textures, sizeof(mp_texture *) * needs->textures, &failed);
    uint32_t *threadgroup =
        table(batch, needs->threadgroup, sizeof(uint32_t) * MP_MAX_THREADGROUP_ARGUMENTS, &failed);
    const mp_texture_view **views = table(batch, needs->texture_table, sizeof(void *) * MP_MAX_TEXTURES, &failed);
    unsigned long *samplers = table(batch, needs->sampler_table, sizeof(long) * MP_MAX_SAMPLERS, &failed);
    uint64_t *sizes = table(batch, needs->sizes, sizeof(uint64_t) * MP_MAX_BUFFERS, &failed);
    uint8_t *bytes = needs->bytes && !failed ? arena_take(batch, needs->bytes) : NULL;
    if (failed || (needs->bytes && !bytes))
        return sw_fail(error, MP_ERROR_MEMORY, "no memory for %llu bytes of arguments",
                       (unsigned long long)needs->bytes);

    uint32_t count = 0, texture_count = 0;
    for (uint32_t i = 0; i < dispatch->argument_count; i++) {
        const mp_argument *argument = &dispatch->arguments[i];
        mp_buffer *buffer = NULL;
        mp_texture *texture = NULL;
        switch (argument->kind) {
        case MP_ARGUMENT_BUFFER:
            buffer = argument->buffer;
            buffers[argument->index] = buffer ? (uint8_t *)buffer->memory + argument->offset : NULL;
            if (sizes && buffer)
                sizes[argument->index] = argument->size ? argument->size : buffer->size - argument->offset;
            break;
        case MP_ARGUMENT_RESIDENT:
            buffer = argument->buffer;
            texture = argument->texture;
            break;
        case MP_ARGUMENT_BYTES:
            memcpy(bytes, argument->bytes, argument->size);
            buffers[argument->index] = bytes;
            if (sizes)
                sizes[argument->index] = argument->size;
            bytes += padded(argument->size);
            break;
        case MP_ARGUMENT_TEXTURE:
            texture = argument->texture;
            views[argument->index] = texture ? sw_texture_view(texture) : NULL;
            break;
        case MP_ARGUMENT_SAMPLER:
            samplers[argument->index] = sw_sampler_address(argument->sampler);
            break;
        default:
            threadgroup[argument->index] = (uint32_t)padded(argument->size) + 1;
        }
        if (buffer) {
            sw_retain(&buffer->references);
            retained[count++] = buffer;
        }
        if (texture) {
            sw_texture_retain(texture);
            textures[texture_count++] = texture;
        }
    }
    command->u.dispatch.threadgroup_size = place_threadgroup(threadgroup);
    command->retained = retained;
    command->retained_count = count;
    command->textures = textures;
    command->texture_count = texture_count;
    command->u.dispatch.buffers = buffers;
    command->u.dispatch.threadgroup = threadgroup;
    command->u.dispatch.sizes = sizes;
    command->u.dispatch.textures = views;
    command->u.dispatch.samplers = samplers;
    return MP_OK;
}

mp_status sw_queue_dispatch(mp_queue *queue, const mp_dispatch *dispatch, uint64_t *serial, mp_error *error)
{
    mp_status status = sw_check_fork(error);
    uint32_t group_count[3];
    uint64_t work = 0;
    struct needs needs;
    if (status || (status = check_sizes(dispatch, group_count, &work, error)) ||
        (status = check_arguments(dispatch, &needs, error)))
        return status;

    pthread_mutex_lock(&queue->record_lock);
    uint64_t total = arena_needed(&needs);
    struct sw_command *command = begin(queue, total <= SW_ARENA_SIZE ? total : 0, error);
    if (!command) {
        status = MP_ERROR_MEMORY;
    } else if (work == 0) {
        command->kind = SW_NOTHING;
        end(queue, 0, serial);
    } else if ((status = fill_dispatch(queue->open, command, dispatch, &needs, error))) {
        cancel(queue);
    } else {
        command->kind = SW_DISPATCH;
        sw_retain(&dispatch->pipeline->references);
        command->u.dispatch.pipeline = dispatch->pipeline;
        for (int i = 0; i < 3; i++) {
            command->u.dispatch.threads[i] = dispatch->threads[i];
            command->u.dispatch.group_size[i] = dispatch->group_size[i];
            command->u.dispatch.group_count[i] = group_count[i];
        }
        end(queue, work, serial);
    }
    pthread_mutex_unlock(&queue->record_lock);
    return status;
}

/* ---- copies and fills ---- */

static bool inside(const mp_buffer *buffer, uint64_t offset, uint64_t size)
{
    return offset <= buffer->size && size <= buffer->size - offset;
}

static mp_status outside(const char *what, const mp_buffer *buffer, uint64_t offset, uint64_t size, mp_error *error)
{
    return sw_fail(error, MP_ERROR_INVALID, "%s of %llu bytes at offset %llu reaches outside a buffer of %llu bytes",
                   what, (unsigned long long)size, (unsigned long long)offset, (unsigned long long)buffer->size);
}

/* Records a command that keeps `a` and, if not NULL, `b` alive. */
static mp_status record_transfer(mp_queue *queue, struct sw_command made, mp_buffer *a, mp_buffer *b, uint64_t size,
                                 uint64_t *serial, mp_error *error)
{
    mp_status status = MP_OK;
    pthread_mutex_lock(&queue->record_lock);
    struct sw_command *command = begin(queue, 2 * sizeof(mp_buffer *), error);
    mp_buffer **retained = command ? arena_take(queue->open, 2 * sizeof(mp_buffer *)) : NULL;
    if (!command) {
        status = MP_ERROR_MEMORY;
    } else if (!retained) {
        status = sw_fail(error, MP_ERROR_MEMORY, "no memory for a command");
        cancel(queue);
    } else {
        *command = made;
        command->retained = retained;
        sw_retain(&a->references);
        retained[command->retained_count++] = a;
        if (b) {
            sw_retain(&b->references);
            retained[command->retained_count++] = b;
        }
        end(queue, size / 16, serial);
    }
    pthread_mutex_unlock(&queue->record_lock);
    return status;
}

mp_status sw_queue_copy(mp_queue *queue, mp_buffer *target, uint64_t target_offset, mp_buffer *source,
                        uint64_t source_offset, uint64_t size, uint64_t *serial, mp_error *error)
{
    mp_status status = sw_check_fork(error);
    if (status)
        return status;
    if (!inside(target, target_offset, size))
        return outside("a copy", target, target_offset, size, error);
    if (!inside(source, source_offset, size))
        return outside("a copy", source, source_offset, size, error);
    uint8_t *to = (uint8_t *)target->memory + target_offset;
    const uint8_t *from = (const uint8_t *)source->memory + source_offset;
    /* By address, since two buffers may wrap the same memory. */
    if (size && (uintptr_t)to < (uintptr_t)from + size && (uintptr_t)from < (uintptr_t)to + size)
        return sw_fail(error, MP_ERROR_INVALID, "a copy of %llu bytes overlaps itself", (unsigned long long)size);
    struct sw_command made = {.kind = size ? SW_COPY : SW_NOTHING, .u.copy = {to, from, size}};
    return record_transfer(queue, made, target, source, size, serial, error);
}

mp_status sw_queue_fill(mp_queue *queue, mp_buffer *target, uint64_t offset, uint64_t size, const void *pattern,
                        uint32_t pattern_size, uint64_t *serial, mp_error *error)
{
    mp_status status = sw_check_fork(error);
    if (status)
        return status;
    bool known = pattern_size && pattern_size <= 16 && (pattern_size & (pattern_size - 1)) == 0;
    if (!known || !pattern)
        return sw_fail(error, MP_ERROR_INVALID, "a fill pattern has 1, 2, 4, 8 or 16 bytes, not %u", pattern_size);
    if (size % pattern_size)
        return sw_fail(error, MP_ERROR_INVALID, "a fill of %llu bytes is not a multiple of its pattern's %u",
                       (unsigned long long)size, pattern_size);
    if (!inside(target, offset, size))
        return outside("a fill", target, offset, size, error);
    struct sw_command made = {.kind = size ? SW_FILL : SW_NOTHING,
                              .u.fill = {.target = (uint8_t *)target->memory + offset,
                                         .size = size,
                                         .pattern_size = pattern_size}};
    memcpy(made.u.fill.pattern, pattern, pattern_size);
    return record_transfer(queue, made, target, NULL, size, serial, error);
}

/* ---- matrices: the shaders above the ABI do as well on a CPU ---- */

mp_status sw_queue_matmul(mp_queue *queue, const mp_matrix *target, const mp_matrix *left, const mp_matrix *right,
                          double alpha, double beta, uint64_t *serial, mp_error *error)
{
    (void)queue, (void)target, (void)left, (void)right, (void)alpha, (void)beta, (void)serial;
    return sw_fail(error, MP_ERROR_UNSUPPORTED, "the software device has no matrix multiplication of its own");
}

mp_status sw_queue_softmax(mp_queue *queue, const mp_matrix *target, const mp_matrix *source, uint64_t *serial,
                           mp_error *error)
{
    (void)queue, (void)target, (void)source, (void)serial;
    return sw_fail(error, MP_ERROR_UNSUPPORTED, "the software device has no softmax of its own");
}

mp_status sw_queue_generate_mipmaps(mp_queue *queue, mp_texture *texture, uint64_t *serial, mp_error *error)
{
    mp_status status = sw_check_fork(error);
    if (status)
        return status;
    if (!sw_texture_filterable(texture))
        return sw_fail(error, MP_ERROR_INVALID, "levels of detail cannot be made of integers");
    pthread_mutex_lock(&queue->record_lock);
    struct sw_command *command = begin(queue, sizeof(mp_texture *), error);
    mp_texture **textures = command ? arena_take(queue->open, sizeof(mp_texture *)) : NULL;
    if (!command) {
        status = MP_ERROR_MEMORY;
    } else if (!textures) {
        status = sw_fail(error, MP_ERROR_MEMORY, "no memory for a command");
        cancel(queue);
    } else {
        command->kind = SW_LEVELS;
        sw_texture_retain(texture);
        textures[0] = texture;
        command->textures = textures;
        command->texture_count = 1;
        end(queue, SW_BATCH_THREADS, serial);
    }
    pthread_mutex_unlock(&queue->record_lock);
    return status;
}

/* ---- events ---- */

static mp_status record_event(mp_queue *queue, enum sw_kind kind, mp_event *event, uint64_t value, uint64_t *serial,
                              mp_error *error)
{
    mp_status status = sw_check_fork(error);
    if (status)
        return status;
    pthread_mutex_lock(&queue->record_lock);
    struct sw_command *command = begin(queue, 0, error);
    if (command) {
        command->kind = kind;
        sw_retain(&event->references);
        command->u.event.event = event;
        command->u.event.value = value;
        end(queue, 0, serial);
    } else {
        status = MP_ERROR_MEMORY;
    }
    pthread_mutex_unlock(&queue->record_lock);
    return status;
}

mp_status sw_queue_signal_event(mp_queue *queue, mp_event *event, uint64_t value, uint64_t *serial, mp_error *error)
{
    return record_event(queue, SW_SIGNAL, event, value, serial, error);
}

mp_status sw_queue_wait_event(mp_queue *queue, mp_event *event, uint64_t value, uint64_t *serial, mp_error *error)
{
    return record_event(queue, SW_WAIT, event, value, serial, error);
}
