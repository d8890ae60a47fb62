/* pixels.c: every pixel format: four components from a texel and back, by the conversion rules of Metal's specification:
 * normalised integers are rounded to nearest even, values out of range clamped, and NaN is 0 where there is none. */
#include "pixels.h"

#include <math.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

/* ---- components ---- */

INLINE float clamped(float value, float low, float high)
{
    value = value > low ? value : low; /* NaN becomes `low` */
    return value < high ? value : high;
}

INLINE float float_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

INLINE uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* The nearest integer, ties to even: adding 1.5 * 2^23 leaves it in the low bits. For |value| < 2^21. */
INLINE int32_t nearest(float value)
{
    return (int32_t)(bits_of(value + 12582912.0f) << 10) >> 10;
}

INLINE float half_to_float(uint16_t half)
{
    uint32_t magnitude = (uint32_t)(half & 0x7fff) << 13, sign = (uint32_t)(half & 0x8000) << 16;
    if (magnitude >= UINT32_C(0x7c00) << 13) /* infinite or NaN */
        return float_bits(sign | magnitude | UINT32_C(0x70000000));
    return float_bits(sign | bits_of(float_bits(magnitude) * 0x1p112f)); /* right for subnormals, too */
}

INLINE uint16_t float_to_half(float value)
{
    uint32_t bits = bits_of(value), sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000)
        return (uint16_t)(sign | 0x7e00);
    if (magnitude >= 0x477ff000) /* rounds to 65536 or more */
        return (uint16_t)(sign | 0x7c00);
    if (magnitude < 0x38800000) { /* subnormal: adding 0.5 puts the last bit where float's is */
        return (uint16_t)(sign | (bits_of(float_bits(magnitude) + 0.5f) - 0x3f000000));
    }
    uint32_t odd = magnitude >> 13 & 1;
    return (uint16_t)(sign | ((magnitude - 0x38000000 + 0xfff + odd) >> 13));
}

static float linear_of_srgb[256];     /* the decoded value of each code */
static float srgb_bound[256];         /* codes are rounded up from this linear value on */

static double decode_srgb(double code)
{
    return code <= 0.04045 ? code / 12.92 : pow((code + 0.055) / 1.055, 2.4);
}

void sw_pixels_init(void)
{
    for (int i = 0; i < 256; i++) {
        linear_of_srgb[i] = (float)decode_srgb(i / 255.0);
        srgb_bound[i] = (float)decode_srgb((i - 0.5) / 255.0);
    }
}

INLINE uint8_t encode_srgb(float value)
{
    int code = 0;
    for (int step = 128; step; step >>= 1)
        if (value >= srgb_bound[code + step])
            code += step;
    return (uint8_t)code;
}

/* ---- formats of one, two and four like channels ---- */

#define FLOATS(...) ((mp_texel){__VA_ARGS__})
#define WORDS(...) ((mp_texel)(sw_words){__VA_ARGS__})

/* `IN(c)` makes a component of a channel, `OUT(v)` a channel of a component; VECTOR and ELEMENT say what of. */
#define CHANNELS(suffix, type, MAKE, TAKEN, IN, OUT)                                                                   \
    static mp_texel load_r_##suffix(const void *texel)                                                                 \
    {                                                                                                                  \
        const type *c = texel;                                                                                         \
        return MAKE(IN(c[0]), 0, 0, 1);                                                                                \
    }                                                                                                                  \
    static mp_texel load_rg_##suffix(const void *texel)                                                                \
    {                                                                                                                  \
        const type *c = texel;                                                                                         \
        return MAKE(IN(c[0]), IN(c[1]), 0, 1);                                                                         \
    }                                                                                                                  \
    static mp_texel load_rgba_##suffix(const void *texel)                                                              \
    {                                                                                                                  \
        const type *c = texel;                                                                                         \
        return MAKE(IN(c[0]), IN(c[1]), IN(c[2]), IN(c[3]));                                                           \
    }                                                                                                                  \
    static void store_r_##suffix(void *texel, mp_texel value)                                                          \
    {                                                                                                                  \
        type *c = texel;                                                                                               \
        TAKEN v = (TAKEN)value;                                                                                        \
        c[0] = OUT(v[0]);                                                                                              \
    }                                                                                                                  \
    static void store_rg_##suffix(void *texel, mp_texel value)                                                         \
    {                                                                                                                  \
        type *c = texel;                                                                                               \
        TAKEN v = (TAKEN)value;                                                                                        \
        c[0] = OUT(v[0]), c[1] = OUT(v[1]);                                                                            \
    }                                                                                                                  \
    static void store_rgba_##suffix(void *texel, mp_texel value)                                                       \
    {                                                                                                                  \
        type *c = texel;                                                                                               \
        TAKEN v = (TAKEN)value;                                                                                        \
        for (int i = 0; i < 4; i++)                                                                                    \
            c[i] = OUT(v[i]);                                                                                          \
    }

