/* queue.m: command queues and command buffers. Each queue has a thread that runs its command buffers one by one. */
#import "standin.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct standin_worker {
    _Atomic int references;      /* the queue's, the thread's, and one for each command buffer */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    mp_queue *queue;
    StandinCommandBuffer *__unsafe_unretained *committed; /* ring, under lock; retained */
    unsigned first, count, capacity;
    bool running;                /* under lock */
    bool closed;                 /* under lock: the queue is gone, and no more will be committed */
    unsigned alive, most;        /* under lock: command buffers that are not complete */
};

static struct standin_worker *worker_new(unsigned most)
{
    struct standin_worker *worker = calloc(1, sizeof *worker);
    mp_error error;
    if (standin_executor->queue_create(standin_device, &worker->queue, &error) != MP_OK) {
        free(worker);
        return NULL;
    }
    atomic_init(&worker->references, 1);
    pthread_mutex_init(&worker->lock, NULL);
    pthread_cond_init(&worker->changed, NULL);
    worker->most = most;
    return worker;
}

static void worker_drop(struct standin_worker *worker)
{
    if (!worker || atomic_fetch_sub(&worker->references, 1) != 1)
        return;
    standin_executor->queue_release(worker->queue);
    pthread_mutex_destroy(&worker->lock);
    pthread_cond_destroy(&worker->changed);
    free(worker->committed);
    free(worker);
}

static void worker_push(struct standin_worker *worker, StandinCommandBuffer *buffer)
{
    if (worker->count == worker->capacity) {
        unsigned capacity = worker->capacity ? worker->capacity * 2 : 16;
        StandinCommandBuffer *__unsafe_unretained *grown = calloc(capacity, sizeof *grown);
        for (unsigned i = 0; i < worker->count; i++)
            grown[i] = worker->committed[(worker->first + i) % worker->capacity];
        free(worker->committed);
        worker->committed = grown;
        worker->first = 0;
        worker->capacity = capacity;
    }
    worker->committed[(worker->first + worker->count++) % worker->capacity] = [buffer retain];
}

/* The next command buffer; nil when there was none for a while. */
static StandinCommandBuffer *worker_take(struct standin_worker *worker)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 1;
    StandinCommandBuffer *taken = nil;
    pthread_mutex_lock(&worker->lock);
    while (worker->count == 0 && !worker->closed &&
           pthread_cond_timedwait(&worker->changed, &worker->lock, &until) == 0)
        ;
    if (worker->count) {
        taken = worker->committed[worker->first];
        worker->first = (worker->first + 1) % worker->capacity;
        worker->count--;
    } else {
        worker->running = false;
    }
    pthread_mutex_unlock(&worker->lock);
    return taken;
}

static void *worker_main(void *context)
{
    struct standin_worker *worker = context;
    for (;;) {
        @autoreleasepool {
            StandinCommandBuffer *buffer = worker_take(worker);
            if (!buffer)
                break;
            [buffer run:worker->queue];
            [buffer release];
        }
    }
    worker_drop(worker);
    return NULL;
}

static void worker_commit(struct standin_worker *worker, StandinCommandBuffer *buffer)
{
    pthread_mutex_lock(&worker->lock);
    worker_push(worker, buffer);
    if (!worker->running) {
        pthread_t thread;
        worker->running = true;
        atomic_fetch_add(&worker->references, 1);
        if (pthread_create(&thread, NULL, worker_main, worker) != 0)
            abort();
        pthread_detach(thread);
    }
    pthread_cond_broadcast(&worker->changed);
    pthread_mutex_unlock(&worker->lock);
}

/* A command buffer begins or ends; a queue has so many and no more. */
static void worker_count(struct standin_worker *worker, int change)
{
    pthread_mutex_lock(&worker->lock);
    while (change > 0 && worker->alive >= worker->most)
        pthread_cond_wait(&worker->changed, &worker->lock);
    worker->alive += (unsigned)change;
    pthread_cond_broadcast(&worker->changed);
    pthread_mutex_unlock(&worker->lock);
}

