/* test_simd.c: barriers and simdgroup functions against a plain loop over the lanes. */
#include "check.h"

#include <math.h>

#define TESTS 50

static void reduce(mp_queue *queue, uint32_t threads, uint32_t group)
{
    mp_pipeline *pipeline = load("reduce");
    uint32_t groups = (threads + group - 1) / group;
    mp_buffer *out = new_buffer(groups * 4), *in = new_buffer(threads * 4);
    uint32_t *value = mp->buffer_contents(in);
    for (uint32_t i = 0; i < threads; i++)
        value[i] = i * 2654435761u;
    LAUNCH(queue, pipeline, threads, group, at(0, out), at(1, in));
    OK(mp->queue_wait(queue, UINT64_MAX, MP_FOREVER, error));
    uint32_t wrong = 0;
    for (uint32_t g = 0; g < groups; g++) {
        uint32_t sum = 0;
        for (uint32_t i = g * group; i < threads && i < (g + 1) * group; i++)
            sum += value[i];
        wrong += sum != ((uint32_t *)mp->buffer_contents(out))[g];
    }
    CHECK(wrong == 0, "%u threads in groups of %u: %u wrong sums", threads, group, wrong);
    mp->buffer_release(out);
    mp->buffer_release(in);
    mp->pipeline_release(pipeline);
}

static uint64_t float_bits(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, 4);
    return bits;
}

/* What test `t` must give in lane `self` of a simdgroup whose lanes in `set` are active. */
#define INTEGER_CASES(type, mask)                                                                                      \
    {                                                                                                                  \
        uint64_t sum = 0, product = 1, before_sum = 0, before_product = 1;                                             \
        type low = (type)v[first], high = (type)v[first];                                                              \
        for (uint32_t i = 0; i < 32; i++) {                                                                            \
            if (!(set >> i & 1))                                                                                       \
                continue;                                                                                              \
            if (i == self)                                                                                             \
                before_sum = sum, before_product = product;                                                            \
            sum += (uint64_t)(type)v[i];                                                                               \
            product *= (uint64_t)(type)v[i];                                                                           \
            low = (type)v[i] < low ? (type)v[i] : low;                                                                 \
            high = (type)v[i] > high ? (type)v[i] : high;                                                              \
        }                                                                                                              \
        uint64_t own = (uint64_t)(type)v[self];                                                                        \
        const uint64_t all[] = {sum, product, (uint64_t)low, (uint64_t)high, before_sum + own, before_sum,             \
                                before_product * own, before_product};                                                 \
        return all[t % 8] & (mask);                                                                                    \
    }

/* Lane `i` after the halves of the simdgroup down to lanes `width` apart are combined; recursive, unlike the runtime. */
static float tree(const float *f, uint32_t set, uint32_t i, uint32_t width, bool multiply)
{
    if (width == 32)
        return set >> i & 1 ? f[i] : multiply ? 1.0f : -0.0f;
    float a = tree(f, set, i, width * 2, multiply), b = tree(f, set, i + width, width * 2, multiply);
    return multiply ? a * b : a + b;
}

/* Lane `i` of a prefix sum or product after the steps below `width`. */
static float prefix(const float *f, uint32_t set, uint32_t i, uint32_t width, bool multiply)
{
    if (width == 1)
        return set >> i & 1 ? f[i] : multiply ? 1.0f : -0.0f;
    float own = prefix(f, set, i, width / 2, multiply);
    if (i < width / 2)
        return own;
    float other = prefix(f, set, i - width / 2, width / 2, multiply);
    return multiply ? other * own : other + own;
}

