/* software_debug.h: for tests of the software device. */
#ifndef METALPY_SOFTWARE_DEBUG_H
#define METALPY_SOFTWARE_DEBUG_H

#include <stdint.h>

/* Native objects alive: heaps, buffers, libraries, pipelines, queues and events, whoever holds them. */
__attribute__((visibility("default"))) int64_t mp_software_live_objects(void);

/* Those of them that are libraries and pipelines, which callers keep for good. */
__attribute__((visibility("default"))) int64_t mp_software_live_code(void);

#endif
