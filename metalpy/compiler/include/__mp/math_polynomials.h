// Polynomials of the math functions. Made by tools/math_polynomials.py; do not edit. Errors are relative to
// the result of the function that a polynomial serves.
#pragma once
#pragma clang system_header
#include <__mp/math_core.h>

MP_EXACT_BEGIN
namespace __mp::math {
// (e^r - 1 - r) / r^2, on [-0.3473, 0.3473], error 2^-28.2
MP_FN float exp_tail(float x) {
    float y = 0x1.6a417p-10f;
    y = fma(y, x, 0x1.1239cap-7f);
    y = fma(y, x, 0x1.5558bcp-5f);
    y = fma(y, x, 0x1.555492p-3f);
    y = fma(y, x, 0x1.fffffcp-2f);
    return y;
}
// (2^r - 1 - r ln 2) / r^2, on [-0.501, 0.501], error 2^-28.2
MP_FN float exp2_tail(float x) {
    float y = 0x1.4161d4p-13f;
    y = fma(y, x, 0x1.5f0478p-10f);
    y = fma(y, x, 0x1.3b2deap-7f);
    y = fma(y, x, 0x1.c6af88p-5f);
    y = fma(y, x, 0x1.ebfbdcp-3f);
    return y;
}
// (10^r - 1 - r ln 10) / r^2, on [-0.1508, 0.1508], error 2^-28.2
MP_FN float exp10_tail(float x) {
    float y = 0x1.a5fbbep-3f;
    y = fma(y, x, 0x1.15560ap-1f);
    y = fma(y, x, 0x1.2bda28p0f);
    y = fma(y, x, 0x1.046fc4p1f);
    y = fma(y, x, 0x1.53524ap1f);
    return y;
}
// (log(1 + f) - f + f^2 / 2) / f^3, on [-0.293, 0.4143], error 2^-30.3
MP_FN float log_tail(float x) {
    float y = 0x1.147ef2p-4f;
    y = fma(y, x, -0x1.de1018p-4f);
    y = fma(y, x, 0x1.e6c2cep-4f);
    y = fma(y, x, -0x1.fc271cp-4f);
    y = fma(y, x, 0x1.233b64p-3f);
    y = fma(y, x, -0x1.555c4ap-3f);
    y = fma(y, x, 0x1.99a478p-3f);
    y = fma(y, x, -0x1.000006p-2f);
    y = fma(y, x, 0x1.555548p-2f);
    return y;
}
// ((atanh(s) / s - 1) / z - 1 / 3) / z, of z = s^2, on [0, 0.0296], error 2^-36.7
MP_FN float atanh_tail(float x) {
    float y = 0x1.dfcc98p-4f;
    y = fma(y, x, 0x1.2451a4p-3f);
    y = fma(y, x, 0x1.999a02p-3f);
    return y;
}
// (sin(r) / r - 1) / z, of z = r^2, on [0, 2.56], error 2^-27.0
MP_FN float sin_tail(float x) {
    float y = 0x1.5ce636p-19f;
    y = fma(y, x, -0x1.9f6136p-13f);
    y = fma(y, x, 0x1.110e86p-7f);
    y = fma(y, x, -0x1.55554ap-3f);
    return y;
}
// (sin(pi r) / r - pi) / z, of z = r^2, on [0, 0.25], error 2^-27.2
MP_FN float sinpi_tail(float x) {
    float y = 0x1.3e56a4p-4f;
    y = fma(y, x, -0x1.32587ep-1f);
    y = fma(y, x, 0x1.46693ap1f);
    y = fma(y, x, -0x1.4abbc6p2f);
    return y;
}
// (tan(r) / r - 1) / z, of z = r^2, on [0, 0.64], error 2^-25.3
MP_FN float tan_tail(float x) {
    float y = 0x1.40330ap-7f;
    y = fma(y, x, 0x1.43653cp-9f);
    y = fma(y, x, 0x1.96eb84p-6f);
    y = fma(y, x, 0x1.b49d98p-5f);
    y = fma(y, x, 0x1.1134dep-3f);
    y = fma(y, x, 0x1.5554bcp-2f);
    return y;
}
// (asin(x) / x - 1) / z, of z = x^2, on [0, 0.25], error 2^-27.6
MP_FN float asin_tail(float x) {
    float y = 0x1.595c6p-5f;
    y = fma(y, x, 0x1.8c3e5p-6f);
    y = fma(y, x, 0x1.747bb8p-5f);
    y = fma(y, x, 0x1.330204p-4f);
    y = fma(y, x, 0x1.5555c8p-3f);
    return y;
}
// (atan(x) / x - 1) / z, of z = x^2, on [0, 1], error 2^-28.5
MP_FN float atan_tail(float x) {
    float y = -0x1.d35952p-10f;
    y = fma(y, x, 0x1.6424ap-7f);
    y = fma(y, x, -0x1.fd7e04p-6f);
    y = fma(y, x, 0x1.da2a0cp-5f);
    y = fma(y, x, -0x1.58091cp-4f);
    y = fma(y, x, 0x1.c08c4ep-4f);
    y = fma(y, x, -0x1.242086p-3f);
    y = fma(y, x, 0x1.9991e4p-3f);
    y = fma(y, x, -0x1.55553ep-2f);
    return y;
}
// (sinh(x) / x - 1) / z, of z = x^2, on [0, 1], error 2^-31.6
MP_FN float sinh_tail(float x) {
    float y = 0x1.756c1ep-19f;
    y = fma(y, x, 0x1.a022bcp-13f);
    y = fma(y, x, 0x1.1110ep-7f);
    y = fma(y, x, 0x1.555556p-3f);
    return y;
}
// (tanh(x) / x - 1) / z, of z = x^2, on [0, 0.390625], error 2^-27.7
MP_FN float tanh_tail(float x) {
    float y = -0x1.750ce2p-8f;
    y = fma(y, x, 0x1.51f8cep-6f);
    y = fma(y, x, -0x1.b835a4p-5f);
    y = fma(y, x, 0x1.1106f6p-3f);
    y = fma(y, x, -0x1.555532p-2f);
    return y;
}
} // namespace __mp::math
MP_EXACT_END
