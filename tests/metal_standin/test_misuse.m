/* test_misuse.m: the stand-in refuses what Metal's validation layer refuses. `test_misuse NAME` commits one sin, and must
 * end by its assertion; without a name it lists them. It needs no compiler: kernels come as shared objects. */
#import "native.h"

static id<MTLDevice> device;
static id<MTLCommandQueue> queue;
static id<MTLCommandBuffer> commands;
static id<MTLBuffer> buffer;
static id<MTLComputePipelineState> pipeline;

static id<MTLComputeCommandEncoder> encoder(void)
{
    id<MTLComputeCommandEncoder> made = [commands computeCommandEncoder];
    [made setComputePipelineState:pipeline];
    [made setBuffer:buffer offset:0 atIndex:0];
    [made setBuffer:buffer offset:0 atIndex:1];
    return made;
}

static void dispatch(id<MTLComputeCommandEncoder> made, NSUInteger group)
{
    [made dispatchThreads:MTLSizeMake(8, 1, 1) threadsPerThreadgroup:MTLSizeMake(group, 1, 1)];
}

static void encode_after_end(void)
{
    id<MTLComputeCommandEncoder> made = encoder();
    [made endEncoding];
    dispatch(made, 8);
}

static void commit_twice(void)
{
    [commands commit];
    [commands commit];
}

static void commit_with_open_encoder(void)
{
    encoder();
    [commands commit];
}

static void two_encoders(void)
{
    encoder();
    [commands blitCommandEncoder];
}

static void missing_end(void)
{
    NSAutoreleasePool *pool = [[NSAutoreleasePool alloc] init];
    id<MTLCommandBuffer> other = [queue commandBuffer];
    [other computeCommandEncoder];
    [pool drain];
}

static void unaligned_offset(void)
{
    id<MTLComputeCommandEncoder> made = encoder();
    [made setBuffer:buffer offset:4 atIndex:1];
    dispatch(made, 8);
}

static void offset_outside(void)
{
    [encoder() setBuffer:buffer offset:4096 atIndex:0];
}

static void unset_argument(void)
{
    id<MTLComputeCommandEncoder> made = [commands computeCommandEncoder];
    [made setComputePipelineState:pipeline];
    [made setBuffer:buffer offset:0 atIndex:0];
    dispatch(made, 8);
}

static void argument_too_short(void)
{
    id<MTLComputeCommandEncoder> made = encoder();
    [made setBytes:"12345678" length:8 atIndex:1];
    dispatch(made, 8);
}

static void too_many_bytes(void)
{
    static char bytes[4097];
    [encoder() setBytes:bytes length:sizeof bytes atIndex:1];
}

static void index_too_high(void)
{
    [encoder() setBuffer:buffer offset:0 atIndex:31];
}

static void oversized_group(void)
{
    dispatch(encoder(), 1025);
}

static void empty_grid(void)
{
    [encoder() dispatchThreads:MTLSizeMake(0, 1, 1) threadsPerThreadgroup:MTLSizeMake(1, 1, 1)];
}

static void no_pipeline(void)
{
    dispatch([commands computeCommandEncoder], 8);
}

static void odd_threadgroup_memory(void)
{
    [encoder() setThreadgroupMemoryLength:17 atIndex:0];
}

static void released_resource(void)
{
    id<MTLBuffer> gone = [device newBufferWithLength:64 options:MTLResourceStorageModeShared];
    id<MTLComputeCommandEncoder> made = encoder();
    [made useResource:gone usage:MTLResourceUsageRead];
    dispatch(made, 8);
    [made endEncoding];
    [gone release];
    [commands commit];
    [NSThread sleepForTimeInterval:5];
}

static void released_buffer(void)
{
    id<MTLBuffer> gone = [device newBufferWithLength:64 options:MTLResourceStorageModeShared];
    id<MTLComputeCommandEncoder> made = encoder();
    [gone release];
    [made setBuffer:gone offset:0 atIndex:0];
}

