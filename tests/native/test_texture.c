/* test_texture.c: textures and samplers: regions, limits, launches that keep them, levels of detail. */
#include "check.h"

#include "../../metalpy/include/metalpy_kernel.h"

enum { TYPE_2D = 2, TYPE_2D_ARRAY = 3, TYPE_CUBE = 5, TYPE_BUFFER = 9, R8_UNORM = 10, R32_FLOAT = 55, RGBA8_UNORM = 70 };

static mp_texture_desc desc_of(uint32_t type, uint32_t format, uint32_t width, uint32_t height)
{
    return (mp_texture_desc){.type = type, .pixel_format = format, .width = width, .height = height, .depth = 1,
                             .array_length = 1, .levels = 1, .samples = 1,
                             .usage = MP_TEXTURE_READ | MP_TEXTURE_WRITE};
}

static mp_texture *new_texture(const mp_texture_desc *desc)
{
    uint64_t size = 0;
    mp_texture *texture = NULL;
    OK(mp->texture_size(device, desc, &size, error));
    mp_buffer *buffer = new_buffer(size);
    OK(mp->texture_create(device, desc, buffer, 0, 0, &texture, error));
    mp->buffer_release(buffer); /* the texture keeps it */
    return texture;
}

static void test_regions(void)
{
    mp_texture_desc desc = desc_of(TYPE_2D_ARRAY, R32_FLOAT, 5, 3);
    desc.array_length = 2;
    desc.levels = 2;
    mp_texture *texture = new_texture(&desc);
    float rows[2][3] = {{1, 2, 3}, {4, 5, 6}}, back[3][5] = {{0}};
    mp_texture_region part = {.element = 1, .origin = {2, 1, 0}, .size = {3, 2, 1}, .bytes_per_row = sizeof rows[0]};
    OK(mp->texture_replace(texture, &part, rows, error));
    mp_texture_region all = {.element = 1, .size = {5, 3, 1}, .bytes_per_row = sizeof back[0]};
    OK(mp->texture_read(texture, &all, back, error));
    CHECK(back[0][2] == 0 && back[1][1] == 0 && back[1][2] == 1 && back[2][4] == 6);
    all.element = 0;
    OK(mp->texture_read(texture, &all, back, error));
    CHECK(back[1][2] == 0);

    part.level = 1;
    FAILS(MP_ERROR_INVALID, "outside a level of detail of 2 by 1", mp->texture_replace(texture, &part, rows, error));
    part.level = 2;
    FAILS(MP_ERROR_INVALID, "level 2", mp->texture_read(texture, &part, rows, error));
    all.origin[0] = UINT32_MAX;
    FAILS(MP_ERROR_INVALID, "outside", mp->texture_read(texture, &all, back, error));
    all.origin[0] = 0, all.bytes_per_row = 4;
    FAILS(MP_ERROR_INVALID, "cannot hold", mp->texture_read(texture, &all, back, error));
    mp->texture_release(texture);
    mp->texture_release(NULL);
}

static void test_limits(void)
{
    uint64_t size = 0;
    mp_texture *texture = NULL;
    mp_texture_desc desc = desc_of(TYPE_2D, R8_UNORM, 16385, 1);
    FAILS(MP_ERROR_INVALID, "width 16385", mp->texture_size(device, &desc, &size, error));
    desc = desc_of(TYPE_2D, 9999, 4, 4);
    FAILS(MP_ERROR_UNSUPPORTED, "pixel format 9999", mp->texture_size(device, &desc, &size, error));
    desc = desc_of(77, R8_UNORM, 4, 4);
    FAILS(MP_ERROR_UNSUPPORTED, "type 77", mp->texture_size(device, &desc, &size, error));
    desc = desc_of(TYPE_CUBE, R8_UNORM, 4, 3);
    FAILS(MP_ERROR_INVALID, "square", mp->texture_size(device, &desc, &size, error));
    desc = desc_of(TYPE_2D, R8_UNORM, 4, 4);
    desc.levels = 4;
    FAILS(MP_ERROR_INVALID, "level count 4", mp->texture_size(device, &desc, &size, error));

    desc = desc_of(TYPE_2D, RGBA8_UNORM, 4, 4);
    mp_buffer *buffer = new_buffer(64);
    FAILS(MP_ERROR_INVALID, "multiple of 16", mp->texture_create(device, &desc, buffer, 4, 0, &texture, error));
    FAILS(MP_ERROR_INVALID, "does not lie", mp->texture_create(device, &desc, buffer, 16, 0, &texture, error));
    FAILS(MP_ERROR_INVALID, "does not lie", mp->texture_create(device, &desc, NULL, 0, 0, &texture, error));
    FAILS(MP_ERROR_INVALID, "linear", mp->texture_create(device, &desc, buffer, 0, 12, &texture, error));
    FAILS(MP_ERROR_INVALID, "does not lie", mp->texture_create(device, &desc, buffer, 0, 20, &texture, error));
    desc.height = 3; /* the last row need not be complete */
    OK(mp->texture_create(device, &desc, buffer, 0, 24, &texture, error));
    mp->texture_release(texture);
    mp->buffer_release(buffer);

    mp_sampler *sampler = NULL;
    mp_sampler_desc how = {.address_modes = {9, 0, 0}};
    FAILS(MP_ERROR_UNSUPPORTED, "address mode", mp->sampler_create(device, &how, &sampler, error));
    how.address_modes[0] = MP_ADDRESS_REPEAT;
    FAILS(MP_ERROR_INVALID, "cannot repeat", mp->sampler_create(device, &how, &sampler, error));
    CHECK(!sampler);
    mp->sampler_release(NULL);
}

