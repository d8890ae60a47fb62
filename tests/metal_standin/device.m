/* device.m: the one device, and captures. */
#import "standin.h"

#include <string.h>
#include <unistd.h>

NSString *const MTLLibraryErrorDomain = @"MTLLibraryErrorDomain";
NSString *const MTLCommandBufferErrorDomain = @"MTLCommandBufferErrorDomain";

StandinDevice *standin_shared_device(void)
{
    static StandinDevice *shared;
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&lock);
    if (!shared)
        shared = [[StandinDevice alloc] init];
    pthread_mutex_unlock(&lock);
    return shared;
}

NSArray<id<MTLDevice>> *MTLCopyAllDevices(void)
{
    if (!standin_executor || standin_fault(FAULT_NO_DEVICE))
        return [[NSArray alloc] init];
    return [[NSArray alloc] initWithObjects:standin_shared_device(), nil];
}

static mp_device_info info(void)
{
    mp_device_info facts;
    standin_executor->device_info(standin_device, &facts);
    return facts;
}

@implementation StandinDevice

- (NSString *)name
{
    return @"Stand-in Metal device";
}

- (uint64_t)registryID
{
    return 0x5374616e64696e;
}

- (MTLSize)maxThreadsPerThreadgroup
{
    return MTLSizeMake(1024, 1024, 1024);
}

- (BOOL)hasUnifiedMemory
{
    return YES;
}

- (uint64_t)recommendedMaxWorkingSetSize
{
    return info().recommended_max_memory;
}

- (NSUInteger)currentAllocatedSize
{
    return (NSUInteger)atomic_load(&standin_allocated);
}

- (NSUInteger)maxThreadgroupMemoryLength
{
    return info().max_threadgroup_memory;
}

- (NSUInteger)maxBufferLength
{
    return info().max_buffer_length;
}

- (BOOL)supportsFamily:(MTLGPUFamily)family
{
    if (standin_fault(FAULT_MAC_GPU))
        return family == MTLGPUFamilyMac2;
    return family >= MTLGPUFamilyApple1 && family <= MTLGPUFamilyApple7;
}

- (id<MTLCommandQueue>)newCommandQueueWithMaxCommandBufferCount:(NSUInteger)most
{
    return standin_take_fault(FAULT_QUEUE) ? nil : [[StandinQueue alloc] initWithMost:most logState:nil];
}

- (id)newLogStateWithDescriptor:(id)descriptor error:(NSError **)error
{
    (void)error;
    REQUIRE([descriptor isKindOfClass:[MTLLogStateDescriptor class]], @"descriptor must not be nil.");
    return [[StandinLogState alloc] init];
}

- (id<MTLCommandQueue>)newCommandQueueWithDescriptor:(MTLCommandQueueDescriptor *)descriptor
{
    if (standin_take_fault(FAULT_QUEUE))
        return nil;
    return [[StandinQueue alloc] initWithMost:descriptor->_most logState:descriptor->_logState];
}

- (MTLSizeAndAlign)heapBufferSizeAndAlignWithLength:(NSUInteger)length options:(MTLResourceOptions)options
{
    (void)options;
    return (MTLSizeAndAlign){(length + 255) / 256 * 256, 256};
}

- (id<MTLHeap>)newHeapWithDescriptor:(MTLHeapDescriptor *)descriptor
{
    REQUIRE(descriptor.size > 0, @"heap size must not be zero");
    if (standin_take_fault(FAULT_EXCEPTION))
        [NSException raise:@"StandinException" format:@"raised on request"];
    return standin_take_fault(FAULT_ALLOCATION) ? nil : [[StandinHeap alloc] initWithDescriptor:descriptor];
}

- (id<MTLBuffer>)newBufferWithLength:(NSUInteger)length options:(MTLResourceOptions)options
{
    REQUIRE(length > 0, @"Cannot create buffer of zero length.");
    REQUIRE(length <= self.maxBufferLength, @"buffer of %lu bytes is longer than maxBufferLength", length);
    if (standin_take_fault(FAULT_EXCEPTION))
        [NSException raise:@"StandinException" format:@"raised on request"];
    return standin_take_fault(FAULT_ALLOCATION) ? nil : [[StandinBuffer alloc] initWithLength:length options:options];
}

