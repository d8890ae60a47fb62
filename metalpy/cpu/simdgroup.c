/* simdgroup.c: what the lanes of a simdgroup compute together. Each lane leaves its value and waits; when no lane of
 * the simdgroup can run, the set at the first call site is served at once, in lane order. */
#include "lanes.h"

#include <math.h>
#include <string.h>

#define ARITHMETIC(operation, suffix)                                                                                  \
    operation(sum, suffix) operation(product, suffix) operation(min, suffix) operation(max, suffix)                    \
        operation(prefix_inclusive_sum, suffix) operation(prefix_exclusive_sum, suffix)                                \
            operation(prefix_inclusive_product, suffix) operation(prefix_exclusive_product, suffix)
#define BITWISE(operation, suffix) operation(and, suffix) operation(or, suffix) operation(xor, suffix)
#define NAME(name, suffix) OP_##name##_##suffix,

enum {
    OP_BARRIER,
    OP_ACTIVE,
    OP_BALLOT,
    OP_SHUFFLE,
    OP_MULTIPLY_ACCUMULATE,
    OP_MATMUL,
    ARITHMETIC(NAME, i32) ARITHMETIC(NAME, u32) ARITHMETIC(NAME, i64) ARITHMETIC(NAME, u64) ARITHMETIC(NAME, f32)
    BITWISE(NAME, u32) BITWISE(NAME, u64)
};

/* ---- computing ---- */

#define FOR_EACH(lane, set) for (uint32_t rest_ = (set), lane; rest_ && ((lane = (uint32_t)__builtin_ctz(rest_)), 1); rest_ &= rest_ - 1)

/* Values travel as 64 bits, in the low ones if they are shorter. */
#define ACCESS(suffix, type)                                                                                           \
    static inline type get_##suffix(const struct sw_lane *lane)                                                        \
    {                                                                                                                  \
        type value;                                                                                                    \
        memcpy(&value, &lane->value, sizeof value);                                                                    \
        return value;                                                                                                  \
    }                                                                                                                  \
    static inline void put_##suffix(struct sw_lane *lane, type value)                                                  \
    {                                                                                                                  \
        lane->value = 0;                                                                                               \
        memcpy(&lane->value, &value, sizeof value);                                                                    \
    }
ACCESS(i32, int32_t)
ACCESS(u32, uint32_t)
ACCESS(i64, int64_t)
ACCESS(u64, uint64_t)
ACCESS(f32, float)

/* Signed sums wrap around as in Metal, so they are computed unsigned. */
#define ADD(a, b) ((a) + (b))
#define MULTIPLY(a, b) ((a) * (b))
#define MIN(a, b) ((b) < (a) ? (b) : (a))
#define MAX(a, b) ((b) > (a) ? (b) : (a))
#define AND(a, b) ((a) & (b))
#define OR(a, b) ((a) | (b))
#define XOR(a, b) ((a) ^ (b))

