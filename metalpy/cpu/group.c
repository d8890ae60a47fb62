/* group.c: runs threadgroups, or chunks of a copy, such that a fault inside ends only them. */
#include "software.h"
#include "lanes.h"

#include <string.h>

/* memcpy copies large blocks by `rep movsb`, which on some processors takes four times as long where source and target
   lie differently in cache lines. Pieces of PIECE bytes it loads before it stores them; processors take a load for one
   of what was just stored if the last 12 bits of the addresses are the same, so a target that is ahead of its source in
   this sense is written from the end. */
#define PIECE 256
static void copy_bytes(unsigned char *target, const unsigned char *source, uint64_t size)
{
    uint64_t ahead = ((uintptr_t)target - (uintptr_t)source) % 4096, last = size / PIECE * PIECE;
    if (ahead % 64 == 0 || size < 4096) {
        memcpy(target, source, size);
    } else if (ahead < 2048) {
        memcpy(target + last, source + last, size - last);
        for (uint64_t at = last; at; at -= PIECE)
            memcpy(target + at - PIECE, source + at - PIECE, PIECE);
    } else {
        for (uint64_t at = 0; at < last; at += PIECE)
            memcpy(target + at, source + at, PIECE);
        memcpy(target + last, source + last, size - last);
    }
}

static void copy_chunk(const struct sw_command *command, uint64_t index)
{
    uint64_t start = index * SW_COPY_CHUNK;
    uint64_t size = command->u.copy.size - start;
    copy_bytes(command->u.copy.target + start, command->u.copy.source + start,
               size < SW_COPY_CHUNK ? size : SW_COPY_CHUNK);
}

static void fill_chunk(const struct sw_command *command, uint64_t index)
{
    uint64_t start = index * SW_COPY_CHUNK; /* a multiple of every pattern's size */
    uint64_t size = command->u.fill.size - start;
    uint8_t *target = command->u.fill.target + start;
    uint64_t filled = command->u.fill.pattern_size;
    if (size > SW_COPY_CHUNK)
        size = SW_COPY_CHUNK;
    if (filled == 1) {
        memset(target, command->u.fill.pattern[0], size);
        return;
    }
    for (memcpy(target, command->u.fill.pattern, filled); filled < size;) {
        uint64_t more = filled < size - filled ? filled : size - filled;
        memcpy(target + filled, target, more);
        filled += more;
    }
}

static void set_position(mp_group *group, uint64_t index)
{
    uint64_t plane = (uint64_t)group->group_count[0] * group->group_count[1];
    group->position[0] = (mp_u32)(index % group->group_count[0]);
    group->position[1] = (mp_u32)(index % plane / group->group_count[0]);
    group->position[2] = (mp_u32)(index / plane);
}

/* At the far edge of each axis only what is left of the grid. */
static void set_size(mp_group *group)
{
    for (int i = 0; i < 3; i++) {
        mp_u32 start = group->position[i] * group->group_size[i];
        mp_u32 left = group->threads[i] - start;
        group->size[i] = left < group->group_size[i] ? left : group->group_size[i];
    }
}

static void next_position(mp_group *group)
{
    for (int i = 0; i < 3; i++) {
        if (++group->position[i] < group->group_count[i])
            return;
        group->position[i] = 0;
    }
}

/* A stack of its own, which is large enough, and where no frame of ours lies above the kernel's variables. */
static bool needs_own_stack(const mp_native_kernel *kernel)
{
    return (kernel->flags & MP_KERNEL_VARIABLES) || kernel->stack_size > SW_OWN_STACK_LIMIT;
}

static void run_group(struct sw_self *self, const mp_native_kernel *kernel, const mp_group *group)
{
    if (!(kernel->flags & MP_KERNEL_MESSAGES)) {
        kernel->run_group(group);
        return;
    }
    mp_thread thread = {{0}, 0};
    self->voice.thread = &thread;
    for (thread.position[2] = 0; thread.position[2] < group->size[2]; thread.position[2]++)
        for (thread.position[1] = 0; thread.position[1] < group->size[1]; thread.position[1]++)
            for (thread.position[0] = 0; thread.position[0] < group->size[0]; thread.position[0]++, thread.index++)
                kernel->run_thread(group, &thread);
    self->voice.thread = NULL;
}

