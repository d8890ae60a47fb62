/* message.c: what kernels say, on its way from the thread that says it to the caller of queue_take_messages.
 *
 * While a thread takes part in a job it keeps what its threadgroups say in memory of its own (struct sw_voice), so
 * that a kernel that speaks takes no lock and allocates nothing; a fault may end it at any instruction. What was said is
 * handed to the job when the thread leaves it, put into the order of the threadgroups when the job ends, and becomes
 * text when the host asks.
 *
 * A command keeps the longest run of messages, in that order, that fits. The same ones whoever ran which threadgroup:
 * every part holds its own threadgroups in order and is as large as the whole may be, so what the whole has room for,
 * no part has dropped. Behind that run only the first error report is kept, if there was none before.
 */
#include "message.h"
#include "lanes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_CAPACITY (UINT64_C(1) << 20)
#define CAPACITY_MAX (1L << 30)
#define QUEUE_LIMIT 64         /* capacities that a queue keeps for a host that never asks */
#define PRUNE_LIMIT 4          /* capacities of parts that a job gathers before it drops what will not fit */
#define STRING_MAX 511         /* bytes of a string that are kept */
#define FORMAT_MAX 2047
#define RECORD_MAX 8192        /* bytes of one message; its last values are dropped if they do not fit */

static uint64_t capacity;      /* bytes of messages that a command keeps; set once, see sw_messages_open */

mp_status sw_messages_open(mp_error *error)
{
    const char *text = getenv("METALPY_LOG_BUFFER_SIZE");
    capacity = DEFAULT_CAPACITY;
    if (!text || !*text)
        return MP_OK;
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno || *end || value < 0 || value > CAPACITY_MAX)
        return sw_fail(error, MP_ERROR_INVALID, "METALPY_LOG_BUFFER_SIZE must be a number of bytes up to %ld, not '%.60s'",
                       CAPACITY_MAX, text);
    capacity = (uint64_t)value;
    return MP_OK;
}

/* ---- on the thread that runs the kernel ---- */

void sw_messages_prepare(struct sw_self *self)
{
    if (self->voice.bytes)
        return;
    self->voice.bytes = malloc(capacity + RECORD_MAX); /* without memory everything is lost, and counted */
    self->voice.full = UINT64_MAX;
}

static const mp_thread *speaker(const struct sw_self *self)
{
    const struct sw_fibers *fibers = self->fibers;
    if (fibers && fibers->kernel && !fibers->whole)
        return &fibers->lanes[fibers->current].thread;
    return self->voice.thread;
}

static uint64_t group_number(const mp_group *group)
{
    return ((uint64_t)group->position[2] * group->group_count[1] + group->position[1]) * group->group_count[0] +
           group->position[0];
}

/* Copies up to `most` bytes of a string and ends it; returns what is behind it. */
static uint8_t *put_string(uint8_t *to, const char *text, size_t most)
{
    for (; text && most && *text; most--)
        *to++ = (uint8_t)*text++;
    *to++ = 0;
    return to;
}

static uint8_t *aligned(uint8_t *address)
{
    return (uint8_t *)(((uintptr_t)address + 7) & ~(uintptr_t)7);
}

/* Which values belong to a %s: those of a format, one after another. */
struct reader {
    const char *format;            /* behind the current conversion */
    int left;                      /* values of that conversion still to come: its stars, and itself */
    bool string;
};

static bool next_is_string(struct reader *reader)
{
    if (reader->left == 0) {
        mp_conversion found = mp_next_conversion(reader->format);
        reader->format = found.end;
        reader->left = (found.width == MP_FORMAT_STAR) + (found.precision == MP_FORMAT_STAR) + 1;
        reader->string = found.wants == 's';
    }
    return --reader->left == 0 && reader->string;
}

static uint8_t *put_value(uint8_t *to, const mp_message_value *value, bool as_string)
{
    struct sw_value *kept = (struct sw_value *)to;
    uint32_t lanes = value->lanes <= 4 ? value->lanes : 0;
    kept->kind = (uint16_t)value->kind;
    kept->size = (uint16_t)value->size;
    kept->lanes = lanes;
    to += sizeof *kept;
    if (value->kind == MP_VALUE_STRING && as_string) {
        kept->lanes = 0;
        return aligned(put_string(to, (const char *)(uintptr_t)value->bits[0], STRING_MAX));
    }
    if (value->kind == MP_VALUE_STRING)
        kept->kind = MP_VALUE_POINTER;
    memcpy(to, value->bits, lanes * sizeof value->bits[0]);
    return to + lanes * sizeof value->bits[0];
}