#define REDUCE(suffix, type, combine)                                                                                  \
    {                                                                                                                  \
        type total = get_##suffix(&lanes[__builtin_ctz(set)]);                                                         \
        FOR_EACH(lane, set & (set - 1)) total = (type)combine(total, get_##suffix(&lanes[lane]));                      \
        FOR_EACH(lane, set) put_##suffix(&lanes[lane], total);                                                         \
        break;                                                                                                         \
    }
#define INCLUSIVE(suffix, type, combine)                                                                               \
    {                                                                                                                  \
        type total = get_##suffix(&lanes[__builtin_ctz(set)]);                                                         \
        FOR_EACH(lane, set & (set - 1)) {                                                                              \
            total = (type)combine(total, get_##suffix(&lanes[lane]));                                                  \
            put_##suffix(&lanes[lane], total);                                                                         \
        }                                                                                                              \
        break;                                                                                                         \
    }
#define EXCLUSIVE(suffix, type, combine, identity)                                                                     \
    {                                                                                                                  \
        type total = identity;                                                                                         \
        FOR_EACH(lane, set) {                                                                                          \
            type before = total, own = get_##suffix(&lanes[lane]);                                                     \
            total = lane == (uint32_t)__builtin_ctz(set) ? own : (type)combine(total, own);                            \
            put_##suffix(&lanes[lane], before);                                                                        \
        }                                                                                                              \
        break;                                                                                                         \
    }
/* Sums and products of floats depend on the order: halves of the simdgroup are combined, then quarters and so on, with
 * the identity in place of lanes that are not active. Prefix sums go by powers of two (Hillis and Steele, "Data parallel
 * algorithms", CACM 1986). Vector programs compute them in the same order. */
#define ADD_F32(a, b) ((a) + (b))
#define MULTIPLY_F32(a, b) ((a) * (b))
#define MIN_F32(a, b) ((a) != (a) || (b) < (a) ? (b) : (a)) /* what llvm.minnum becomes */
#define MAX_F32(a, b) ((a) != (a) || (b) > (a) ? (b) : (a))
#define SPREAD(values, identity)                                                                                       \
    float values[SW_WIDTH];                                                                                            \
    for (uint32_t i = 0; i < SW_WIDTH; i++)                                                                            \
        values[i] = set >> i & 1 ? get_f32(&lanes[i]) : (identity);
#define TREE(combine, identity)                                                                                        \
    {                                                                                                                  \
        SPREAD(values, identity)                                                                                       \
        for (uint32_t half = SW_WIDTH / 2; half; half /= 2)                                                            \
            for (uint32_t i = 0; i < half; i++)                                                                        \
                values[i] = combine(values[i], values[i + half]);                                                      \
        FOR_EACH(lane, set) put_f32(&lanes[lane], values[0]);                                                          \
        break;                                                                                                         \
    }
#define STEPS(combine, identity)                                                                                       \
    SPREAD(values, identity)                                                                                           \
    for (uint32_t step = 1; step < SW_WIDTH; step *= 2)                                                                \
        for (uint32_t i = SW_WIDTH - 1; i >= step; i--)                                                                \
            values[i] = combine(values[i - step], values[i]);
#define INCLUSIVE_F32(combine, identity)                                                                               \
    {                                                                                                                  \
        STEPS(combine, identity)                                                                                       \
        FOR_EACH(lane, set) put_f32(&lanes[lane], values[lane]);                                                       \
        break;                                                                                                         \
    }
#define EXCLUSIVE_F32(combine, identity, nothing)                                                                      \
    {                                                                                                                  \
        STEPS(combine, identity)                                                                                       \
        FOR_EACH(lane, set) put_f32(&lanes[lane], combine(lane ? values[lane - 1] : (identity), nothing));             \
        break;                                                                                                         \
    }
/* `order` is the type that min and max compare in, `wrap` the one to add and multiply in; same bits. */
#define ARITHMETIC_CASES(name, order, order_type, wrap, wrap_type, minimum, maximum)                                   \
    case OP_sum_##name: REDUCE(wrap, wrap_type, ADD)                                                                   \
    case OP_product_##name: REDUCE(wrap, wrap_type, MULTIPLY)                                                          \
    case OP_min_##name: REDUCE(order, order_type, minimum)                                                             \
    case OP_max_##name: REDUCE(order, order_type, maximum)                                                             \
    case OP_prefix_inclusive_sum_##name: INCLUSIVE(wrap, wrap_type, ADD)                                               \
    case OP_prefix_exclusive_sum_##name: EXCLUSIVE(wrap, wrap_type, ADD, 0)                                            \
    case OP_prefix_inclusive_product_##name: INCLUSIVE(wrap, wrap_type, MULTIPLY)                                      \
    case OP_prefix_exclusive_product_##name: EXCLUSIVE(wrap, wrap_type, MULTIPLY, 1)
#define BITWISE_CASES(name, type)                                                                                      \
    case OP_and_##name: REDUCE(name, type, AND)                                                                        \
    case OP_or_##name: REDUCE(name, type, OR)                                                                          \
    case OP_xor_##name: REDUCE(name, type, XOR)

/* ---- products of matrices ---- */

#define SIDE 8
typedef float matrix_row __attribute__((vector_size(SIDE * sizeof(float))));
_Static_assert(2 * SW_WIDTH == SIDE * SIDE, "each lane holds two elements of a matrix");

/* Where lane `lane` finds its two elements, which are neighbours. */
static inline float *elements(float *matrix, uint32_t lane)
{
    uint32_t row = (lane / 4 & 4) + lane / 2 % 4, column = (lane / 4 & 2) * 2 + lane % 2 * 2;
    return matrix + row * SIDE + column;
}

static inline __attribute__((always_inline)) void add_rows(matrix_row *sum, const matrix_row *a, const matrix_row *b)
{
    for (int i = 0; i < SIDE; i++)
        for (int k = 0; k < SIDE; k++)
            sum[i] += a[i][k] * b[k];
}

#if defined(__x86_64__)
/* Rounded once, as vector programs do it where the processor can. */
__attribute__((target("avx2,fma"), optimize("fp-contract=fast"))) static void
add_fused(matrix_row *sum, const matrix_row *a, const matrix_row *b)
{
    add_rows(sum, a, b);
}

static void add_matrix_product(matrix_row *sum, const matrix_row *a, const matrix_row *b)
{
    (__builtin_cpu_supports("fma") ? add_fused : add_rows)(sum, a, b);
}
#else
#define add_matrix_product add_rows
#endif

static void multiply_accumulate(struct sw_lane *lanes, uint32_t set)
{
    matrix_row a[SIDE], b[SIDE], sum[SIDE];
    if (set != UINT32_MAX) {
        memset(a, 0, sizeof a);
        memset(b, 0, sizeof b);
    }
    FOR_EACH(lane, set)
    {
        memcpy(elements((float *)a, lane), &lanes[lane].factors[0], 2 * sizeof(float));
        memcpy(elements((float *)b, lane), &lanes[lane].factors[1], 2 * sizeof(float));
        memcpy(elements((float *)sum, lane), &lanes[lane].value, 2 * sizeof(float));
    }
    add_matrix_product(sum, a, b);
    FOR_EACH(lane, set) memcpy(&lanes[lane].value, elements((float *)sum, lane), 2 * sizeof(float));
}

/* ---- products of tiles ---- */

#define TILE 16
#define RUN 4 /* elements in a row that a lane holds */
#define HELD (2 * RUN)
#define TRANSPOSED_LEFT (1u << 24)
#define TRANSPOSED_RIGHT (1u << 25)
typedef float tile_row __attribute__((vector_size(TILE * sizeof(float))));
typedef float fragment[TILE][TILE] __attribute__((aligned(sizeof(tile_row))));

/* The lane's two runs of elements begin at `row` and `row` + 8, both at `column`. */
static inline uint32_t fragment_row(uint32_t lane)
{
    return (lane / 4 & 4) | (lane / 2 & 3);
}

static inline uint32_t fragment_column(uint32_t lane)
{
    return ((lane / 4 & 2) | (lane & 1)) * 4;
}

/* Fragment `number` of what the lanes hold at `held`; zero where nobody does. */
static void gather(fragment to, float *const *held, uint32_t set, uint32_t number, bool transposed)
{
    if (set != UINT32_MAX)
        memset(to, 0, sizeof(fragment));
    FOR_EACH(lane, set)
    {
        const float *from = held[lane] + number * HELD;
        uint32_t row = fragment_row(lane), column = fragment_column(lane);
        if (transposed) {
            for (uint32_t i = 0; i < HELD; i++)
                to[column + i % RUN][row + i / RUN * 8] = from[i];
        } else {
            memcpy(&to[row][column], from, RUN * sizeof(float));
            memcpy(&to[row + 8][column], from + RUN, RUN * sizeof(float));
        }
    }
}

static void scatter(fragment from, float *const *held, uint32_t set, uint32_t number)
{
    FOR_EACH(lane, set)
    {
        float *to = held[lane] + number * HELD;
        uint32_t row = fragment_row(lane), column = fragment_column(lane);
        memcpy(to, &from[row][column], RUN * sizeof(float));
        memcpy(to + RUN, &from[row + 8][column], RUN * sizeof(float));
    }
}

static void add_product(fragment sum, fragment a, fragment b)
{
    const tile_row *rows = (const tile_row *)b;
    for (int i = 0; i < TILE; i++) {
        tile_row total = ((tile_row *)sum)[i];
        for (int k = 0; k < TILE; k++)
            total += a[i][k] * rows[k];
        ((tile_row *)sum)[i] = total;
    }
}

void mp_simdgroup_matmul(float *const *a, float *const *b, float *const *c, mp_u32 set, mp_u32 fragments,
                         mp_u32 transposed)
{
    uint32_t shape = fragments | transposed << 24;
    uint32_t rows = shape & 255, columns = shape >> 8 & 255, depth = shape >> 16 & 255;
    for (uint32_t i = 0; i < rows; i++)
        for (uint32_t j = 0; j < columns; j++) {
            fragment sum, left, right;
            gather(sum, c, set, i * columns + j, false);
            for (uint32_t k = 0; k < depth; k++) {
                bool left_turned = shape & TRANSPOSED_LEFT, right_turned = shape & TRANSPOSED_RIGHT;
                gather(left, a, set, left_turned ? k * rows + i : i * depth + k, left_turned);
                gather(right, b, set, right_turned ? j * depth + k : k * columns + j, right_turned);
                add_product(sum, left, right);
            }
            scatter(sum, c, set, i * columns + j);
        }
}

static void matmul(struct sw_lane *lanes, uint32_t set)
{
    float *a[SW_WIDTH], *b[SW_WIDTH], *c[SW_WIDTH];
    FOR_EACH(lane, set)
    {
        a[lane] = (float *)(uintptr_t)lanes[lane].factors[0];
        b[lane] = (float *)(uintptr_t)lanes[lane].factors[1];
        c[lane] = (float *)(uintptr_t)lanes[lane].value;
    }
    mp_simdgroup_matmul(a, b, c, set, lanes[__builtin_ctz(set)].source, 0);
}

/* `set` is not empty; all of it wants `operation`. */
static void compute(uint32_t operation, struct sw_lane *lanes, uint32_t set)
{
    switch (operation) {
    case OP_BARRIER:
        break;
    case OP_ACTIVE:
        FOR_EACH(lane, set) lanes[lane].value = set;
        break;
    case OP_BALLOT: {
        uint32_t votes = 0;
        FOR_EACH(lane, set) votes |= (uint32_t)(lanes[lane].value != 0) << lane;
        FOR_EACH(lane, set) lanes[lane].value = votes;
        break;
    }
    case OP_SHUFFLE: {
        uint64_t before[SW_WIDTH];
        FOR_EACH(lane, set) before[lane] = lanes[lane].value;
        FOR_EACH(lane, set)
        {
            uint32_t source = lanes[lane].source;
            if (source < SW_WIDTH)
                lanes[lane].value = set >> source & 1 ? before[source] : 0;
        }
        break;
    }
    case OP_MULTIPLY_ACCUMULATE:
        multiply_accumulate(lanes, set);
        break;
    case OP_MATMUL:
        matmul(lanes, set);
        break;
    ARITHMETIC_CASES(i32, i32, int32_t, u32, uint32_t, MIN, MAX)
    ARITHMETIC_CASES(u32, u32, uint32_t, u32, uint32_t, MIN, MAX)
    ARITHMETIC_CASES(i64, i64, int64_t, u64, uint64_t, MIN, MAX)
    ARITHMETIC_CASES(u64, u64, uint64_t, u64, uint64_t, MIN, MAX)
    case OP_sum_f32: TREE(ADD_F32, -0.0f)
    case OP_product_f32: TREE(MULTIPLY_F32, 1.0f)
    case OP_min_f32: TREE(MIN_F32, NAN)
    case OP_max_f32: TREE(MAX_F32, NAN)
    case OP_prefix_inclusive_sum_f32: INCLUSIVE_F32(ADD_F32, -0.0f)
    case OP_prefix_exclusive_sum_f32: EXCLUSIVE_F32(ADD_F32, -0.0f, 0.0f)
    case OP_prefix_inclusive_product_f32: INCLUSIVE_F32(MULTIPLY_F32, 1.0f)
    case OP_prefix_exclusive_product_f32: EXCLUSIVE_F32(MULTIPLY_F32, 1.0f, 1.0f)
    BITWISE_CASES(u32, uint32_t)
    BITWISE_CASES(u64, uint64_t)
    }
}

/* ---- meeting ---- */

void sw_simdgroup_meet(struct sw_simdgroup *simdgroup, struct sw_lane *lanes)
{
    uint32_t set = 0, first = (uint32_t)__builtin_ctz(simdgroup->meeting);
    FOR_EACH(lane, simdgroup->meeting) if (lanes[lane].site < lanes[first].site) first = lane;
    /* Two tail calls can leave the same return address, so the operation counts, too. */
    FOR_EACH(lane, simdgroup->meeting)
    if (lanes[lane].site == lanes[first].site && lanes[lane].operation == lanes[first].operation)
        set |= 1u << lane;
    compute(lanes[first].operation, lanes, set);
    simdgroup->meeting &= ~set;
    simdgroup->ready |= set;
    simdgroup->phase++;
}

/* The calling lane's fibers; NULL in a kernel that was compiled without MP_KERNEL_FIBERS: a simdgroup of its own. */
static struct sw_fibers *own_fibers(void)
{
    struct sw_fibers *fibers = sw_current ? sw_current->fibers : NULL;
    return fibers && fibers->kernel && !fibers->whole ? fibers : NULL;
}

/* What a lane that is alone in its simdgroup finds. */
static uint64_t meet_nobody(uint32_t operation, struct sw_lane lane)
{
    compute(operation, &lane, 1);
    return lane.value;
}

static uint64_t wait_for_others(struct sw_fibers *fibers, uint32_t operation, uint64_t value, void *site)
{
    uint32_t index = fibers->current;
    struct sw_lane *lane = &fibers->lanes[index];
    lane->value = value;
    lane->operation = operation;
    lane->site = lane->order ? lane->order : (uintptr_t)site;
    fibers->simdgroups[index / SW_WIDTH].meeting |= 1u << (index % SW_WIDTH);
    sw_lanes_yield(fibers);
    return lane->value;
}

static uint64_t meet(uint32_t operation, uint64_t value, uint32_t source, void *site)
{
    struct sw_fibers *fibers = own_fibers();
    if (!fibers)
        return meet_nobody(operation, (struct sw_lane){.value = value, .source = source});
    fibers->lanes[fibers->current].source = source;
    return wait_for_others(fibers, operation, value, site);
}

#define HERE __builtin_return_address(0)

void mp_simdgroup_barrier(void)
{
    meet(OP_BARRIER, 0, 0, HERE);
}

void mp_site(mp_u32 order)
{
    struct sw_fibers *fibers = own_fibers();
    if (fibers)
        fibers->lanes[fibers->current].order = order;
}

mp_u32 mp_simd_lane(void)
{
    struct sw_fibers *fibers = own_fibers();
    return fibers ? fibers->current % SW_WIDTH : 0;
}

mp_u32 mp_simdgroup_index(void)
{
    struct sw_fibers *fibers = own_fibers();
    return fibers ? fibers->current / SW_WIDTH : 0;
}

unsigned long mp_simd_active(void)
{
    return meet(OP_ACTIVE, 0, 0, HERE);
}

unsigned long mp_simd_ballot(mp_u32 predicate)
{
    return meet(OP_BALLOT, predicate, 0, HERE);
}

mp_u32 mp_simd_shuffle_u32(mp_u32 value, mp_u32 lane)
{
    return (mp_u32)meet(OP_SHUFFLE, value, lane, HERE);
}

unsigned long mp_simd_shuffle_u64(unsigned long value, mp_u32 lane)
{
    return meet(OP_SHUFFLE, value, lane, HERE);
}

unsigned long mp_simd_multiply_accumulate(unsigned long a, unsigned long b, unsigned long c)
{
    struct sw_fibers *fibers = own_fibers();
    if (!fibers)
        return meet_nobody(OP_MULTIPLY_ACCUMULATE, (struct sw_lane){.value = c, .factors = {a, b}});
    struct sw_lane *lane = &fibers->lanes[fibers->current];
    lane->factors[0] = a;
    lane->factors[1] = b;
    return wait_for_others(fibers, OP_MULTIPLY_ACCUMULATE, c, HERE);
}

void mp_simd_matmul(const float *a, const float *b, float *c, mp_u32 fragments, mp_u32 transposed)
{
    struct sw_fibers *fibers = own_fibers();
    struct sw_lane alone, *lane = fibers ? &fibers->lanes[fibers->current] : &alone;
    lane->factors[0] = (uintptr_t)a;
    lane->factors[1] = (uintptr_t)b;
    lane->source = fragments | transposed << 24;
    lane->value = (uintptr_t)c;
    if (fibers)
        wait_for_others(fibers, OP_MATMUL, lane->value, HERE);
    else
        matmul(lane, 1);
}

#define DEFINE(name, suffix, type)                                                                                     \
    type mp_simd_##name##_##suffix(type value)                                                                         \
    {                                                                                                                  \
        union {                                                                                                        \
            uint64_t bits;                                                                                             \
            type value;                                                                                                \
        } box = {0};                                                                                                   \
        box.value = value;                                                                                             \
        box.bits = meet(OP_##name##_##suffix, box.bits, 0, HERE);                                                      \
        return box.value;                                                                                              \
    }
#define DEFINE_i32(name, suffix) DEFINE(name, suffix, int)
#define DEFINE_u32(name, suffix) DEFINE(name, suffix, mp_u32)
#define DEFINE_i64(name, suffix) DEFINE(name, suffix, long)
#define DEFINE_u64(name, suffix) DEFINE(name, suffix, unsigned long)
#define DEFINE_f32(name, suffix) DEFINE(name, suffix, float)
ARITHMETIC(DEFINE_i32, i32)
ARITHMETIC(DEFINE_u32, u32)
ARITHMETIC(DEFINE_i64, i64)
ARITHMETIC(DEFINE_u64, u64)
ARITHMETIC(DEFINE_f32, f32)
BITWISE(DEFINE_u32, u32)
BITWISE(DEFINE_u64, u64)