static uint64_t expected(uint32_t t, const int64_t *v, const float *f, uint32_t set, uint32_t self, uint32_t x)
{
    uint32_t first = (uint32_t)__builtin_ctz(set);
    if (t < 8)
        INTEGER_CASES(int32_t, 0xffffffffu)
    if (t < 16)
        INTEGER_CASES(uint32_t, 0xffffffffu)
    if (t < 24)
        INTEGER_CASES(int64_t, UINT64_MAX)
    if (t < 32)
        INTEGER_CASES(uint64_t, UINT64_MAX)
    float sum = tree(f, set, 0, 1, false), product = tree(f, set, 0, 1, true), low = f[first], high = f[first];
    float in_sum = prefix(f, set, self, 32, false), in_product = prefix(f, set, self, 32, true);
    float ex_sum = self ? prefix(f, set, self - 1, 32, false) + 0.0f : 0.0f;
    float ex_product = self ? prefix(f, set, self - 1, 32, true) : 1.0f;
    uint64_t all_and = (uint64_t)v[first], all_or = all_and, all_xor = all_and, votes = 0;
    for (uint32_t i = 0; i < 32; i++) {
        if (!(set >> i & 1))
            continue;
        votes |= (uint64_t)((v[i] & 6) != 0) << i;
        if (i == first)
            continue;
        low = fminf(low, f[i]);
        high = fmaxf(high, f[i]);
        all_and &= (uint64_t)v[i];
        all_or |= (uint64_t)v[i];
        all_xor ^= (uint64_t)v[i];
    }
    uint32_t from = t == 48 ? (x + 5) % 40 : (x * 7 + 1) % 32;
    uint64_t shuffled = from >= 32 ? (uint64_t)v[self] : set >> from & 1 ? (uint64_t)v[from] : 0;
    switch (t) {
    case 32: return float_bits(sum);
    case 33: return float_bits(product);
    case 34: return float_bits(low);
    case 35: return float_bits(high);
    case 36: return float_bits(in_sum);
    case 37: return float_bits(ex_sum);
    case 38: return float_bits(in_product);
    case 39: return float_bits(ex_product);
    case 40: return (uint32_t)all_and;
    case 41: return (uint32_t)all_or;
    case 42: return (uint32_t)all_xor;
    case 43: return all_and;
    case 44: return all_or;
    case 45: return all_xor;
    case 46: return set;
    case 47: return votes;
    case 48: return (uint32_t)shuffled;
    default: return shuffled;
    }
}

static void simd(mp_queue *queue, uint32_t threads, uint32_t group, int pattern)
{
    mp_pipeline *pipeline = load("simd");
    mp_buffer *out = new_buffer((uint64_t)threads * TESTS * 8), *active = new_buffer(threads * 4);
    mp_buffer *integers = new_buffer(threads * 8), *floats = new_buffer(threads * 4);
    uint32_t *on = mp->buffer_contents(active), wrong[TESTS] = {0};
    int64_t *v = mp->buffer_contents(integers);
    float *f = mp->buffer_contents(floats);
    uint64_t random = 12345;
    for (uint32_t i = 0; i < threads; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        on[i] = pattern == 0 || (pattern == 1 ? i % 3 != 0 : pattern == 2 ? (random >> 40 & 7) == 0 : i % 32 == 31);
        v[i] = (int64_t)(random >> (random >> 59)) * (random >> 30 & 1 ? -1 : 1);
        f[i] = (random >> 50 & 31) == 3 ? NAN : (float)(int64_t)(random >> 20) * 1e-12f - 8.0f;
    }
    LAUNCH(queue, pipeline, threads, group, at(0, out), at(1, active), at(2, integers), at(3, floats));
    OK(mp->queue_wait(queue, UINT64_MAX, MP_FOREVER, error));
    const uint64_t *got = mp->buffer_contents(out);
    for (uint32_t x = 0; x < threads; x++) {
        uint32_t index = x % group, start = x - index % 32, set = 0;
        for (uint32_t i = 0; i < 32 && index - index % 32 + i < group && start + i < threads; i++)
            set |= on[start + i] ? 1u << i : 0;
        for (uint32_t t = 0; t < TESTS; t++) {
            uint64_t want = on[x] ? expected(t, v + start, f + start, set, index % 32, x) : 0;
            uint64_t has = got[(uint64_t)t * threads + x];
            bool nans = t >= 32 && t < 40 && (want & 0x7fffffff) > 0x7f800000 && (has & 0x7fffffff) > 0x7f800000;
            wrong[t] += want != has && !nans;
        }
    }
    for (uint32_t t = 0; t < TESTS; t++)
        CHECK(wrong[t] == 0, "test %u, %u threads in groups of %u, pattern %d: %u wrong", t, threads, group, pattern,
              wrong[t]);
    mp->buffer_release(out);
    mp->buffer_release(active);
    mp->buffer_release(integers);
    mp->buffer_release(floats);
    mp->pipeline_release(pipeline);
}

/* Row and column of the first of lane l's two elements, bit by bit. */
static uint32_t row_of(uint32_t l)
{
    return (l >> 1 & 1) + (l >> 2 & 1) * 2 + (l >> 4 & 1) * 4;
}
static uint32_t column_of(uint32_t l)
{
    return (l & 1) * 2 + (l >> 3 & 1) * 4;
}

