// The harness of tools/math_accuracy.py: our math functions beside those of the C library in double precision.
#include <__mp/math_arc.h>
#include <__mp/math_log.h>
#include <__mp/math_other.h>
#include <__mp/math_trig.h>

using uint32_t = unsigned;
using uint64_t = unsigned long;

namespace {
// No headers but ours, of which some have the names of C's. clang declares the library's functions itself.
constexpr double pi = 3.14159265358979323846;
bool isnan(double x) { return x != x; }
bool isinf(double x) { return __builtin_fabs(x) == INFINITY; }
double fold_sinpi(double x) { // by symmetry of |x| <= 1/4: no error of pi times x
    double n = __builtin_rint(2 * x), r = x - n / 2, quarter = n - 4 * __builtin_floor(n / 4);
    double s = __builtin_sin(pi * r), c = __builtin_cos(pi * r), y = quarter == 1 || quarter == 3 ? c : s;
    return quarter >= 2 ? -y : y;
}
double sinpi_(double x) { return isinf(x) ? NAN : x == __builtin_rint(x) ? __builtin_copysign(0, x) : fold_sinpi(x); }
double cospi_(double x) {
    double a = __builtin_fabs(x), r = a - 2 * __builtin_floor(a / 2); // exact
    return isinf(x) ? NAN : r == 0.5 || r == 1.5 ? 0 : fold_sinpi(r + 0.5);
}
double tanpi_(double x) { return sinpi_(x) / cospi_(x); }
double rsqrt_(double x) { return 1 / __builtin_sqrt(x); }
double exp10_(double x) { return __builtin_pow(10, x); }
double powr_(double x, double y) { return x >= 0 ? __builtin_pow(__builtin_fabs(x), y) : NAN; }

constexpr int block = 1024;
struct entry {
    const char *name;
    void (*apply)(float *, const float *, const float *, int);
    // The first by the library's vector functions where clang knows them, the second surely by the scalar ones.
    void (*exact)(double *, const float *, const float *, int);
    double (*exact_once)(double, double);
    bool binary;
};
#define FUNCTION(f, ours, theirs, binary)                                                                             \
    {#f, [](float *out, const float *x, const float *y, int n) { for (int i = 0; i < n; ++i) out[i] = ours; },        \
     [](double *out, const float *x, const float *y, int n) { for (int i = 0; i < n; ++i) out[i] = theirs; },         \
     [](double a, double b) -> double { const double *x = &a, *y = &b; int i = 0; return theirs; }, binary}
#define ONE(f, g) FUNCTION(f, __mp::math::f(x[i]), g(static_cast<double>(x[i])), false)
#define TWO(f, g) FUNCTION(f, __mp::math::f(x[i], y[i]), g(static_cast<double>(x[i]), static_cast<double>(y[i])), true)
const entry entries[] = {
    ONE(acos, __builtin_acos), ONE(acosh, __builtin_acosh), ONE(asin, __builtin_asin), ONE(asinh, __builtin_asinh),
    ONE(atan, __builtin_atan), TWO(atan2, __builtin_atan2), ONE(atanh, __builtin_atanh), ONE(cos, __builtin_cos),
    ONE(cosh, __builtin_cosh), ONE(cospi, cospi_), ONE(exp, __builtin_exp), ONE(exp2, __builtin_exp2), ONE(exp10,
    exp10_), TWO(fdim, __builtin_fdim), TWO(fmod, __builtin_fmod), ONE(log, __builtin_log), ONE(log2, __builtin_log2),
    ONE(log10, __builtin_log10), TWO(pow, __builtin_pow), TWO(powr, powr_), ONE(rsqrt, rsqrt_), ONE(sin,
    __builtin_sin), ONE(sinh, __builtin_sinh), ONE(sinpi, sinpi_), ONE(tan, __builtin_tan), ONE(tanh, __builtin_tanh),
    ONE(tanpi, tanpi_), ONE(fast_cos, __builtin_cos), ONE(fast_exp, __builtin_exp), ONE(fast_exp2, __builtin_exp2),
    ONE(fast_exp10, exp10_), TWO(fast_pow, __builtin_pow), TWO(fast_powr, powr_), ONE(fast_rsqrt, rsqrt_),
    ONE(fast_sin, __builtin_sin), ONE(fast_tan, __builtin_tan),
};
const entry *find(const char *name) {
    for (const entry &e : entries)
        if (!__builtin_strcmp(e.name, name)) return &e;
    return nullptr;
}

// Infinite where one is a NaN, or the signs of zeros differ; where the result overflows, infinity counts as 2^128.
double error(float got, double exact) {
    if (isnan(got) || isnan(exact)) return isnan(got) && isnan(exact) ? 0 : INFINITY;
    if (got == 0 && exact == 0) return __builtin_signbit(got) == __builtin_signbit(exact) ? 0 : INFINITY;
    if (isinf(got) && __builtin_fabs(exact) >= 0x1.ffffffp127) return (got > 0) == (exact > 0) ? 0 : INFINITY;
    if (isinf(exact)) return INFINITY;
    double wide = isinf(got) ? __builtin_copysign(0x1p128, got) : got;
    uint64_t bits = __builtin_bit_cast(uint64_t, exact);
    int exponent = static_cast<int>(bits >> 52 & 2047) - 1023;
    if (exponent < -126) exponent = -126;
    return __builtin_fabs(wide - exact) * __builtin_bit_cast(double, static_cast<uint64_t>(1023 + 23 - exponent) << 52);
}

uint64_t mixed(uint64_t x) { // splitmix64 (Steele, Lea and Flood, 2014)
    x += 0x9e3779b97f4a7c15;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return x ^ x >> 31;
}
float as_float(uint32_t x) { return __builtin_bit_cast(float, x); }

// Pairs: random bits; numbers of moderate size; for powers, an x and a y that bring the result anywhere.
void fill_pairs(uint64_t number, float *x, float *y) {
    uint64_t r = mixed(number);
    uint32_t a = static_cast<uint32_t>(r), b = static_cast<uint32_t>(r >> 32);
    static const uint32_t special[] = {0, 0x3f800000, 0x7f800000, 0x7fc00000, 0x40000000, 0x40400000, 0x3f000000, 1};
    switch (number % 4) {
    case 0: *x = as_float(a), *y = as_float(b); break;
    case 1:
        *x = as_float((a & 0x807fffff) | (0x3f800000 - (16u << 23) + ((a >> 23 & 31) << 23)));
        *y = as_float((b & 0x807fffff) | (0x3f800000 - (16u << 23) + ((b >> 23 & 31) << 23)));
        break;
    case 2:
        *x = as_float(a & 0x7fffffff);
        *y = static_cast<float>((b / 0x1p31 - 1) * 152 / __builtin_fabs(__builtin_log2(static_cast<double>(*x))));
        break;
    default:
        *x = a & 256 ? as_float(special[a & 7] | (a & 0x80000000)) : as_float(a);
        *y = b & 256 ? as_float(special[b & 7] | (b & 0x80000000)) : as_float((b & 0x8000000f) + 0x3f800000);
    }
}
} // namespace

