/* sample.c: what kernels call to look textures up through a sampler: filters, address modes, levels of detail,
 * comparison and gathering. A texel's centre is at its index plus 0.5; filter weights are floats. */
#include "pixels.h"

#include <math.h>

#define INLINE static inline __attribute__((always_inline))

enum { TYPE_1D, TYPE_1D_ARRAY, TYPE_2D, TYPE_2D_ARRAY, TYPE_CUBE = 5, TYPE_CUBE_ARRAY, TYPE_3D };

/* ---- sampler fields ---- */

INLINE unsigned field(uint64_t sampler, int at, unsigned bits)
{
    return (unsigned)(sampler >> at) & ((1u << bits) - 1);
}

INLINE unsigned address_mode(uint64_t sampler, int axis)
{
    return field(sampler, MP_SAMPLER_ADDRESS + 3 * axis, 3);
}

/* The value of texels outside, for the modes that have one. */
INLINE mp_texel outside(const mp_texture_view *view, uint64_t sampler, unsigned mode)
{
    return view->border[mode == MP_ADDRESS_BORDER ? field(sampler, MP_SAMPLER_BORDER, 2) : 0];
}

/* ---- coordinates ---- */

INLINE mp_texel splat(float value)
{
    return (mp_texel){value, value, value, value};
}

/* The integer below, for any float: NaN and what is far outside end at the limits. */
INLINE int below(float value)
{
    value = value > -1e9f ? value : -1e9f;
    value = value < 1e9f ? value : 1e9f;
    int whole = (int)value;
    return whole - ((float)whole > value);
}

INLINE int wrapped(int i, int n)
{
    i %= n;
    return i < 0 ? i + n : i;
}

/* The texel that stands for texel `i` of `n`, or -1: outside. */
INLINE int addressed(int i, int n, unsigned mode)
{
    if ((unsigned)i < (unsigned)n)
        return i;
    switch (mode) {
    case MP_ADDRESS_EDGE:
        return i < 0 ? 0 : n - 1;
    case MP_ADDRESS_MIRROR_EDGE:
        i = i < 0 ? -1 - i : i;
        return i < n ? i : n - 1;
    case MP_ADDRESS_REPEAT:
        return wrapped(i, n);
    case MP_ADDRESS_MIRROR:
        i = wrapped(i, 2 * n);
        return i < n ? i : 2 * n - 1 - i;
    default:
        return -1;
    }
}

/* The one or two texels that a coordinate selects along an axis, and the weight of the second. */
struct taps {
    int first, second;
    float weight;
};

INLINE struct taps taps_at(float position, int offset, int n, unsigned mode, bool linear)
{
    struct taps taps = {0, 0, 0};
    float at = linear ? position - 0.5f : position;
    int i = below(at);
    taps.first = addressed(i + offset, n, mode);
    taps.second = taps.first;
    if (linear) {
        taps.weight = at - (float)i;
        taps.weight = taps.weight >= 0 && taps.weight <= 1 ? taps.weight : 0; /* far outside */
        taps.second = addressed(i + 1 + offset, n, mode);
    }
    return taps;
}

/* ---- texels ---- */

struct image {
    const mp_texture_view *view;
    const mp_texture_level *level;
    const uint8_t *memory;
    uint64_t sampler;
    const mp_lookup *lookup;          /* NULL: no comparison */
};

INLINE bool compares(unsigned how, float reference, float value)
{
    switch (how) {
    case MP_COMPARE_LESS:
        return reference < value;
    case MP_COMPARE_EQUAL:
        return reference == value;
    case MP_COMPARE_LESS_EQUAL:
        return reference <= value;
    case MP_COMPARE_GREATER:
        return reference > value;
    case MP_COMPARE_NOT_EQUAL:
        return reference != value;
    case MP_COMPARE_GREATER_EQUAL:
        return reference >= value;
    default:
        return how == MP_COMPARE_ALWAYS;
    }
}

INLINE mp_texel compared(const struct image *image, mp_texel texel)
{
    if (!image->lookup || !(image->lookup->flags & MP_LOOKUP_COMPARE))
        return texel;
    return splat(compares(field(image->sampler, MP_SAMPLER_COMPARE, 3), image->lookup->reference, texel[0]));
}