/* Small integers, so that the order of sums does not matter; three simdgroups, the last one maybe not whole. */
static void multiply(mp_queue *queue, uint32_t threads, int pattern)
{
    mp_pipeline *pipeline = load("multiply");
    mp_buffer *buffers[5];
    for (int i = 0; i < 5; i++)
        buffers[i] = new_buffer(threads * 8);
    uint32_t *on = mp->buffer_contents(buffers[1]), wrong = 0;
    float *m[3], *out = mp->buffer_contents(buffers[0]);
    for (int i = 0; i < 3; i++) {
        m[i] = mp->buffer_contents(buffers[2 + i]);
        for (uint32_t x = 0; x < 2 * threads; x++)
            m[i][x] = (float)((x * 7 + (uint32_t)i * 5) % 11) - 5.0f;
    }
    for (uint32_t x = 0; x < threads; x++)
        on[x] = pattern == 0 || x % 5 != 2;
    LAUNCH(queue, pipeline, threads, threads, at(0, buffers[0]), at(1, buffers[1]), at(2, buffers[2]),
           at(3, buffers[3]), at(4, buffers[4]));
    OK(mp->queue_wait(queue, UINT64_MAX, MP_FOREVER, error));
    for (uint32_t first = 0; first < threads; first += 32) {
        float a[8][8] = {{0}}, b[8][8] = {{0}};
        for (uint32_t x = first; x < first + 32 && x < threads; x++)
            for (uint32_t k = 0; k < 2 && on[x]; k++) {
                a[row_of(x - first)][column_of(x - first) + k] = m[0][2 * x + k];
                b[row_of(x - first)][column_of(x - first) + k] = m[1][2 * x + k];
            }
        for (uint32_t x = first; x < first + 32 && x < threads; x++)
            for (uint32_t k = 0; k < 2; k++) {
                float sum = on[x] ? m[2][2 * x + k] : 0;
                for (int i = 0; i < 8 && on[x]; i++)
                    sum += a[row_of(x - first)][i] * b[i][column_of(x - first) + k];
                wrong += out[2 * x + k] != sum;
            }
    }
    CHECK(wrong == 0, "%u threads, pattern %d: %u wrong elements", threads, pattern, wrong);
    for (int i = 0; i < 5; i++)
        mp->buffer_release(buffers[i]);
    mp->pipeline_release(pipeline);
}

/* What thread x holds in element i of a matrix that is `across` fragments wide: row and column, bit by bit. */
static uint32_t tile_row(uint32_t x, uint32_t i, uint32_t across)
{
    return (x >> 1 & 1) + (x >> 2 & 1) * 2 + (x >> 4 & 1) * 4 + (i >> 2 & 1) * 8 + i / 8 / across * 16;
}
static uint32_t tile_column(uint32_t x, uint32_t i, uint32_t across)
{
    return (x & 1) * 4 + (x >> 3 & 1) * 8 + (i & 3) + i / 8 % across * 16;
}

/* Small integers again, two simdgroups; b is held as its transpose, 32 rows of 48. */
static void multiply_tiles(mp_queue *queue, uint32_t threads, int pattern)
{
    mp_pipeline *pipeline = load("matmul");
    mp_buffer *buffers[4] = {new_buffer(threads * 32 * 4), new_buffer(threads * 4), new_buffer(threads * 48 * 4),
                             new_buffer(threads * 48 * 4)};
    uint32_t *on = mp->buffer_contents(buffers[1]), wrong = 0;
    float *c = mp->buffer_contents(buffers[0]), *m[2] = {mp->buffer_contents(buffers[2]), mp->buffer_contents(buffers[3])};
    for (uint32_t x = 0; x < threads; x++) {
        on[x] = pattern == 0 || x % 5 != 2;
        for (uint32_t i = 0; i < 48; i++) {
            m[0][48 * x + i] = (float)((x * 7 + i * 3) % 11) - 5.0f;
            m[1][48 * x + i] = (float)((x * 3 + i * 5) % 13) - 6.0f;
        }
        for (uint32_t i = 0; i < 32; i++)
            c[32 * x + i] = (float)i;
    }
    LAUNCH(queue, pipeline, threads, threads, at(0, buffers[0]), at(1, buffers[1]), at(2, buffers[2]),
           at(3, buffers[3]));
    OK(mp->queue_wait(queue, UINT64_MAX, MP_FOREVER, error));
    for (uint32_t first = 0; first < threads; first += 32) {
        float a[32][48] = {{0}}, b[32][48] = {{0}};
        for (uint32_t x = first; x < first + 32 && x < threads; x++)
            for (uint32_t i = 0; i < 48 && on[x]; i++) {
                a[tile_row(x, i, 3)][tile_column(x, i, 3)] = m[0][48 * x + i];
                b[tile_row(x, i, 3)][tile_column(x, i, 3)] = m[1][48 * x + i];
            }
        for (uint32_t x = first; x < first + 32 && x < threads; x++)
            for (uint32_t i = 0; i < 32; i++) {
                float sum = (float)i;
                for (uint32_t k = 0; k < 48 && on[x]; k++)
                    sum += a[tile_row(x, i, 2)][k] * b[tile_column(x, i, 2)][k];
                wrong += c[32 * x + i] != sum;
            }
    }
    CHECK(wrong == 0, "%u threads, pattern %d: %u wrong elements", threads, pattern, wrong);
    for (int i = 0; i < 4; i++)
        mp->buffer_release(buffers[i]);
    mp->pipeline_release(pipeline);
}

