/* memory.m: buffers, heaps, fences and events. */
#import "standin.h"

#include <stdlib.h>

_Atomic int64_t standin_allocated;

@implementation MTLHeapDescriptor

- (id)copyWithZone:(NSZone *)zone
{
    MTLHeapDescriptor *made = [[[self class] allocWithZone:zone] init];
    made.size = _size;
    made.resourceOptions = _resourceOptions;
    return made;
}

- (NSUInteger)size
{
    return _size;
}

- (void)setSize:(NSUInteger)size
{
    _size = size;
}

- (MTLResourceOptions)resourceOptions
{
    return _resourceOptions;
}

- (void)setResourceOptions:(MTLResourceOptions)options
{
    _resourceOptions = options;
}

@end

@implementation StandinHeap

- (instancetype)initWithDescriptor:(MTLHeapDescriptor *)descriptor
{
    if (!(self = [super init]))
        return nil;
    if (standin_executor->buffer_create(standin_device, descriptor.size, 0, &_memory, NULL) != MP_OK) {
        [self release];
        return nil;
    }
    _size = descriptor.size;
    _options = descriptor.resourceOptions;
    _used = [[NSMutableArray alloc] init];
    atomic_fetch_add(&standin_allocated, (int64_t)_size);
    return self;
}

- (void)dealloc
{
    if (_memory)
        atomic_fetch_sub(&standin_allocated, (int64_t)_size);
    standin_executor->buffer_release(_memory);
    [_used release];
    [super dealloc];
}

- (NSUInteger)size
{
    return _size;
}

- (NSUInteger)usedSize
{
    NSUInteger sum = 0;
    @synchronized(self) {
        for (NSValue *value in _used)
            sum += [value rangeValue].length;
    }
    return sum;
}

/* The first gap of at least `need` bytes (0: the largest), and where it would be in `_used`. */
- (NSRange)gapFor:(NSUInteger)need at:(NSUInteger *)place
{
    NSRange best = NSMakeRange(0, 0);
    NSUInteger start = 0;
    for (NSUInteger i = 0; i <= [_used count]; i++) {
        NSRange next = i < [_used count] ? [[_used objectAtIndex:i] rangeValue] : NSMakeRange(_size, 0);
        NSUInteger gap = next.location - start;
        if (need && gap >= need) {
            *place = i;
            return NSMakeRange(start, need);
        }
        if (!need && gap > best.length)
            best = NSMakeRange(start, gap);
        start = NSMaxRange(next);
    }
    return best;
}

- (NSUInteger)maxAvailableSizeWithAlignment:(NSUInteger)alignment
{
    REQUIRE((alignment & (alignment - 1)) == 0, @"alignment %lu is no power of two", alignment);
    @synchronized(self) {
        return [self gapFor:0 at:NULL].length / 256 * 256;
    }
}

- (id<MTLBuffer>)newBufferWithLength:(NSUInteger)length options:(MTLResourceOptions)options
{
    REQUIRE((options & 0xf0) == (_options & 0xf0), @"the storage mode is not the heap's");
    REQUIRE(length > 0, @"Cannot create buffer of zero length.");
    if (standin_take_fault(FAULT_ALLOCATION))
        return nil;
    NSRange range;
    @synchronized(self) {
        NSUInteger place = 0;
        range = [self gapFor:(length + 255) / 256 * 256 at:&place];
        if (range.length == 0)
            return nil;
        [_used insertObject:[NSValue valueWithRange:range] atIndex:place];
    }
    char *memory = standin_executor->buffer_contents(_memory);
    return [[StandinBuffer alloc] initInHeap:self
                                       range:range
                                      memory:memory + range.location
                                      length:length
                                     options:_options];
}

- (void)giveBack:(NSRange)range
{
    @synchronized(self) {
        [_used removeObject:[NSValue valueWithRange:range]];
    }
}

@end

@implementation StandinBuffer

- (instancetype)initWithLength:(NSUInteger)length options:(MTLResourceOptions)options
{
    if (!(self = [super init]))
        return nil;
    if (standin_executor->buffer_create(standin_device, length, 0, &_handle, NULL) != MP_OK) {
        [self release];
        return nil;
    }
    _length = length;
    _options = options;
    atomic_fetch_add(&standin_allocated, (int64_t)length);
    return self;
}

- (instancetype)initWithPointer:(void *)pointer
                         length:(NSUInteger)length
                    deallocator:(void (^)(void *, NSUInteger))deallocator
{
    if (!(self = [super init]))
        return nil;
    if (standin_executor->buffer_wrap(standin_device, pointer, length, NULL, NULL, &_handle, NULL) != MP_OK) {
        [self release];
        return nil;
    }
    _length = length;
    _pointer = pointer;
    if (deallocator)
        _deallocator = Block_copy(deallocator);
    return self;
}

