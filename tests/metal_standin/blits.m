/* blits.m: blit passes, with what Metal's validation layer checks in them. */
#import "standin.h"

@implementation StandinBlitEncoder

- (void)copyFromBuffer:(id<MTLBuffer>)source
          sourceOffset:(NSUInteger)sourceOffset
              toBuffer:(id<MTLBuffer>)target
     destinationOffset:(NSUInteger)targetOffset
                  size:(NSUInteger)size
{
    [self checkOpen:_cmd];
    REQUIRE(source && target && standin_is_alive(source) && standin_is_alive(target), @"a buffer has been released");
    REQUIRE(sourceOffset % 4 == 0 && targetOffset % 4 == 0 && size % 4 == 0,
            @"offsets and size must be multiples of 4 in macOS");
    REQUIRE(sourceOffset + size <= source.length && targetOffset + size <= target.length,
            @"(sourceOffset + size) or (destinationOffset + size) is beyond its buffer");
    REQUIRE(source != target || sourceOffset + size <= targetOffset || targetOffset + size <= sourceOffset,
            @"Source and destination overlap");
    REQUIRE(size < (1ull << 31), @"a copy of %lu bytes is longer than the driver promises", (unsigned long)size);
    struct standin_command *command = [_buffer addCommand:RUN_COPY from:self];
    command->source = ((StandinBuffer *)source)->_handle;
    command->target = ((StandinBuffer *)target)->_handle;
    command->source_offset = sourceOffset;
    command->target_offset = targetOffset;
    command->size = size;
    [_buffer keep:source];
    [_buffer keep:target];
    standin_count("blit copy");
}

- (void)fillBuffer:(id<MTLBuffer>)buffer range:(NSRange)range value:(uint8_t)value
{
    [self checkOpen:_cmd];
    REQUIRE(buffer && standin_is_alive(buffer), @"the buffer has been released");
    REQUIRE(range.location % 4 == 0 && range.length % 4 == 0, @"range must be multiples of 4 in macOS");
    REQUIRE(range.length > 0 && NSMaxRange(range) <= buffer.length, @"range is beyond the buffer");
    REQUIRE(range.length < (1ull << 31), @"a fill of %lu bytes is longer than the driver promises",
            (unsigned long)range.length);
    struct standin_command *command = [_buffer addCommand:RUN_FILL from:self];
    command->target = ((StandinBuffer *)buffer)->_handle;
    command->target_offset = range.location;
    command->size = range.length;
    command->byte = value;
    [_buffer keep:buffer];
    standin_count("blit fill");
}

- (void)generateMipmapsForTexture:(id<MTLTexture>)texture
{
    [self checkOpen:_cmd];
    REQUIRE(texture && standin_is_alive(texture), @"the texture has been released");
    MTLTextureDescriptor *given = [(StandinTexture *)texture descriptor];
    REQUIRE(given.mipmapLevelCount > 1, @"texture.mipmapLevelCount(%lu) must be > 1.",
            (unsigned long)given.mipmapLevelCount);
    REQUIRE(standin_format_components(given.pixelFormat) == MTLDataTypeFloat && !standin_format_is_depth(given.pixelFormat),
            @"pixelFormat %lu is not a color-renderable and filterable format", (unsigned long)given.pixelFormat);
    struct standin_command *command = [_buffer addCommand:RUN_MIPMAPS from:self];
    command->texture = ((StandinTexture *)texture)->_handle;
    [_buffer keep:texture];
    standin_count("mipmaps");
}

/* Texels between a buffer and a texture. */
- (void)copy:(enum standin_kind)kind
      region:(MTLRegion)region
     texture:(StandinTexture *)texture
       slice:(NSUInteger)slice
       level:(NSUInteger)level
      buffer:(StandinBuffer *)buffer
      offset:(NSUInteger)offset
         row:(NSUInteger)row
       image:(NSUInteger)image
{
    [self checkOpen:_cmd];
    REQUIRE(buffer && texture && standin_is_alive(buffer) && standin_is_alive(texture), @"a resource has been released");
    MTLTextureDescriptor *given = [texture descriptor];
    NSUInteger bytes = standin_texel_bytes(given.pixelFormat);
    MTLSize size = region.size;
    REQUIRE(given.sampleCount == 1, @"multisample textures cannot be copied from or to buffers");
    REQUIRE(size.width && size.height && size.depth, @"the region is empty");
    REQUIRE(offset % bytes == 0, @"the offset(%lu) must be a multiple of the pixel's %lu bytes.", (unsigned long)offset,
            (unsigned long)bytes);
    REQUIRE(row % bytes == 0 && row >= size.width * bytes, @"bytesPerRow(%lu) must be a multiple of the pixel's %lu "
            "bytes and >= %lu", (unsigned long)row, (unsigned long)bytes, (unsigned long)(size.width * bytes));
    REQUIRE(image >= row * size.height, @"bytesPerImage(%lu) must be >= %lu", (unsigned long)image,
            (unsigned long)(row * size.height));
    REQUIRE(offset + image * (size.depth - 1) + row * size.height <= buffer.length, @"the copy is beyond its buffer");
    NSUInteger width = given.width >> level, height = given.height >> level, depth = given.depth >> level;
    NSUInteger slices = given.arrayLength * (given.textureType == MTLTextureTypeCube ||
                                                     given.textureType == MTLTextureTypeCubeArray ? 6 : 1);
    REQUIRE(level < given.mipmapLevelCount && slice < slices, @"the texture has no slice %lu of level %lu",
            (unsigned long)slice, (unsigned long)level);
    REQUIRE(region.origin.x + size.width <= (width ? width : 1) && region.origin.y + size.height <= (height ? height : 1) &&
                region.origin.z + size.depth <= (depth ? depth : 1), @"the region is beyond the texture");
    struct standin_command *command = [_buffer addCommand:kind from:self];
    command->texture = texture->_handle;
    command->source = buffer->_handle;
    command->source_offset = offset;
    command->region = [texture region:region level:level slice:slice row:row image:image];
    [_buffer keep:buffer];
    [_buffer keep:texture];
    standin_count("blit texels");
}

- (void)copyFromBuffer:(id<MTLBuffer>)buffer
           sourceOffset:(NSUInteger)offset
      sourceBytesPerRow:(NSUInteger)row
    sourceBytesPerImage:(NSUInteger)image
             sourceSize:(MTLSize)size
              toTexture:(id<MTLTexture>)texture
       destinationSlice:(NSUInteger)slice
       destinationLevel:(NSUInteger)level
      destinationOrigin:(MTLOrigin)origin
{
    [self copy:RUN_TO_TEXTURE
        region:(MTLRegion){origin, size}
       texture:(StandinTexture *)texture
         slice:slice
         level:level
        buffer:(StandinBuffer *)buffer
        offset:offset
           row:row
         image:image];
}

- (void)copyFromTexture:(id<MTLTexture>)texture
                 sourceSlice:(NSUInteger)slice
                 sourceLevel:(NSUInteger)level
                sourceOrigin:(MTLOrigin)origin
                  sourceSize:(MTLSize)size
                    toBuffer:(id<MTLBuffer>)buffer
           destinationOffset:(NSUInteger)offset
      destinationBytesPerRow:(NSUInteger)row
    destinationBytesPerImage:(NSUInteger)image
{
    [self copy:RUN_FROM_TEXTURE
        region:(MTLRegion){origin, size}
       texture:(StandinTexture *)texture
         slice:slice
         level:level
        buffer:(StandinBuffer *)buffer
        offset:offset
           row:row
         image:image];
}

@end
