/* standin.h: a Metal framework for tests. It runs on the software device, through the same C ABI that it helps to test,
 * and is as strict as Metal's validation layer: misuse ends the process with a sentence. */
#ifndef STANDIN_H
#define STANDIN_H

#import <Foundation/Foundation.h>
#import <Metal/Metal.h>

#include <Block.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "metalpy_abi.h"

#define STANDIN_EXPORT __attribute__((visibility("default")))

/* ---- control.m: what tests set and read ---- */

/* Answers a request of JSON by calling `answer` with JSON, before it returns. */
typedef void (*standin_answer)(void *context, const char *json);
typedef void (*standin_compiler)(const char *request, standin_answer answer, void *context);

/* The driver that runs the work; before anything else. */
STANDIN_EXPORT void metal_standin_set_executor(const mp_driver *driver);
STANDIN_EXPORT void metal_standin_set_compiler(standin_compiler compiler);

enum standin_fault {
    FAULT_NO_DEVICE = 0,          /* there is none, until set back to 0 */
    FAULT_ALLOCATION = 1,         /* so many buffers and heaps are refused */
    FAULT_QUEUE = 2,              /* so many command queues are refused */
    FAULT_LIBRARY = 3,            /* so many libraries fail with an internal error */
    FAULT_PIPELINE = 4,           /* likewise pipelines */
    FAULT_COMMAND_BUFFER = 5,     /* the next command buffer fails with this MTLCommandBufferError, and runs nothing */
    FAULT_SLOW = 6,               /* each completion comes so many milliseconds late */
    FAULT_EXCEPTION = 7,          /* so many buffers and heaps raise an exception instead of coming */
    FAULT_COMMAND_BUFFER_NIL = 8, /* so many command buffers are refused */
    FAULT_CAPTURE = 9,            /* 1: captures may be written */
    FAULT_EVENT = 10,             /* so many events are refused */
    FAULT_TEXTURE = 11,           /* so many textures and samplers are refused */
    FAULT_MACOS_12 = 12,          /* 1: resources have no selectors of macOS 13 */
    FAULT_MAC_GPU = 13,           /* 1: the GPU is none of Apple's: private textures, few formats to read and write */
    FAULT_COUNT
};
STANDIN_EXPORT void metal_standin_inject(int fault, int value);
/* Live objects of a class ("StandinBuffer"), or of all with NULL. */
STANDIN_EXPORT int metal_standin_live(const char *class_name);
/* How often something has happened: "archive hit", "archive miss", "exact grid", "barrier", "texture barrier", "fence",
 * "blit copy", "blit fill", "blit texels", "mipmaps", "texture read", "texture replace". */
STANDIN_EXPORT int metal_standin_counter(const char *name);
/* Copies the signposts so far, one a line, and forgets them; returns the length. */
STANDIN_EXPORT int metal_standin_signposts(char *text, int size);

extern const mp_driver *standin_executor;
extern mp_device *standin_device;
int standin_fault(enum standin_fault fault);      /* its value */
bool standin_take_fault(enum standin_fault fault); /* counts it down */
void standin_count(const char *name);
/* What Metal's validation layer does with misuse. */
void standin_misuse(const char *where, NSString *format, ...) __attribute__((noreturn));
#define REQUIRE(condition, ...)                                                                                      \
    do {                                                                                                             \
        if (!(condition))                                                                                            \
            standin_misuse(sel_getName(_cmd), __VA_ARGS__);                                                          \
    } while (0)
bool standin_is_alive(id object);
double standin_seconds(void);
NSDictionary *standin_ask(NSDictionary *request);
NSError *standin_error(NSString *domain, NSInteger code, NSString *text);

/* Every object of the framework that lives as long as its user says. */
@interface StandinObject : NSObject
{
    NSString *_label;
}
@property(copy, atomic) NSString *label;
@property(readonly) id<MTLDevice> device;
@end

/* ---- device.m ---- */
@interface StandinDevice : NSObject <MTLDevice>
@end
StandinDevice *standin_shared_device(void);

/* ---- memory.m ---- */
@interface StandinHeap : StandinObject <MTLHeap>
{
    mp_buffer *_memory;
    NSUInteger _size;
    MTLResourceOptions _options;
    NSMutableArray *_used; /* of NSValue with NSRange, in order */
}
- (instancetype)initWithDescriptor:(MTLHeapDescriptor *)descriptor;
- (void)giveBack:(NSRange)range;
@end