- (id<MTLBuffer>)newBufferWithBytes:(const void *)pointer length:(NSUInteger)length options:(MTLResourceOptions)options
{
    REQUIRE(!(options & MTLResourceStorageModePrivate), @"a private buffer cannot be made of bytes");
    id<MTLBuffer> made = [self newBufferWithLength:length options:options];
    if (made)
        memcpy([made contents], pointer, length);
    return made;
}

- (id<MTLBuffer>)newBufferWithBytesNoCopy:(void *)pointer
                                   length:(NSUInteger)length
                                  options:(MTLResourceOptions)options
                              deallocator:(void (^)(void *, NSUInteger))deallocator
{
    NSUInteger page = (NSUInteger)getpagesize();
    REQUIRE((uintptr_t)pointer % page == 0, @"pointer %p is not %lu byte aligned.", pointer, page);
    REQUIRE(length > 0 && length % page == 0, @"length %lu is not a multiple of the page size", length);
    REQUIRE(!(options & MTLResourceStorageModePrivate), @"existing memory cannot be private");
    if (standin_take_fault(FAULT_ALLOCATION))
        return nil;
    return [[StandinBuffer alloc] initWithPointer:pointer length:length deallocator:deallocator];
}

static NSString *const signature = @"stand-in metallib\n"; /* then Metal source */

static StandinLibrary *library_of(NSData *data, NSError **error)
{
    NSString *text = [[[NSString alloc] initWithData:data encoding:NSUTF8StringEncoding] autorelease];
    if (![text hasPrefix:signature]) {
        if (error)
            *error = standin_error(MTLLibraryErrorDomain, MTLLibraryErrorInternal, @"Invalid library file");
        return nil;
    }
    return standin_compile([text substringFromIndex:signature.length], nil, error);
}

- (id<MTLLibrary>)newLibraryWithURL:(NSURL *)url error:(NSError **)error
{
    NSData *data = [NSData dataWithContentsOfFile:[url path]];
    if (!data) {
        if (error)
            *error = standin_error(MTLLibraryErrorDomain, MTLLibraryErrorFileNotFound, @"library not found");
        return nil;
    }
    return library_of(data, error);
}

- (id<MTLLibrary>)newLibraryWithData:(dispatch_data_t)data error:(NSError **)error
{
    return library_of(data, error);
}

- (id<MTLLibrary>)newLibraryWithSource:(NSString *)source options:(MTLCompileOptions *)options error:(NSError **)error
{
    REQUIRE(source != nil, @"source must not be nil.");
    return standin_compile(source, options, error);
}

- (id<MTLComputePipelineState>)newComputePipelineStateWithFunction:(id<MTLFunction>)function error:(NSError **)error
{
    REQUIRE(function != nil, @"computeFunction must not be nil.");
    return [[StandinPipeline alloc] initWithFunction:function archives:nil error:error];
}

- (id<MTLComputePipelineState>)newComputePipelineStateWithDescriptor:(MTLComputePipelineDescriptor *)descriptor
                                                             options:(MTLPipelineOption)options
                                                          reflection:(MTLComputePipelineReflection **)reflection
                                                               error:(NSError **)error
{
    REQUIRE(descriptor.computeFunction != nil, @"computeFunction must not be nil.");
    StandinPipeline *made = [[StandinPipeline alloc] initWithFunction:descriptor.computeFunction
                                                             archives:descriptor.binaryArchives
                                                                error:error];
    if (made && reflection && options & MTLPipelineOptionArgumentInfo)
        *reflection = [MTLComputePipelineReflection reflectionWithArguments:made->_arguments];
    return made;
}

- (id<MTLBinaryArchive>)newBinaryArchiveWithDescriptor:(MTLBinaryArchiveDescriptor *)descriptor error:(NSError **)error
{
    return [[StandinArchive alloc] initWithDescriptor:descriptor error:error];
}

- (MTLReadWriteTextureTier)readWriteTextureSupport
{
    return standin_fault(FAULT_MAC_GPU) ? MTLReadWriteTextureTier1 : MTLReadWriteTextureTier2;
}

- (BOOL)supports32BitFloatFiltering
{
    return !standin_fault(FAULT_MAC_GPU);
}

