/* texels.m: copies of texels from and to the host.
 *
 * The host reaches a linear texture through its buffer's contents, another one by Metal's copies of regions, and one
 * with private storage by blits over a buffer.
 */
#import "metal_driver.h"

#include <string.h>

static uint32_t shrunk(uint32_t extent, uint32_t level)
{
    return extent >> level ? extent >> level : 1;
}

static mp_status check_region(const mp_texture *texture, const mp_texture_region *region, mp_error *error)
{
    const mp_texture_desc *desc = &texture->desc;
    if (region->level >= desc->levels || region->element >= texture->elements)
        return mtl_fail(error, MP_ERROR_INVALID, "level %u of element %u: the texture has %u levels and %u elements",
                        region->level, region->element, desc->levels, texture->elements);
    const uint32_t extents[3] = {shrunk(desc->width, region->level), shrunk(desc->height, region->level),
                                 shrunk(desc->depth, region->level)};
    for (int i = 0; i < 3; i++) {
        if (region->origin[i] > extents[i] || region->size[i] > extents[i] - region->origin[i])
            return mtl_fail(error, MP_ERROR_INVALID,
                            "texels %u to %u along axis %c lie outside a level of detail of %u by %u by %u texels",
                            region->origin[i], region->origin[i] + region->size[i], "xyz"[i], extents[0], extents[1],
                            extents[2]);
    }
    if (region->bytes_per_row < (uint64_t)region->size[0] * texture->format->bytes)
        return mtl_fail(error, MP_ERROR_INVALID, "rows of %llu bytes cannot hold %u texels of %u",
                        (unsigned long long)region->bytes_per_row, region->size[0], texture->format->bytes);
    return MP_OK;
}

/* Rows of `host`, laid out as the region says, from or to `memory`, with steps of its own. */
static void copy_rows(const mp_texture *texture, const mp_texture_region *region, uint8_t *memory, uint64_t row_step,
                      uint64_t plane_step, uint8_t *host, bool replace)
{
    size_t size = (size_t)region->size[0] * texture->format->bytes;
    for (uint32_t z = 0; z < region->size[2]; z++) {
        for (uint32_t y = 0; y < region->size[1]; y++) {
            uint8_t *row = memory + z * plane_step + y * row_step;
            uint8_t *other = host + z * region->bytes_per_plane + y * region->bytes_per_row;
            memcpy(replace ? row : other, replace ? other : row, size);
        }
    }
}

/* "replaceRegion:mipmapLevel:slice:withBytes:bytesPerRow:bytesPerImage:": bytesPerRow 0 for 1D, bytesPerImage 0 for all
 * but 3D. */
static void copy_shared(const mp_texture *texture, const mp_texture_region *region, uint8_t *host, bool replace)
{
    const uint32_t *at = region->origin, *size = region->size;
    MTLRegion where = MTLRegionMake3D(at[0], at[1], at[2], size[0], size[1], size[2]);
    NSUInteger row = texture->has_rows ? region->bytes_per_row : 0;
    NSUInteger image = texture->has_planes ? region->bytes_per_plane : 0;
    if (replace)
        [texture->texture replaceRegion:where
                            mipmapLevel:region->level
                                  slice:region->element
                              withBytes:host
                            bytesPerRow:row
                          bytesPerImage:image];
    else
        [texture->texture getBytes:host
                       bytesPerRow:row
                     bytesPerImage:image
                        fromRegion:where
                       mipmapLevel:region->level
                             slice:region->element];
}

/* For blits of texels; made when first needed. nil with `error` filled. */
static id<MTLCommandQueue> copy_queue(mp_device *device, mp_error *error)
{
    pthread_mutex_lock(&device->kernels_lock);
    if (!device->copies)
        device->copies = [device->device newCommandQueueWithMaxCommandBufferCount:16];
    id<MTLCommandQueue> queue = device->copies;
    pthread_mutex_unlock(&device->kernels_lock);
    if (!queue)
        mtl_fail(error, MP_ERROR_MEMORY, "Metal makes no command queue; there may be too many");
    return queue;
}