#define FROM_UNORM8(c) ((float)(c) / 255.0f)
#define FROM_UNORM16(c) ((float)(c) / 65535.0f)
#define FROM_SNORM8(c) clamped((float)(c) / 127.0f, -1, 1)
#define FROM_SNORM16(c) clamped((float)(c) / 32767.0f, -1, 1)
#define TO_UNORM8(v) (uint8_t) nearest(clamped(v, 0, 1) * 255.0f)
#define TO_UNORM16(v) (uint16_t) nearest(clamped(v, 0, 1) * 65535.0f)
#define TO_SNORM8(v) (int8_t) nearest(to_snorm(v) * 127.0f)
#define TO_SNORM16(v) (int16_t) nearest(to_snorm(v) * 32767.0f)
#define SAME(c) (c)
#define FROM_SIGNED(c) ((mp_u32)(int32_t)(c))
#define TO_UINT8(v) (uint8_t)((v) < 255 ? (v) : 255)
#define TO_UINT16(v) (uint16_t)((v) < 65535 ? (v) : 65535)
#define TO_INT8(v) (int8_t) saturated(v, INT8_MIN, INT8_MAX)
#define TO_INT16(v) (int16_t) saturated(v, INT16_MIN, INT16_MAX)

INLINE float to_snorm(float value)
{
    return value == value ? clamped(value, -1, 1) : 0;
}

INLINE int32_t saturated(mp_u32 bits, int32_t low, int32_t high)
{
    int32_t value = (int32_t)bits;
    return value < low ? low : value > high ? high : value;
}

CHANNELS(unorm8, uint8_t, FLOATS, mp_texel, FROM_UNORM8, TO_UNORM8)
CHANNELS(snorm8, int8_t, FLOATS, mp_texel, FROM_SNORM8, TO_SNORM8)
CHANNELS(uint8, uint8_t, WORDS, sw_words, SAME, TO_UINT8)
CHANNELS(sint8, int8_t, WORDS, sw_words, FROM_SIGNED, TO_INT8)
CHANNELS(unorm16, uint16_t, FLOATS, mp_texel, FROM_UNORM16, TO_UNORM16)
CHANNELS(snorm16, int16_t, FLOATS, mp_texel, FROM_SNORM16, TO_SNORM16)
CHANNELS(uint16, uint16_t, WORDS, sw_words, SAME, TO_UINT16)
CHANNELS(sint16, int16_t, WORDS, sw_words, FROM_SIGNED, TO_INT16)
CHANNELS(float16, uint16_t, FLOATS, mp_texel, half_to_float, float_to_half)
CHANNELS(word32, uint32_t, WORDS, sw_words, SAME, SAME)
CHANNELS(float32, float, FLOATS, mp_texel, SAME, SAME)

/* ---- the others ---- */

static mp_texel load_a_unorm8(const void *texel)
{
    return FLOATS(0, 0, 0, FROM_UNORM8(*(const uint8_t *)texel));
}

