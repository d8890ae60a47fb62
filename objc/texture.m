/* texture.m: pixel formats, and the making of textures.
 *
 * Metal keeps the memory of a texture itself, in an order of its own. Only texture buffers, and 2D textures that are to
 * share an array's memory, lie in a buffer ("linear textures").
 */
#import "metal_driver.h"

#import "later.h"

#include <stdlib.h>

/* "Metal Feature Set Tables", for the Apple7 family; on other devices the largest may be less. */
#define MAX_WIDTH 16384
#define MAX_WIDTH_3D 2048
#define MAX_ARRAY_LENGTH 2048
#define MAX_BUFFER_WIDTH (1u << 28)

/* ---- what may be ---- */

/* "Metal Feature Set Tables", pixel formats of Apple GPUs. All but depth can be written; `tier` is the
 * MTLReadWriteTextureTier that lets one kernel read and write such a texture, 0 where none does. */
static const struct mtl_format formats[] = {
    {MTLPixelFormatA8Unorm, 1, 0, MTL_FILTERED},
    {MTLPixelFormatR8Unorm, 1, 2, MTL_FILTERED},
    {MTLPixelFormatR8Unorm_sRGB, 1, 0, MTL_FILTERED},
    {MTLPixelFormatR8Snorm, 1, 0, MTL_FILTERED},
    {MTLPixelFormatR8Uint, 1, 2, MTL_INTEGER},
    {MTLPixelFormatR8Sint, 1, 2, MTL_INTEGER},
    {MTLPixelFormatR16Unorm, 2, 0, MTL_FILTERED},
    {MTLPixelFormatR16Snorm, 2, 0, MTL_FILTERED},
    {MTLPixelFormatR16Uint, 2, 2, MTL_INTEGER},
    {MTLPixelFormatR16Sint, 2, 2, MTL_INTEGER},
    {MTLPixelFormatR16Float, 2, 2, MTL_FILTERED},
    {MTLPixelFormatRG8Unorm, 2, 0, MTL_FILTERED},
    {MTLPixelFormatRG8Unorm_sRGB, 2, 0, MTL_FILTERED},
    {MTLPixelFormatRG8Snorm, 2, 0, MTL_FILTERED},
    {MTLPixelFormatRG8Uint, 2, 0, MTL_INTEGER},
    {MTLPixelFormatRG8Sint, 2, 0, MTL_INTEGER},
    {MTLPixelFormatR32Uint, 4, 1, MTL_INTEGER},
    {MTLPixelFormatR32Sint, 4, 1, MTL_INTEGER},
    {MTLPixelFormatR32Float, 4, 1, MTL_FLOAT32},
    {MTLPixelFormatRG16Unorm, 4, 0, MTL_FILTERED},
    {MTLPixelFormatRG16Snorm, 4, 0, MTL_FILTERED},
    {MTLPixelFormatRG16Uint, 4, 0, MTL_INTEGER},
    {MTLPixelFormatRG16Sint, 4, 0, MTL_INTEGER},
    {MTLPixelFormatRG16Float, 4, 0, MTL_FILTERED},
    {MTLPixelFormatRGBA8Unorm, 4, 2, MTL_FILTERED},
    {MTLPixelFormatRGBA8Unorm_sRGB, 4, 0, MTL_FILTERED},
    {MTLPixelFormatRGBA8Snorm, 4, 0, MTL_FILTERED},
    {MTLPixelFormatRGBA8Uint, 4, 2, MTL_INTEGER},
    {MTLPixelFormatRGBA8Sint, 4, 2, MTL_INTEGER},
    {MTLPixelFormatBGRA8Unorm, 4, 0, MTL_FILTERED},
    {MTLPixelFormatBGRA8Unorm_sRGB, 4, 0, MTL_FILTERED},
    {MTLPixelFormatRGB10A2Unorm, 4, 0, MTL_FILTERED},
    {MTLPixelFormatRGB10A2Uint, 4, 0, MTL_INTEGER},
    {MTLPixelFormatRG11B10Float, 4, 0, MTL_FILTERED},
    {MTLPixelFormatRGB9E5Float, 4, 0, MTL_FILTERED},
    {MTLPixelFormatBGR10A2Unorm, 4, 0, MTL_FILTERED},
    {MTLPixelFormatRG32Uint, 8, 0, MTL_INTEGER},
    {MTLPixelFormatRG32Sint, 8, 0, MTL_INTEGER},
    {MTLPixelFormatRG32Float, 8, 0, MTL_FLOAT32},
    {MTLPixelFormatRGBA16Unorm, 8, 0, MTL_FILTERED},
    {MTLPixelFormatRGBA16Snorm, 8, 0, MTL_FILTERED},
    {MTLPixelFormatRGBA16Uint, 8, 2, MTL_INTEGER},
    {MTLPixelFormatRGBA16Sint, 8, 2, MTL_INTEGER},
    {MTLPixelFormatRGBA16Float, 8, 2, MTL_FILTERED},
    {MTLPixelFormatRGBA32Uint, 16, 2, MTL_INTEGER},
    {MTLPixelFormatRGBA32Sint, 16, 2, MTL_INTEGER},
    {MTLPixelFormatRGBA32Float, 16, 2, MTL_FLOAT32},
    {MTLPixelFormatDepth16Unorm, 2, 0, MTL_DEPTH},
    {MTLPixelFormatDepth32Float, 4, 0, MTL_DEPTH},
};

