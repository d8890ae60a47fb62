// Logarithms, powers and the inverse hyperbolic functions. x = 2^n (1 + f) with 1 + f between sqrt(1/2) and sqrt(2), so
// that nothing cancels near x = 1; log(1 + f) is f - f^2 / 2 + f^3 P(f). Powers need the logarithm to twice the precision:
// as in Tang, "Table-driven implementation of the logarithm function" (1990), by s = f / (2 + f) and the series of atanh,
// with what roundings lose carried along (Muller and others, Handbook of Floating-Point Arithmetic, chapter 4).
#pragma once
#pragma clang system_header
#include <__mp/math_exp.h>

MP_EXACT_BEGIN
namespace __mp::math {
struct log_parts {
    float f;
    int n;
};
MP_FN log_parts split_normal(float x) {
    constexpr unsigned low = 0x3f3504f3; // sqrt(1/2)
    unsigned i = bits(x) - low;
    return {from_bits((i & 0x7fffff) + low) - 1, static_cast<int>(i) >> 23};
}
MP_FN log_parts split(float x) {
    bool tiny = x < 0x1p-126f;
    log_parts p = split_normal(pick(tiny, x * 0x1p23f, x));
    if (tiny) p.n -= 23;
    return p;
}
// log(1 + f) - f
MP_FN float log_rest(float f) { return f * f * fma(f, log_tail(f), -0.5f); }
MP_FN float log_special(float x, float y) {
    y = pick(x < __builtin_inff(), y, x);
    y = pick(x == 0, -__builtin_inff(), y);
    return pick(x < 0, __builtin_nanf(""), y);
}

MP_FN float log_of(log_parts p, int more) {
    float n = static_cast<float>(p.n + more), y = fma(p.f * p.f, fma(p.f, log_tail(p.f), -0.5f), p.f);
    return fma(n, 0x1.62e43p-1f, fma(n, -0x1.05c61p-29f, y));
}
MP_FN float log(float x) { return log_special(x, log_of(split(x), 0)); }
MP_FN float log2(float x) {
    log_parts p = split(x);
    float y = fma(p.f, 0x1.715476p0f, fma(p.f, 0x1.4ae0cp-26f, log_rest(p.f) * 0x1.715476p0f));
    return log_special(x, y + static_cast<float>(p.n));
}
MP_FN float log10(float x) {
    log_parts p = split(x);
    float n = static_cast<float>(p.n);
    float y = fma(p.f, 0x1.bcb7b2p-2f, fma(p.f, -0x1.5b235ep-27f, log_rest(p.f) * 0x1.bcb7b2p-2f));
    return log_special(x, fma(n, 0x1.344136p-2f, fma(n, -0x1.ec10cp-27f, y)));
}

// log(2^more u) for u >= 1, with u = 1 + z as far as it is small: what the sum lost is added to f.
MP_FN float log1p_of(float z, float u, int more) {
    log_parts p = split_normal(u);
    float scale = from_bits(0x3f800000 - (static_cast<unsigned>(p.n) << 23)); // 2^-n
    p.f = pick(both(u < 0x1p24f, more == 0), fma(z - (u - 1), scale, p.f), p.f);
    return log_of(p, more);
}
// asinh a = log(1 + z) with z = a + a^2 / (1 + sqrt(1 + a^2)), acosh x with z = t + sqrt(t (t + 2)) and t = x - 1;
// where 1 is lost beside them both are log(2 x).
MP_FN float asinh(float x) {
    float a = fabs(x), q = a * a, z = a + q / (1 + sqrt(1 + q));
    bool large = a > 0x1p12f;
    float y = log1p_of(z, pick(large, a, 1 + z), large);
    return pick(a < __builtin_inff(), copysign(y, x), x);
}
MP_FN float acosh(float x) {
    float t = x - 1, z = t + sqrt(t * (t + 2));
    bool large = x > 0x1p12f;
    float y = log1p_of(z, pick(large, x, 1 + z), large);
    y = pick(x < __builtin_inff(), y, x);
    return pick(x < 1, __builtin_nanf(""), y);
}
MP_FN float atanh(float x) {
    float a = fabs(x), z = 2 * a / (1 - a);
    float y = 0.5f * log1p_of(z, 1 + z, 0);
    y = pick(a == 1, __builtin_inff(), y);
    return copysign(pick(a <= 1, y, __builtin_nanf("")), x);
}

// log2 of a normal number as high + low, with some 10 bits more than a float.
struct two {
    float high, low;
};
MP_FN two log2_pair(log_parts p) {
    float f = p.f, d = f + 2, d_lost = f - (d - 2), inverse = 1 / d;
    float s = f * inverse, s_lost = (fma(-s, d, f) - s * d_lost) * inverse, z = s * s;
    // atanh(s) = s + s w with w = z / 3 + z^2 P(z), whose roundings count: z, 1 / 3 and w are in two parts.
    float w = z * 0x1.555556p-2f, z_lost = fma(s, s, -z);
    float w_lost = fma(z_lost, 0x1.555556p-2f, fma(z, 0x1.555556p-2f, -w));
    w_lost = fma(z, fma(z, atanh_tail(z), -0x1.555556p-27f), w_lost);
    float rest = fma(s, w, fma(s, w_lost, fma(s_lost, z, s_lost))); // the derivative of atanh is 1 + z + ...
    float y = s * 0x1.715476p1f; // 2 / ln 2
    float y_lost = fma(s, 0x1.715476p1f, -y) + fma(s, 0x1.4ae0cp-25f, rest * 0x1.715476p1f);
    float n = static_cast<float>(p.n), sum = n + y, low = (y - (sum - n)) + y_lost;
    float high = sum + low;
    return {high, low - (high - sum)};
}
// a^y for a >= 0
MP_FN float pow_above(float a, float y) {
    two l = log2_pair(split(a));
    l.high = pick(a == 0, -__builtin_inff(), pick(a < __builtin_inff(), l.high, a));
    float product = y * l.high;
    float lost = fma(y, l.high, -product) + y * l.low;
    power p = exp2_parts(bounded(product, -152, 130), pick(fabs(product) < 256, lost, 0));
    return pick(a == 1, 1, scaled(p.fraction, p.k));
}
MP_FN float fast_pow_above(float a, float y) { return fast_exp2(y * log2(a)); }

// `y` is |x|^y. The sign, where whole numbers y give one to negative x, and the exceptions.
MP_FN float pow_signed(float x, float y, float result) {
    float half = y * 0.5f;
    bool is_whole = y == __builtin_truncf(y);
    bool odd = both(is_whole, half != __builtin_truncf(half));
    result = from_bits(bits(result) ^ (odd ? bits(x) & 0x80000000 : 0));
    result = pick(both(is_positive(-x), !is_whole), __builtin_nanf(""), result);
    result = pick(either(is_nan(x), is_nan(y)), x + y, result);
    return pick(either(x == 1, y == 0), 1, result);
}
MP_FN float pow(float x, float y) { return pow_signed(x, y, pow_above(fabs(x), y)); }
MP_FN float fast_pow(float x, float y) { return pow_signed(x, y, fast_pow_above(fabs(x), y)); }
MP_FN float powr(float x, float y) {
    float result = pick(is_nan(y), y, pow_above(fabs(x), y));
    return pick(x >= 0, pick(either(x == 1, y == 0), 1, result), __builtin_nanf(""));
}
MP_FN float fast_powr(float x, float y) {
    // A constant whole exponent stands for products: programs cube negative numbers like that.
    if (__builtin_constant_p(y) && y == __builtin_truncf(y)) return fast_pow(x, y);
    return pick(x >= 0, fast_pow_above(fabs(x), y), __builtin_nanf(""));
}
} // namespace __mp::math
MP_EXACT_END
