// <metal_simdgroup>: the 32 lanes of a simdgroup. Every lane makes the same runtime calls, whatever its values.
#pragma once
#pragma clang system_header
#include <__mp/relational.h>
#include <metalpy_kernel.h>

MP_BEGIN
namespace __mp {
constexpr uint simd_width = 32;

// ---- moving values: any type, eight bytes at a time ----
template <int Words> struct words {
    ulong word[Words];
};
template <class T> MP_MEET T shuffle(T value, uint lane) {
    if constexpr (sizeof(T) <= 4) {
        uint word = 0;
        __builtin_memcpy(&word, &value, sizeof(T));
        word = mp_simd_shuffle_u32(word, lane);
        __builtin_memcpy(&value, &word, sizeof(T));
        return value;
    } else {
        words<(sizeof(T) + 7) / 8> w{};
        __builtin_memcpy(&w, &value, sizeof(T));
#pragma unroll
        for (ulong &word : w.word) word = mp_simd_shuffle_u64(word, lane);
        __builtin_memcpy(&value, &w, sizeof(T));
        return value;
    }
}
template <class T> concept simd_value = shape<T>::lanes > 0;
// packed vectors and the like travel as what they stand for
template <class T> using moved_t = value_t<T>;

// ---- reductions: the runtime knows 32 and 64 bit integers and float ----
template <class T> struct simd_wide { using t = int; };
template <> struct simd_wide<uint> { using t = uint; };
template <> struct simd_wide<uchar> { using t = uint; };
template <> struct simd_wide<ushort> { using t = uint; };
template <> struct simd_wide<long> { using t = long; };
template <> struct simd_wide<long long> { using t = long; };
template <> struct simd_wide<ulong> { using t = ulong; };
template <> struct simd_wide<unsigned long long> { using t = ulong; };
template <floating T> struct simd_wide<T> { using t = float; };
template <class T> struct simd_bits { using t = uint; };
template <class T> requires(sizeof(T) == 8) struct simd_bits<T> { using t = ulong; };

#define MP_REDUCE(op)                                                                                                 \
    MP_MEET int simd_##op(int x) { return mp_simd_##op##_i32(x); }                                                    \
    MP_MEET uint simd_##op(uint x) { return mp_simd_##op##_u32(x); }                                                  \
    MP_MEET long simd_##op(long x) { return mp_simd_##op##_i64(x); }                                                  \
    MP_MEET ulong simd_##op(ulong x) { return mp_simd_##op##_u64(x); }                                                \
    MP_MEET float simd_##op(float x) { return mp_simd_##op##_f32(x); }
#define MP_REDUCE_BITS(op)                                                                                            \
    MP_MEET uint simd_##op(uint x) { return mp_simd_##op##_u32(x); }                                                  \
    MP_MEET ulong simd_##op(ulong x) { return mp_simd_##op##_u64(x); }
MP_REDUCE(sum)
MP_REDUCE(product)
MP_REDUCE(min)
MP_REDUCE(max)
MP_REDUCE(prefix_inclusive_sum)
MP_REDUCE(prefix_exclusive_sum)
MP_REDUCE(prefix_inclusive_product)
MP_REDUCE(prefix_exclusive_product)
MP_REDUCE_BITS(and)
MP_REDUCE_BITS(or)
MP_REDUCE_BITS(xor)
} // namespace __mp