/* By MTLTextureType: what may be more than 1. */
static const struct {
    const char *name;
    bool height, depth, array, levels, samples;
    uint32_t faces;
} types[] = {
    [MTLTextureType1D] = {"1D", false, false, false, false, false, 1},
    [MTLTextureType1DArray] = {"1DArray", false, false, true, false, false, 1},
    [MTLTextureType2D] = {"2D", true, false, false, true, false, 1},
    [MTLTextureType2DArray] = {"2DArray", true, false, true, true, false, 1},
    [MTLTextureType2DMultisample] = {"2DMultisample", true, false, false, false, true, 1},
    [MTLTextureTypeCube] = {"Cube", true, false, false, true, false, 6},
    [MTLTextureTypeCubeArray] = {"CubeArray", true, false, true, true, false, 6},
    [MTLTextureType3D] = {"3D", true, true, false, true, false, 1},
    [MTLTextureType2DMultisampleArray] = {"2DMultisampleArray", true, false, true, false, true, 1},
    [MTLTextureTypeTextureBuffer] = {"TextureBuffer", false, false, false, false, false, 1},
};
#define TYPES (sizeof types / sizeof *types)

static const struct mtl_format *format_of(uint32_t value)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (formats[i].value == value)
            return &formats[i];
    }
    return NULL;
}

static uint32_t full_levels(const mp_texture_desc *desc)
{
    uint32_t levels = 1;
    while ((desc->width | desc->height | desc->depth) >> levels)
        levels++;
    return levels;
}

static mp_status check_extent(const mp_texture_desc *desc, const char *what, uint32_t value, bool free, uint32_t limit,
                              mp_error *error)
{
    if (value == 0 || value > (free ? limit : 1))
        return mtl_fail(error, MP_ERROR_INVALID, "a texture of type %s cannot have %s %u; it may be from 1 to %u",
                        types[desc->type].name, what, value, free ? limit : 1);
    return MP_OK;
}

static mp_status check_extents(const mp_texture_desc *desc, mp_error *error)
{
    uint32_t type = desc->type;
    uint32_t limit = type == MTLTextureTypeTextureBuffer ? MAX_BUFFER_WIDTH
                     : type == MTLTextureType3D          ? MAX_WIDTH_3D
                                                         : MAX_WIDTH;
    mp_status status = check_extent(desc, "width", desc->width, true, limit, error);
    if (!status)
        status = check_extent(desc, "height", desc->height, types[type].height, limit, error);
    if (!status)
        status = check_extent(desc, "depth", desc->depth, types[type].depth, limit, error);
    if (!status)
        status = check_extent(desc, "array length", desc->array_length, types[type].array,
                              MAX_ARRAY_LENGTH / types[type].faces, error);
    if (!status)
        status = check_extent(desc, "mipmap level count", desc->levels, types[type].levels, full_levels(desc), error);
    if (!status)
        status = check_extent(desc, "sample count", desc->samples, types[type].samples, 8, error);
    if (!status && types[type].faces == 6 && desc->width != desc->height)
        status = mtl_fail(error, MP_ERROR_INVALID, "the faces of a cube are square, not %u by %u", desc->width,
                          desc->height);
    if (!status && (desc->samples & (desc->samples - 1) || (types[type].samples && desc->samples == 1)))
        status = mtl_fail(error, MP_ERROR_INVALID, "a multisampled texture has 2, 4 or 8 samples, not %u",
                          desc->samples);
    return status;
}