static mp_status blit(const mp_texture *texture, const mp_texture_region *region, id<MTLBuffer> staging, NSUInteger row,
                      bool replace, mp_error *error)
{
    const uint32_t *at = region->origin, *size = region->size;
    MTLOrigin origin = MTLOriginMake(at[0], at[1], at[2]);
    MTLSize extents = MTLSizeMake(size[0], size[1], size[2]);
    id<MTLCommandQueue> queue = copy_queue(texture->device, error);
    if (!queue)
        return MP_ERROR_MEMORY;
    id<MTLCommandBuffer> commands = [queue commandBuffer];
    if (!commands)
        return mtl_fail(error, MP_ERROR_MEMORY, "Metal makes no command buffer");
    id<MTLBlitCommandEncoder> encoder = [commands blitCommandEncoder];
    if (replace)
        [encoder copyFromBuffer:staging
                   sourceOffset:0
              sourceBytesPerRow:row
            sourceBytesPerImage:row * size[1]
                     sourceSize:extents
                      toTexture:texture->texture
               destinationSlice:region->element
               destinationLevel:region->level
              destinationOrigin:origin];
    else
        [encoder copyFromTexture:texture->texture
                         sourceSlice:region->element
                         sourceLevel:region->level
                        sourceOrigin:origin
                          sourceSize:extents
                            toBuffer:staging
                   destinationOffset:0
              destinationBytesPerRow:row
            destinationBytesPerImage:row * size[1]];
    [encoder endEncoding];
    [commands commit];
    [commands waitUntilCompleted];
    if (commands.status == MTLCommandBufferStatusError)
        return mtl_fail_with(error, MP_ERROR_FAULT, commands.error, "copying texels failed on the GPU");
    return MP_OK;
}

static mp_status copy_private(const mp_texture *texture, const mp_texture_region *region, uint8_t *host, bool replace,
                              mp_error *error)
{
    NSUInteger row = (NSUInteger)region->size[0] * texture->format->bytes, plane = row * region->size[1];
    NSUInteger size = plane * region->size[2];
    id<MTLBuffer> staging = [[texture->device->device newBufferWithLength:size
                                                                  options:MTLResourceStorageModeShared] autorelease];
    if (!staging)
        return mtl_fail(error, MP_ERROR_MEMORY, "no memory to copy %llu bytes of texels", (unsigned long long)size);
    if (replace)
        copy_rows(texture, region, staging.contents, row, plane, host, true);
    mp_status status = blit(texture, region, staging, row, replace, error);
    if (status == MP_OK && !replace)
        copy_rows(texture, region, staging.contents, row, plane, host, false);
    return status;
}

static mp_status copy_texels(const mp_texture *texture, const mp_texture_region *region, uint8_t *host, bool replace,
                             mp_error *error)
{
    mp_status status = check_region(texture, region, error);
    if (status || !region->size[0] || !region->size[1] || !region->size[2])
        return status;
    if (texture->texture.storageMode == MTLStorageModePrivate)
        return copy_private(texture, region, host, replace, error);
    if (!texture->buffer) {
        copy_shared(texture, region, host, replace);
        return MP_OK;
    }
    uint8_t *memory = (uint8_t *)texture->buffer->buffer.contents + texture->offset +
                      texture->row_bytes * region->origin[1] + (uint64_t)region->origin[0] * texture->format->bytes;
    copy_rows(texture, region, memory, texture->row_bytes, 0, host, replace);
    return MP_OK;
}

mp_status mtl_texture_replace(mp_texture *texture, const mp_texture_region *region, const void *bytes, mp_error *error)
{
    MTL_ENTER(error)
    return copy_texels(texture, region, (uint8_t *)(uintptr_t)bytes, true, error);
    MTL_LEAVE(error)
}

mp_status mtl_texture_read(mp_texture *texture, const mp_texture_region *region, void *bytes, mp_error *error)
{
    MTL_ENTER(error)
    return copy_texels(texture, region, bytes, false, error);
    MTL_LEAVE(error)
}
