/* texture.m: textures and samplers. Their texels are in memory of the executor's, and each texture is one of its. */
#import "standin.h"

@implementation MTLTextureDescriptor

@synthesize textureType = _textureType, pixelFormat = _pixelFormat, width = _width, height = _height, depth = _depth,
            mipmapLevelCount = _mipmapLevelCount, sampleCount = _sampleCount, arrayLength = _arrayLength,
            resourceOptions = _resourceOptions, usage = _usage;

- (instancetype)init
{
    if ((self = [super init])) {
        _textureType = MTLTextureType2D;
        _pixelFormat = MTLPixelFormatRGBA8Unorm;
        _width = _height = _depth = _mipmapLevelCount = _sampleCount = _arrayLength = 1;
        _usage = MTLTextureUsageShaderRead;
    }
    return self;
}

- (id)copyWithZone:(NSZone *)zone
{
    MTLTextureDescriptor *made = [[[self class] allocWithZone:zone] init];
    made.textureType = _textureType;
    made.pixelFormat = _pixelFormat;
    made.width = _width;
    made.height = _height;
    made.depth = _depth;
    made.mipmapLevelCount = _mipmapLevelCount;
    made.sampleCount = _sampleCount;
    made.arrayLength = _arrayLength;
    made.resourceOptions = _resourceOptions;
    made.usage = _usage;
    return made;
}

@end

/* ---- formats ---- */

bool standin_format_is_depth(MTLPixelFormat format)
{
    return format == MTLPixelFormatDepth16Unorm || format == MTLPixelFormatDepth32Float;
}

/* What the components are in kernels: MTLDataTypeFloat, MTLDataTypeInt or MTLDataTypeUInt. */
MTLDataType standin_format_components(MTLPixelFormat format)
{
    switch (format) {
    case MTLPixelFormatR8Uint:
    case MTLPixelFormatR16Uint:
    case MTLPixelFormatRG8Uint:
    case MTLPixelFormatR32Uint:
    case MTLPixelFormatRG16Uint:
    case MTLPixelFormatRGBA8Uint:
    case MTLPixelFormatRGB10A2Uint:
    case MTLPixelFormatRG32Uint:
    case MTLPixelFormatRGBA16Uint:
    case MTLPixelFormatRGBA32Uint:
        return MTLDataTypeUInt;
    case MTLPixelFormatR8Sint:
    case MTLPixelFormatR16Sint:
    case MTLPixelFormatRG8Sint:
    case MTLPixelFormatR32Sint:
    case MTLPixelFormatRG16Sint:
    case MTLPixelFormatRGBA8Sint:
    case MTLPixelFormatRG32Sint:
    case MTLPixelFormatRGBA16Sint:
    case MTLPixelFormatRGBA32Sint:
        return MTLDataTypeInt;
    default:
        return MTLDataTypeFloat;
    }
}

/* "MTLReadWriteTextureTier": the formats that one kernel may read and write. */
bool standin_format_is_read_write(MTLPixelFormat format)
{
    static const MTLPixelFormat tier2[] = {
        MTLPixelFormatR32Float,    MTLPixelFormatR32Uint,     MTLPixelFormatR32Sint,   MTLPixelFormatRGBA32Float,
        MTLPixelFormatRGBA32Uint,  MTLPixelFormatRGBA32Sint,  MTLPixelFormatRGBA16Float, MTLPixelFormatRGBA16Uint,
        MTLPixelFormatRGBA16Sint,  MTLPixelFormatRGBA8Unorm,  MTLPixelFormatRGBA8Uint, MTLPixelFormatRGBA8Sint,
        MTLPixelFormatR16Float,    MTLPixelFormatR16Uint,     MTLPixelFormatR16Sint,   MTLPixelFormatR8Unorm,
        MTLPixelFormatR8Uint,      MTLPixelFormatR8Sint,
    };
    unsigned count = standin_fault(FAULT_MAC_GPU) ? 3 : sizeof tier2 / sizeof *tier2; /* the first three: tier 1 */
    for (unsigned i = 0; i < count; i++) {
        if (tier2[i] == format)
            return true;
    }
    return false;
}