/* Builds a record, of at most RECORD_MAX bytes. */
static void build(const struct sw_self *self, uint8_t *at, const mp_message_site *site, const mp_message_value *values,
                  uint32_t count)
{
    struct sw_record *record = (struct sw_record *)at;
    const mp_group *group = self->group;
    const mp_thread *thread = speaker(self);
    *record = (struct sw_record){.level = (uint16_t)site->level, .line = site->line, .has_thread = thread && group};
    record->group = group ? group_number(group) : 0;
    for (int i = 0; record->has_thread && i < 3; i++)
        record->thread[i] = group->position[i] * group->group_size[i] + thread->position[i];
    uint8_t *to = put_string(at + sizeof *record, site->file, STRING_MAX);
    to = put_string(to, site->subsystem, STRING_MAX);
    to = put_string(to, site->category, STRING_MAX);
    struct reader reader = {.format = (const char *)to};
    to = aligned(put_string(to, site->format, FORMAT_MAX));
    for (uint32_t i = 0; i < count && to + sizeof(struct sw_value) + STRING_MAX + 8 < at + RECORD_MAX; i++) {
        to = put_value(to, &values[i], next_is_string(&reader));
        record->values++;
    }
    record->size = (uint32_t)(to - at);
}

SW_EXPORT void mp_kernel_message(const mp_message_site *site, const mp_message_value *values, mp_u32 count)
{
    struct sw_self *self = sw_current;
    if (!self || !self->in_kernel)
        return;
    struct sw_voice *voice = &self->voice;
    bool report = site->level == MP_MESSAGE_REPORT, full = voice->full != UINT64_MAX;
    if (!voice->bytes || (full && (!report || voice->late))) {
        voice->lost++;
        return;
    }
    struct sw_record *record = (struct sw_record *)(voice->bytes + voice->used);
    build(self, voice->bytes + voice->used, site, values, count);
    if (full || voice->used + record->size > capacity) {
        if (!full)
            voice->full = record->group;
        if (!report) {
            voice->lost++;
            return;
        }
        record->late = voice->late = true;
    }
    atomic_signal_fence(memory_order_seq_cst); /* a record is there as a whole or not at all */
    voice->used += record->size;
}

/* ---- parts, and the whole ---- */

static void count_lost(struct sw_said *said)
{
    for (uint64_t at = 0; at < said->size; at += ((struct sw_record *)(said->bytes + at))->size)
        said->lost++;
    said->size = 0;
}

static struct sw_said *new_said(uint64_t size)
{
    struct sw_said *said = malloc(sizeof *said + size);
    if (said)
        *said = (struct sw_said){.full = UINT64_MAX};
    return said;
}

static int by_group(const void *left, const void *right)
{
    const struct sw_record *a = *(const struct sw_record *const *)left, *b = *(const struct sw_record *const *)right;
    if (a->group != b->group)
        return a->group < b->group ? -1 : 1;
    return a < b ? -1 : a > b; /* a threadgroup's messages are in one part, in order */
}

/* All records of a list of parts, in order; NULL without memory. */
static struct sw_record **sorted(struct sw_said *list, uint64_t *count)
{
    *count = 0;
    for (struct sw_said *part = list; part; part = part->next)
        for (uint64_t at = 0; at < part->size; at += ((struct sw_record *)(part->bytes + at))->size)
            ++*count;
    struct sw_record **records = malloc((*count + 1) * sizeof *records), **next = records;
    if (!records)
        return NULL;
    for (struct sw_said *part = list; part; part = part->next)
        for (uint64_t at = 0; at < part->size; at += (*next++)->size)
            *next = (struct sw_record *)(part->bytes + at);
    qsort(records, *count, sizeof *records, by_group);
    return records;
}

/* Moves to `whole` what fits: see the top of the file. */
static void fill(struct sw_said *whole, struct sw_record *const *records, uint64_t count, uint64_t room)
{
    bool over = false, reported = false;
    for (uint64_t i = 0; i < count; i++) {
        struct sw_record *record = records[i];
        bool report = record->level == MP_MESSAGE_REPORT;
        if (!over && (record->late || record->group > whole->full || whole->size + record->size > room)) {
            over = true;
            whole->full = record->group < whole->full ? record->group : whole->full;
        }
        if (over && (!report || reported)) {
            whole->lost++;
            continue;
        }
        record->late = over;
        reported = reported || report;
        memcpy(whole->bytes + whole->size, record, record->size);
        whole->size += record->size;
    }
}

/* One part from a list of them, which is freed. */
static struct sw_said *merge(struct sw_said *list, uint64_t room)
{
    if (!list->next && list->size <= room)
        return list;
    uint64_t count, size = 0;
    struct sw_record **records = sorted(list, &count);
    for (struct sw_said *part = list; part; part = part->next)
        size += part->size;
    struct sw_said *whole = records ? new_said(size < room + RECORD_MAX ? size : room + RECORD_MAX) : NULL;
    bool merged = whole != NULL;
    if (!merged) {
        whole = list;
        list = list->next;
    }
    for (struct sw_said *part = list; part; part = part->next) {
        whole->lost += part->lost;
        whole->full = part->full < whole->full ? part->full : whole->full;
    }
    if (merged)
        fill(whole, records, count, room);
    while (list) {
        struct sw_said *part = list;
        list = part->next;
        if (!merged) {
            part->lost = 0;
            count_lost(part);
            whole->lost += part->lost;
        }
        free(part);
    }
    free(records);
    whole->next = NULL;
    return whole;
}

