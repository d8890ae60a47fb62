/* os/signpost.h of the stand-in: signposts end in a list that tests read (metal_standin_signposts). */
#ifndef STANDIN_SIGNPOST_H
#define STANDIN_SIGNPOST_H

#include <stdint.h>

typedef struct standin_log *os_log_t;
typedef uint64_t os_signpost_id_t;

#define OS_SIGNPOST_ID_EXCLUSIVE ((os_signpost_id_t)0xEEEEB0B5B2B2EEEE)

os_log_t os_log_create(const char *subsystem, const char *category);
os_signpost_id_t os_signpost_id_generate(os_log_t log);
/* `format` has %{public}s where printf has %s. */
void standin_signpost(os_log_t log, os_signpost_id_t signpost, const char *kind, const char *name, const char *format,
                      ...);

#define os_signpost_interval_begin(log, signpost, name, ...)                                                         \
    standin_signpost(log, signpost, "begin", "" name, "" __VA_ARGS__)
#define os_signpost_interval_end(log, signpost, name, ...)                                                           \
    standin_signpost(log, signpost, "end", "" name, "" __VA_ARGS__)
#define os_signpost_event_emit(log, signpost, name, ...)                                                             \
    standin_signpost(log, signpost, "event", "" name, "" __VA_ARGS__)

#endif
