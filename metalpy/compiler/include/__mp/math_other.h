// Roots, remainders and exponents.
#pragma once
#pragma clang system_header
#include <__mp/math_core.h>

MP_EXACT_BEGIN
namespace __mp::math {
// 1 / sqrt(x) with one Newton step, after which hardly any result is not the nearest number.
MP_FN float rsqrt(float x) {
    float y = 1 / sqrt(x);
    float h = x * y, l = fma(x, y, -h);    // x y, exactly, is h + l
    float missing = fma(-h, y, 1) - l * y; // 1 - x y y
    return pick(is_positive(x), fma(y * 0.5f, missing, y), y);
}
MP_FN float fast_rsqrt(float x) { return 1 / sqrt(x); }

MP_FN float fdim(float x, float y) { return pick(x <= y, 0, x - y); }

// x 2^k, rounded once: whoever goes below the normal numbers does so in the last step.
MP_FN float ldexp(float x, int k) {
    for (int i = 0; i < 2; ++i) {
        float factor = pick(k < -126, 0x1p-102f, pick(k > 127, 0x1p127f, 1));
        k += k < -126 ? 102 : k > 127 ? -127 : 0;
        x *= factor;
    }
    k = k < -126 ? -126 : k > 127 ? 127 : k;
    return x * from_bits(static_cast<unsigned>(k + 127) << 23);
}

// The exponent of a number that is neither zero, infinite nor a NaN, and the number without it, in [1, 2).
struct exponent_parts {
    float fraction;
    int k;
};
MP_FN exponent_parts split_exponent(float x) {
    bool tiny = fabs(x) < 0x1p-126f;
    unsigned i = bits(pick(tiny, x * 0x1p23f, x));
    return {from_bits((i & 0x807fffff) | 0x3f800000), static_cast<int>(i >> 23 & 255) - (tiny ? 150 : 127)};
}
MP_FN bool is_ordinary(float x) { return is_positive(fabs(x)); }
MP_FN float frexp(float x, int &exponent) {
    exponent_parts p = split_exponent(x);
    bool ordinary = is_ordinary(x);
    exponent = ordinary ? p.k + 1 : 0;
    return pick(ordinary, p.fraction * 0.5f, x);
}
MP_FN int ilogb(float x) {
    int k = split_exponent(x).k, special = (bits(x) & 0x7fffffff) == 0x7f800000 ? INT_MAX : FP_ILOGB0;
    return is_ordinary(x) ? k : special;
}

// What is left of x after taking off y as often as it fits whole. A quotient below 2^21, cut off after rounding, is at
// most one too large, and multiplied back by fma what remains is exact. Larger quotients are found 21 bits at a time.
MP_FN float remainder_step(float x, float y) {
    float left = fma(-__builtin_truncf(x / y), y, x);
    return pick(left < 0, left + y, left);
}
MP_FN float fmod(float x, float y) {
    float a = fabs(x), b = fabs(y);
    if (__builtin_expect(a >= b * 0x1p21f, 0)) {
        for (int k = 13 * 21; k > 0; k -= 21) {
            float multiple = ldexp(b, k);
            a = pick(multiple <= a, remainder_step(a, multiple), a);
        }
    }
    a = pick(a < b, a, remainder_step(a, b));
    bool is_invalid = either(!(fabs(x) < __builtin_inff()), either(y == 0, is_nan(y)));
    a = pick(is_invalid, __builtin_nanf(""), a);
    return copysign(a, x);
}
} // namespace __mp::math
MP_EXACT_END