static mp_texture_desc described(MTLTextureDescriptor *from)
{
    return (mp_texture_desc){
        .type = (uint32_t)from.textureType,
        .pixel_format = (uint32_t)from.pixelFormat,
        .width = (uint32_t)from.width,
        .height = (uint32_t)from.height,
        .depth = (uint32_t)from.depth,
        .array_length = (uint32_t)from.arrayLength,
        .levels = (uint32_t)from.mipmapLevelCount,
        .samples = (uint32_t)from.sampleCount,
        .usage = (uint32_t)from.usage,
    };
}

uint64_t standin_texel_bytes(MTLPixelFormat format)
{
    mp_texture_desc one = {MTLTextureType2D, (uint32_t)format, 1, 1, 1, 1, 1, 1, MP_TEXTURE_READ, 0};
    uint64_t size = 0;
    standin_executor->texture_size(standin_device, &one, &size, NULL);
    return size;
}

/* What "validateWithDevice:" minds; returns the bytes. */
uint64_t standin_check_texture(MTLTextureDescriptor *descriptor, SEL _cmd)
{
    mp_texture_desc desc = described(descriptor);
    mp_error error;
    uint64_t size = 0;
    if (standin_executor->texture_size(standin_device, &desc, &size, &error) != MP_OK)
        standin_misuse(sel_getName(_cmd), @"Texture Descriptor Validation: %s", error.message);
    bool writes = descriptor.usage & MTLTextureUsageShaderWrite;
    bool is_private = (descriptor.resourceOptions & 0xf0) == MTLResourceStorageModePrivate;
    bool depth = standin_format_is_depth(descriptor.pixelFormat);
    REQUIRE((descriptor.usage & ~0x37ul) == 0, @"usage %lx is unknown", (unsigned long)descriptor.usage);
    REQUIRE(is_private || (!depth && descriptor.sampleCount == 1),
            @"MTLTextureDescriptor: Depth, Stencil, DepthStencil, and Multisample textures must be allocated with the "
             "MTLStorageModePrivate or MTLStorageModeMemoryless storage mode.");
    REQUIRE(!writes || !depth, @"MTLTextureDescriptor: pixelFormat %lu is not a valid format for shader writes.",
            (unsigned long)descriptor.pixelFormat);
    REQUIRE(!writes || descriptor.sampleCount == 1, @"MTLTextureDescriptor: multisample textures cannot be written.");
    REQUIRE(!depth || (descriptor.textureType != MTLTextureType3D && descriptor.textureType > MTLTextureType1DArray &&
                       descriptor.textureType != MTLTextureTypeTextureBuffer),
            @"MTLTextureDescriptor: depth textures cannot have textureType %lu.", (unsigned long)descriptor.textureType);
    /* "MTLTextureUsageShaderAtomic" */
    REQUIRE(!(descriptor.usage & 0x20) || descriptor.pixelFormat == MTLPixelFormatR32Uint ||
                descriptor.pixelFormat == MTLPixelFormatR32Sint || descriptor.pixelFormat == MTLPixelFormatRG32Uint,
            @"MTLTextureDescriptor: pixelFormat %lu is not a valid format for atomics.",
            (unsigned long)descriptor.pixelFormat);
    return size;
}

/* ---- textures ---- */

@implementation StandinTexture

- (instancetype)initWithDescriptor:(MTLTextureDescriptor *)descriptor size:(uint64_t)size
{
    if (!(self = [super init]))
        return nil;
    _descriptor = [descriptor copy];
    mp_texture_desc desc = described(descriptor);
    if (standin_executor->buffer_create(standin_device, size, 0, &_memory, NULL) != MP_OK ||
        standin_executor->texture_create(standin_device, &desc, _memory, 0, 0, &_handle, NULL) != MP_OK) {
        [self release];
        return nil;
    }
    _size = size;
    atomic_fetch_add(&standin_allocated, (int64_t)size);
    return self;
}

- (instancetype)initWithDescriptor:(MTLTextureDescriptor *)descriptor
                            buffer:(StandinBuffer *)buffer
                            offset:(NSUInteger)offset
                       bytesPerRow:(NSUInteger)row
{
    if (!(self = [super init]))
        return nil;
    _descriptor = [descriptor copy];
    mp_texture_desc desc = described(descriptor);
    mp_error error;
    if (standin_executor->texture_create(standin_device, &desc, buffer->_handle, offset, row, &_handle, &error) != MP_OK)
        standin_misuse(sel_getName(_cmd), @"%s", error.message);
    _buffer = [buffer retain];
    return self;
}

