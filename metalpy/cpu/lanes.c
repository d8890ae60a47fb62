/* lanes.c: schedules the fibers of one threadgroup.
 *
 * A simdgroup runs, lane after lane, until all its lanes wait at the threadgroup barrier or have ended; meetings
 * inside it are served as soon as no lane can run. Then comes the next simdgroup. After the last, the barrier opens.
 * Every wait is thus served sooner or later, whatever the kernel does. Lanes switch directly to each other.
 */
#include "lanes.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define STACK_MIN 65536
#define STACK_SLACK 16384      /* for libm and this scheduler on top of the kernel's own need */
#define MARGIN (16u << 20)     /* address space before and behind all stacks, where wrong indices find nothing */
#define GUARD_LIMIT 24000      /* each guard page costs a mapping or two; Linux allows a process some 65,000 */

static _Atomic uint32_t guard_count;

static void lane_main(void);

static void release_stacks(struct sw_fibers *fibers)
{
    for (uint32_t i = 0; i < fibers->capacity; i++) {
        if (fibers->lanes[i].started)
            sw_fiber_end(&fibers->lanes[i].fiber);
        fibers->lanes[i].started = false;
    }
    if (fibers->memory)
        munmap(fibers->memory - MARGIN, fibers->stride * fibers->capacity + 2 * MARGIN);
    atomic_fetch_sub(&guard_count, fibers->guarded);
    fibers->memory = NULL;
    fibers->capacity = fibers->guarded = 0;
}

