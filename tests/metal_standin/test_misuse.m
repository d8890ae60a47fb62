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

/* ---- textures and samplers ---- */

/* 2D, shared, 8 x 4 of r32Float; autoreleased. */
static MTLTextureDescriptor *descriptor(void)
{
    MTLTextureDescriptor *made = [[[MTLTextureDescriptor alloc] init] autorelease];
    made.pixelFormat = MTLPixelFormatR32Float;
    made.width = 8;
    made.height = 4;
    made.usage = MTLTextureUsageShaderRead | MTLTextureUsageShaderWrite;
    return made;
}

static id<MTLTexture> texture(MTLPixelFormat format, MTLTextureUsage usage)
{
    MTLTextureDescriptor *wanted = descriptor();
    wanted.pixelFormat = format;
    wanted.usage = usage;
    return [device newTextureWithDescriptor:wanted];
}

static id<MTLTexture> any_texture(void)
{
    return texture(MTLPixelFormatR32Float, MTLTextureUsageShaderRead | MTLTextureUsageShaderWrite);
}

/* Of kernel t, with all it needs but textures. */
static id<MTLComputeCommandEncoder> texture_encoder(void)
{
    id<MTLLibrary> library = [device newLibraryWithSource:@"k" options:nil error:NULL];
    id<MTLComputeCommandEncoder> made = encoder();
    [made setComputePipelineState:[device newComputePipelineStateWithFunction:[library newFunctionWithName:@"t"]
                                                                        error:NULL]];
    MTLSamplerDescriptor *plain = [[[MTLSamplerDescriptor alloc] init] autorelease];
    [made setSamplerState:[device newSamplerStateWithDescriptor:plain] atIndex:0];
    return made;
}

static void read_with(id<MTLTexture> given)
{
    id<MTLComputeCommandEncoder> made = texture_encoder();
    [made setTexture:given atIndex:0];
    [made setTexture:any_texture() atIndex:1];
    dispatch(made, 8);
}

static void write_with(id<MTLTexture> given)
{
    id<MTLComputeCommandEncoder> made = texture_encoder();
    [made setTexture:any_texture() atIndex:0];
    [made setTexture:given atIndex:1];
    dispatch(made, 8);
}

/* Kernel b with a struct of a pointer and a texture. */
static void dispatch_bindings(uint64_t pointer, uint64_t handle, id<MTLResource> resident)
{
    id<MTLLibrary> library = [device newLibraryWithSource:@"k" options:nil error:NULL];
    const uint64_t bindings[2] = {pointer, handle};
    id<MTLComputeCommandEncoder> made = encoder();
    [made setComputePipelineState:[device newComputePipelineStateWithFunction:[library newFunctionWithName:@"b"]
                                                                        error:NULL]];
    [made setBytes:bindings length:sizeof bindings atIndex:1];
    if (resident)
        [made useResource:resident usage:MTLResourceUsageRead];
    dispatch(made, 8);
}

static void absent_pointer(void)
{
    dispatch_bindings([(StandinBuffer *)[device newBufferWithLength:64 options:0] gpuAddress], 0, nil);
}

static void absent_texture(void)
{
    dispatch_bindings(0, [(StandinTexture *)any_texture() gpuResourceID].value, any_texture());
}

static void unset_texture(void)
{
    id<MTLComputeCommandEncoder> made = texture_encoder();
    [made setTexture:any_texture() atIndex:0];
    dispatch(made, 8);
}

static void unset_sampler(void)
{
    id<MTLComputeCommandEncoder> made = texture_encoder();
    [made setTexture:any_texture() atIndex:0];
    [made setTexture:any_texture() atIndex:1];
    [made setSamplerState:nil atIndex:0];
    dispatch(made, 8);
}

static void wrong_texture_type(void)
{
    MTLTextureDescriptor *wanted = descriptor();
    wanted.textureType = MTLTextureType3D;
    read_with([device newTextureWithDescriptor:wanted]);
}

static void wrong_pixel_format(void)
{
    read_with(texture(MTLPixelFormatR32Uint, MTLTextureUsageShaderRead));
}

static void texture_not_for_reading(void)
{
    read_with(texture(MTLPixelFormatR32Float, MTLTextureUsageShaderWrite));
}