@implementation MTLLogStateDescriptor

- (void)setLevel:(NSInteger)level
{
    REQUIRE(level >= 0 && level <= 5, @"log level %ld is unknown", (long)level);
    _level = level;
}

- (void)setBufferSize:(NSInteger)bytes
{
    REQUIRE(bytes >= 1024, @"a log buffer has at least 1 KiB");
    _bufferSize = bytes;
}

@end

@implementation MTLCommandQueueDescriptor

- (void)dealloc
{
    [_logState release];
    [super dealloc];
}

- (void)setMaxCommandBufferCount:(NSUInteger)most
{
    _most = most;
}

- (void)setLogState:(StandinLogState *)state
{
    [_logState autorelease];
    _logState = [state retain];
}

@end

@implementation StandinLogState

- (void)dealloc
{
    if (_handler)
        Block_release(_handler);
    [super dealloc];
}

- (void)addLogHandler:(void (^)(NSString *, NSString *, NSInteger, NSString *))handler
{
    REQUIRE(!_handler, @"the stand-in has one log handler for each state");
    _handler = Block_copy(handler);
}

static NSString *text_of(const char *text)
{
    return text ? [NSString stringWithUTF8String:text] : @"";
}

/* Metal tells no more than this: not the kernel, nor the line, nor the thread. */
- (void)deliver:(const mp_message *)message
{
    NSInteger level = message->level <= MP_MESSAGE_FAULT ? (NSInteger)message->level : 3;
    if (_handler)
        _handler(text_of(message->subsystem), text_of(message->category), level, text_of(message->text));
}

@end

static void deliver(void *state, const mp_message *message)
{
    [(StandinLogState *)state deliver:message];
}

@implementation StandinQueue

- (instancetype)initWithMost:(NSUInteger)most logState:(StandinLogState *)state
{
    if (!(self = [super init]))
        return nil;
    _worker = worker_new((unsigned)most);
    _logState = [state retain];
    return self;
}

- (void)dealloc
{
    pthread_mutex_lock(&_worker->lock);
    _worker->closed = true;
    pthread_cond_broadcast(&_worker->changed);
    pthread_mutex_unlock(&_worker->lock);
    worker_drop(_worker);
    [_logState release];
    [super dealloc];
}

- (id<MTLCommandBuffer>)commandBuffer
{
    if (standin_take_fault(FAULT_COMMAND_BUFFER_NIL))
        return nil;
    worker_count(_worker, 1);
    return [[[StandinCommandBuffer alloc] initWithQueue:self worker:_worker] autorelease];
}

@end

@implementation StandinCommandBuffer

- (instancetype)initWithQueue:(StandinQueue *)queue worker:(struct standin_worker *)worker
{
    if (!(self = [super init]))
        return nil;
    _queue = [queue retain];
    _worker = worker;
    atomic_fetch_add(&worker->references, 1);
    _end = &_first;
    _retained = [[NSMutableArray alloc] init];
    _scheduledHandlers = [[NSMutableArray alloc] init];
    _completedHandlers = [[NSMutableArray alloc] init];
    return self;
}

- (void)forgetCommands
{
    while (_first) {
        struct standin_command *command = _first;
        _first = command->next;
        for (uint32_t i = 0; i < command->dispatch.argument_count; i++)
            free((void *)command->arguments[i].bytes);
        free(command->arguments);
        free(command->residents);
        free(command->context);
        free(command);
    }
    _end = &_first;
    [_retained removeAllObjects];
}

- (void)dealloc
{
    REQUIRE(_encoder == nil, @"Command encoder released without endEncoding");
    if (_status < MTLCommandBufferStatusCommitted)
        worker_count(_worker, -1);
    [self forgetCommands];
    [_retained release];
    [_scheduledHandlers release];
    [_completedHandlers release];
    [_error release];
    [_queue release];
    worker_drop(_worker);
    [super dealloc];
}

- (id<MTLCommandQueue>)commandQueue
{
    return _queue;
}

- (CFTimeInterval)GPUStartTime
{
    return _start;
}

