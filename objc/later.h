/* later.h: Metal newer than macOS 12, declared apart from the SDK that happens to be there.
 *
 * Each is used behind respondsToSelector: or NSClassFromString, never behind the SDK's version, so one binary serves
 * all systems. The names, types and values are Apple's; the page that documents each is named.
 */
#ifndef METAL_LATER_H
#define METAL_LATER_H

#import <Metal/Metal.h>

/* macOS 13, "MTLBuffer gpuAddress": what argument buffers hold. */
@protocol MtlLaterBuffer
- (uint64_t)gpuAddress;
@end

/* macOS 13, "MTLResourceID": what argument buffers hold of textures and samplers. */
struct MtlLaterResource {
    uint64_t value;
};
@protocol MtlLaterResourceID
- (struct MtlLaterResource)gpuResourceID;
@end

/* macOS 14, "MTLTextureUsage": atomic functions of kernels. */
#define MTL_TEXTURE_USAGE_SHADER_ATOMIC ((MTLTextureUsage)0x20)

/* macOS 14, "MTLDataType": enumerators that an older SDK lacks. */
enum { MTL_DATA_TYPE_BFLOAT = 121, MTL_DATA_TYPE_BFLOAT4 = 124 };

/* macOS 15, "MTLCompileOptions mathMode": replaces fastMathEnabled. */
enum { MTL_MATH_MODE_SAFE = 0, MTL_MATH_MODE_RELAXED = 1, MTL_MATH_MODE_FAST = 2 };
enum { MTL_MATH_FUNCTIONS_FAST = 0, MTL_MATH_FUNCTIONS_PRECISE = 1 };
@protocol MtlLaterCompileOptions
- (void)setMathMode:(NSInteger)mode;
- (void)setMathFloatingPointFunctions:(NSInteger)functions;
- (void)setEnableLogging:(BOOL)enable;
@end

/* macOS 15, "MTLLogState": what kernels write with os_log. MTLLogLevel counts as below. */
enum {
    MTL_LOG_LEVEL_UNDEFINED = 0,
    MTL_LOG_LEVEL_DEBUG = 1,
    MTL_LOG_LEVEL_INFO = 2,
    MTL_LOG_LEVEL_NOTICE = 3,
    MTL_LOG_LEVEL_ERROR = 4,
    MTL_LOG_LEVEL_FAULT = 5
};
@protocol MtlLaterLogStateDescriptor
- (void)setLevel:(NSInteger)level;
- (void)setBufferSize:(NSInteger)bytes;
@end
@protocol MtlLaterLogState
- (void)addLogHandler:(void (^)(NSString *subsystem, NSString *category, NSInteger level, NSString *message))handler;
@end
@protocol MtlLaterCommandQueueDescriptor
- (void)setMaxCommandBufferCount:(NSUInteger)count;
- (void)setLogState:(id)state;
@end
@protocol MtlLaterDevice
- (id)newLogStateWithDescriptor:(id)descriptor error:(NSError **)error;
- (id<MTLCommandQueue>)newCommandQueueWithDescriptor:(id)descriptor;
@end

#endif