static mp_status check_desc(const mp_texture_desc *desc, mp_error *error)
{
    if (desc->type >= TYPES)
        return mtl_fail(error, MP_ERROR_UNSUPPORTED, "texture type %u is unknown", desc->type);
    const struct mtl_format *format = format_of(desc->pixel_format);
    if (!format)
        return mtl_fail(error, MP_ERROR_UNSUPPORTED, "the driver for Apple GPUs has no pixel format %u",
                        desc->pixel_format);
    mp_status status = check_extents(desc, error);
    if (status)
        return status;
    /* "MTLTextureType2DMultisample": neither the host nor kernels nor blits write one. */
    if (types[desc->type].samples)
        return mtl_fail(error, MP_ERROR_UNSUPPORTED, "an Apple GPU fills multisampled textures only by drawing");
    if (format->kind == MTL_DEPTH && (desc->usage & MP_TEXTURE_WRITE || desc->type == MTLTextureTypeTextureBuffer ||
                                      desc->type == MTLTextureType3D || !types[desc->type].height))
        return mtl_fail(error, MP_ERROR_UNSUPPORTED, "an Apple GPU has no %s textures of depths%s",
                        types[desc->type].name, desc->usage & MP_TEXTURE_WRITE ? " that kernels write" : "");
    return MP_OK;
}

/* ---- making ---- */

static uint64_t rounded(uint64_t size, uint64_t alignment)
{
    return (size + alignment - 1) / alignment * alignment;
}

static uint64_t linear_alignment(mp_device *device, const mp_texture_desc *desc)
{
    MTLPixelFormat format = (MTLPixelFormat)desc->pixel_format;
    return desc->type == MTLTextureTypeTextureBuffer
               ? [device->device minimumTextureBufferAlignmentForPixelFormat:format]
               : [device->device minimumLinearTextureAlignmentForPixelFormat:format];
}

static uint64_t row_bytes(mp_device *device, const mp_texture_desc *desc)
{
    uint64_t tight = (uint64_t)desc->width * format_of(desc->pixel_format)->bytes;
    return rounded(tight, linear_alignment(device, desc));
}

mp_status mtl_texture_size(mp_device *device, const mp_texture_desc *desc, uint64_t *size, mp_error *error)
{
    MTL_ENTER(error)
    mp_status status = check_desc(desc, error);
    if (!status)
        *size = desc->type == MTLTextureTypeTextureBuffer ? row_bytes(device, desc) : 0;
    return status;
    MTL_LEAVE(error)
}

/* Autoreleased; storage and hazard tracking are the caller's to set. */
static MTLTextureDescriptor *descriptor_of(const mp_texture_desc *desc)
{
    MTLTextureDescriptor *descriptor = [[[MTLTextureDescriptor alloc] init] autorelease];
    descriptor.textureType = (MTLTextureType)desc->type;
    descriptor.pixelFormat = (MTLPixelFormat)desc->pixel_format;
    descriptor.width = desc->width;
    descriptor.height = desc->height;
    descriptor.depth = desc->depth;
    descriptor.mipmapLevelCount = desc->levels;
    descriptor.arrayLength = desc->array_length;
    MTLTextureUsage usage = MTLTextureUsageUnknown;
    if (desc->usage & MP_TEXTURE_READ)
        usage |= MTLTextureUsageShaderRead;
    if (desc->usage & MP_TEXTURE_WRITE)
        usage |= MTLTextureUsageShaderWrite;
    bool atomic = desc->pixel_format == MTLPixelFormatR32Uint || desc->pixel_format == MTLPixelFormatR32Sint;
    if (atomic && desc->usage & MP_TEXTURE_WRITE && mtl_os_at_least(14, 0))
        usage |= MTL_TEXTURE_USAGE_SHADER_ATOMIC;
    descriptor.usage = usage;
    return descriptor;
}

/* "newTextureWithDescriptor:offset:bytesPerRow:". */
static mp_status create_linear(const mp_texture_desc *desc, mp_buffer *buffer, uint64_t offset, uint64_t row,
                               id<MTLTexture> *texture, mp_error *error)
{
    const struct mtl_format *format = format_of(desc->pixel_format);
    bool possible = desc->type == MTLTextureTypeTextureBuffer || desc->type == MTLTextureType2D;
    if (!possible || desc->levels != 1 || format->kind == MTL_DEPTH || row < (uint64_t)desc->width * format->bytes)
        return mtl_fail(error, MP_ERROR_INVALID,
                        "rows of %llu bytes do not make a linear texture: it is 2D or a texture buffer of one level, not "
                        "of depths, and its rows have at least %llu bytes", (unsigned long long)row,
                        (unsigned long long)desc->width * format->bytes);
    uint64_t alignment = linear_alignment(buffer->device, desc);
    if (offset % alignment || row % alignment)
        return mtl_fail(error, MP_ERROR_INVALID,
                        "a texture of this format in a buffer starts at a multiple of %llu bytes, and so does each row; "
                        "this one would start at %llu, with rows of %llu", (unsigned long long)alignment,
                        (unsigned long long)offset, (unsigned long long)row);
    uint64_t length = buffer->buffer.length;
    if (offset > length || row * desc->height > length - offset)
        return mtl_fail(error, MP_ERROR_INVALID,
                        "a texture of %llu bytes does not lie at offset %llu of a buffer of %llu bytes",
                        (unsigned long long)(row * desc->height), (unsigned long long)offset,
                        (unsigned long long)length);
    MTLTextureDescriptor *descriptor = descriptor_of(desc);
    descriptor.resourceOptions = buffer->buffer.resourceOptions; /* they must match */
    *texture = [buffer->buffer newTextureWithDescriptor:descriptor offset:offset bytesPerRow:row];
    return *texture ? MP_OK : mtl_fail(error, MP_ERROR_MEMORY, "Metal makes no texture over a buffer");
}