static void store_a_unorm8(void *texel, mp_texel value)
{
    *(uint8_t *)texel = TO_UNORM8(value[3]);
}

static mp_texel load_bgra_unorm8(const void *texel)
{
    const uint8_t *c = texel;
    return FLOATS(FROM_UNORM8(c[2]), FROM_UNORM8(c[1]), FROM_UNORM8(c[0]), FROM_UNORM8(c[3]));
}

static void store_bgra_unorm8(void *texel, mp_texel value)
{
    store_rgba_unorm8(texel, FLOATS(value[2], value[1], value[0], value[3]));
}

static mp_texel load_r_srgb(const void *texel)
{
    return FLOATS(linear_of_srgb[*(const uint8_t *)texel], 0, 0, 1);
}

static void store_r_srgb(void *texel, mp_texel value)
{
    *(uint8_t *)texel = encode_srgb(value[0]);
}

static mp_texel load_rg_srgb(const void *texel)
{
    const uint8_t *c = texel;
    return FLOATS(linear_of_srgb[c[0]], linear_of_srgb[c[1]], 0, 1);
}

static void store_rg_srgb(void *texel, mp_texel value)
{
    uint8_t *c = texel;
    c[0] = encode_srgb(value[0]), c[1] = encode_srgb(value[1]);
}

static mp_texel load_rgba_srgb(const void *texel)
{
    const uint8_t *c = texel;
    return FLOATS(linear_of_srgb[c[0]], linear_of_srgb[c[1]], linear_of_srgb[c[2]], FROM_UNORM8(c[3]));
}

static void store_rgba_srgb(void *texel, mp_texel value)
{
    uint8_t *c = texel;
    c[0] = encode_srgb(value[0]), c[1] = encode_srgb(value[1]), c[2] = encode_srgb(value[2]);
    c[3] = TO_UNORM8(value[3]);
}

static mp_texel load_bgra_srgb(const void *texel)
{
    const uint8_t *c = texel;
    return FLOATS(linear_of_srgb[c[2]], linear_of_srgb[c[1]], linear_of_srgb[c[0]], FROM_UNORM8(c[3]));
}

static void store_bgra_srgb(void *texel, mp_texel value)
{
    store_rgba_srgb(texel, FLOATS(value[2], value[1], value[0], value[3]));
}

static mp_texel load_rgb10a2_unorm(const void *texel)
{
    uint32_t word = *(const uint32_t *)texel;
    return FLOATS((float)(word & 1023), (float)(word >> 10 & 1023), (float)(word >> 20 & 1023), (float)(word >> 30)) /
           FLOATS(1023, 1023, 1023, 3);
}

static void store_rgb10a2_unorm(void *texel, mp_texel v)
{
    uint32_t word = 0;
    for (int i = 0; i < 3; i++)
        word |= (uint32_t)nearest(clamped(v[i], 0, 1) * 1023.0f) << 10 * i;
    *(uint32_t *)texel = word | (uint32_t)nearest(clamped(v[3], 0, 1) * 3.0f) << 30;
}

static mp_texel load_bgr10a2_unorm(const void *texel)
{
    mp_texel v = load_rgb10a2_unorm(texel);
    return FLOATS(v[2], v[1], v[0], v[3]);
}

static void store_bgr10a2_unorm(void *texel, mp_texel v)
{
    store_rgb10a2_unorm(texel, FLOATS(v[2], v[1], v[0], v[3]));
}

static mp_texel load_rgb10a2_uint(const void *texel)
{
    uint32_t word = *(const uint32_t *)texel;
    return WORDS(word & 1023, word >> 10 & 1023, word >> 20 & 1023, word >> 30);
}

static void store_rgb10a2_uint(void *texel, mp_texel value)
{
    sw_words v = (sw_words)value;
    uint32_t word = (v[3] < 3 ? v[3] : 3) << 30;
    for (int i = 0; i < 3; i++)
        word |= (v[i] < 1023 ? v[i] : 1023) << 10 * i;
    *(uint32_t *)texel = word;
}