static void texture_not_for_writing(void)
{
    write_with(texture(MTLPixelFormatR32Float, MTLTextureUsageShaderRead));
}

static void format_not_for_both(void)
{
    write_with(texture(MTLPixelFormatRG8Unorm, MTLTextureUsageShaderRead | MTLTextureUsageShaderWrite));
}

static void released_texture(void)
{
    id<MTLTexture> gone = any_texture();
    [gone release];
    [encoder() setTexture:gone atIndex:0];
}

static void released_resident_texture(void)
{
    id<MTLTexture> gone = any_texture();
    id<MTLComputeCommandEncoder> made = encoder();
    [made useResource:gone usage:MTLResourceUsageRead];
    dispatch(made, 8);
    [made endEncoding];
    [gone release];
    [commands commit];
    [NSThread sleepForTimeInterval:5];
}

static void texture_index_too_high(void)
{
    [encoder() setTexture:any_texture() atIndex:128];
}

static void unknown_pixel_format(void)
{
    texture((MTLPixelFormat)77, MTLTextureUsageShaderRead);
}

static void texture_too_wide(void)
{
    MTLTextureDescriptor *wanted = descriptor();
    wanted.width = 16385;
    [device newTextureWithDescriptor:wanted];
}

static void shared_depths(void)
{
    texture(MTLPixelFormatDepth32Float, MTLTextureUsageShaderRead);
}

static void written_depths(void)
{
    MTLTextureDescriptor *wanted = descriptor();
    wanted.pixelFormat = MTLPixelFormatDepth32Float;
    wanted.resourceOptions = MTLResourceStorageModePrivate;
    [device newTextureWithDescriptor:wanted];
}

static void shared_samples(void)
{
    MTLTextureDescriptor *wanted = descriptor();
    wanted.textureType = MTLTextureType2DMultisample;
    wanted.sampleCount = 4;
    wanted.usage = MTLTextureUsageShaderRead;
    [device newTextureWithDescriptor:wanted];
}

static void atomics_of_floats(void)
{
    texture(MTLPixelFormatR32Float, (MTLTextureUsage)0x21);
}

static char texels[4096];

static void replace(id<MTLTexture> given, NSUInteger height, NSUInteger row, NSUInteger image)
{
    [given replaceRegion:MTLRegionMake3D(0, 0, 0, 8, height, 1)
             mipmapLevel:0
                   slice:0
               withBytes:texels
             bytesPerRow:row
           bytesPerImage:image];
}

static void region_outside(void)
{
    replace(any_texture(), 5, 32, 0);
}

static void rows_too_short(void)
{
    replace(any_texture(), 4, 31, 0);
}

static void rows_of_a_line(void)
{
    MTLTextureDescriptor *wanted = descriptor();
    wanted.textureType = MTLTextureType1D;
    wanted.height = 1;
    replace([device newTextureWithDescriptor:wanted], 1, 32, 0);
}

static void planes_of_an_image(void)
{
    replace(any_texture(), 4, 32, 128);
}

static void slice_outside(void)
{
    [any_texture() getBytes:texels bytesPerRow:32 bytesPerImage:0 fromRegion:MTLRegionMake3D(0, 0, 0, 8, 4, 1)
                mipmapLevel:0 slice:1];
}

static void private_texels(void)
{
    MTLTextureDescriptor *wanted = descriptor();
    wanted.resourceOptions = MTLResourceStorageModePrivate;
    replace([device newTextureWithDescriptor:wanted], 4, 32, 0);
}

static void linear(MTLTextureDescriptor *wanted, NSUInteger offset, NSUInteger row)
{
    [buffer newTextureWithDescriptor:wanted offset:offset bytesPerRow:row];
}

static void linear_offset(void)
{
    linear(descriptor(), 8, 32);
}

static void linear_rows(void)
{
    linear(descriptor(), 0, 40);
}

static void linear_outside(void)
{
    linear(descriptor(), 960, 32);
}

static void linear_storage(void)
{
    MTLTextureDescriptor *wanted = descriptor();
    wanted.resourceOptions = MTLResourceStorageModePrivate;
    linear(wanted, 0, 32);
}

