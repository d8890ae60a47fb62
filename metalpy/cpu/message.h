/* message.h: how messages of kernels are kept, and what makes text of them. */
#ifndef METALPY_MESSAGE_H
#define METALPY_MESSAGE_H

#include "software.h"
#include "../include/metalpy_format.h"

/* A message: behind it file, subsystem, category and format, each ended by a NUL, then at a multiple of 8 the values. */
struct sw_record {
    uint32_t size;            /* of all of it, a multiple of 8 */
    uint16_t level;
    uint16_t values;
    uint64_t group;           /* number of the threadgroup */
    uint32_t thread[3];
    uint32_t line;
    bool has_thread;
    bool late;                /* an error report that is kept though others before it are lost */
};

/* An argument: behind it `lanes` 64-bit numbers, or a C string that fills up to a multiple of 8. */
struct sw_value {
    uint16_t kind;            /* MP_VALUE_* */
    uint16_t size;            /* bytes of a number in the kernel */
    uint32_t lanes;           /* 0: a string */
};

/* What a command, or a part of its threadgroups, has said: records in the order of the threadgroups. */
struct sw_said {
    struct sw_said *next;
    mp_pipeline *pipeline;    /* retained; NULL for a part */
    uint64_t serial;
    uint64_t size;
    uint64_t lost;            /* messages that did not fit */
    uint64_t full;            /* threadgroup of the first of them; UINT64_MAX: none */
    uint8_t bytes[];
};

struct sw_text {
    char *bytes;              /* owned */
    size_t used;
    size_t size;
};

/* The record's format with its values in it; lives until the next call. */
const char *sw_message_text(struct sw_text *text, const struct sw_record *record, const char *format);

#endif