bool sw_fibers_reserve(struct sw_self *self, uint32_t lanes, uint64_t stack)
{
    struct sw_fibers *fibers = self->fibers;
    if (!fibers && !(fibers = self->fibers = calloc(1, sizeof *fibers)))
        return false;
    fibers->guard = (size_t)sysconf(_SC_PAGESIZE);
    uint64_t need = stack + STACK_SLACK > STACK_MIN ? stack + STACK_SLACK : STACK_MIN;
    need = (need + fibers->guard - 1) / fibers->guard * fibers->guard + fibers->guard;
    if (lanes <= fibers->capacity && need <= fibers->stride)
        return true;

    uint32_t capacity = lanes > fibers->capacity ? lanes : fibers->capacity;
    if (need < fibers->stride)
        need = fibers->stride;
    release_stacks(fibers);
    char *reserved = mmap(NULL, need * capacity + 2 * MARGIN, PROT_NONE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (reserved == MAP_FAILED)
        return false;
    char *memory = reserved + MARGIN;
    if (mprotect(memory, need * capacity, PROT_READ | PROT_WRITE) != 0) {
        munmap(reserved, need * capacity + 2 * MARGIN);
        return false;
    }
    fibers->memory = memory;
    fibers->stride = need;
    fibers->capacity = capacity;
    while (fibers->guarded < capacity && atomic_fetch_add(&guard_count, 1) < GUARD_LIMIT &&
           mprotect(memory + fibers->guarded * need, fibers->guard, PROT_NONE) == 0)
        fibers->guarded++;
    if (fibers->guarded < capacity) /* the compiler's stack bound has to do for the rest */
        atomic_fetch_sub(&guard_count, 1);
    return true;
}

void sw_fibers_free(struct sw_fibers *fibers)
{
    if (!fibers)
        return;
    release_stacks(fibers);
    free(fibers);
}

bool sw_fibers_guards(const struct sw_fibers *fibers, uintptr_t address)
{
    uintptr_t start = (uintptr_t)fibers->memory;
    if (!fibers->memory || address < start || address - start >= fibers->stride * fibers->guarded)
        return false;
    return (address - start) % fibers->stride < fibers->guard;
}

/* ---- scheduling ---- */

static void start_lane(struct sw_fibers *fibers, uint32_t index)
{
    struct sw_lane *lane = &fibers->lanes[index];
    sw_fiber_start(&lane->fiber, fibers->memory + index * fibers->stride + fibers->guard,
                   fibers->stride - fibers->guard, lane_main);
    lane->started = true;
}

/* The fiber to run next: a ready lane, or the host when all have ended. */
static struct sw_fiber *next_fiber(struct sw_fibers *fibers)
{
    for (;;) {
        uint32_t index = fibers->simdgroup;
        struct sw_simdgroup *simdgroup = &fibers->simdgroups[index];
        if (!simdgroup->ready && simdgroup->meeting)
            sw_simdgroup_meet(simdgroup, &fibers->lanes[index * SW_WIDTH]);
        if (simdgroup->ready) {
            fibers->current = index * SW_WIDTH + (uint32_t)__builtin_ctz(simdgroup->ready);
            simdgroup->ready &= simdgroup->ready - 1;
            struct sw_lane *lane = &fibers->lanes[fibers->current];
            if (!lane->started)
                start_lane(fibers, fibers->current);
            return &lane->fiber;
        }
        if (++fibers->simdgroup < fibers->simdgroup_count)
            continue;
        uint32_t waiting = 0;
        for (uint32_t i = 0; i < fibers->simdgroup_count; i++) {
            waiting |= fibers->simdgroups[i].barrier;
            fibers->simdgroups[i].ready = fibers->simdgroups[i].barrier;
            fibers->simdgroups[i].barrier = 0;
        }
        fibers->simdgroup = 0;
        fibers->phase++;
        if (!waiting) {
            fibers->inside = false;
            return &fibers->host;
        }
    }
}

void sw_lanes_yield(struct sw_fibers *fibers)
{
    struct sw_fiber *from = &fibers->lanes[fibers->current].fiber;
    struct sw_fiber *to = next_fiber(fibers);
    if (to != from)
        sw_fiber_switch(from, to);
}

/* A lane's fiber serves one threadgroup after another, so that it need not be built anew. */
static void lane_main(void)
{
    struct sw_fibers *fibers = sw_current->fibers;
    struct sw_lane *lane = &fibers->lanes[fibers->current];
    sw_fiber_entered(&lane->fiber);
    for (;;) {
        lane->order = 0;
        if (fibers->whole)
            sw_run_groups(sw_current, fibers->kernel, fibers->group, fibers->whole);
        else
            fibers->kernel->run_thread(fibers->group, &lane->thread);
        /* Even if this lane is the only one, it must go through the host before it starts again. */
        sw_fiber_switch(&lane->fiber, next_fiber(fibers));
    }
}

static void lay_out(struct sw_fibers *fibers, const mp_u32 size[3])
{
    mp_u32 index = 0;
    for (mp_u32 z = 0; z < size[2]; z++)
        for (mp_u32 y = 0; y < size[1]; y++)
            for (mp_u32 x = 0; x < size[0]; x++, index++)
                fibers->lanes[index].thread = (mp_thread){{x, y, z}, index};
    for (int i = 0; i < 3; i++)
        fibers->laid_out[i] = size[i];
}

static void enter(struct sw_fibers *fibers, const mp_native_kernel *kernel, mp_group *group, uint32_t lanes)
{
    fibers->kernel = kernel;
    fibers->group = group;
    fibers->simdgroup = 0;
    fibers->phase = 0;
    fibers->simdgroup_count = (lanes + SW_WIDTH - 1) / SW_WIDTH;
    for (uint32_t i = 0; i < fibers->simdgroup_count; i++) {
        uint32_t left = lanes - i * SW_WIDTH;
        fibers->simdgroups[i] = (struct sw_simdgroup){.ready = left < SW_WIDTH ? (1u << left) - 1 : UINT32_MAX};
    }
    sw_fiber_adopt(&fibers->host);
    fibers->inside = true;
    sw_fiber_switch(&fibers->host, next_fiber(fibers));
    fibers->kernel = NULL;
}

void sw_fibers_run(struct sw_fibers *fibers, const mp_native_kernel *kernel, mp_group *group)
{
    const mp_u32 *size = group->size;
    if (size[0] != fibers->laid_out[0] || size[1] != fibers->laid_out[1] || size[2] != fibers->laid_out[2])
        lay_out(fibers, size);
    fibers->whole = 0;
    enter(fibers, kernel, group, size[0] * size[1] * size[2]);
}

void sw_fibers_run_groups(struct sw_fibers *fibers, const mp_native_kernel *kernel, mp_group *group, uint64_t count)
{
    fibers->whole = count;
    enter(fibers, kernel, group, 1);
}

/* ---- faults ---- */

void sw_fibers_leave(struct sw_fibers *fibers)
{
    if (fibers->inside)
        sw_fiber_announce(&fibers->lanes[fibers->current].fiber, &fibers->host);
}

void sw_fibers_left(struct sw_fibers *fibers)
{
    if (fibers->inside)
        sw_fiber_entered(&fibers->host);
    fibers->inside = false;
    fibers->kernel = NULL;
    /* The stacks still hold the kernel's frames: build all fibers anew. */
    for (uint32_t i = 0; i < fibers->capacity; i++) {
        if (fibers->lanes[i].started)
            sw_fiber_end(&fibers->lanes[i].fiber);
        fibers->lanes[i].started = false;
    }
}

SW_EXPORT void mp_threadgroup_barrier(void)
{
    struct sw_fibers *fibers = sw_current ? sw_current->fibers : NULL;
    if (!fibers || !fibers->kernel || fibers->whole)
        return; /* a kernel that was compiled without MP_KERNEL_FIBERS: its threads do not run together */
    uint32_t lane = fibers->current;
    fibers->simdgroups[lane / SW_WIDTH].barrier |= 1u << (lane % SW_WIDTH);
    sw_lanes_yield(fibers);
}