static void linear_volume(void)
{
    MTLTextureDescriptor *wanted = descriptor();
    wanted.textureType = MTLTextureType3D;
    linear(wanted, 0, 32);
}

static void texture_buffer_rows(void)
{
    MTLTextureDescriptor *wanted = descriptor();
    wanted.textureType = MTLTextureTypeTextureBuffer;
    wanted.height = 1;
    linear(wanted, 0, 48);
}

static void mipmaps_of_one_level(void)
{
    [[commands blitCommandEncoder] generateMipmapsForTexture:any_texture()];
}

static void mipmaps_of_integers(void)
{
    MTLTextureDescriptor *wanted = descriptor();
    wanted.pixelFormat = MTLPixelFormatR32Uint;
    wanted.mipmapLevelCount = 2;
    [[commands blitCommandEncoder] generateMipmapsForTexture:[device newTextureWithDescriptor:wanted]];
}

static id<MTLBlitCommandEncoder> blit_texels(NSUInteger offset, NSUInteger row, NSUInteger height)
{
    id<MTLBlitCommandEncoder> made = [commands blitCommandEncoder];
    [made copyFromBuffer:buffer
               sourceOffset:offset
          sourceBytesPerRow:row
        sourceBytesPerImage:row * height
                 sourceSize:MTLSizeMake(8, height, 1)
                  toTexture:any_texture()
           destinationSlice:0
           destinationLevel:0
          destinationOrigin:MTLOriginMake(0, 0, 0)];
    return made;
}

static void blit_texels_unaligned(void)
{
    blit_texels(2, 32, 4);
}

static void blit_texels_rows(void)
{
    blit_texels(0, 28, 4);
}

static void blit_texels_outside(void)
{
    blit_texels(0, 32, 5);
}

static void blit_texels_beyond_the_buffer(void)
{
    blit_texels(1000, 32, 4);
}

static void sampler_handle(void)
{
    MTLSamplerDescriptor *plain = [[[MTLSamplerDescriptor alloc] init] autorelease];
    [(StandinSampler *)[device newSamplerStateWithDescriptor:plain] gpuResourceID];
}

static void sampler_anisotropy(void)
{
    MTLSamplerDescriptor *wanted = [[[MTLSamplerDescriptor alloc] init] autorelease];
    wanted.maxAnisotropy = 17;
    [device newSamplerStateWithDescriptor:wanted];
}

static void waiting_without_commit(void)
{
    [commands waitUntilCompleted];
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
            SIN(handler_after_commit), SIN(event_inside_a_pass), SIN(event_that_goes_back), SIN(absent_pointer),
            SIN(absent_texture), SIN(unset_texture),
            SIN(unset_sampler), SIN(wrong_texture_type), SIN(wrong_pixel_format), SIN(texture_not_for_reading),
            SIN(texture_not_for_writing), SIN(format_not_for_both), SIN(released_texture),
            SIN(released_resident_texture), SIN(texture_index_too_high), SIN(unknown_pixel_format),
            SIN(texture_too_wide), SIN(shared_depths), SIN(written_depths), SIN(shared_samples), SIN(atomics_of_floats),
            SIN(region_outside), SIN(rows_too_short), SIN(rows_of_a_line), SIN(planes_of_an_image), SIN(slice_outside),
            SIN(private_texels), SIN(linear_offset), SIN(linear_rows), SIN(linear_outside), SIN(linear_storage),
            SIN(linear_volume), SIN(texture_buffer_rows), SIN(mipmaps_of_one_level), SIN(mipmaps_of_integers),
            SIN(blit_texels_unaligned), SIN(blit_texels_rows), SIN(blit_texels_outside),
            SIN(blit_texels_beyond_the_buffer), SIN(sampler_handle), SIN(sampler_anisotropy),
            SIN(waiting_without_commit)};

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
        id<MTLComputeCommandEncoder> made = texture_encoder();
        [made setTexture:any_texture() atIndex:0];
        [made setTexture:nil atIndex:1]; /* a null texture */
        dispatch(made, 8);
        [made endEncoding];
        [blit_texels(0, 32, 4) endEncoding];
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
