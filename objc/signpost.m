/* signpost.m: marks for Instruments. What they say is public: kernels' names and serials are no secrets. */
#import "metal_driver.h"

#include <os/signpost.h>

static os_log_t operations(void)
{
    static os_log_t log;
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&lock);
    if (!log)
        log = os_log_create("metalpy", "operations");
    pthread_mutex_unlock(&lock);
    return log;
}

uint64_t mtl_signpost_begin(const char *name)
{
    os_log_t log = operations();
    os_signpost_id_t signpost = os_signpost_id_generate(log);
    os_signpost_interval_begin(log, signpost, "command", "%{public}s", name);
    return signpost;
}

void mtl_signpost_end(uint64_t signpost, const char *name, uint64_t serial)
{
    if (signpost == 0)
        return;
    os_signpost_interval_end(operations(), (os_signpost_id_t)signpost, "command", "%{public}s, command %llu", name,
                             (unsigned long long)serial);
}

void mtl_signpost_event(const char *name, uint64_t serial)
{
    os_signpost_event_emit(operations(), OS_SIGNPOST_ID_EXCLUSIVE, "complete", "%{public}s, command %llu", name,
                           (unsigned long long)serial);
}