static void divergence(mp_queue *queue)
{
    mp_pipeline *diverge = load("diverge"), *trips = load("trips"), *wild = load("wild");
    mp_buffer *out = new_buffer(300 * 16);
    const uint64_t *wide = mp->buffer_contents(out);
    const uint32_t *narrow = mp->buffer_contents(out);
    LAUNCH(queue, diverge, 96, 96, at(0, out));
    OK(mp->queue_wait(queue, UINT64_MAX, MP_FOREVER, error));
    uint64_t thirds = 0, odd = 0;
    for (uint32_t i = 0; i < 32; i++) {
        thirds |= i % 3 == 0 ? UINT64_C(1) << i : 0;
        odd |= i % 3 != 0 && i % 2 ? UINT64_C(1) << i : 0;
    }
    for (uint32_t i = 0; i < 96; i++) {
        CHECK(wide[2 * i] == (i % 32 % 3 == 0 ? thirds : odd), "lane %u: arm %llx", i, (unsigned long long)wide[2 * i]);
        CHECK(wide[2 * i + 1] == 0xffffffffu, "lane %u: after %llx", i, (unsigned long long)wide[2 * i + 1]);
    }
    LAUNCH(queue, trips, 64, 64, at(0, out));
    OK(mp->queue_wait(queue, UINT64_MAX, MP_FOREVER, error));
    for (uint32_t i = 0; i < 64; i++) {
        uint32_t lane = i % 32, total = 0;
        for (uint32_t turn = 0; turn < lane; turn++)
            total += 31 - turn;
        CHECK(narrow[2 * i] == total, "lane %u: %u, not %u", i, narrow[2 * i], total);
        CHECK(narrow[2 * i + 1] == 32, "lane %u: the loop did not reconverge (%u)", i, narrow[2 * i + 1]);
    }
    memset(mp->buffer_contents(out), 0, 1200);
    LAUNCH(queue, wild, 300, 100, at(0, out));
    OK(mp->queue_wait(queue, UINT64_MAX, MP_FOREVER, error));
    for (uint32_t i = 0; i < 300; i++)
        CHECK(narrow[i] == (i % 100 % 7 != 3), "thread %u", i);
    mp->buffer_release(out);
    mp->pipeline_release(diverge);
    mp->pipeline_release(trips);
    mp->pipeline_release(wild);
}

void test_simd(void)
{
    mp_queue *queue = new_queue();
    reduce(queue, 1, 1);
    reduce(queue, 1024, 1024);
    reduce(queue, 10000, 256);
    reduce(queue, 999, 100);
    for (int pattern = 0; pattern < 4; pattern++) {
        simd(queue, 32, 32, pattern);
        simd(queue, 512, 128, pattern);
        simd(queue, 203, 77, pattern);
        simd(queue, 5, 5, pattern);
    }
    divergence(queue);
    multiply(queue, 96, 0);
    multiply(queue, 77, 1);
    multiply_tiles(queue, 64, 0);
    multiply_tiles(queue, 45, 1);

    mp_pipeline *dynamic = load("dynamic");
    mp_buffer *out = new_buffer(1000 * 4), *in = new_buffer(1000 * 4);
    for (uint32_t i = 0; i < 1000; i++)
        ((uint32_t *)mp->buffer_contents(in))[i] = i;
    LAUNCH(queue, dynamic, 1000, 64, at(0, out), at(1, in), group_memory(3, 256), group_memory(1, 255));
    OK(mp->queue_wait(queue, UINT64_MAX, MP_FOREVER, error));
    for (uint32_t i = 0; i < 1000; i++) {
        uint32_t start = i / 64 * 64, size = 1000 - start < 64 ? 1000 - start : 64;
        CHECK(((uint32_t *)mp->buffer_contents(out))[i] == start + size - 1 - (i - start), "thread %u: %u", i, ((uint32_t *)mp->buffer_contents(out))[i]);
    }
    mp->buffer_release(out);
    mp->buffer_release(in);
    mp->pipeline_release(dynamic);
    mp->queue_release(queue);
}