static void add_part(struct sw_job *job, struct sw_said *part)
{
    struct sw_said *all = NULL;
    pthread_mutex_lock(&sw_device.lock);
    part->next = job->said;
    job->said = part;
    job->said_bytes += part->size;
    if (job->said_bytes > PRUNE_LIMIT * (capacity + RECORD_MAX)) {
        all = job->said;
        job->said = NULL;
        job->said_bytes = 0;
    }
    pthread_mutex_unlock(&sw_device.lock);
    if (!all)
        return;
    all = merge(all, capacity);
    pthread_mutex_lock(&sw_device.lock);
    all->next = job->said;
    job->said = all;
    job->said_bytes += all->size;
    pthread_mutex_unlock(&sw_device.lock);
}

void sw_messages_leave(struct sw_self *self, struct sw_job *job)
{
    struct sw_voice *voice = &self->voice;
    voice->thread = NULL;
    if (!voice->used && !voice->lost)
        return;
    struct sw_said *part = new_said(voice->used);
    if (part) {
        memcpy(part->bytes, voice->bytes, voice->used);
        part->size = voice->used;
        part->lost = voice->lost;
        part->full = voice->full;
        add_part(job, part);
    }
    voice->used = voice->lost = 0;
    voice->full = UINT64_MAX;
    voice->late = false;
}

void sw_messages_close(mp_queue *queue, uint64_t serial)
{
    struct sw_job *job = &queue->job;
    struct sw_said *list = job->said; /* everyone has left */
    if (!list)
        return;
    job->said = NULL;
    job->said_bytes = 0;
    pthread_mutex_lock(&sw_device.lock);
    bool overfull = queue->said_bytes > QUEUE_LIMIT * (capacity + RECORD_MAX);
    pthread_mutex_unlock(&sw_device.lock);
    struct sw_said *whole = merge(list, overfull ? 0 : capacity);
    whole->serial = serial;
    whole->pipeline = job->command->u.dispatch.pipeline;
    sw_retain(&whole->pipeline->references);
    pthread_mutex_lock(&sw_device.lock);
    *(queue->said ? &queue->said_last->next : &queue->said) = whole;
    queue->said_last = whole;
    queue->said_bytes += whole->size;
    pthread_mutex_unlock(&sw_device.lock);
    atomic_store_explicit(&queue->has_said, true, memory_order_release); /* before the command is complete */
}

void sw_messages_free(struct sw_said *list)
{
    while (list) {
        struct sw_said *said = list;
        list = said->next;
        if (said->pipeline)
            sw_pipeline_release(said->pipeline);
        free(said);
    }
}

/* ---- to the host ---- */

static uint32_t hand_out(const struct sw_said *said, struct sw_text *text, mp_message_callback each, void *context)
{
    uint32_t count = 0;
    for (uint64_t at = 0; at < said->size; count++) {
        const struct sw_record *record = (const struct sw_record *)(said->bytes + at);
        mp_message message = {.serial = said->serial,
                              .level = record->level,
                              .line = record->line,
                              .has_thread = record->has_thread,
                              .thread = {record->thread[0], record->thread[1], record->thread[2]},
                              .kernel = said->pipeline->name};
        const char *file = (const char *)(record + 1);
        const char *subsystem = file + strlen(file) + 1;
        const char *category = subsystem + strlen(subsystem) + 1;
        message.file = *file ? file : NULL;
        message.subsystem = *subsystem ? subsystem : NULL;
        message.category = *category ? category : NULL;
        message.text = sw_message_text(text, record, category + strlen(category) + 1);
        each(context, &message);
        at += record->size;
    }
    if (said->lost) {
        char lost[100];
        snprintf(lost, sizeof lost, "%llu message%s did not fit into %llu bytes", (unsigned long long)said->lost,
                 said->lost == 1 ? "" : "s", (unsigned long long)capacity);
        mp_message message = {
            .serial = said->serial, .level = MP_MESSAGE_LOST, .kernel = said->pipeline->name, .text = lost};
        each(context, &message);
        count++;
    }
    return count;
}

uint32_t sw_queue_take_messages(mp_queue *queue, mp_message_callback each, void *context)
{
    if (!atomic_load_explicit(&queue->has_said, memory_order_acquire) || sw_forked)
        return 0;
    pthread_mutex_lock(&sw_device.lock);
    struct sw_said *list = queue->said;
    queue->said = queue->said_last = NULL;
    queue->said_bytes = 0;
    atomic_store_explicit(&queue->has_said, false, memory_order_relaxed);
    pthread_mutex_unlock(&sw_device.lock);
    uint32_t count = 0;
    struct sw_text text = {0};
    for (const struct sw_said *said = list; said; said = said->next)
        count += hand_out(said, &text, each, context);
    free(text.bytes);
    sw_messages_free(list);
    return count;
}