/* Kernel "texture" writes to texture(1) what it finds in texture(0) by sampler(0), and texture(2) may be missing. */
static void test_launches(void)
{
    enum { EXTENT = 64, ROUNDS = 20 };
    mp_texture_desc desc = desc_of(TYPE_2D, R32_FLOAT, EXTENT, 1);
    mp_sampler_desc how = {.normalized_coordinates = 0, .lod_max_clamp = 1000};
    mp_sampler *sampler = NULL;
    OK(mp->sampler_create(device, &how, &sampler, error));
    mp_pipeline *pipeline = load("texture");
    mp_queue *queue = new_queue();
    float line[EXTENT];
    for (int i = 0; i < EXTENT; i++)
        line[i] = (float)i;
    mp_texture_region all = {.size = {EXTENT, 1, 1}, .bytes_per_row = sizeof line};
    mp_texture *current = new_texture(&desc);
    OK(mp->texture_replace(current, &all, line, error));
    for (int round = 0; round < ROUNDS; round++) {
        mp_texture *next = new_texture(&desc);
        LAUNCH(queue, pipeline, EXTENT, 16, {.kind = MP_ARGUMENT_TEXTURE, .index = 0, .texture = current},
               {.kind = MP_ARGUMENT_TEXTURE, .index = 1, .texture = next},
               {.kind = MP_ARGUMENT_TEXTURE, .index = 2, .texture = NULL},
               {.kind = MP_ARGUMENT_SAMPLER, .index = 0, .sampler = sampler},
               {.kind = MP_ARGUMENT_RESIDENT, .sampler = sampler}, {.kind = MP_ARGUMENT_RESIDENT, .texture = current});
        mp->texture_release(current); /* the launch keeps it */
        current = next;
    }
    mp->sampler_release(sampler);
    OK(mp->queue_wait(queue, UINT64_MAX, MP_FOREVER, error));
    OK(mp->texture_read(current, &all, line, error));
    for (int i = 0; i < EXTENT; i++)
        CHECK(line[i] == (float)(i + ROUNDS), "texel %d is %g", i, (double)line[i]);

    FAILS(MP_ERROR_INVALID, "index 128",
          launch(queue, pipeline, 1, 1,
                 &(mp_argument){.kind = MP_ARGUMENT_TEXTURE, .index = MP_MAX_TEXTURES, .texture = current}, 1, error));
    FAILS(MP_ERROR_INVALID, "index 16",
          launch(queue, pipeline, 1, 1, &(mp_argument){.kind = MP_ARGUMENT_SAMPLER, .index = MP_MAX_SAMPLERS}, 1, error));
    FAILS(MP_ERROR_INVALID, "sampler(0)",
          launch(queue, pipeline, 1, 1, &(mp_argument){.kind = MP_ARGUMENT_SAMPLER}, 1, error));
    mp->texture_release(current);
    mp->pipeline_release(pipeline);
    mp->queue_release(queue);
}

static void test_levels(void)
{
    mp_texture_desc desc = desc_of(TYPE_2D, R32_FLOAT, 4, 4);
    desc.levels = 3;
    mp_texture *texture = new_texture(&desc);
    float texels[16], small[4] = {0}, one = 0;
    for (int i = 0; i < 16; i++)
        texels[i] = (float)i;
    mp_texture_region region = {.size = {4, 4, 1}, .bytes_per_row = 16};
    OK(mp->texture_replace(texture, &region, texels, error));
    mp_queue *queue = new_queue();
    uint64_t serial = 0;
    OK(mp->queue_generate_mipmaps(queue, texture, &serial, error));
    OK(mp->queue_wait(queue, serial, MP_FOREVER, error));
    OK(mp->texture_read(texture, &(mp_texture_region){.level = 1, .size = {2, 2, 1}, .bytes_per_row = 8}, small, error));
    OK(mp->texture_read(texture, &(mp_texture_region){.level = 2, .size = {1, 1, 1}, .bytes_per_row = 4}, &one, error));
    CHECK(serial == 1 && small[0] == 2.5f && small[1] == 4.5f && small[3] == 12.5f && one == 7.5f);
    mp->texture_release(texture);

    desc = desc_of(TYPE_2D, 13, 4, 4); /* r8Uint */
    texture = new_texture(&desc);
    FAILS(MP_ERROR_INVALID, "integers", mp->queue_generate_mipmaps(queue, texture, &serial, error));
    mp->texture_release(texture);
    mp->queue_release(queue);
}

void test_texture(void)
{
    test_regions();
    test_limits();
    test_launches();
    test_levels();
}