/* Indices below 0 are outside along that axis, whose mode says what is there. */
INLINE mp_texel texel_at(const struct image *image, int x, int y, int z)
{
    const mp_texture_view *view = image->view;
    if ((x | y | z) < 0) {
        int axis = x < 0 ? 0 : y < 0 ? 1 : 2;
        return compared(image, outside(view, image->sampler, address_mode(image->sampler, axis)));
    }
    const uint8_t *texel = image->memory + (uint64_t)z * image->level->plane_bytes +
                           (uint64_t)y * image->level->row_bytes + (uint64_t)x * view->texel_bytes;
    return compared(image, view->load(texel));
}

INLINE mp_texel mixed(mp_texel a, mp_texel b, float weight)
{
    return splat(1 - weight) * a + splat(weight) * b;
}

INLINE mp_texel filtered_row(const struct image *image, struct taps x, int y, int z)
{
    mp_texel first = texel_at(image, x.first, y, z);
    return x.weight ? mixed(first, texel_at(image, x.second, y, z), x.weight) : first;
}

INLINE mp_texel filtered_plane(const struct image *image, struct taps x, struct taps y, int z)
{
    mp_texel first = filtered_row(image, x, y.first, z);
    return y.weight ? mixed(first, filtered_row(image, x, y.second, z), y.weight) : first;
}

INLINE struct image image_of(const mp_texture_view *view, uint64_t sampler, const mp_lookup *lookup, mp_u32 level,
                             uint64_t element)
{
    struct image image = {view, &view->level[level], NULL, sampler, lookup};
    image.memory = view->memory + image.level->offset + element * image.level->image_bytes;
    return image;
}

/* ---- cubes ---- */

struct on_face {
    mp_u32 face;
    float s, t;                       /* -1 to 1 */
    int major, across, down;          /* axes of the direction, and the signs of s and t along theirs */
    float across_sign, down_sign;
};

static struct on_face face_of(const float *r)
{
    static const struct { int across, down; float across_sign, down_sign; } faces[6] = {
        {2, 1, -1, -1}, {2, 1, 1, -1}, {0, 2, 1, 1}, {0, 2, 1, -1}, {0, 1, 1, -1}, {0, 1, -1, -1}};
    float x = fabsf(r[0]), y = fabsf(r[1]), z = fabsf(r[2]);
    int major = z >= x && z >= y ? 2 : y >= x ? 1 : 0;
    struct on_face on = {.face = (mp_u32)(2 * major + (r[major] < 0)), .major = major};
    float length = fabsf(r[major]);
    on.across = faces[on.face].across;
    on.down = faces[on.face].down;
    on.across_sign = faces[on.face].across_sign;
    on.down_sign = faces[on.face].down_sign;
    on.s = on.across_sign * r[on.across] / length;
    on.t = on.down_sign * r[on.down] / length;
    return on;
}

/* A texel of a face; one beyond an edge is on the neighbouring face. */
static mp_texel cube_texel(struct image image, mp_u32 face, uint64_t first_element, int x, int y)
{
    int n = (int)image.level->width;
    if ((unsigned)x >= (unsigned)n || (unsigned)y >= (unsigned)n) {
        float direction[3], s = (float)(2 * x + 1 - n) / (float)n, t = (float)(2 * y + 1 - n) / (float)n;
        static const float axes[6][3] = {{1, 0, 0}, {-1, 0, 0}, {0, 1, 0}, {0, -1, 0}, {0, 0, 1}, {0, 0, -1}};
        struct on_face here = face_of(axes[face]);
        for (int i = 0; i < 3; i++)
            direction[i] = axes[face][i];
        direction[here.across] += here.across_sign * s;
        direction[here.down] += here.down_sign * t;
        struct on_face there = face_of(direction);
        face = there.face;
        x = addressed(below((there.s + 1) * 0.5f * (float)n), n, MP_ADDRESS_EDGE);
        y = addressed(below((there.t + 1) * 0.5f * (float)n), n, MP_ADDRESS_EDGE);
    }
    image.memory = image.view->memory + image.level->offset + (first_element + face) * image.level->image_bytes;
    return texel_at(&image, x, y, 0);
}

/* The texels around a corner of the cube are three: the fourth is their mean. */
static mp_texel cube_tap(struct image image, mp_u32 face, uint64_t first_element, int x, int y)
{
    int n = (int)image.level->width;
    bool outside_x = (unsigned)x >= (unsigned)n, outside_y = (unsigned)y >= (unsigned)n;
    if (!outside_x || !outside_y)
        return cube_texel(image, face, first_element, x, y);
    int inside_x = x < 0 ? 0 : n - 1, inside_y = y < 0 ? 0 : n - 1;
    return (cube_texel(image, face, first_element, inside_x, inside_y) +
            cube_texel(image, face, first_element, inside_x, y) + cube_texel(image, face, first_element, x, inside_y)) /
           splat(3);
}

