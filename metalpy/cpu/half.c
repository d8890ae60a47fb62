/* half.c: conversions that a processor may lack, as kernels call them (compiler/conversions.py).
 *
 * Numbers travel as their bits in integer registers: how compilers pass half floats has changed more than once.
 */
#include "software.h"

#include <math.h>
#include <string.h>

#define HALF_INFINITY 0x7c00
#define HALF_NAN 0x7e00

static inline uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* `value` without its low `count` bits (1 to 63), to nearest, ties to even. */
static inline uint64_t rounded(uint64_t value, int count)
{
    uint64_t odd = value >> count & 1, half = UINT64_C(1) << (count - 1);
    return (value + half - 1 + odd) >> count;
}

SW_EXPORT mp_u32 mp_float_of_half(mp_u32 half)
{
    uint32_t magnitude = (half & 0x7fff) << 13, sign = (half & 0x8000) << 16;
    if (magnitude > HALF_INFINITY << 13) /* NaN: its bits, made quiet */
        return sign | magnitude | 0x7fc00000;
    if (magnitude == HALF_INFINITY << 13)
        return sign | 0x7f800000;
    return sign | bits_of(float_of(magnitude) * 0x1p112f); /* right for subnormals, too */
}

SW_EXPORT mp_u32 mp_half_of_float(mp_u32 bits)
{
    uint32_t sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000)
        return sign | HALF_NAN | (magnitude >> 13 & 0x1ff);
    if (magnitude >= 0x477ff000) /* rounds to 65536 or more */
        return sign | HALF_INFINITY;
    if (magnitude < 0x38800000) /* subnormal: adding 0.5 puts the last bit where float's is */
        return sign | (bits_of(float_of(magnitude) + 0.5f) - 0x3f000000);
    return sign | (mp_u32)rounded(magnitude - 0x38000000, 13);
}

SW_EXPORT mp_u32 mp_bfloat_of_float(mp_u32 bits)
{
    if ((bits & 0x7fffffff) > 0x7f800000)
        return bits >> 16 | 0x40;
    return (mp_u32)rounded(bits, 16);
}

/* A double as a float for what is rounded again: an inexact one gets an odd last bit, so that no tie arises. */
static uint32_t odd_float(unsigned long bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    float near = (float)value;
    uint32_t made = bits_of(near);
    if (!(value != near) || value != value || made & 1)
        return made;
    /* The other neighbour is odd: towards zero where rounding went away from it, else away. */
    return fabs((double)near) > fabs(value) ? made - 1 : made + 1;
}

SW_EXPORT mp_u32 mp_half_of_double(unsigned long bits)
{
    return mp_half_of_float(odd_float(bits));
}

SW_EXPORT mp_u32 mp_bfloat_of_double(unsigned long bits)
{
    return mp_bfloat_of_float(odd_float(bits));
}
