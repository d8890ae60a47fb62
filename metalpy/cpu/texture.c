/* texture.c: textures, whose memory is part of a buffer, and samplers.
 *
 * Levels lie one after another, in each all images (array elements, faces, samples), in each image its planes and rows.
 * Nothing is tiled: kernels, the host and arrays over the same memory all see plain rows. */
#include "pixels.h"

#include <stdlib.h>
#include <string.h>

#define LEVEL_ALIGNMENT 16

/* Metal's limits, the same on every device (Metal Feature Set Tables, Apple7 family). */
#define MAX_WIDTH 16384
#define MAX_WIDTH_3D 2048
#define MAX_ARRAY_LENGTH 2048
#define MAX_BUFFER_WIDTH (1u << 28)

enum { /* MTLTextureType */
    TYPE_1D, TYPE_1D_ARRAY, TYPE_2D, TYPE_2D_ARRAY, TYPE_2D_MS, TYPE_CUBE, TYPE_CUBE_ARRAY, TYPE_3D, TYPE_2D_MS_ARRAY,
    TYPE_BUFFER, TYPE_COUNT
};

static const struct {
    const char *name;
    bool height, depth, array, levels, samples; /* may be more than 1 */
    uint32_t faces;
} types[TYPE_COUNT] = {
    [TYPE_1D] = {"1D", false, false, false, false, false, 1},
    [TYPE_1D_ARRAY] = {"1DArray", false, false, true, false, false, 1},
    [TYPE_2D] = {"2D", true, false, false, true, false, 1},
    [TYPE_2D_ARRAY] = {"2DArray", true, false, true, true, false, 1},
    [TYPE_2D_MS] = {"2DMultisample", true, false, false, false, true, 1},
    [TYPE_CUBE] = {"Cube", true, false, false, true, false, 6},
    [TYPE_CUBE_ARRAY] = {"CubeArray", true, false, true, true, false, 6},
    [TYPE_3D] = {"3D", true, true, false, true, false, 1},
    [TYPE_2D_MS_ARRAY] = {"2DMultisampleArray", true, false, true, false, true, 1},
    [TYPE_BUFFER] = {"TextureBuffer", false, false, false, false, false, 1},
};

struct mp_texture {
    _Atomic uint32_t references;
    mp_buffer *buffer;                /* retained */
    const struct sw_pixel_format *format;
    mp_texture_view view;
};

struct mp_sampler {
    _Atomic uint32_t references;
    uint64_t word;
};

/* ---- checks ---- */

static mp_status check_extent(const mp_texture_desc *desc, const char *what, uint32_t value, bool free, uint32_t limit,
                              mp_error *error)
{
    if (value == 0 || (!free && value != 1) || value > limit)
        return sw_fail(error, MP_ERROR_INVALID, "a texture of type %s cannot have %s %u; it may be from 1 to %u",
                       types[desc->type].name, what, value, free ? limit : 1);
    return MP_OK;
}

static uint32_t full_levels(const mp_texture_desc *desc)
{
    uint32_t longest = desc->width > desc->height ? desc->width : desc->height, levels = 1;
    longest = desc->depth > longest ? desc->depth : longest;
    while (longest >>= 1)
        levels++;
    return levels;
}

static mp_status check_desc(const mp_texture_desc *desc, mp_error *error)
{
    mp_status status;
    if (desc->type >= TYPE_COUNT)
        return sw_fail(error, MP_ERROR_UNSUPPORTED, "texture type %u is unknown", desc->type);
    if (!sw_pixel_format(desc->pixel_format))
        return sw_fail(error, MP_ERROR_UNSUPPORTED, "the software device has no pixel format %u", desc->pixel_format);
    uint32_t limit = desc->type == TYPE_BUFFER ? MAX_BUFFER_WIDTH : desc->type == TYPE_3D ? MAX_WIDTH_3D : MAX_WIDTH;
    if ((status = check_extent(desc, "width", desc->width, true, limit, error)) ||
        (status = check_extent(desc, "height", desc->height, types[desc->type].height, limit, error)) ||
        (status = check_extent(desc, "depth", desc->depth, types[desc->type].depth, limit, error)) ||
        (status = check_extent(desc, "array length", desc->array_length, types[desc->type].array,
                               MAX_ARRAY_LENGTH / types[desc->type].faces, error)) ||
        (status = check_extent(desc, "mipmap level count", desc->levels, types[desc->type].levels, full_levels(desc),
                               error)) ||
        (status = check_extent(desc, "sample count", desc->samples, types[desc->type].samples, 8, error)))
        return status;
    if (types[desc->type].faces == 6 && desc->width != desc->height)
        return sw_fail(error, MP_ERROR_INVALID, "the faces of a cube are square, not %u by %u", desc->width,
                       desc->height);
    if (desc->samples & (desc->samples - 1) || (types[desc->type].samples && desc->samples == 1))
        return sw_fail(error, MP_ERROR_INVALID, "a multisampled texture has 2, 4 or 8 samples, not %u", desc->samples);
    return MP_OK;
}

