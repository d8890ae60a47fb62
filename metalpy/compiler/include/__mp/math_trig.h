// Sine, cosine and tangent. Multiples of pi are taken off in three parts (Cody and Waite), each exactly but for the last.
// From 2^17 on only the bits of 2 / pi that matter are multiplied, in integers (Payne and Hanek, "Radian reduction for
// trigonometric functions", 1983): the one branch here, which hardly any thread takes.
#pragma once
#pragma clang system_header
#include <__mp/math_polynomials.h>

MP_EXACT_BEGIN
namespace __mp::math {
MP_FN unsigned choose(unsigned c, unsigned x, unsigned y) { return c ? x : y; }
MP_FN unsigned long product(unsigned x, unsigned y) { return static_cast<unsigned long>(x) * y; }
// 32 bits of two words, `shift` (below 32) bits from the left
MP_FN unsigned window(unsigned x, unsigned y, unsigned shift) {
    unsigned long both = static_cast<unsigned long>(x) << 32 | y;
    return static_cast<unsigned>(both << shift >> 32);
}

// The angle x as a part of a full turn, in units of 2^-64, for x >= 2^17.
MP_FN unsigned long large_turn(float x) {
    unsigned exponent = (bits(x) >> 23) - 127, mantissa = (bits(x) & 0x7fffff) | 0x800000;
    // 96 bits of 2 / pi, beginning where a bit times x is no whole number of turns. Words of 2 / pi, the first of which
    // is before the point, are chosen by the bits of the place where to begin.
    unsigned start = exponent + 7, by4 = start & 128, by2 = start & 64, by1 = start & 32, shift = start & 31;
    constexpr unsigned t1 = 0xa2f9836e, t2 = 0x4e441529, t3 = 0xfc2757d1, t4 = 0xf534ddc0, t5 = 0xdb629599,
                       t6 = 0x3c439041, t7 = 0xfe5163ab;
    unsigned u0 = choose(by4, t4, 0), u1 = choose(by4, t5, t1), u2 = choose(by4, t6, t2), u3 = choose(by4, t7, t3);
    unsigned v0 = choose(by2, u2, u0), v1 = choose(by2, u3, u1), v2 = choose(by2, t4, u2), v3 = choose(by2, t5, u3);
    unsigned v4 = choose(by2, t6, t4);
    unsigned w0 = choose(by1, v1, v0), w1 = choose(by1, v2, v1), w2 = choose(by1, v3, v2), w3 = choose(by1, v4, v3);
    return (product(mantissa, window(w0, w1, shift)) << 32) + product(mantissa, window(w1, w2, shift)) +
           (product(mantissa, window(w2, w3, shift)) >> 32);
}

// x = r + k pi (or k pi / 2) with r small; x is not negative. k is bits, but a float and an integer would be returned as
// one number of 64 bits, which stays one where the branch's ways meet.
struct angle {
    float r, low; // r; low bits of k
    angle(float r, float low) : r(r), low(low) {}
    angle(float r, unsigned k) : r(r), low(from_bits(k)) {}
    unsigned k() const { return bits(low); }
};
MP_FN float large_angle(float x, unsigned long part, float unit) {
    return static_cast<float>(static_cast<long>(part)) * unit + (x - x); // a NaN of infinity and NaN
}
MP_FN bool is_large(float x) { return __builtin_expect(!(x < 0x1p17f), 0); }

MP_FN angle sin_angle(float x) {
    float t = fma(x, 0x1.45f306p-2f, to_whole), n = t - to_whole;
    float r = fma(n, -0x1.921fb6p1f, x);
    r = fma(n, 0x1.777a5cp-24f, r);
    return {fma(n, 0x1.ee59dap-49f, r), t};
}
// For a cosine k is some whole number and a half, and the half is left out of the result.
MP_FN angle cos_angle(float x) {
    float t = fma(x, 0x1.45f306p-2f, 0.5f) + to_whole, n = (t - to_whole) - 0.5f;
    float r = fma(n, -0x1.921fb6p1f, x);
    r = fma(n, 0x1.777a5cp-24f, r);
    return {fma(n, 0x1.ee59dap-49f, r), t};
}
MP_FN angle tan_angle(float x) {
    float t = fma(x, 0x1.45f306p-1f, to_whole), n = t - to_whole;
    float r = fma(n, -0x1.921fb6p0f, x);
    r = fma(n, 0x1.777a5cp-25f, r);
    return {fma(n, 0x1.ee59dap-50f, r), t};
}
MP_FN angle large_sin_angle(float x, unsigned long more) {
    unsigned long turn = large_turn(x) + more;
    return {large_angle(x, turn << 1, 0x1.921fb6p-63f), static_cast<unsigned>((turn + (1ul << 62)) >> 63)};
}
MP_FN angle large_tan_angle(float x) {
    unsigned long turn = large_turn(x);
    return {large_angle(x, turn << 2, 0x1.921fb6p-64f), static_cast<unsigned>((turn + (1ul << 61)) >> 62)};
}

MP_FN float negative(unsigned odd, float x) { return from_bits(bits(x) ^ odd << 31); } // if the low bit is set
MP_FN float sin_of(angle a) {
    float z = a.r * a.r;
    return negative(a.k(), fma(z * sin_tail(z), a.r, a.r));
}
MP_FN float tan_of(angle a) {
    float z = a.r * a.r, y = fma(z * tan_tail(z), a.r, a.r);
    return pick(a.k() & 1, -1 / y, y);
}
MP_FN float sin(float x) {
    float size = fabs(x);
    angle a = sin_angle(size);
    if (is_large(size)) a = large_sin_angle(size, 0);
    return negative(bits(x) >> 31, sin_of(a));
}
MP_FN float cos(float x) {
    float size = fabs(x);
    angle a = cos_angle(size);
    if (is_large(size)) a = large_sin_angle(size, 1ul << 62);
    return sin_of(a);
}
MP_FN float tan(float x) {
    float size = fabs(x);
    angle a = tan_angle(size);
    if (is_large(size)) a = large_tan_angle(size);
    return negative(bits(x) >> 31, tan_of(a));
}

// Fast: without the branch. Angles from 2^17 on lose their accuracy; sines stay between -1 and 1.
MP_FN angle fast_angle(angle a, float limit) { return {bounded(a.r, -limit, limit), a.low}; }
MP_FN float fast_sin(float x) { return negative(bits(x) >> 31, sin_of(fast_angle(sin_angle(fabs(x)), 1.6f))); }
MP_FN float fast_cos(float x) { return sin_of(fast_angle(cos_angle(fabs(x)), 1.6f)); }
MP_FN float fast_tan(float x) { return negative(bits(x) >> 31, tan_of(fast_angle(tan_angle(fabs(x)), 0.8f))); }

// Of multiples of pi: x is reduced exactly, so that multiples of 1/2 come out exact.
MP_FN float sinpi_near(float r) { // |r| <= 1/2
    float z = r * r;
    return fma(r, 0x1.921fb6p1f, r * fma(z, sinpi_tail(z), -0x1.777a5cp-24f));
}
MP_FN float odd_sign(float whole, float y) { // -y if the whole number is odd
    float half = whole * 0.5f;
    return from_bits(bits(y) ^ (half != __builtin_truncf(half) ? 0x80000000 : 0));
}
MP_FN float sinpi(float x) {
    float n = __builtin_rintf(x), r = x - n;
    return pick(r == 0, copysign(0, x), odd_sign(n, sinpi_near(r)));
}
MP_FN float cospi(float x) {
    float n = __builtin_rintf(x), y = sinpi_near(0.5f - fabs(x - n));
    return pick(y == 0, 0, odd_sign(n, y));
}
MP_FN float tanpi(float x) { return sinpi(x) / cospi(x); }
} // namespace __mp::math
MP_EXACT_END