/* Floats without sign, of 5 bits of exponent and `bits` of mantissa: a half with its low bits cut off. */
INLINE float small_float(uint32_t code, int bits)
{
    return half_to_float((uint16_t)(code << (10 - bits)));
}

/* To nearest even; finite values stay finite. */
INLINE uint32_t to_small_float(float value, int bits)
{
    uint32_t infinite = UINT32_C(31) << bits, magnitude = bits_of(value), code;
    if (value != value)
        return infinite | 1;
    if (!(value > 0))
        return 0;
    if (magnitude == 0x7f800000)
        return infinite;
    if (magnitude < 0x38800000) { /* subnormal: units of 2^-(14 + bits) */
        code = (uint32_t)nearest(value * (float)(1 << (14 + bits)));
    } else {
        uint32_t odd = magnitude >> (23 - bits) & 1, half = (UINT32_C(1) << (22 - bits)) - 1;
        code = (magnitude - 0x38000000 + half + odd) >> (23 - bits);
    }
    return code < infinite ? code : infinite - 1;
}

static mp_texel load_rg11b10(const void *texel)
{
    uint32_t word = *(const uint32_t *)texel;
    return FLOATS(small_float(word & 2047, 6), small_float(word >> 11 & 2047, 6), small_float(word >> 22, 5), 1);
}

static void store_rg11b10(void *texel, mp_texel v)
{
    *(uint32_t *)texel = to_small_float(v[0], 6) | to_small_float(v[1], 6) << 11 | to_small_float(v[2], 5) << 22;
}

static mp_texel load_rgb9e5(const void *texel)
{
    uint32_t word = *(const uint32_t *)texel;
    float scale = ldexpf(1, (int)(word >> 27) - 24);
    return FLOATS((float)(word & 511) * scale, (float)(word >> 9 & 511) * scale, (float)(word >> 18 & 511) * scale, 1);
}

/* The shared exponent is the largest component's; the largest value is 511 * 2^7. */
static void store_rgb9e5(void *texel, mp_texel v)
{
    float c[3], largest = 0;
    int exponent = -16;
    for (int i = 0; i < 3; i++) {
        c[i] = clamped(v[i], 0, 65408);
        largest = c[i] > largest ? c[i] : largest;
    }
    if (largest > 0x1p-16f)
        exponent = (int)(bits_of(largest) >> 23) - 127;
    exponent += 16; /* stored; values are mantissa * 2^(exponent - 24) */
    if (nearest(ldexpf(largest, 24 - exponent)) == 512)
        exponent++;
    uint32_t word = (uint32_t)exponent << 27;
    for (int i = 0; i < 3; i++)
        word |= (uint32_t)nearest(ldexpf(c[i], 24 - exponent)) << 9 * i;
    *(uint32_t *)texel = word;
}


/* ---- the table ---- */

enum { R = 1, RG = 3, RGB = 7, A = 8, RGBA = 15 };