/* ---- layout ---- */

static uint32_t shrunk(uint32_t extent, uint32_t level)
{
    return extent >> level ? extent >> level : 1;
}

/* Fills in where everything is; returns the bytes of it all. */
static uint64_t lay_out(const mp_texture_desc *desc, uint64_t row_bytes, mp_texture_view *view)
{
    const struct sw_pixel_format *format = sw_pixel_format(desc->pixel_format);
    uint64_t end = 0;
    view->images = desc->array_length * types[desc->type].faces * desc->samples;
    for (uint32_t i = 0; i < desc->levels; i++) {
        mp_texture_level *level = &view->level[i];
        level->width = shrunk(desc->width, i);
        level->height = shrunk(desc->height, i);
        level->depth = shrunk(desc->depth, i);
        level->offset = (end + LEVEL_ALIGNMENT - 1) / LEVEL_ALIGNMENT * LEVEL_ALIGNMENT;
        level->row_bytes = row_bytes ? row_bytes : (uint64_t)level->width * format->bytes;
        level->plane_bytes = level->row_bytes * level->height;
        level->image_bytes = level->plane_bytes * level->depth;
        end = level->offset + level->image_bytes * view->images;
    }
    return end;
}

mp_status sw_texture_size(mp_device *device, const mp_texture_desc *desc, uint64_t *size, mp_error *error)
{
    (void)device;
    mp_status status = sw_check_fork(error);
    mp_texture_view view;
    if (status || (status = check_desc(desc, error)))
        return status;
    *size = lay_out(desc, 0, &view);
    return MP_OK;
}

/* ---- textures ---- */

static void fill_view(mp_texture *texture, const mp_texture_desc *desc, uint8_t *memory)
{
    static const float colors[3][4] = {{0, 0, 0, 0}, {0, 0, 0, 1}, {1, 1, 1, 1}};
    mp_texture_view *view = &texture->view;
    const struct sw_pixel_format *format = texture->format;
    view->memory = memory;
    view->load = format->load;
    view->store = format->store;
    view->texel_bytes = format->bytes;
    view->pixel_format = desc->pixel_format;
    view->array_length = desc->array_length;
    view->levels = desc->levels;
    view->samples = desc->samples;
    view->is_integer = format->is_integer;
    view->type = desc->type;
    for (int color = 0; color < 3; color++) {
        sw_words words = {0};
        for (int i = 0; i < 4; i++) {
            bool present = format->channels >> i & 1;
            float value = present ? colors[color][i] : i == 3;
            view->border[color][i] = value;
            words[i] = (mp_u32)value;
        }
        if (format->is_integer)
            view->border[color] = (mp_texel)words;
    }
}

mp_status sw_texture_create(mp_device *device, const mp_texture_desc *desc, mp_buffer *buffer, uint64_t offset,
                            uint64_t bytes_per_row, mp_texture **texture, mp_error *error)
{
    (void)device;
    mp_status status = sw_check_fork(error);
    if (status || (status = check_desc(desc, error)))
        return status;
    const struct sw_pixel_format *format = sw_pixel_format(desc->pixel_format);
    if (bytes_per_row) {
        bool linear = (desc->type == TYPE_2D || desc->type == TYPE_BUFFER) && desc->levels == 1;
        if (!linear || bytes_per_row < (uint64_t)desc->width * format->bytes || bytes_per_row % format->bytes)
            return sw_fail(error, MP_ERROR_INVALID,
                           "rows of %llu bytes do not make a linear texture: it is 2D or a texture buffer of one level, "
                           "and its rows have at least %llu bytes and a multiple of %u",
                           (unsigned long long)bytes_per_row, (unsigned long long)desc->width * format->bytes,
                           format->bytes);
    }
    mp_texture *made = aligned_alloc(_Alignof(mp_texture), sizeof *made);
    if (!made)
        return sw_fail(error, MP_ERROR_MEMORY, "no memory for a texture object");
    memset(made, 0, sizeof *made);
    uint64_t size = lay_out(desc, bytes_per_row, &made->view);
    if (bytes_per_row) /* the last row need not be complete */
        size -= bytes_per_row - (uint64_t)desc->width * format->bytes;
    if (offset % LEVEL_ALIGNMENT) {
        free(made);
        return sw_fail(error, MP_ERROR_INVALID, "a texture starts at a multiple of %d bytes of a buffer, not at %llu",
                       LEVEL_ALIGNMENT, (unsigned long long)offset);
    }
    if (!buffer || offset > buffer->size || size > buffer->size - offset) {
        free(made);
        return sw_fail(error, MP_ERROR_INVALID,
                       "a texture of %llu bytes does not lie at offset %llu of a buffer of %llu bytes",
                       (unsigned long long)size, (unsigned long long)offset,
                       (unsigned long long)(buffer ? buffer->size : 0));
    }
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, sw_pixels_init);
    made->format = format;
    fill_view(made, desc, (uint8_t *)buffer->memory + offset);
    sw_retain(&buffer->references);
    made->buffer = buffer;
    atomic_init(&made->references, 1);
    sw_count(1);
    *texture = made;
    return MP_OK;
}