- (void)dealloc
{
    standin_executor->texture_release(_handle);
    standin_executor->buffer_release(_memory);
    atomic_fetch_sub(&standin_allocated, (int64_t)_size);
    [_descriptor release];
    [_buffer release];
    [super dealloc];
}

- (MTLTextureDescriptor *)descriptor
{
    return _descriptor;
}

- (MTLResourceOptions)resourceOptions
{
    return _descriptor.resourceOptions;
}

- (MTLStorageMode)storageMode
{
    return (MTLStorageMode)(self.resourceOptions >> 4 & 15);
}

- (MTLHazardTrackingMode)hazardTrackingMode
{
    return (MTLHazardTrackingMode)(self.resourceOptions >> 8 & 3);
}

- (id<MTLHeap>)heap
{
    return nil;
}

/* Of macOS 13, so not in the header: the driver finds it at run time. */
- (struct standin_resource_id)gpuResourceID
{
    return (struct standin_resource_id){standin_executor->texture_address(_handle)};
}

/* The region as the executor takes it, which minds what lies outside. */
- (mp_texture_region)region:(MTLRegion)region level:(NSUInteger)level slice:(NSUInteger)slice row:(NSUInteger)row
                      image:(NSUInteger)image
{
    return (mp_texture_region){
        .level = (uint32_t)level,
        .element = (uint32_t)slice,
        .origin = {(uint32_t)region.origin.x, (uint32_t)region.origin.y, (uint32_t)region.origin.z},
        .size = {(uint32_t)region.size.width, (uint32_t)region.size.height, (uint32_t)region.size.depth},
        .bytes_per_row = row,
        .bytes_per_plane = image,
    };
}

/* For the host's own copies. */
- (mp_texture_region)checked:(MTLRegion)region level:(NSUInteger)level slice:(NSUInteger)slice row:(NSUInteger)row
                       image:(NSUInteger)image where:(const char *)where
{
    NSUInteger bytes = standin_texel_bytes(_descriptor.pixelFormat), tight = region.size.width * bytes;
    bool is_1d = _descriptor.textureType <= MTLTextureType1DArray;
    bool is_3d = _descriptor.textureType == MTLTextureType3D;
    if (self.storageMode == MTLStorageModePrivate)
        standin_misuse(where, @"texture must not have MTLStorageModePrivate storage.");
    if (!region.size.width || !region.size.height || !region.size.depth)
        standin_misuse(where, @"the region is empty");
    if (is_1d && row != 0)
        standin_misuse(where, @"bytesPerRow(%lu) must be 0 for 1D textures.", (unsigned long)row);
    if (!is_1d && (row < tight || row % bytes))
        standin_misuse(where, @"bytesPerRow(%lu) must be >= (%lu) and a multiple of the pixel's %lu bytes.",
                       (unsigned long)row, (unsigned long)tight, (unsigned long)bytes);
    if (!is_3d && image != 0)
        standin_misuse(where, @"bytesPerImage(%lu) must be 0 for textures that are not 3D.", (unsigned long)image);
    if (is_3d && region.size.depth > 1 && image < row * region.size.height)
        standin_misuse(where, @"bytesPerImage(%lu) must be >= (%lu).", (unsigned long)image,
                       (unsigned long)(row * region.size.height));
    return [self region:region level:level slice:slice row:is_1d ? tight : row image:image];
}

- (void)getBytes:(void *)bytes
      bytesPerRow:(NSUInteger)row
    bytesPerImage:(NSUInteger)image
       fromRegion:(MTLRegion)region
      mipmapLevel:(NSUInteger)level
            slice:(NSUInteger)slice
{
    mp_error error;
    mp_texture_region part = [self checked:region level:level slice:slice row:row image:image where:sel_getName(_cmd)];
    mp_status status = standin_executor->texture_read(_handle, &part, bytes, &error);
    REQUIRE(status == MP_OK, @"%s", error.message);
    standin_count("texture read");
}

