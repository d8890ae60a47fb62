/* logs.m: what kernels write with os_log, where the system hands it on (macOS 15). */
#import "metal_driver.h"

#import "later.h"

#include <stdlib.h>
#include <string.h>

#define LOG_BUFFER_SIZE (1 << 20) /* bytes on the GPU for the logs of one command buffer */
#define MESSAGES_KEPT 10000       /* until queue_take_messages; what comes then is counted */

struct message {
    struct message *next;
    uint32_t level;
    char *subsystem, *category;
    char text[];
};

struct mtl_logs {
    id state;                     /* owned: an MTLLogState */
    pthread_mutex_t lock;
    struct message *first, **end; /* under lock */
    uint32_t count;
    uint64_t lost;
};

static uint32_t level_of(NSInteger level)
{
    switch (level) {
    case MTL_LOG_LEVEL_DEBUG:
        return MP_MESSAGE_DEBUG;
    case MTL_LOG_LEVEL_INFO:
        return MP_MESSAGE_INFO;
    case MTL_LOG_LEVEL_ERROR:
        return MP_MESSAGE_ERROR;
    case MTL_LOG_LEVEL_FAULT:
        return MP_MESSAGE_FAULT;
    default:
        return MP_MESSAGE_DEFAULT;
    }
}

static char *copy_or_null(NSString *text)
{
    return text.length ? strdup(text.UTF8String) : NULL;
}

static void free_message(struct message *message)
{
    free(message->subsystem);
    free(message->category);
    free(message);
}

static void keep(struct mtl_logs *logs, NSString *subsystem, NSString *category, NSInteger level, NSString *text)
{
    const char *utf8 = text.UTF8String;
    size_t size = strlen(utf8 ? utf8 : "") + 1;
    pthread_mutex_lock(&logs->lock);
    struct message *message = logs->count < MESSAGES_KEPT ? calloc(1, sizeof *message + size) : NULL;
    if (message) {
        memcpy(message->text, utf8 ? utf8 : "", size);
        message->level = level_of(level);
        message->subsystem = copy_or_null(subsystem);
        message->category = copy_or_null(category);
        *logs->end = message;
        logs->end = &message->next;
        logs->count++;
    } else {
        logs->lost++;
    }
    pthread_mutex_unlock(&logs->lock);
}

bool mtl_logs_exist(void)
{
    return NSClassFromString(@"MTLLogStateDescriptor") != nil;
}

struct mtl_logs *mtl_logs_create(id<MTLDevice> device)
{
    Class descriptor_class = NSClassFromString(@"MTLLogStateDescriptor");
    if (!descriptor_class || ![device respondsToSelector:@selector(newLogStateWithDescriptor:error:)])
        return NULL;
    id descriptor = [[[descriptor_class alloc] init] autorelease];
    [(id<MtlLaterLogStateDescriptor>)descriptor setLevel:MTL_LOG_LEVEL_DEBUG];
    [(id<MtlLaterLogStateDescriptor>)descriptor setBufferSize:LOG_BUFFER_SIZE];
    id state = [(id<MtlLaterDevice>)device newLogStateWithDescriptor:descriptor error:NULL];
    struct mtl_logs *logs = state ? calloc(1, sizeof *logs) : NULL;
    if (!logs) {
        [state release];
        return NULL;
    }
    logs->state = state;
    logs->end = &logs->first;
    pthread_mutex_init(&logs->lock, NULL);
    [(id<MtlLaterLogState>)state
        addLogHandler:^(NSString *subsystem, NSString *category, NSInteger level, NSString *text) {
            MTL_POOL { keep(logs, subsystem, category, level, text); }
        }];
    return logs;
}

void mtl_logs_free(struct mtl_logs *logs)
{
    if (!logs)
        return;
    [logs->state release];
    while (logs->first) {
        struct message *message = logs->first;
        logs->first = message->next;
        free_message(message);
    }
    pthread_mutex_destroy(&logs->lock);
    free(logs);
}

id<MTLCommandQueue> mtl_logs_new_queue(struct mtl_logs *logs, id<MTLDevice> device, NSUInteger buffers)
{
    id descriptor = [[[NSClassFromString(@"MTLCommandQueueDescriptor") alloc] init] autorelease];
    [(id<MtlLaterCommandQueueDescriptor>)descriptor setMaxCommandBufferCount:buffers];
    [(id<MtlLaterCommandQueueDescriptor>)descriptor setLogState:logs->state];
    return [(id<MtlLaterDevice>)device newCommandQueueWithDescriptor:descriptor];
}

static void hand(const struct message *message, mp_message_callback each, void *context)
{
    mp_message handed = {.level = message->level,
                         .subsystem = message->subsystem,
                         .category = message->category,
                         .text = message->text};
    each(context, &handed);
}

uint32_t mtl_queue_take_messages(mp_queue *queue, mp_message_callback each, void *context)
{
    struct mtl_logs *logs = queue->logs;
    if (mtl_forked || !logs)
        return 0;
    pthread_mutex_lock(&logs->lock);
    struct message *message = logs->first;
    uint32_t count = logs->count;
    uint64_t lost = logs->lost;
    logs->first = NULL;
    logs->end = &logs->first;
    logs->count = 0;
    logs->lost = 0;
    pthread_mutex_unlock(&logs->lock);
    while (message) {
        struct message *next = message->next;
        hand(message, each, context);
        free_message(message);
        message = next;
    }
    if (lost) {
        char text[32];
        snprintf(text, sizeof text, "%llu", (unsigned long long)lost);
        each(context, &(mp_message){.level = MP_MESSAGE_LOST, .text = text});
        count++;
    }
    return count;
}