- (CFTimeInterval)GPUEndTime
{
    return _finish;
}

- (MTLCommandBufferStatus)status
{
    return _status;
}

- (NSError *)error
{
    return _error;
}

- (void)keep:(id)object
{
    if (object)
        [_retained addObject:object];
}

- (void)addHandler:(MTLCommandBufferHandler)block to:(NSMutableArray *)handlers
{
    [handlers addObject:[NSValue valueWithPointer:Block_copy(block)]];
}

- (void)callHandlers:(NSMutableArray *)handlers
{
    for (NSValue *value in handlers) {
        MTLCommandBufferHandler block = [value pointerValue];
        block(self);
        Block_release(block);
    }
    [handlers removeAllObjects];
}

- (void)addScheduledHandler:(MTLCommandBufferHandler)block
{
    REQUIRE(_status < MTLCommandBufferStatusCommitted, @"Scheduled handler provided after commit call");
    [self addHandler:block to:_scheduledHandlers];
}

- (void)addCompletedHandler:(MTLCommandBufferHandler)block
{
    REQUIRE(_status < MTLCommandBufferStatusCommitted, @"Completed handler provided after commit call");
    [self addHandler:block to:_completedHandlers];
}

- (void)checkOpen:(const char *)where
{
    if (_status >= MTLCommandBufferStatusCommitted)
        standin_misuse(where, @"encoding into a command buffer that is already committed");
    if (_encoder)
        standin_misuse(where, @"A command encoder is already encoding to this command buffer");
}

- (id<MTLBlitCommandEncoder>)blitCommandEncoder
{
    [self checkOpen:sel_getName(_cmd)];
    _encoder = [[[StandinBlitEncoder alloc] initWithBuffer:self] autorelease];
    return _encoder;
}

- (id<MTLComputeCommandEncoder>)computeCommandEncoder
{
    [self checkOpen:sel_getName(_cmd)];
    _encoder = [[[StandinComputeEncoder alloc] initWithBuffer:self] autorelease];
    return _encoder;
}

- (void)encoderEnded:(id)encoder
{
    if (_encoder == encoder)
        _encoder = nil;
}

- (struct standin_command *)addCommand:(enum standin_kind)kind from:(id)encoder
{
    if (!encoder)
        [self checkOpen:"addCommand"];
    struct standin_command *command = calloc(1, sizeof *command);
    command->kind = kind;
    *_end = command;
    _end = &command->next;
    return command;
}

- (void)encodeWaitForEvent:(id<MTLEvent>)event value:(uint64_t)value
{
    [self checkOpen:sel_getName(_cmd)];
    struct standin_command *command = [self addCommand:RUN_WAIT from:nil];
    command->event = (StandinEvent *)event;
    command->value = value;
    [self keep:event];
}

- (void)encodeSignalEvent:(id<MTLEvent>)event value:(uint64_t)value
{
    [self checkOpen:sel_getName(_cmd)];
    struct standin_command *command = [self addCommand:RUN_SIGNAL from:nil];
    command->event = (StandinEvent *)event;
    command->value = value;
    [self keep:event];
}

- (void)commit
{
    REQUIRE(_status < MTLCommandBufferStatusCommitted, @"commit an already committed command buffer");
    REQUIRE(_encoder == nil, @"commit command buffer with uncommitted encoder");
    _status = MTLCommandBufferStatusCommitted;
    worker_commit(_worker, self);
}

- (void)waitUntilCompleted
{
    REQUIRE(_status >= MTLCommandBufferStatusCommitted, @"waiting for a command buffer that was never committed");
    pthread_mutex_lock(&_worker->lock);
    while (!_over)
        pthread_cond_wait(&_worker->changed, &_worker->lock);
    pthread_mutex_unlock(&_worker->lock);
}

/* ---- on the worker's thread ---- */

static mp_status copy_texels(struct standin_command *command, mp_error *error)
{
    char *memory = standin_executor->buffer_contents(command->source);
    memory += command->source_offset;
    if (command->kind == RUN_TO_TEXTURE)
        return standin_executor->texture_replace(command->texture, &command->region, memory, error);
    return standin_executor->texture_read(command->texture, &command->region, memory, error);
}

