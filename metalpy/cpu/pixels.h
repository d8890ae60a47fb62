/* pixels.h: what the files about textures share. */
#ifndef METALPY_PIXELS_H
#define METALPY_PIXELS_H

#include "software.h"

typedef mp_u32 sw_words __attribute__((vector_size(16)));

struct sw_pixel_format {
    const char *name;                 /* as Metal spells it, without MTLPixelFormat */
    uint8_t bytes;
    uint8_t channels;                 /* bits: 1 red, 2 green, 4 blue, 8 alpha */
    bool is_integer;
    bool filterable;                  /* mipmaps can be made of it */
    mp_texel (*load)(const void *texel);
    void (*store)(void *texel, mp_texel value);
};

/* The format with a value of MTLPixelFormat, or NULL. */
const struct sw_pixel_format *sw_pixel_format(uint32_t value);
/* Of sRGB decoding and encoding; once, before the first texture. */
void sw_pixels_init(void);

#endif