@interface StandinBuffer : StandinObject <MTLBuffer>
{
  @public
    mp_buffer *_handle;
    NSUInteger _length;
    MTLResourceOptions _options;
    StandinHeap *_heap;
    NSRange _range;
    void (^_deallocator)(void *, NSUInteger);
    void *_pointer;
}
- (instancetype)initWithLength:(NSUInteger)length options:(MTLResourceOptions)options;
- (instancetype)initWithPointer:(void *)pointer
                         length:(NSUInteger)length
                    deallocator:(void (^)(void *, NSUInteger))deallocator;
- (instancetype)initInHeap:(StandinHeap *)heap
                     range:(NSRange)range
                    memory:(void *)memory
                    length:(NSUInteger)length
                   options:(MTLResourceOptions)options;
- (uint64_t)gpuAddress;
@end
extern _Atomic int64_t standin_allocated;

@interface StandinFence : StandinObject <MTLFence>
@end

@interface StandinEvent : StandinObject <MTLSharedEvent>
{
    uint64_t _value;
}
- (void)waitFor:(uint64_t)value;
- (void)reach:(uint64_t)value;
@end

/* ---- texture.m ---- */
struct standin_resource_id {
    uint64_t value;
};
bool standin_format_is_depth(MTLPixelFormat format);
bool standin_format_is_read_write(MTLPixelFormat format);
MTLDataType standin_format_components(MTLPixelFormat format);
uint64_t standin_texel_bytes(MTLPixelFormat format);
uint64_t standin_check_texture(MTLTextureDescriptor *descriptor, SEL where);

@interface StandinTexture : StandinObject <MTLTexture>
{
  @public
    mp_texture *_handle;
    mp_buffer *_memory;     /* the executor's, NULL over a buffer */
    StandinBuffer *_buffer; /* retained */
    MTLTextureDescriptor *_descriptor;
    uint64_t _size;
}
- (instancetype)initWithDescriptor:(MTLTextureDescriptor *)descriptor size:(uint64_t)size;
- (instancetype)initWithDescriptor:(MTLTextureDescriptor *)descriptor
                            buffer:(StandinBuffer *)buffer
                            offset:(NSUInteger)offset
                       bytesPerRow:(NSUInteger)row;
- (MTLTextureDescriptor *)descriptor;
- (struct standin_resource_id)gpuResourceID;
- (mp_texture_region)region:(MTLRegion)region level:(NSUInteger)level slice:(NSUInteger)slice row:(NSUInteger)row
                      image:(NSUInteger)image;
@end

@interface StandinSampler : StandinObject <MTLSamplerState>
{
  @public
    mp_sampler *_handle;
    bool _inArgumentBuffers;
}
- (instancetype)initWithDescriptor:(MTLSamplerDescriptor *)descriptor;
- (struct standin_resource_id)gpuResourceID;
@end

/* ---- library.m ---- */
@interface StandinLibrary : StandinObject <MTLLibrary>
{
    NSDictionary *_answer;
}
- (instancetype)initWithAnswer:(NSDictionary *)answer;
- (NSDictionary *)functionFacts:(NSString *)name;
- (NSNumber *)number;
- (NSString *)key;
@end
StandinLibrary *standin_compile(NSString *source, MTLCompileOptions *options, NSError **error);

@interface StandinFunction : StandinObject <MTLFunction>
{
    StandinLibrary *_library;
    NSString *_name;
    NSDictionary *_constants; /* nil: not specialised */
}
- (instancetype)initWithLibrary:(StandinLibrary *)library name:(NSString *)name constants:(NSDictionary *)constants;
- (NSString *)missingConstant; /* that a pipeline needs; nil if there is none */
- (NSDictionary *)request;
- (NSString *)key;
@end

@interface StandinArchive : StandinObject <MTLBinaryArchive>
{
    NSMutableDictionary *_entries; /* function key -> what the compiler answered */
}
- (instancetype)initWithDescriptor:(MTLBinaryArchiveDescriptor *)descriptor error:(NSError **)error;
- (NSDictionary *)entryFor:(StandinFunction *)function;
@end

@interface StandinPipeline : StandinObject <MTLComputePipelineState>
{
  @public
    mp_library *_library;
    mp_pipeline *_handle;
    mp_pipeline_limits _limits;
    NSArray *_arguments; /* reflection */
    NSString *_name;
}
- (instancetype)initWithFunction:(StandinFunction *)function archives:(NSArray *)archives error:(NSError **)error;
@end