static mp_status create_tiled(mp_device *device, const mp_texture_desc *desc, id<MTLTexture> *texture, mp_error *error)
{
    MTLTextureDescriptor *descriptor = descriptor_of(desc);
    /* "Choosing a resource storage mode for Apple GPUs"; elsewhere textures cannot be shared. Depths are private:
     * Metal's validation of some systems wants it. */
    bool shared = [device->device supportsFamily:MTLGPUFamilyApple1] &&
                  format_of(desc->pixel_format)->kind != MTL_DEPTH;
    descriptor.resourceOptions = (shared ? MTLResourceStorageModeShared : MTLResourceStorageModePrivate) |
                                 MTLResourceHazardTrackingModeTracked;
    uint64_t size = [device->device heapTextureSizeAndAlignWithDescriptor:descriptor].size;
    /* One that no kernel could use is not asked for: Metal might stop the process. */
    if (size <= device->device.recommendedMaxWorkingSetSize)
        *texture = [device->device newTextureWithDescriptor:descriptor];
    if (!*texture)
        return mtl_fail(error, MP_ERROR_MEMORY, "no memory for a texture of %llu bytes (%llu bytes are in use, %llu are "
                        "recommended)", (unsigned long long)size,
                        (unsigned long long)device->device.currentAllocatedSize,
                        (unsigned long long)device->device.recommendedMaxWorkingSetSize);
    return MP_OK;
}

mp_status mtl_texture_create(mp_device *device, const mp_texture_desc *desc, mp_buffer *buffer, uint64_t offset,
                             uint64_t bytes_per_row, mp_texture **texture, mp_error *error)
{
    MTL_ENTER(error)
    mp_status status = check_desc(desc, error);
    if (status)
        return status;
    bool linear = bytes_per_row || desc->type == MTLTextureTypeTextureBuffer;
    if (linear != (buffer != NULL))
        return mtl_fail(error, MP_ERROR_INVALID, linear ? "a linear texture needs a buffer"
                                                        : "the device keeps the memory of such textures itself");
    mp_texture *made = calloc(1, sizeof *made);
    if (!made)
        return mtl_fail(error, MP_ERROR_MEMORY, "no memory for a texture object");
    made->row_bytes = !linear || bytes_per_row ? bytes_per_row : row_bytes(device, desc);
    status = linear ? create_linear(desc, buffer, offset, made->row_bytes, &made->texture, error)
                    : create_tiled(device, desc, &made->texture, error);
    if (status) {
        free(made);
        return status;
    }
    atomic_init(&made->references, 1);
    mtl_device_retain(device);
    made->device = device;
    made->format = format_of(desc->pixel_format);
    made->desc = *desc;
    made->elements = desc->array_length * types[desc->type].faces;
    made->has_rows = types[desc->type].height;
    made->has_planes = types[desc->type].depth;
    made->offset = offset;
    if (buffer) {
        mtl_buffer_retain(buffer);
        made->buffer = buffer;
        made->untracked = buffer->untracked;
    }
    mtl_count(1);
    *texture = made;
    return MP_OK;
    MTL_LEAVE(error)
}

void mtl_texture_release(mp_texture *texture)
{
    if (!texture || mtl_forked || !mtl_drop(&texture->references))
        return;
    MTL_POOL { [texture->texture release]; }
    mtl_buffer_release(texture->buffer);
    mtl_device_release(texture->device);
    free(texture);
    mtl_count(-1);
}

uint64_t mtl_texture_address(mp_texture *texture)
{
    if (mtl_forked)
        return 0;
    MTL_POOL
    {
        if (![texture->texture respondsToSelector:@selector(gpuResourceID)])
            return 0; /* before macOS 13 */
        return [(id<MtlLaterResourceID>)texture->texture gpuResourceID].value;
    }
}