- (MTLSizeAndAlign)heapTextureSizeAndAlignWithDescriptor:(MTLTextureDescriptor *)descriptor
{
    return (MTLSizeAndAlign){(standin_check_texture(descriptor, _cmd) + 255) / 256 * 256, 256};
}

/* The two differ, so that nobody may ask for the one and use the other. */
- (NSUInteger)minimumLinearTextureAlignmentForPixelFormat:(MTLPixelFormat)format
{
    REQUIRE(!standin_format_is_depth(format), @"pixelFormat %lu has no linear textures", (unsigned long)format);
    return 16;
}

- (NSUInteger)minimumTextureBufferAlignmentForPixelFormat:(MTLPixelFormat)format
{
    REQUIRE(!standin_format_is_depth(format), @"pixelFormat %lu has no texture buffers", (unsigned long)format);
    return 32;
}

- (id<MTLTexture>)newTextureWithDescriptor:(MTLTextureDescriptor *)descriptor
{
    uint64_t size = standin_check_texture(descriptor, _cmd);
    REQUIRE((descriptor.resourceOptions & 0xf0) != MTLResourceStorageModeShared || [self supportsFamily:MTLGPUFamilyApple1],
            @"Texture Descriptor Validation: MTLStorageModeShared not allowed for textures");
    return standin_take_fault(FAULT_TEXTURE) ? nil : [[StandinTexture alloc] initWithDescriptor:descriptor size:size];
}

- (id<MTLSamplerState>)newSamplerStateWithDescriptor:(MTLSamplerDescriptor *)descriptor
{
    return standin_take_fault(FAULT_TEXTURE) ? nil : [[StandinSampler alloc] initWithDescriptor:descriptor];
}

- (id<MTLFence>)newFence
{
    return [[StandinFence alloc] init];
}

- (id<MTLSharedEvent>)newSharedEvent
{
    return standin_take_fault(FAULT_EVENT) ? nil : [[StandinEvent alloc] init];
}

@end

/* ---- captures ---- */

@implementation MTLCaptureDescriptor

- (void)dealloc
{
    [_object release];
    [_url release];
    [super dealloc];
}

- (id)copyWithZone:(NSZone *)zone
{
    MTLCaptureDescriptor *made = [[[self class] allocWithZone:zone] init];
    made.captureObject = _object;
    made.destination = _destination;
    made.outputURL = _url;
    return made;
}

- (id)captureObject
{
    return _object;
}

- (void)setCaptureObject:(id)object
{
    [object retain];
    [_object release];
    _object = object;
}

- (MTLCaptureDestination)destination
{
    return _destination;
}

- (void)setDestination:(MTLCaptureDestination)destination
{
    _destination = destination;
}

- (NSURL *)outputURL
{
    return _url;
}

- (void)setOutputURL:(NSURL *)url
{
    [_url autorelease];
    _url = [url copy];
}

@end

@implementation MTLCaptureManager

+ (MTLCaptureManager *)sharedCaptureManager
{
    static MTLCaptureManager *shared;
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&lock);
    if (!shared)
        shared = [[MTLCaptureManager alloc] init];
    pthread_mutex_unlock(&lock);
    return shared;
}

- (BOOL)supportsDestination:(MTLCaptureDestination)destination
{
    return destination == MTLCaptureDestinationGPUTraceDocument && standin_fault(FAULT_CAPTURE);
}

- (BOOL)startCaptureWithDescriptor:(MTLCaptureDescriptor *)descriptor error:(NSError **)error
{
    REQUIRE(!_capturing, @"a capture is running already");
    REQUIRE(descriptor.captureObject && descriptor.outputURL, @"the descriptor is not complete");
    NSString *path = [descriptor.outputURL path];
    if (![path hasSuffix:@".gputrace"] || [[NSFileManager defaultManager] fileExistsAtPath:path] ||
        ![@"stand-in capture\n" writeToFile:path atomically:NO encoding:NSUTF8StringEncoding error:NULL]) {
        if (error)
            *error = standin_error(@"MTLCaptureError", 3, @"the output URL cannot be written");
        return NO;
    }
    _capturing = YES;
    return YES;
}

- (void)stopCapture
{
    REQUIRE(_capturing, @"no capture is running");
    _capturing = NO;
}

- (BOOL)isCapturing
{
    return _capturing;
}

@end