extern "C" {
struct worst {
    double ulp;
    float x, y, got;
    uint64_t tested, wrong;
    float wrong_x, wrong_y;
};
// Numbers first * step to last * step as bits of floats, or as numbers of pairs.
int measure(const char *name, uint64_t first, uint64_t last, uint64_t step, float low, float high, worst *out) {
    const entry *e = find(name);
    if (!e) return 1;
    bool flushes = !__builtin_strncmp(name, "fast_", 5); // results near zero and below the normal numbers
    *out = {};
    float x[block], y[block] = {}, got[block];
    double exact[block], ulp[block];
    for (uint64_t begin = first; begin < last; begin += block) {
        int n = static_cast<int>(last - begin < block ? last - begin : block);
        for (int i = 0; i < n; ++i) {
            if (e->binary) fill_pairs(begin + i, &x[i], &y[i]);
            else x[i] = as_float(static_cast<uint32_t>((begin + i) * step));
        }
        e->apply(got, x, y, n);
        e->exact(exact, x, y, n);
        for (int i = 0; i < n; ++i) ulp[i] = error(got[i], exact[i]);
        for (int i = 0; i < n; ++i) {
            if (!(low == -INFINITY || (x[i] >= low && x[i] <= high))) continue;
            if (flushes && __builtin_fabs(exact[i]) < 0x1p-125) continue;
            ++out->tested;
            if (ulp[i] <= out->ulp) continue;
            double surely = error(got[i], e->exact_once(x[i], y[i]));
            if (isinf(surely)) out->wrong_x = x[i], out->wrong_y = y[i], ++out->wrong;
            else if (surely > out->ulp) out->ulp = surely, out->x = x[i], out->y = y[i], out->got = got[i];
        }
    }
    return 0;
}
void apply(const char *name, float *out, const float *x, const float *y, int n, int times) {
    for (int i = 0; i < times; ++i) find(name)->apply(out, x, y, n);
}
}