- (void)replaceRegion:(MTLRegion)region
          mipmapLevel:(NSUInteger)level
                slice:(NSUInteger)slice
            withBytes:(const void *)bytes
          bytesPerRow:(NSUInteger)row
        bytesPerImage:(NSUInteger)image
{
    mp_error error;
    mp_texture_region part = [self checked:region level:level slice:slice row:row image:image where:sel_getName(_cmd)];
    mp_status status = standin_executor->texture_replace(_handle, &part, bytes, &error);
    REQUIRE(status == MP_OK, @"%s", error.message);
    standin_count("texture replace");
}

@end

/* ---- samplers ---- */

@implementation MTLSamplerDescriptor

@synthesize minFilter = _minFilter, magFilter = _magFilter, mipFilter = _mipFilter, maxAnisotropy = _maxAnisotropy,
            sAddressMode = _sAddressMode, tAddressMode = _tAddressMode, rAddressMode = _rAddressMode,
            borderColor = _borderColor, normalizedCoordinates = _normalizedCoordinates, lodMinClamp = _lodMinClamp,
            lodMaxClamp = _lodMaxClamp, compareFunction = _compareFunction,
            supportArgumentBuffers = _supportArgumentBuffers;

- (instancetype)init
{
    if ((self = [super init])) {
        _maxAnisotropy = 1;
        _normalizedCoordinates = YES;
        _lodMaxClamp = 3.40282347e+38f;
    }
    return self;
}

- (id)copyWithZone:(NSZone *)zone
{
    MTLSamplerDescriptor *made = [[[self class] allocWithZone:zone] init];
    made->_minFilter = _minFilter;
    made->_magFilter = _magFilter;
    made->_mipFilter = _mipFilter;
    made->_maxAnisotropy = _maxAnisotropy;
    made->_sAddressMode = _sAddressMode;
    made->_tAddressMode = _tAddressMode;
    made->_rAddressMode = _rAddressMode;
    made->_borderColor = _borderColor;
    made->_normalizedCoordinates = _normalizedCoordinates;
    made->_supportArgumentBuffers = _supportArgumentBuffers;
    made->_lodMinClamp = _lodMinClamp;
    made->_lodMaxClamp = _lodMaxClamp;
    made->_compareFunction = _compareFunction;
    return made;
}

@end

@implementation StandinSampler

- (instancetype)initWithDescriptor:(MTLSamplerDescriptor *)from
{
    if (!(self = [super init]))
        return nil;
    REQUIRE(from.maxAnisotropy >= 1 && from.maxAnisotropy <= 16, @"maxAnisotropy(%lu) must be from 1 to 16.",
            (unsigned long)from.maxAnisotropy);
    REQUIRE(from.lodMinClamp >= 0 && from.lodMinClamp <= from.lodMaxClamp, @"lodMinClamp must be from 0 to lodMaxClamp.");
    mp_sampler_desc desc = {
        .address_modes = {(uint32_t)from.sAddressMode, (uint32_t)from.tAddressMode, (uint32_t)from.rAddressMode},
        .min_filter = (uint32_t)from.minFilter,
        .mag_filter = (uint32_t)from.magFilter,
        .mip_filter = (uint32_t)from.mipFilter,
        .normalized_coordinates = from.normalizedCoordinates,
        .max_anisotropy = (uint32_t)from.maxAnisotropy,
        .compare_function = (uint32_t)from.compareFunction,
        .border_color = (uint32_t)from.borderColor,
        .lod_min_clamp = from.lodMinClamp,
        .lod_max_clamp = from.lodMaxClamp,
    };
    mp_error error;
    mp_status status = standin_executor->sampler_create(standin_device, &desc, &_handle, &error);
    REQUIRE(status == MP_OK, @"%s", error.message);
    _inArgumentBuffers = from.supportArgumentBuffers;
    return self;
}

- (void)dealloc
{
    standin_executor->sampler_release(_handle);
    [super dealloc];
}

/* Of macOS 13, as that of textures. */
- (struct standin_resource_id)gpuResourceID
{
    REQUIRE(_inArgumentBuffers, @"the sampler was made without supportArgumentBuffers");
    return (struct standin_resource_id){standin_executor->sampler_address(_handle)};
}

@end