void sw_run_groups(struct sw_self *self, const mp_native_kernel *kernel, mp_group *group, uint64_t count)
{
    while (count--) {
        set_size(group);
        run_group(self, kernel, group);
        next_position(group);
    }
}

/* Everything a fault may end. */
static void run_protected(struct sw_self *self, const struct sw_command *command, mp_group *group, uint64_t first,
                          uint64_t end)
{
    if (command->kind == SW_LEVELS) {
        sw_texture_make_levels(command->textures[0]);
        return;
    }
    if (command->kind != SW_DISPATCH) {
        for (uint64_t i = first; i < end; i++)
            (command->kind == SW_COPY ? copy_chunk : fill_chunk)(command, i);
        return;
    }
    const mp_native_kernel *kernel = command->u.dispatch.pipeline->kernel;
    set_position(group, first);
    self->group = group;
    if (kernel->flags & MP_KERNEL_FIBERS) {
        for (uint64_t i = first; i < end; i++) {
            set_size(group);
            sw_fibers_run(self->fibers, kernel, group);
            next_position(group);
        }
    } else if (needs_own_stack(kernel)) {
        sw_fibers_run_groups(self->fibers, kernel, group, end - first);
    } else {
        sw_run_groups(self, kernel, group, end - first);
    }
}

/* The only frame that a fault returns to: nothing of its own changes after sigsetjmp. */
static __attribute__((noinline)) bool protect(struct sw_self *self, const struct sw_command *command, mp_group *group,
                                              uint64_t first, uint64_t end)
{
    bool good = true;
    if (sigsetjmp(self->recover, 0) == 0) {
        self->in_kernel = 1;
        atomic_signal_fence(memory_order_seq_cst);
        run_protected(self, command, group, first, end);
        atomic_signal_fence(memory_order_seq_cst);
        self->in_kernel = 0;
    } else {
        pthread_sigmask(SIG_SETMASK, &self->mask, NULL);
        if (self->fibers)
            sw_fibers_left(self->fibers);
        good = false;
    }
    self->group = NULL;
    return good;
}

bool sw_run_units(struct sw_self *self, struct sw_job *job, uint64_t first, uint64_t end)
{
    const struct sw_command *command = job->command;
    mp_group group;
    void *threadgroup[MP_MAX_THREADGROUP_ARGUMENTS];
    self->job = job;
    if (command->kind == SW_DISPATCH) {
        const mp_native_kernel *kernel = command->u.dispatch.pipeline->kernel;
        const uint32_t *size = command->u.dispatch.group_size, *offsets = command->u.dispatch.threadgroup;
        bool lanes = kernel->flags & MP_KERNEL_FIBERS;
        if ((lanes || needs_own_stack(kernel)) &&
            !sw_fibers_reserve(self, lanes ? size[0] * size[1] * size[2] : 1, kernel->stack_size)) {
            self->fault = (struct sw_fault){.cause = SW_NO_STACKS};
            return false;
        }
        if (kernel->flags & MP_KERNEL_MESSAGES)
            sw_messages_prepare(self);
        group.buffers = command->u.dispatch.buffers;
        group.threadgroup_memory = threadgroup;
        group.textures = command->u.dispatch.textures;
        group.samplers = command->u.dispatch.samplers;
        for (int i = 0; i < 3; i++) {
            group.threads[i] = command->u.dispatch.threads[i];
            group.group_count[i] = command->u.dispatch.group_count[i];
            group.group_size[i] = size[i];
        }
        memset(threadgroup, 0, sizeof threadgroup);
        for (int i = 0; offsets && i < MP_MAX_THREADGROUP_ARGUMENTS; i++)
            threadgroup[i] = offsets[i] ? self->scratch + offsets[i] - 1 : NULL;
    }
    return protect(self, command, &group, first, end);
}

void *mp_threadgroup_variable(mp_u32 offset)
{
    return sw_current->variables + offset;
}