void sw_texture_retain(mp_texture *texture)
{
    sw_retain(&texture->references);
}

void sw_texture_release(mp_texture *texture)
{
    if (!texture || sw_forked || !sw_drop(&texture->references))
        return;
    sw_buffer_release(texture->buffer);
    free(texture);
    sw_count(-1);
}

const mp_texture_view *sw_texture_view(const mp_texture *texture)
{
    return &texture->view;
}

bool sw_texture_filterable(const mp_texture *texture)
{
    return texture->format->filterable;
}

uint64_t sw_texture_address(mp_texture *texture)
{
    return (uint64_t)(uintptr_t)&texture->view;
}

/* ---- copies from and to the host ---- */

static mp_status check_region(const mp_texture *texture, const mp_texture_region *region, mp_error *error)
{
    const mp_texture_view *view = &texture->view;
    if (region->level >= view->levels || region->element >= view->images)
        return sw_fail(error, MP_ERROR_INVALID, "level %u of element %u: the texture has %u levels and %u elements",
                       region->level, region->element, view->levels, view->images);
    const mp_texture_level *level = &view->level[region->level];
    const uint32_t extents[3] = {level->width, level->height, level->depth};
    for (int i = 0; i < 3; i++)
        if (region->origin[i] > extents[i] || region->size[i] > extents[i] - region->origin[i])
            return sw_fail(error, MP_ERROR_INVALID,
                           "texels %u to %u along axis %c lie outside a level of detail of %u by %u by %u texels",
                           region->origin[i], region->origin[i] + region->size[i], "xyz"[i], level->width,
                           level->height, level->depth);
    if (region->bytes_per_row < (uint64_t)region->size[0] * view->texel_bytes)
        return sw_fail(error, MP_ERROR_INVALID, "rows of %llu bytes cannot hold %u texels of %u",
                       (unsigned long long)region->bytes_per_row, region->size[0], view->texel_bytes);
    return MP_OK;
}

static void copy_region(const mp_texture_view *view, const mp_texture_region *region, uint8_t *host, bool to_host)
{
    const mp_texture_level *level = &view->level[region->level];
    uint8_t *image = view->memory + level->offset + level->image_bytes * region->element +
                     level->plane_bytes * region->origin[2] + level->row_bytes * region->origin[1] +
                     (uint64_t)view->texel_bytes * region->origin[0];
    uint64_t size = (uint64_t)region->size[0] * view->texel_bytes;
    for (uint32_t z = 0; z < region->size[2]; z++)
        for (uint32_t y = 0; y < region->size[1]; y++) {
            uint8_t *row = image + z * level->plane_bytes + y * level->row_bytes;
            uint8_t *other = host + z * region->bytes_per_plane + y * region->bytes_per_row;
            memcpy(to_host ? other : row, to_host ? row : other, size);
        }
}

mp_status sw_texture_replace(mp_texture *texture, const mp_texture_region *region, const void *bytes, mp_error *error)
{
    mp_status status = sw_check_fork(error);
    if (status || (status = check_region(texture, region, error)))
        return status;
    copy_region(&texture->view, region, (uint8_t *)(uintptr_t)bytes, false);
    return MP_OK;
}

mp_status sw_texture_read(mp_texture *texture, const mp_texture_region *region, void *bytes, mp_error *error)
{
    mp_status status = sw_check_fork(error);
    if (status || (status = check_region(texture, region, error)))
        return status;
    copy_region(&texture->view, region, bytes, true);
    return MP_OK;
}

/* ---- levels of detail ---- */

/* One level from the one before: the mean of the texels that each texel covers, in linear light; of an odd extent the
 * last texel covers three. */
