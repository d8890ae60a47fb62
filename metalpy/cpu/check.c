/* check.c: what METALPY_EXECUTOR=checked adds: every access of a kernel to memory that threads share is looked at first.
 *
 * An access outside the memory of the kernel's arguments is reported and goes to a block of zeros instead. Two threads
 * of a launch race if both touch a byte, at least one of them writes, not both by atomic functions, and nothing puts
 * them into an order: a threadgroup barrier between threads of a threadgroup, a barrier or another meeting of the
 * simdgroup between its lanes. Nothing orders threadgroups. A write of what is there already is no write.
 *
 * Who touched what last, and in which line, is kept in a table of fixed size, for four bytes in an entry, and belongs to
 * a job: entries of others are as good as empty. Where the table is full, races are missed; what it reports is there.
 */
#include "message.h"
#include "lanes.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

enum { /* of an access; memory_checks.py knows them */
    WRITES = 1,
    ATOMIC = 2,
    ARGUMENT = 4,             /* the address comes from a buffer argument */
    VARIABLE = 8,             /* of the static threadgroup memory */
    THREADGROUP = 16,         /* of a threadgroup argument */
    VALUE = 32,               /* `value` is what will be written */
    NUMBER = 8                /* from this bit on: 1 more than the argument's index, 0 if that is not known */
};

struct place {                /* memory_checks.py makes them, for each name of a kernel's memory and each line */
    const char *name;         /* "" if not known */
    const char *file;
    const struct place *all;  /* of the kernel */
    mp_u32 line;
    mp_u32 number;            /* 1 more than its index among them; 0 if the line is only the kernel's */
};

#define TABLE_BITS 21
#define NEAR 64               /* words */
#define PROBES 8
#define STRIPES 256           /* locks */
#define REPORTS_MAX 16        /* of one job: one is raised */
#define DUMMY_SIZE 256
#define FILE_MAX 250          /* bytes of a file's name in the text of a report */

struct toucher {
    uint32_t thread;          /* in the grid */
    uint32_t group;           /* likewise */
    uint32_t phase;           /* of the threadgroup */
    uint32_t simd_phase;
    uint16_t place;           /* the number of its place */
    uint8_t simdgroup;
    uint8_t bytes : 4;        /* which of the four; 0: nobody */
    uint8_t atomic : 1;
};

struct entry {
    uint64_t word;            /* the address over 4 */
    uint64_t job;
    struct toucher writer;
    struct toucher readers[2];
};

static struct entry *table;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static atomic_flag locks[STRIPES];
static _Atomic uint64_t reported_job;
static _Atomic uint32_t reported;
static _Thread_local _Alignas(64) uint8_t dummy[DUMMY_SIZE];

