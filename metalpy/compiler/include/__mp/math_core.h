// What the math functions are made of. They are straight-line code of single precision, so that a compiler that runs many
// threads at once in vectors need call nothing: fused multiply-adds, the bits of numbers, and choices instead of branches.
// Results are the same on every processor and in every math mode; one without fused multiply-add calls libm's, slowly.
#pragma once
#pragma clang system_header
#include <__mp/macros.h>

// Between the two no math mode changes what arithmetic means: what is written is what is computed.
#define MP_EXACT_BEGIN                                                                                                \
    MP_BEGIN _Pragma("float_control(push)") _Pragma("float_control(precise, on)") _Pragma("clang fp contract(off)")
#define MP_EXACT_END _Pragma("float_control(pop)") MP_END

MP_EXACT_BEGIN
namespace __mp::math {
MP_FN unsigned bits(float x) { return __builtin_bit_cast(unsigned, x); }
MP_FN float from_bits(unsigned x) { return __builtin_bit_cast(float, x); }
// clang's other builtins of these names call libm where exact arithmetic is asked for.
MP_FN float fma(float x, float y, float z) { return __builtin_elementwise_fma(x, y, z); }
MP_FN float sqrt(float x) { return __builtin_elementwise_sqrt(x); }
MP_FN float fabs(float x) { return from_bits(bits(x) & 0x7fffffff); }
MP_FN float copysign(float x, float y) { return from_bits((bits(x) & 0x7fffffff) | (bits(y) & 0x80000000)); }
// a || b and a && b, which would be branches.
MP_FN bool either(bool a, bool b) { return (static_cast<int>(a) | static_cast<int>(b)) != 0; }
MP_FN bool both(bool a, bool b) { return (static_cast<int>(a) & static_cast<int>(b)) != 0; }
// c ? x : y, which in fast math modes clang takes to be finite.
MP_FN float pick(bool c, float x, float y) {
    if (c) y = x;
    return y;
}
MP_FN bool is_nan(float x) { return (bits(x) & 0x7fffffff) > 0x7f800000; }
MP_FN bool is_positive(float x) { return bits(x) - 1 < 0x7f7fffff; } // and finite
// between low and high; a NaN stays one
MP_FN float bounded(float x, float low, float high) {
    x = pick(low > x, low, x);
    return pick(high < x, high, x);
}

// Adding it rounds numbers below 2^22 to whole ones, which its low bits then hold; subtracting it gives them as floats.
constexpr float to_whole = 0x1.8p23f;
MP_FN int whole(float shifted) { return static_cast<int>(bits(shifted) - bits(to_whole)); }

// x 2^k for k from -252 to 254, rounded once if x is near 1; the factors are made of bits and stay normal.
MP_FN float scaled(float x, int k) {
    unsigned both = static_cast<unsigned>(k + 254), half = both << 22 & 0x7f800000u; // 127 and k / 2 in the exponent
    return x * from_bits(half) * from_bits((both << 23) - half);
}
} // namespace __mp::math
MP_EXACT_END
