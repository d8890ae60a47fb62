// Inverse trigonometric functions: a polynomial near zero, and what formulas bring there.
#pragma once
#pragma clang system_header
#include <__mp/math_polynomials.h>

MP_EXACT_BEGIN
namespace __mp::math {
// pi and pi / 2 minus x
MP_FN float from_pi(float x) { return 0x1.921fb6p1f - (x + 0x1.777a5cp-24f); }
MP_FN float from_half_pi(float x) { return 0x1.921fb6p0f - (x + 0x1.777a5cp-25f); }

// For |x| > 1/2, with s = sqrt((1 - |x|) / 2): asin |x| = pi / 2 - 2 asin s, acos |x| = 2 asin s. Else s is |x|.
struct arc {
    bool outer;
    float s, rest; // asin s = s + rest
};
MP_FN arc arc_of(float a) {
    bool outer = a > 0.5f;
    float z = pick(outer, fma(a, -0.5f, 0.5f), a * a), s = pick(outer, sqrt(z), a);
    return {outer, s, z * asin_tail(z) * s};
}
MP_FN float asin(float x) {
    arc a = arc_of(fabs(x));
    float outer = fma(-2, a.s, 0x1.921fb6p0f) - fma(2, a.rest, 0x1.777a5cp-25f);
    return copysign(pick(a.outer, outer, a.s + a.rest), x);
}
MP_FN float acos(float x) {
    arc a = arc_of(fabs(x));
    float y = a.s + a.rest, outer = pick(x < 0, from_pi(2 * y), 2 * y);
    return pick(a.outer, outer, from_half_pi(copysign(y, x)));
}

// of a quotient not above 1
MP_FN float atan_near(float x) {
    float z = x * x;
    return fma(z * atan_tail(z), x, x);
}
MP_FN float atan(float x) {
    float a = fabs(x), y = atan_near(pick(a > 1, 1 / a, a));
    return copysign(pick(a > 1, from_half_pi(y), y), x);
}
MP_FN float atan2(float y, float x) {
    float a = fabs(x), b = fabs(y);
    bool steep = b > a;
    float small = pick(steep, a, b), large = pick(steep, b, a), quotient = small / large;
    quotient = pick(large == 0, 0, pick(small == __builtin_inff(), 1, quotient));
    float r = atan_near(quotient);
    r = pick(steep, from_half_pi(r), r);
    r = pick(bits(x) >> 31, from_pi(r), r);
    return pick(either(is_nan(x), is_nan(y)), x + y, copysign(r, y));
}
} // namespace __mp::math
MP_EXACT_END