- (instancetype)initInHeap:(StandinHeap *)heap
                     range:(NSRange)range
                    memory:(void *)memory
                    length:(NSUInteger)length
                   options:(MTLResourceOptions)options
{
    if (!(self = [super init]))
        return nil;
    standin_executor->buffer_wrap(standin_device, memory, length, NULL, NULL, &_handle, NULL);
    _heap = [heap retain];
    _range = range;
    _length = length;
    _options = options;
    return self;
}

- (void)dealloc
{
    standin_executor->buffer_release(_handle);
    if (_heap)
        [_heap giveBack:_range];
    else if (!_pointer && _handle)
        atomic_fetch_sub(&standin_allocated, (int64_t)_length);
    [_heap release];
    if (_deallocator) {
        _deallocator(_pointer, _length);
        Block_release(_deallocator);
    }
    [super dealloc];
}

- (NSUInteger)length
{
    return _length;
}

- (MTLStorageMode)storageMode
{
    return (MTLStorageMode)(_options >> 4 & 15);
}

- (MTLHazardTrackingMode)hazardTrackingMode
{
    return (MTLHazardTrackingMode)(_options >> 8 & 3);
}

- (MTLResourceOptions)resourceOptions
{
    return _options;
}

- (id<MTLTexture>)newTextureWithDescriptor:(MTLTextureDescriptor *)descriptor
                                    offset:(NSUInteger)offset
                               bytesPerRow:(NSUInteger)row
{
    standin_check_texture(descriptor, _cmd);
    bool texels = descriptor.textureType == MTLTextureTypeTextureBuffer;
    REQUIRE((texels || descriptor.textureType == MTLTextureType2D) && descriptor.mipmapLevelCount == 1,
            @"only 2D textures and texture buffers of one level can be linear");
    REQUIRE(descriptor.resourceOptions == _options, @"the texture's options (%lx) must be the buffer's (%lx)",
            (unsigned long)descriptor.resourceOptions, (unsigned long)_options);
    StandinDevice *device = standin_shared_device();
    NSUInteger alignment = texels ? [device minimumTextureBufferAlignmentForPixelFormat:descriptor.pixelFormat]
                                  : [device minimumLinearTextureAlignmentForPixelFormat:descriptor.pixelFormat];
    NSUInteger tight = descriptor.width * standin_texel_bytes(descriptor.pixelFormat);
    REQUIRE(offset % alignment == 0, @"offset(%lu) must be aligned to %lu bytes", (unsigned long)offset,
            (unsigned long)alignment);
    REQUIRE(row % alignment == 0 && row >= tight, @"bytesPerRow(%lu) must be aligned to %lu bytes and >= %lu",
            (unsigned long)row, (unsigned long)alignment, (unsigned long)tight);
    REQUIRE(offset <= _length && row * descriptor.height <= _length - offset,
            @"the texture is longer than the buffer's %lu bytes", (unsigned long)_length);
    if (standin_take_fault(FAULT_TEXTURE))
        return nil;
    return [[StandinTexture alloc] initWithDescriptor:descriptor buffer:self offset:offset bytesPerRow:row];
}

- (id<MTLHeap>)heap
{
    return _heap;
}

- (void *)contents
{
    REQUIRE(self.storageMode != MTLStorageModePrivate, @"a buffer with private storage has no contents");
    return standin_executor->buffer_contents(_handle);
}

- (uint64_t)gpuAddress
{
    return standin_executor->buffer_address(_handle);
}

@end

@implementation StandinFence
@end

static pthread_mutex_t event_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t event_grown = PTHREAD_COND_INITIALIZER;

@implementation StandinEvent

- (uint64_t)signaledValue
{
    pthread_mutex_lock(&event_lock);
    uint64_t value = _value;
    pthread_mutex_unlock(&event_lock);
    return value;
}

- (void)setSignaledValue:(uint64_t)value
{
    [self reach:value];
}

- (void)reach:(uint64_t)value
{
    pthread_mutex_lock(&event_lock);
    REQUIRE(value >= _value, @"an event goes back from %llu to %llu", (unsigned long long)_value,
            (unsigned long long)value);
    _value = value;
    pthread_cond_broadcast(&event_grown);
    pthread_mutex_unlock(&event_lock);
}

- (void)waitFor:(uint64_t)value
{
    pthread_mutex_lock(&event_lock);
    while (_value < value)
        pthread_cond_wait(&event_grown, &event_lock);
    pthread_mutex_unlock(&event_lock);
}

@end
