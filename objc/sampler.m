/* sampler.m: samplers. */
#import "metal_driver.h"

#import "later.h"

#include <float.h>
#include <stdlib.h>

static mp_status check_sampler(const mp_sampler_desc *desc, mp_error *error)
{
    bool known = desc->min_filter <= MTLSamplerMinMagFilterLinear && desc->mag_filter <= MTLSamplerMinMagFilterLinear &&
                 desc->mip_filter <= MTLSamplerMipFilterLinear && desc->compare_function <= MTLCompareFunctionAlways &&
                 desc->border_color <= MTLSamplerBorderColorOpaqueWhite;
    bool repeats = false;
    for (int i = 0; i < 3; i++) {
        known = known && desc->address_modes[i] <= MTLSamplerAddressModeClampToBorderColor;
        repeats = repeats || (desc->address_modes[i] >= MTLSamplerAddressModeMirrorClampToEdge &&
                              desc->address_modes[i] <= MTLSamplerAddressModeMirrorRepeat);
    }
    if (!known)
        return mtl_fail(error, MP_ERROR_UNSUPPORTED, "a sampler has an address mode, filter, comparison or border colour "
                                                     "that Metal does not know");
    if (!desc->normalized_coordinates && repeats)
        return mtl_fail(error, MP_ERROR_INVALID, "a sampler with coordinates in texels cannot repeat or mirror");
    return MP_OK;
}

mp_status mtl_sampler_create(mp_device *device, const mp_sampler_desc *desc, mp_sampler **sampler, mp_error *error)
{
    MTL_ENTER(error)
    mp_status status = check_sampler(desc, error);
    if (status)
        return status;
    MTLSamplerDescriptor *descriptor = [[[MTLSamplerDescriptor alloc] init] autorelease];
    descriptor.sAddressMode = (MTLSamplerAddressMode)desc->address_modes[0];
    descriptor.tAddressMode = (MTLSamplerAddressMode)desc->address_modes[1];
    descriptor.rAddressMode = (MTLSamplerAddressMode)desc->address_modes[2];
    descriptor.minFilter = (MTLSamplerMinMagFilter)desc->min_filter;
    descriptor.magFilter = (MTLSamplerMinMagFilter)desc->mag_filter;
    descriptor.mipFilter = (MTLSamplerMipFilter)desc->mip_filter;
    descriptor.normalizedCoordinates = desc->normalized_coordinates != 0;
    descriptor.maxAnisotropy = desc->max_anisotropy < 1 ? 1 : desc->max_anisotropy > 16 ? 16 : desc->max_anisotropy;
    descriptor.compareFunction = (MTLCompareFunction)desc->compare_function;
    descriptor.borderColor = (MTLSamplerBorderColor)desc->border_color;
    descriptor.lodMinClamp = desc->lod_min_clamp > 0 ? desc->lod_min_clamp : 0;
    descriptor.lodMaxClamp = desc->lod_max_clamp < FLT_MAX ? desc->lod_max_clamp : FLT_MAX;
    descriptor.supportArgumentBuffers = YES;
    mp_sampler *made = calloc(1, sizeof *made);
    if (!made)
        return mtl_fail(error, MP_ERROR_MEMORY, "no memory for a sampler object");
    made->state = [device->device newSamplerStateWithDescriptor:descriptor];
    if (!made->state) { /* "maxArgumentBufferSamplerCount": a device has so many and no more */
        free(made);
        return mtl_fail(error, MP_ERROR_MEMORY, "Metal makes no sampler; there may be too many");
    }
    atomic_init(&made->references, 1);
    mtl_device_retain(device);
    made->device = device;
    mtl_count(1);
    *sampler = made;
    return MP_OK;
    MTL_LEAVE(error)
}

void mtl_sampler_release(mp_sampler *sampler)
{
    if (!sampler || mtl_forked || !mtl_drop(&sampler->references))
        return;
    MTL_POOL { [sampler->state release]; }
    mtl_device_release(sampler->device);
    free(sampler);
    mtl_count(-1);
}

uint64_t mtl_sampler_address(mp_sampler *sampler)
{
    if (mtl_forked)
        return 0;
    MTL_POOL
    {
        if (![sampler->state respondsToSelector:@selector(gpuResourceID)])
            return 0; /* before macOS 13 */
        return [(id<MtlLaterResourceID>)sampler->state gpuResourceID].value;
    }
}