#define FORMAT(value, name, bytes, channels, is_integer, filterable, suffix)                                           \
    [value] = {name, bytes, channels, is_integer, filterable, load_##suffix, store_##suffix}

static const struct sw_pixel_format formats[] = {
    FORMAT(1, "A8Unorm", 1, A, false, true, a_unorm8),
    FORMAT(10, "R8Unorm", 1, R, false, true, r_unorm8),
    FORMAT(11, "R8Unorm_sRGB", 1, R, false, true, r_srgb),
    FORMAT(12, "R8Snorm", 1, R, false, true, r_snorm8),
    FORMAT(13, "R8Uint", 1, R, true, false, r_uint8),
    FORMAT(14, "R8Sint", 1, R, true, false, r_sint8),
    FORMAT(20, "R16Unorm", 2, R, false, true, r_unorm16),
    FORMAT(22, "R16Snorm", 2, R, false, true, r_snorm16),
    FORMAT(23, "R16Uint", 2, R, true, false, r_uint16),
    FORMAT(24, "R16Sint", 2, R, true, false, r_sint16),
    FORMAT(25, "R16Float", 2, R, false, true, r_float16),
    FORMAT(30, "RG8Unorm", 2, RG, false, true, rg_unorm8),
    FORMAT(31, "RG8Unorm_sRGB", 2, RG, false, true, rg_srgb),
    FORMAT(32, "RG8Snorm", 2, RG, false, true, rg_snorm8),
    FORMAT(33, "RG8Uint", 2, RG, true, false, rg_uint8),
    FORMAT(34, "RG8Sint", 2, RG, true, false, rg_sint8),
    FORMAT(53, "R32Uint", 4, R, true, false, r_word32),
    FORMAT(54, "R32Sint", 4, R, true, false, r_word32),
    FORMAT(55, "R32Float", 4, R, false, true, r_float32),
    FORMAT(60, "RG16Unorm", 4, RG, false, true, rg_unorm16),
    FORMAT(62, "RG16Snorm", 4, RG, false, true, rg_snorm16),
    FORMAT(63, "RG16Uint", 4, RG, true, false, rg_uint16),
    FORMAT(64, "RG16Sint", 4, RG, true, false, rg_sint16),
    FORMAT(65, "RG16Float", 4, RG, false, true, rg_float16),
    FORMAT(70, "RGBA8Unorm", 4, RGBA, false, true, rgba_unorm8),
    FORMAT(71, "RGBA8Unorm_sRGB", 4, RGBA, false, true, rgba_srgb),
    FORMAT(72, "RGBA8Snorm", 4, RGBA, false, true, rgba_snorm8),
    FORMAT(73, "RGBA8Uint", 4, RGBA, true, false, rgba_uint8),
    FORMAT(74, "RGBA8Sint", 4, RGBA, true, false, rgba_sint8),
    FORMAT(80, "BGRA8Unorm", 4, RGBA, false, true, bgra_unorm8),
    FORMAT(81, "BGRA8Unorm_sRGB", 4, RGBA, false, true, bgra_srgb),
    FORMAT(90, "RGB10A2Unorm", 4, RGBA, false, true, rgb10a2_unorm),
    FORMAT(91, "RGB10A2Uint", 4, RGBA, true, false, rgb10a2_uint),
    FORMAT(92, "RG11B10Float", 4, RGB, false, true, rg11b10),
    FORMAT(93, "RGB9E5Float", 4, RGB, false, true, rgb9e5),
    FORMAT(94, "BGR10A2Unorm", 4, RGBA, false, true, bgr10a2_unorm),
    FORMAT(103, "RG32Uint", 8, RG, true, false, rg_word32),
    FORMAT(104, "RG32Sint", 8, RG, true, false, rg_word32),
    FORMAT(105, "RG32Float", 8, RG, false, true, rg_float32),
    FORMAT(110, "RGBA16Unorm", 8, RGBA, false, true, rgba_unorm16),
    FORMAT(112, "RGBA16Snorm", 8, RGBA, false, true, rgba_snorm16),
    FORMAT(113, "RGBA16Uint", 8, RGBA, true, false, rgba_uint16),
    FORMAT(114, "RGBA16Sint", 8, RGBA, true, false, rgba_sint16),
    FORMAT(115, "RGBA16Float", 8, RGBA, false, true, rgba_float16),
    FORMAT(123, "RGBA32Uint", 16, RGBA, true, false, rgba_word32),
    FORMAT(124, "RGBA32Sint", 16, RGBA, true, false, rgba_word32),
    FORMAT(125, "RGBA32Float", 16, RGBA, false, true, rgba_float32),
    FORMAT(250, "Depth16Unorm", 2, R, false, true, r_unorm16),
    FORMAT(252, "Depth32Float", 4, R, false, true, r_float32),
};

const struct sw_pixel_format *sw_pixel_format(uint32_t value)
{
    if (value >= sizeof formats / sizeof *formats || !formats[value].name)
        return NULL;
    return &formats[value];
}