static uint64_t element_of(const mp_texture_view *view, const mp_lookup *lookup)
{
    mp_u32 element = lookup->element < view->array_length ? lookup->element : view->array_length - 1;
    return view->type == TYPE_CUBE_ARRAY ? 6 * (uint64_t)element : element;
}

static mp_texel sample_cube(struct image image, uint64_t first_element, const mp_lookup *lookup, bool linear)
{
    struct on_face on = face_of(lookup->at);
    float n = (float)image.level->width, u = (on.s + 1) * 0.5f * n, v = (on.t + 1) * 0.5f * n;
    if (!linear) {
        int last = (int)image.level->width - 1, x = below(u), y = below(v);
        return cube_texel(image, on.face, first_element, x < 0 ? 0 : x > last ? last : x,
                          y < 0 ? 0 : y > last ? last : y);
    }
    int x = below(u - 0.5f), y = below(v - 0.5f);
    float a = u - 0.5f - (float)x, b = v - 0.5f - (float)y;
    mp_texel upper = mixed(cube_tap(image, on.face, first_element, x, y),
                           cube_tap(image, on.face, first_element, x + 1, y), a);
    mp_texel lower = mixed(cube_tap(image, on.face, first_element, x, y + 1),
                           cube_tap(image, on.face, first_element, x + 1, y + 1), a);
    return mixed(upper, lower, b);
}

/* ---- levels of detail ---- */

static float longer(float a, float b)
{
    return a > b ? a : b;
}

/* log2 of the texels of level 0 that a step on the screen covers. */
static float level_of_gradients(const mp_texture_view *view, const mp_lookup *lookup)
{
    const mp_texture_level *whole = &view->level[0];
    float largest = 0;
    for (int step = 0; step < 2; step++) {
        const float *g = lookup->gradients[step];
        float x = g[0] * (float)whole->width, y = g[1] * (float)whole->height, z = g[2] * (float)whole->depth;
        if (view->type == TYPE_CUBE || view->type == TYPE_CUBE_ARRAY) {
            struct on_face on = face_of(lookup->at);
            float length = fabsf(lookup->at[on.major]);
            float change = lookup->at[on.major] < 0 ? -g[on.major] : g[on.major];
            x = 0.5f * (on.across_sign * g[on.across] - on.s * change) / length * (float)whole->width;
            y = 0.5f * (on.down_sign * g[on.down] - on.t * change) / length * (float)whole->width;
            z = 0;
        } else if (view->type == TYPE_1D || view->type == TYPE_1D_ARRAY) {
            y = z = 0;
        } else if (view->type != TYPE_3D) {
            z = 0;
        }
        largest = longer(largest, sqrtf(x * x + y * y + z * z));
    }
    return log2f(largest);
}

static float level_of_detail(const mp_texture_view *view, uint64_t sampler, const mp_lookup *lookup)
{
    float lod = 0;
    if (lookup->flags & MP_LOOKUP_LEVEL)
        lod = lookup->level;
    else if (lookup->flags & MP_LOOKUP_GRADIENTS)
        lod = level_of_gradients(view, lookup);
    lod = longer(lod, lookup->min_level);
    lod = longer(lod, (float)field(sampler, MP_SAMPLER_LOD_MIN, 16) / 256);
    unsigned most = field(sampler, MP_SAMPLER_LOD_MAX, 16);
    return most == 0xffff || lod <= (float)most / 256 ? lod : (float)most / 256;
}

/* ---- lookups ---- */

