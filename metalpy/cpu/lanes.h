/* lanes.h: one threadgroup as fibers, a lane for each of its threads. All of it belongs to one OS thread. */
#ifndef METALPY_LANES_H
#define METALPY_LANES_H

#include "software.h" /* first: it sets _GNU_SOURCE */

#include "fiber.h"

#define SW_WIDTH MP_THREAD_EXECUTION_WIDTH
#define SW_MAX_SIMDGROUPS (MP_MAX_THREADS_PER_THREADGROUP / SW_WIDTH)

struct sw_lane {
    uint64_t value;           /* into and out of a meeting, as bits */
    uint64_t factors[2];      /* of a product of matrices, into which `value` goes as the addend */
    uintptr_t site;           /* the call at which it waits */
    uint32_t order;           /* of that call, by mp_site; 0 in kernels that do not tell */
    uint32_t operation;       /* enum in simdgroup.c */
    uint32_t source;          /* lane to shuffle from */
    bool started;             /* its fiber stands in its loop, ready for the next threadgroup */
    mp_thread thread;
    struct sw_fiber fiber;
};

/* Lanes as bits. Those in none of the masks have ended, or run. */
struct sw_simdgroup {
    uint32_t ready;
    uint32_t meeting;         /* wait at a simdgroup function */
    uint32_t barrier;         /* wait at the threadgroup barrier */
    uint32_t phase;           /* meetings so far */
};

struct sw_fibers {
    const mp_native_kernel *kernel; /* while a threadgroup runs, else NULL */
    mp_group *group;
    uint64_t whole;           /* threadgroups that lane 0 runs by itself, from `group` on; 0: a lane for each thread */
    bool inside;              /* a lane runs, not the host */
    uint32_t current;         /* lane */
    uint32_t simdgroup;       /* the one whose turn it is */
    uint32_t phase;           /* threadgroup barriers so far */
    uint32_t simdgroup_count;
    uint32_t laid_out[3];     /* group size for which the lanes' positions are set */
    struct sw_fiber host;
    struct sw_simdgroup simdgroups[SW_MAX_SIMDGROUPS];

    char *memory;             /* `capacity` stacks of `stride` bytes, each with a guard page below; around them MARGIN */
    size_t stride;
    size_t guard;             /* bytes */
    uint32_t capacity;
    uint32_t guarded;         /* stacks that have their guard page */
    struct sw_lane lanes[MP_MAX_THREADS_PER_THREADGROUP];
};

/* Lets the next lane run; the current one has put itself into a mask. Returns when it is ready again. */
void sw_lanes_yield(struct sw_fibers *fibers);
/* Serves the waiting set of lanes whose call comes first, and makes them ready. `lanes` are the simdgroup's 32. */
void sw_simdgroup_meet(struct sw_simdgroup *simdgroup, struct sw_lane *lanes);

#endif
