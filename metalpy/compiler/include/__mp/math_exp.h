// Exponential and hyperbolic functions. e^x = 2^n e^r with |r| <= ln(2) / 2: n ln 2 is taken off in two parts (Cody and
// Waite, Software Manual for the Elementary Functions, 1980), e^r is 1 + r + r^2 P(r), and n goes into the exponent.
#pragma once
#pragma clang system_header
#include <__mp/math_polynomials.h>

MP_EXACT_BEGIN
namespace __mp::math {
struct power {
    float fraction; // near 1
    int k;          // times 2^k
};
MP_FN power exp_parts(float x) {
    float t = fma(x, 0x1.715476p0f, to_whole), n = t - to_whole;
    float r = fma(n, -0x1.62e43p-1f, x);
    r = fma(n, 0x1.05c61p-29f, r);
    return {fma(r * r, exp_tail(r), r) + 1, whole(t)};
}
// r and low are one number: low is what the rounding of r lost, or zero.
MP_FN power exp2_parts(float x, float low) {
    float t = x + to_whole, r = (x - (t - to_whole)) + low;
    return {fma(r, 0x1.62e43p-1f, r * r * exp2_tail(r)) + 1, whole(t)};
}
MP_FN power exp10_parts(float x) {
    float t = fma(x, 0x1.a934fp1f, to_whole), n = t - to_whole;
    float r = fma(n, -0x1.344136p-2f, x);
    r = fma(n, 0x1.ec10cp-27f, r);
    return {fma(r, 0x1.26bb1cp1f, r * r * exp10_tail(r)) + 1, whole(t)};
}

// e^x 2^k for a small k; bounds that are beyond overflow and underflow keep the exponent in range.
MP_FN float exp_scaled(float x, int k) {
    power p = exp_parts(bounded(x, -105, 90));
    return scaled(p.fraction, p.k + k);
}
MP_FN float exp(float x) { return exp_scaled(x, 0); }
MP_FN float exp2(float x) {
    power p = exp2_parts(bounded(x, -151, 129), 0);
    return scaled(p.fraction, p.k);
}
MP_FN float exp10(float x) {
    power p = exp10_parts(bounded(x, -46, 39));
    return scaled(p.fraction, p.k);
}

// Fast: a result below 2^-125 is zero, as it is below 2^-126 on a GPU. The exponent field of 2^(k - 1) is 0 then, which
// makes a zero; 2^127 is the largest factor needed.
MP_FN float fast_scaled(power p) { return p.fraction * 2 * from_bits(static_cast<unsigned>(p.k + 126) << 23); }
MP_FN float fast_exp(float x) { return fast_scaled(exp_parts(bounded(x, -87, 88.9f))); }
MP_FN float fast_exp2(float x) { return fast_scaled(exp2_parts(bounded(x, -126, 128), 0)); }
MP_FN float fast_exp10(float x) { return fast_scaled(exp10_parts(bounded(x, -37.8f, 38.6f))); }

// Small arguments by a polynomial of their own, which does not cancel; the others by e^|x|, halved before it overflows.
MP_FN float sinh(float x) {
    float a = fabs(x), z = a * a, h = exp_scaled(a, -1);
    return copysign(pick(a < 1, fma(z * sinh_tail(z), a, a), h - 0.25f / h), x);
}
MP_FN float cosh(float x) {
    float h = exp_scaled(fabs(x), -1);
    return h + 0.25f / h;
}
MP_FN float tanh(float x) {
    float a = fabs(x), z = a * a;
    return copysign(pick(a < 0.625f, fma(z * tanh_tail(z), a, a), 1 - 2 / (exp(2 * a) + 1)), x);
}
} // namespace __mp::math
MP_EXACT_END