static mp_texel sample_level(const mp_texture_view *view, uint64_t sampler, const mp_lookup *lookup, mp_u32 number,
                             bool linear)
{
    uint64_t element = element_of(view, lookup);
    struct image image = image_of(view, sampler, lookup, number, element);
    const mp_texture_level *level = image.level;
    if (view->type == TYPE_CUBE || view->type == TYPE_CUBE_ARRAY)
        return sample_cube(image, element, lookup, linear);
    bool pixel = field(sampler, MP_SAMPLER_PIXEL, 1);
    const mp_u32 extents[3] = {level->width, level->height, level->depth};
    int axes = view->type <= TYPE_1D_ARRAY ? 1 : view->type == TYPE_3D ? 3 : 2;
    struct taps taps[3] = {{0, 0, 0}, {0, 0, 0}, {0, 0, 0}};
    for (int i = 0; i < axes; i++) {
        float position = pixel ? lookup->at[i] : lookup->at[i] * (float)extents[i];
        taps[i] = taps_at(position, lookup->offset[i], (int)extents[i], address_mode(sampler, i), linear);
    }
    mp_texel first = filtered_plane(&image, taps[0], taps[1], taps[2].first);
    return taps[2].weight ? mixed(first, filtered_plane(&image, taps[0], taps[1], taps[2].second), taps[2].weight)
                          : first;
}

MP_KERNEL_ABI mp_texel mp_texture_sample(const mp_texture_view *view, unsigned long sampler, const mp_lookup *lookup)
{
    float lod = level_of_detail(view, sampler, lookup), last = (float)(view->levels - 1);
    bool linear = field(sampler, lod > 0 ? MP_SAMPLER_MIN : MP_SAMPLER_MAG, 1) && !view->is_integer;
    unsigned mip = field(sampler, MP_SAMPLER_MIP, 2);
    lod = lod < last ? lod : last;
    if (mip == 0 || !(lod > 0))
        return sample_level(view, sampler, lookup, 0, linear);
    if (mip == 1 || view->is_integer)
        return sample_level(view, sampler, lookup, (mp_u32)(ceilf(lod + 0.5f) - 1), linear);
    mp_u32 number = (mp_u32)lod;
    float weight = lod - (float)number;
    mp_texel fine = sample_level(view, sampler, lookup, number, linear);
    return weight ? mixed(fine, sample_level(view, sampler, lookup, number + 1, linear), weight) : fine;
}

MP_KERNEL_ABI mp_texel mp_texture_sample_2d(const mp_texture_view *view, unsigned long sampler, float x, float y)
{
    if (field(sampler, MP_SAMPLER_LOD_MIN, 16)) { /* not level 0 after all */
        mp_lookup lookup = {.at = {x, y}};
        return mp_texture_sample(view, sampler, &lookup);
    }
    struct image image = image_of(view, sampler, NULL, 0, 0);
    bool linear = field(sampler, MP_SAMPLER_MAG, 1) && !view->is_integer;
    if (!field(sampler, MP_SAMPLER_PIXEL, 1)) {
        x *= (float)image.level->width;
        y *= (float)image.level->height;
    }
    struct taps across = taps_at(x, 0, (int)image.level->width, address_mode(sampler, 0), linear);
    struct taps down = taps_at(y, 0, (int)image.level->height, address_mode(sampler, 1), linear);
    return filtered_plane(&image, across, down, 0);
}

MP_KERNEL_ABI mp_texel mp_texture_gather(const mp_texture_view *view, unsigned long sampler, const mp_lookup *lookup)
{
    static const int right[4] = {0, 1, 1, 0}, low[4] = {1, 1, 0, 0};
    uint64_t element = element_of(view, lookup);
    struct image image = image_of(view, sampler, lookup, 0, element);
    mp_texel found = {0};
    if (view->type == TYPE_CUBE || view->type == TYPE_CUBE_ARRAY) {
        struct on_face on = face_of(lookup->at);
        float n = (float)image.level->width;
        int x = below((on.s + 1) * 0.5f * n - 0.5f), y = below((on.t + 1) * 0.5f * n - 0.5f);
        for (int i = 0; i < 4; i++)
            found[i] = cube_tap(image, on.face, element, x + right[i], y + low[i])[lookup->component];
        return found;
    }
    bool pixel = field(sampler, MP_SAMPLER_PIXEL, 1);
    int width = (int)image.level->width, height = (int)image.level->height;
    float u = pixel ? lookup->at[0] : lookup->at[0] * (float)width;
    float v = pixel ? lookup->at[1] : lookup->at[1] * (float)height;
    struct taps x = taps_at(u, lookup->offset[0], width, address_mode(sampler, 0), true);
    struct taps y = taps_at(v, lookup->offset[1], height, address_mode(sampler, 1), true);
    for (int i = 0; i < 4; i++)
        found[i] = texel_at(&image, right[i] ? x.second : x.first, low[i] ? y.second : y.first, 0)[lookup->component];
    return found;
}