/* A class of the reflection over what the compiler said. */
id standin_reflected(Class class, NSDictionary *facts);

@interface MTLFunctionConstantValues (Standin)
- (NSDictionary *)values;
@end
@interface MTLCompileOptions (Standin)
- (NSString *)mathModeName;
@end
@interface MTLComputePipelineReflection (Standin)
+ (instancetype)reflectionWithArguments:(NSArray *)arguments;
@end

/* ---- queue.m ---- */
enum standin_kind {
    RUN_DISPATCH, RUN_COPY, RUN_FILL, RUN_MIPMAPS, RUN_TO_TEXTURE, RUN_FROM_TEXTURE, RUN_SIGNAL, RUN_WAIT, RUN_CALL
};

struct standin_command {
    struct standin_command *next;
    enum standin_kind kind;
    mp_dispatch dispatch;
    mp_argument *arguments;       /* owned */
    void **residents;             /* owned list of what is not retained: the caller must keep it alive */
    uint32_t resident_count;
    mp_buffer *target, *source;
    uint64_t target_offset, source_offset, size, value;
    mp_texture *texture;
    mp_texture_region region;
    uint8_t byte;
    StandinEvent *event;
    void (*call)(void *);
    void *context;                /* owned */
};

/* Of macOS 15, so not in the headers: the driver finds them at run time. */
@interface StandinLogState : StandinObject
{
    void (^_handler)(NSString *, NSString *, NSInteger, NSString *);
}
- (void)deliver:(const mp_message *)message;
@end

@interface MTLLogStateDescriptor : NSObject
{
    NSInteger _level, _bufferSize;
}
@end

@interface MTLCommandQueueDescriptor : NSObject
{
  @public
    NSUInteger _most;
    StandinLogState *_logState;
}
@end

@interface StandinQueue : StandinObject <MTLCommandQueue>
{
  @public
    struct standin_worker *_worker;
    StandinLogState *_logState;
}
- (instancetype)initWithMost:(NSUInteger)most logState:(StandinLogState *)state;
@end

@interface StandinCommandBuffer : StandinObject <MTLCommandBuffer>
{
  @public
    StandinQueue *_queue;
    struct standin_worker *_worker;
    struct standin_command *_first, **_end;
    NSMutableArray *_retained;
    NSMutableArray *_scheduledHandlers, *_completedHandlers; /* of NSValue */
    id _encoder;                                             /* the open one, not retained */
    MTLCommandBufferStatus _status;
    double _start, _finish;
    NSError *_error;
    bool _over; /* under the worker's lock: the handlers have been called */
}
- (instancetype)initWithQueue:(StandinQueue *)queue worker:(struct standin_worker *)worker;
- (struct standin_command *)addCommand:(enum standin_kind)kind from:(id)encoder;
- (void)keep:(id)object;
- (void)encoderEnded:(id)encoder;
- (void)run:(mp_queue *)queue;
@end

/* ---- encoders.m ---- */
@interface StandinEncoder : StandinObject
{
    StandinCommandBuffer *_buffer;
    bool _ended;
}
- (instancetype)initWithBuffer:(StandinCommandBuffer *)buffer;
- (void)checkOpen:(SEL)where;
- (void)endEncoding;
- (void)updateFence:(id<MTLFence>)fence;
- (void)waitForFence:(id<MTLFence>)fence;
@end

@interface StandinComputeEncoder : StandinEncoder <MTLComputeCommandEncoder>
{
    StandinPipeline *_pipeline;
    id _bound[MP_MAX_BUFFERS]; /* StandinBuffer or NSData, retained by the command buffer */
    NSUInteger _offsets[MP_MAX_BUFFERS];
    NSUInteger _threadgroup[MP_MAX_THREADGROUP_ARGUMENTS];
    NSMutableArray *_resident; /* NSValue with pointers */
    StandinTexture *_textures[MP_MAX_TEXTURES]; /* as _bound */
    bool _textureSet[MP_MAX_TEXTURES];          /* also to nil, which makes a null texture */
    StandinSampler *_samplers[MP_MAX_SAMPLERS];
}
@end

/* ---- blits.m ---- */
@interface StandinBlitEncoder : StandinEncoder <MTLBlitCommandEncoder>
@end

#endif
