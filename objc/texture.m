/* texture.m: textures and samplers, which this driver does not have yet: each entry says so. */
#import "metal_driver.h"

static mp_status missing(mp_error *error)
{
    mp_status status = mtl_check_fork(error);
    return status ? status : mtl_fail(error, MP_ERROR_UNSUPPORTED, "the driver for Apple GPUs has no textures yet; "
                                      "METALPY_DRIVER=software chooses the software device, where it is built");
}

mp_status mtl_texture_size(mp_device *device, const mp_texture_desc *desc, uint64_t *size, mp_error *error)
{
    (void)device, (void)desc, (void)size;
    return missing(error);
}

mp_status mtl_texture_create(mp_device *device, const mp_texture_desc *desc, mp_buffer *buffer, uint64_t offset,
                             uint64_t bytes_per_row, mp_texture **texture, mp_error *error)
{
    (void)device, (void)desc, (void)buffer, (void)offset, (void)bytes_per_row, (void)texture;
    return missing(error);
}

void mtl_texture_release(mp_texture *texture)
{
    (void)texture;
}

uint64_t mtl_texture_address(mp_texture *texture)
{
    (void)texture;
    return 0;
}

mp_status mtl_texture_replace(mp_texture *texture, const mp_texture_region *region, const void *bytes, mp_error *error)
{
    (void)texture, (void)region, (void)bytes;
    return missing(error);
}

mp_status mtl_texture_read(mp_texture *texture, const mp_texture_region *region, void *bytes, mp_error *error)
{
    (void)texture, (void)region, (void)bytes;
    return missing(error);
}

mp_status mtl_sampler_create(mp_device *device, const mp_sampler_desc *desc, mp_sampler **sampler, mp_error *error)
{
    (void)device, (void)desc, (void)sampler;
    return missing(error);
}

void mtl_sampler_release(mp_sampler *sampler)
{
    (void)sampler;
}

uint64_t mtl_sampler_address(mp_sampler *sampler)
{
    (void)sampler;
    return 0;
}

mp_status mtl_queue_generate_mipmaps(mp_queue *queue, mp_texture *texture, uint64_t *serial, mp_error *error)
{
    (void)queue, (void)texture, (void)serial;
    return missing(error);
}