static void private_contents(void)
{
    [[device newBufferWithLength:64 options:MTLResourceStorageModePrivate] contents];
}

static void empty_buffer(void)
{
    [device newBufferWithLength:0 options:MTLResourceStorageModeShared];
}

static void unaligned_pointer(void)
{
    [device newBufferWithBytesNoCopy:(void *)4097 length:4096 options:MTLResourceStorageModeShared deallocator:nil];
}

static void unaligned_copy(void)
{
    [[commands blitCommandEncoder] copyFromBuffer:buffer sourceOffset:0 toBuffer:buffer destinationOffset:66 size:8];
}

static void copy_outside(void)
{
    [[commands blitCommandEncoder] copyFromBuffer:buffer sourceOffset:0 toBuffer:buffer destinationOffset:1020 size:8];
}

static void handler_after_commit(void)
{
    [commands commit];
    [commands addCompletedHandler:^(id<MTLCommandBuffer> done) {
        (void)done;
    }];
}

static void event_inside_a_pass(void)
{
    encoder();
    [commands encodeSignalEvent:[device newSharedEvent] value:1];
}

static void event_that_goes_back(void)
{
    id<MTLSharedEvent> event = [device newSharedEvent];
    event.signaledValue = 5;
    event.signaledValue = 4;
}

#define SIN(name) {#name, name}
static const struct {
    const char *name;
    void (*commit)(void);
} sins[] = {SIN(encode_after_end), SIN(commit_twice), SIN(commit_with_open_encoder), SIN(two_encoders),
            SIN(missing_end), SIN(unaligned_offset), SIN(offset_outside), SIN(unset_argument), SIN(argument_too_short),
            SIN(too_many_bytes), SIN(index_too_high), SIN(oversized_group), SIN(empty_grid), SIN(no_pipeline),
            SIN(odd_threadgroup_memory), SIN(released_resource), SIN(released_buffer), SIN(private_contents),
            SIN(empty_buffer), SIN(unaligned_pointer), SIN(unaligned_copy), SIN(copy_outside),
            SIN(handler_after_commit), SIN(event_inside_a_pass), SIN(event_that_goes_back)};

int main(int count, char **arguments)
{
    NSAutoreleasePool *pool = [[NSAutoreleasePool alloc] init];
    for (unsigned i = 0; count < 2 && i < sizeof sins / sizeof *sins; i++)
        puts(sins[i].name);
    if (count < 2)
        return 0;
    metal_standin_set_executor(mp_software_driver());
    metal_standin_set_compiler(compile);
    device = [[MTLCopyAllDevices() objectAtIndex:0] retain];
    queue = [device newCommandQueueWithMaxCommandBufferCount:64];
    commands = [[queue commandBuffer] retain];
    buffer = [device newBufferWithLength:1024 options:MTLResourceStorageModeShared];
    id<MTLLibrary> library = [device newLibraryWithSource:@"k" options:nil error:NULL];
    NSError *error = nil;
    pipeline = [device newComputePipelineStateWithFunction:[library newFunctionWithName:@"k"] error:&error];
    if (!pipeline) {
        fprintf(stderr, "no pipeline: %s\n", error.localizedDescription.UTF8String);
        return 3;
    }
    if (strcmp(arguments[1], "virtue") == 0) { /* none: all of this is allowed */
        id<MTLComputeCommandEncoder> made = encoder();
        dispatch(made, 8);
        [made endEncoding];
        [commands commit];
        while (commands.status < MTLCommandBufferStatusCompleted)
            [NSThread sleepForTimeInterval:0.001];
        printf("%s\n", commands.status == MTLCommandBufferStatusCompleted ? "fine" : "failed");
        return 0;
    }
    for (unsigned i = 0; i < sizeof sins / sizeof *sins; i++) {
        if (strcmp(arguments[1], sins[i].name) == 0)
            sins[i].commit();
    }
    printf("nobody minded\n");
    [pool drain];
    return 0;
}