namespace metal {
#define MP_SIMD_FUNCTION(op, wide, concept)                                                                           \
    template <class A> requires(__mp::shape<A>::lanes == 1 && __mp::concept<A>)                                       \
    MP_MEET __mp::value_t<A> simd_##op(A a) {                                                                         \
        using T = __mp::value_t<A>;                                                                                   \
        return static_cast<T>(__mp::simd_##op(static_cast<typename __mp::wide<T>::t>(a)));                            \
    }                                                                                                                 \
    template <class T, int N> requires __mp::concept<T> MP_MEET vec<T, N> simd_##op(vec<T, N> a) {                    \
        MP_EACH1(T, simd_##op)                                                                                        \
    }
MP_SIMD_FUNCTION(sum, simd_wide, numbers)
MP_SIMD_FUNCTION(product, simd_wide, numbers)
MP_SIMD_FUNCTION(min, simd_wide, numbers)
MP_SIMD_FUNCTION(max, simd_wide, numbers)
MP_SIMD_FUNCTION(prefix_inclusive_sum, simd_wide, numbers)
MP_SIMD_FUNCTION(prefix_exclusive_sum, simd_wide, numbers)
MP_SIMD_FUNCTION(prefix_inclusive_product, simd_wide, numbers)
MP_SIMD_FUNCTION(prefix_exclusive_product, simd_wide, numbers)
MP_SIMD_FUNCTION(and, simd_bits, integers)
MP_SIMD_FUNCTION(or, simd_bits, integers)
MP_SIMD_FUNCTION(xor, simd_bits, integers)
#undef MP_SIMD_FUNCTION

// ---- votes ----
class simd_vote {
public:
    using vote_t = ulong;
    simd_vote() = default;
    explicit constexpr simd_vote(vote_t mask) : mask(mask) {}
    explicit constexpr operator vote_t() const { return mask; }
    constexpr bool all() const { return (mask & 0xffffffff) == 0xffffffff; }
    constexpr bool any() const { return mask != 0; }

private:
    vote_t mask;
};
MP_MEET simd_vote simd_active_threads_mask() { return simd_vote(mp_simd_active()); }
MP_MEET simd_vote simd_ballot(bool predicate) { return simd_vote(mp_simd_ballot(predicate)); }
MP_MEET bool simd_all(bool predicate) { return mp_simd_ballot(!predicate) == 0; }
MP_MEET bool simd_any(bool predicate) { return mp_simd_ballot(predicate) != 0; }
MP_MEET bool simd_is_first() { return static_cast<uint>(__builtin_ctzl(mp_simd_active())) == mp_simd_lane(); }
MP_FN bool simd_is_helper_thread() { return false; }

// ---- shuffles; a lane that would read outside the simdgroup keeps its own value ----
template <__mp::simd_value T> MP_MEET __mp::moved_t<T> simd_shuffle(T data, ushort lane) {
    return __mp::shuffle<__mp::moved_t<T>>(data, lane);
}
template <__mp::simd_value T> MP_MEET __mp::moved_t<T> simd_broadcast(T data, ushort lane) {
    return __mp::shuffle<__mp::moved_t<T>>(data, lane);
}
template <__mp::simd_value T> MP_MEET __mp::moved_t<T> simd_broadcast_first(T data) {
    return __mp::shuffle<__mp::moved_t<T>>(data, static_cast<uint>(__builtin_ctzl(mp_simd_active())));
}
template <__mp::simd_value T> MP_MEET __mp::moved_t<T> simd_shuffle_up(T data, ushort delta) {
    return __mp::shuffle<__mp::moved_t<T>>(data, mp_simd_lane() - delta);
}
template <__mp::simd_value T> MP_MEET __mp::moved_t<T> simd_shuffle_down(T data, ushort delta) {
    return __mp::shuffle<__mp::moved_t<T>>(data, mp_simd_lane() + delta);
}
template <__mp::simd_value T> MP_MEET __mp::moved_t<T> simd_shuffle_xor(T data, ushort mask) {
    return __mp::shuffle<__mp::moved_t<T>>(data, mp_simd_lane() ^ mask);
}
template <__mp::simd_value T> MP_MEET __mp::moved_t<T> simd_shuffle_rotate_up(T data, ushort delta) {
    return __mp::shuffle<__mp::moved_t<T>>(data, (mp_simd_lane() - delta) % __mp::simd_width);
}
template <__mp::simd_value T> MP_MEET __mp::moved_t<T> simd_shuffle_rotate_down(T data, ushort delta) {
    return __mp::shuffle<__mp::moved_t<T>>(data, (mp_simd_lane() + delta) % __mp::simd_width);
}
// Within chunks of `modulo` lanes, `filling_data` comes in where `data` moves away from the edge. Each lane has one
// reader, so it can tell which of the two to pass and one shuffle does.
template <__mp::simd_value T>
MP_MEET __mp::moved_t<T> simd_shuffle_and_fill_up(T data, __mp::plain<T> filling_data, ushort delta,
                                                  ushort modulo = __mp::simd_width) {
    using V = __mp::moved_t<T>;
    uint lane = mp_simd_lane(), at = lane % modulo, chunk = lane - at, shift = delta % modulo;
    V passed = at + shift < modulo ? static_cast<V>(data) : static_cast<V>(filling_data);
    return __mp::shuffle<V>(passed, chunk + (at + modulo - shift) % modulo);
}
template <__mp::simd_value T>
MP_MEET __mp::moved_t<T> simd_shuffle_and_fill_down(T data, __mp::plain<T> filling_data, ushort delta,
                                                    ushort modulo = __mp::simd_width) {
    using V = __mp::moved_t<T>;
    uint lane = mp_simd_lane(), at = lane % modulo, chunk = lane - at, shift = delta % modulo;
    V passed = at >= shift ? static_cast<V>(data) : static_cast<V>(filling_data);
    return __mp::shuffle<V>(passed, chunk + (at + shift) % modulo);
}
} // namespace metal
MP_END