static void halve(const mp_texture_view *view, uint32_t number, uint32_t image)
{
    const mp_texture_level *from = &view->level[number - 1], *to = &view->level[number];
    const uint32_t have[3] = {from->width, from->height, from->depth}, want[3] = {to->width, to->height, to->depth};
    uint8_t *source = view->memory + from->offset + from->image_bytes * image;
    uint8_t *target = view->memory + to->offset + to->image_bytes * image;
    for (uint32_t z = 0; z < want[2]; z++)
        for (uint32_t y = 0; y < want[1]; y++)
            for (uint32_t x = 0; x < want[0]; x++) {
                const uint32_t at[3] = {x, y, z};
                uint32_t first[3], end[3];
                for (int i = 0; i < 3; i++) {
                    first[i] = have[i] == 1 ? 0 : 2 * at[i];
                    end[i] = at[i] + 1 == want[i] ? have[i] : first[i] + 2;
                }
                mp_texel sum = {0};
                for (uint32_t k = first[2]; k < end[2]; k++)
                    for (uint32_t j = first[1]; j < end[1]; j++)
                        for (uint32_t i = first[0]; i < end[0]; i++)
                            sum += view->load(source + k * from->plane_bytes + j * from->row_bytes +
                                              (uint64_t)i * view->texel_bytes);
                float count = (float)((end[0] - first[0]) * (end[1] - first[1]) * (end[2] - first[2]));
                view->store(target + z * to->plane_bytes + y * to->row_bytes + (uint64_t)x * view->texel_bytes,
                            sum / (mp_texel){count, count, count, count});
            }
}

void sw_texture_make_levels(const mp_texture *texture)
{
    for (uint32_t level = 1; level < texture->view.levels; level++)
        for (uint32_t image = 0; image < texture->view.images; image++)
            halve(&texture->view, level, image);
}

/* ---- samplers ---- */

static uint64_t lod_bits(float lod)
{
    if (!(lod > 0))
        return 0;
    return lod >= 255 ? 0xffff : (uint64_t)(lod * 256 + 0.5f);
}

mp_status sw_sampler_create(mp_device *device, const mp_sampler_desc *desc, mp_sampler **sampler, mp_error *error)
{
    (void)device;
    mp_status status = sw_check_fork(error);
    if (status)
        return status;
    bool known = desc->min_filter <= 1 && desc->mag_filter <= 1 && desc->mip_filter <= 2 &&
                 desc->compare_function <= MP_COMPARE_ALWAYS && desc->border_color <= 2;
    for (int i = 0; i < 3; i++)
        known = known && desc->address_modes[i] <= MP_ADDRESS_BORDER;
    if (!known)
        return sw_fail(error, MP_ERROR_UNSUPPORTED, "a sampler has an address mode, filter, comparison or border colour "
                                                    "that the software device does not know");
    if (!desc->normalized_coordinates)
        for (int i = 0; i < 3; i++)
            if (desc->address_modes[i] != MP_ADDRESS_EDGE && desc->address_modes[i] < MP_ADDRESS_ZERO)
                return sw_fail(error, MP_ERROR_INVALID, "a sampler with coordinates in texels cannot repeat or mirror");
    mp_sampler *made = malloc(sizeof *made);
    if (!made)
        return sw_fail(error, MP_ERROR_MEMORY, "no memory for a sampler object");
    atomic_init(&made->references, 1);
    made->word = (uint64_t)desc->mag_filter << MP_SAMPLER_MAG | (uint64_t)desc->min_filter << MP_SAMPLER_MIN |
                 (uint64_t)desc->mip_filter << MP_SAMPLER_MIP |
                 (uint64_t)!desc->normalized_coordinates << MP_SAMPLER_PIXEL |
                 (uint64_t)desc->compare_function << MP_SAMPLER_COMPARE |
                 (uint64_t)desc->border_color << MP_SAMPLER_BORDER |
                 lod_bits(desc->lod_min_clamp) << MP_SAMPLER_LOD_MIN |
                 lod_bits(desc->lod_max_clamp) << MP_SAMPLER_LOD_MAX;
    for (int i = 0; i < 3; i++)
        made->word |= (uint64_t)desc->address_modes[i] << (MP_SAMPLER_ADDRESS + 3 * i);
    sw_count(1);
    *sampler = made;
    return MP_OK;
}

void sw_sampler_release(mp_sampler *sampler)
{
    if (!sampler || sw_forked || !sw_drop(&sampler->references))
        return;
    free(sampler);
    sw_count(-1);
}

uint64_t sw_sampler_address(mp_sampler *sampler)
{
    return sampler->word;
}