static void make_table(void)
{
    void *memory = mmap(NULL, sizeof(struct entry) << TABLE_BITS, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    table = memory == MAP_FAILED ? NULL : memory;
}

static uint64_t job_number(const struct sw_self *self)
{
    return self->job->started ^ (uint64_t)(uintptr_t)self->job;
}

/* While a lock is held or text is made, nothing may end the kernel. */
static void enter(struct sw_self *self, bool kernel)
{
    atomic_signal_fence(memory_order_seq_cst);
    self->in_kernel = kernel;
    atomic_signal_fence(memory_order_seq_cst);
}

/* ---- reports ---- */

static void report(struct sw_self *self, const struct place *place, const char *text)
{
    uint64_t job = job_number(self);
    if (atomic_exchange(&reported_job, job) != job)
        atomic_store(&reported, 0);
    if (atomic_fetch_add(&reported, 1) >= REPORTS_MAX)
        return;
    mp_message_site site = {.level = MP_MESSAGE_REPORT, .line = place->line, .file = place->file, .format = "%s"};
    mp_message_value value = {.kind = MP_VALUE_STRING, .size = 8, .lanes = 1};
    value.bits[0] = (unsigned long)(uintptr_t)text;
    enter(self, true);
    mp_kernel_message(&site, &value, 1);
    enter(self, false);
}

/* " at FILE:LINE", or nothing where that is not known. */
static const char *located(const struct place *all, uint32_t number, char *to, size_t size)
{
    *to = '\0';
    if (number) {
        const struct place *place = &all[number - 1];
        const char *last = strrchr(place->file, '/');
        const char *file = last && strlen(place->file) > FILE_MAX ? last + 1 : place->file;
        snprintf(to, size, " at %.*s:%u", FILE_MAX, file, place->line);
    }
    return to;
}

static const char *named(const struct place *place, char *to, size_t size)
{
    if (!*place->name)
        return "memory";
    snprintf(to, size, "'%s'", place->name);
    return to;
}

static void report_outside(struct sw_self *self, const struct place *place, mp_u32 kind, uint64_t size,
                           const uint8_t *address, const uint8_t *start, const uint8_t *end)
{
    char text[200], name[100], where[80] = "";
    if (address == end)
        snprintf(where, sizeof where, ", right behind the end");
    else if (end && address > end)
        snprintf(where, sizeof where, ", %llu bytes behind the end", (unsigned long long)(address - end));
    else if (start && address < start)
        snprintf(where, sizeof where, ", %llu bytes before the start", (unsigned long long)(start - address));
    else if (end)
        snprintf(where, sizeof where, ", of which %llu are there", (unsigned long long)(end - address));
    snprintf(text, sizeof text, "out of bounds: %s %llu bytes of %s%s", kind & WRITES ? "writes" : "reads",
             (unsigned long long)size, named(place, name, sizeof name), where);
    report(self, place, text);
}

static void report_race(struct sw_self *self, const struct place *place, bool writes, const struct toucher *other,
                        bool other_writes, bool same_group)
{
    const mp_group *group = self->group;
    uint32_t x = other->thread % group->threads[0], rest = other->thread / group->threads[0];
    char text[500], name[100], where[FILE_MAX + 20];
    snprintf(text, sizeof text, "race: %s %s, which thread (%u, %u, %u) %s%s%s, with %s", writes ? "writes" : "reads",
             named(place, name, sizeof name), x, rest % group->threads[1], rest / group->threads[1],
             other_writes ? "writes" : "reads", writes && other_writes ? " otherwise" : "",
             located(place->all, other->place, where, sizeof where),
             same_group ? "no barrier between them" : "nothing to order their threadgroups");
    report(self, place, text);
}

/* ---- bounds ---- */

/* Whether bytes lie in the memory of an argument. */
static bool is_bound(const struct sw_command *command, const uint8_t *address, uint64_t size)
{
    for (uint32_t i = 0; i < command->retained_count; i++) {
        const uint8_t *start = command->retained[i]->memory, *end = start + command->retained[i]->size;
        if (address >= start && address < end && size <= (uint64_t)(end - address))
            return true;
    }
    return false;
}

/* ---- races ---- */

static bool ordered(const struct toucher *before, const struct toucher *now, bool of_group)
{
    if (before->thread == now->thread && before->group == now->group)
        return true;
    if (before->group != now->group)
        return of_group; /* the memory was another threadgroup's before */
    if (before->phase != now->phase)
        return true;
    return before->simdgroup == now->simdgroup && before->simd_phase != now->simd_phase;
}

static bool conflicts(const struct toucher *before, const struct toucher *now, bool of_group)
{
    return (before->bytes & now->bytes) && !(before->atomic && now->atomic) && !ordered(before, now, of_group);
}

/* Neighbours stay together, as programs mostly touch them one after another. */
static uint64_t home(uint64_t word)
{
    uint64_t block = ((word / NEAR) * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - TABLE_BITS);
    return (block & ~(uint64_t)(NEAR - 1)) | (word & (NEAR - 1));
}

static struct entry *entry_of(uint64_t word, uint64_t job)
{
    uint64_t at = home(word);
    struct entry *free = NULL;
    for (uint64_t i = 0; i < PROBES; i++) {
        struct entry *entry = &table[(at & ~(uint64_t)(PROBES - 1)) + ((at + i) & (PROBES - 1))];
        if (entry->word == word && entry->job == job)
            return entry;
        if (entry->job != job && !free)
            free = entry;
    }
    if (!free)
        free = &table[at];
    memset(free, 0, sizeof *free);
    free->word = word;
    free->job = job;
    return free;
}

/* Notes an access to some bytes of a word; returns true and who it races with if it does. */
static bool touch(uint64_t word, uint64_t job, const struct toucher *now, bool writes, bool of_group,
                  struct toucher *other, bool *other_writes)
{
    /* All entries that a word may have are under one lock. */
    atomic_flag *lock = &locks[home(word) / PROBES % STRIPES];
    while (atomic_flag_test_and_set_explicit(lock, memory_order_acquire))
        sw_pause();
    struct entry *entry = entry_of(word, job);
    bool found = false;
    *other_writes = true;
    if (conflicts(&entry->writer, now, of_group)) {
        *other = entry->writer;
        found = true;
    }
    for (int i = 0; writes && !found && i < 2; i++)
        if (conflicts(&entry->readers[i], now, of_group)) {
            *other = entry->readers[i];
            *other_writes = false;
            found = true;
        }
    if (writes) {
        entry->writer = *now;
    } else {
        struct toucher *readers = entry->readers;
        bool first = !readers[0].bytes || ordered(&readers[0], now, of_group);
        readers[first ? 0 : 1] = *now;
    }
    atomic_flag_clear_explicit(lock, memory_order_release);
    return found;
}

static void look_for_races(struct sw_self *self, const struct place *place, const uint8_t *address, uint64_t size,
                           mp_u32 kind, bool of_group)
{
    const mp_group *group = self->group;
    const struct sw_fibers *fibers = self->fibers;
    bool lanes = fibers && fibers->kernel && !fibers->whole;
    const mp_thread *thread = lanes ? &fibers->lanes[fibers->current].thread : self->voice.thread;
    if (!table || !thread)
        return;
    uint32_t at[3];
    for (int i = 0; i < 3; i++)
        at[i] = group->position[i] * group->group_size[i] + thread->position[i];
    const struct sw_simdgroup *simdgroup = lanes ? &fibers->simdgroups[thread->index / SW_WIDTH] : NULL;
    struct toucher now = {
        .thread = (at[2] * group->threads[1] + at[1]) * group->threads[0] + at[0],
        .group = (group->position[2] * group->group_count[1] + group->position[1]) * group->group_count[0] +
                 group->position[0],
        .phase = lanes ? fibers->phase : 0,
        .simd_phase = simdgroup ? simdgroup->phase : 0,
        .place = (uint16_t)place->number,
        .simdgroup = (uint8_t)(thread->index / SW_WIDTH),
        .atomic = (kind & ATOMIC) != 0,
    };
    uint64_t job = job_number(self);
    for (uintptr_t start = (uintptr_t)address, end = start + size; start < end;) {
        uintptr_t next = (start / 4 + 1) * 4;
        unsigned from = start % 4, count = (unsigned)((next < end ? next : end) - start);
        now.bytes = (((1u << count) - 1) << from) & 15;
        struct toucher other;
        bool other_writes;
        if (touch(start / 4, job, &now, kind & WRITES, of_group, &other, &other_writes)) {
            report_race(self, place, kind & WRITES, &other, other_writes, other.group == now.group);
            return;
        }
        start = next;
    }
}

static void *checked(struct sw_self *self, uint8_t *address, unsigned long size, mp_u32 kind, const struct place *place,
                     unsigned long value)
{
    const struct sw_command *command = self->job->command;
    const uint8_t *start = NULL, *end = NULL;
    bool inside, of_group = kind & (VARIABLE | THREADGROUP);
    if (of_group) {
        start = kind & VARIABLE ? self->variables : self->scratch;
        end = start + (kind & VARIABLE ? command->u.dispatch.pipeline->kernel->static_threadgroup_memory
                                       : command->u.dispatch.threadgroup_size);
        inside = address >= start && address < end && size <= (unsigned long)(end - address);
    } else {
        inside = is_bound(command, address, size);
        if (kind >> NUMBER) { /* of an argument its own bounds count, and a value that the host gave is none's buffer */
            uint32_t number = (kind >> NUMBER) - 1;
            start = command->u.dispatch.buffers[number];
            end = start + command->u.dispatch.sizes[number];
            bool is_value = !inside;
            inside = address >= start && address < end && size <= (unsigned long)(end - address);
            if (inside && is_value) /* nobody writes those */
                return address;
        } else if (!inside) {
            return address; /* private, or not known */
        }
    }
    if (!inside) {
        report_outside(self, place, kind, size, address, start, end);
        if (size > DUMMY_SIZE)
            return address;
        memset(dummy, 0, size);
        return dummy;
    }
    if (!(kind & VALUE) || memcmp(address, &value, size) != 0)
        look_for_races(self, place, address, size, kind, of_group);
    return address;
}

/* Where the access is to go instead: `address` if nothing is wrong with it, and for null pointers, which are faults. */
SW_EXPORT void *mp_check_access(uint8_t *address, unsigned long size, mp_u32 kind, const struct place *place,
                                unsigned long value)
{
    struct sw_self *self = sw_current;
    if (!self || !self->in_kernel || !self->group || !self->job || (uintptr_t)address < 4096)
        return address;
    enter(self, false);
    pthread_once(&once, make_table);
    void *to = checked(self, address, size, kind, place, value);
    enter(self, true);
    return to;
}