static mp_status run_command(struct standin_command *command, mp_queue *queue, mp_error *error)
{
    mp_status status;
    switch (command->kind) {
    case RUN_DISPATCH:
        for (uint32_t i = 0; i < command->resident_count; i++) {
            if (!standin_is_alive(command->residents[i]))
                standin_misuse("commit", @"a resource that was made resident is gone before its work is complete");
        }
        return standin_executor->queue_dispatch(queue, &command->dispatch, NULL, error);
    case RUN_COPY:
        return standin_executor->queue_copy(queue, command->target, command->target_offset, command->source,
                                            command->source_offset, command->size, NULL, error);
    case RUN_MIPMAPS:
        return standin_executor->queue_generate_mipmaps(queue, command->texture, NULL, error);
    case RUN_FILL:
        return standin_executor->queue_fill(queue, command->target, command->target_offset, command->size,
                                            &command->byte, 1, NULL, error);
    default: /* on the host, when all before is done */
        status = standin_executor->queue_wait(queue, UINT64_MAX, MP_FOREVER, error);
        if (status)
            return status;
        if (command->kind == RUN_SIGNAL)
            [command->event reach:command->value];
        else if (command->kind == RUN_WAIT)
            [command->event waitFor:command->value];
        else if (command->kind != RUN_CALL)
            return copy_texels(command, error);
        else
            command->call(command->context);
        return MP_OK;
    }
}

static MTLCommandBufferError error_of(mp_status status)
{
    switch (status) {
    case MP_ERROR_FAULT:
        return MTLCommandBufferErrorPageFault;
    case MP_ERROR_TIME_LIMIT:
        return MTLCommandBufferErrorTimeout;
    case MP_ERROR_MEMORY:
        return MTLCommandBufferErrorOutOfMemory;
    default:
        return MTLCommandBufferErrorInternal;
    }
}

/* 0 or a failure. */
- (MTLCommandBufferError)runCommands:(mp_queue *)queue text:(NSString **)text
{
    int wanted = standin_fault(FAULT_COMMAND_BUFFER);
    if (wanted && _first) {
        metal_standin_inject(FAULT_COMMAND_BUFFER, 0);
        *text = [NSString stringWithFormat:@"Injected error %d", wanted];
        return (MTLCommandBufferError)wanted;
    }
    mp_error error;
    mp_status status = MP_OK;
    for (struct standin_command *command = _first; command && status == MP_OK; command = command->next)
        status = run_command(command, queue, &error);
    if (status == MP_OK)
        status = standin_executor->queue_wait(queue, UINT64_MAX, MP_FOREVER, &error);
    else
        standin_executor->queue_wait(queue, UINT64_MAX, MP_FOREVER, NULL);
    if (status == MP_OK)
        return MTLCommandBufferErrorNone;
    *text = [NSString stringWithUTF8String:error.message];
    return error_of(status);
}

- (void)run:(mp_queue *)queue
{
    NSString *text = nil;
    _status = MTLCommandBufferStatusScheduled;
    [self callHandlers:_scheduledHandlers];
    double start = standin_seconds();
    MTLCommandBufferError code = [self runCommands:queue text:&text];
    standin_executor->queue_take_messages(queue, deliver, _queue->_logState);
    int late = standin_fault(FAULT_SLOW);
    if (late)
        usleep((useconds_t)late * 1000);
    if (code == MTLCommandBufferErrorNone) {
        _start = start;
        _finish = standin_seconds();
        _status = MTLCommandBufferStatusCompleted;
    } else {
        _error = [standin_error(MTLCommandBufferErrorDomain, (NSInteger)code, text) retain];
        _status = MTLCommandBufferStatusError;
    }
    [self callHandlers:_completedHandlers];
    [self forgetCommands];
    pthread_mutex_lock(&_worker->lock);
    _over = true;
    pthread_mutex_unlock(&_worker->lock);
    worker_count(_worker, -1); /* which wakes those who wait */
}

@end
