// <metal_quadgroup>: groups of four lanes of a simdgroup. The runtime knows no quads: the four values are fetched and
// combined in lane order, those of inactive lanes left out.
#pragma once
#pragma clang system_header
#include <__mp/simdgroup.h>

MP_BEGIN
namespace __mp {
// How many quad lanes take part, and their values.
template <class T> struct quad {
    T value[4];
    uint active; // bit i: lane i of the quad
    uint lane;   // the caller's, 0..3
};
template <class T> MP_MEET quad<T> gather_quad(T mine) {
    quad<T> q;
    uint lane = mp_simd_lane(), first = lane & ~3u;
    q.lane = lane & 3;
    q.active = static_cast<uint>(mp_simd_active() >> first) & 15;
    q.value[0] = shuffle(mine, first);
    q.value[1] = shuffle(mine, first + 1);
    q.value[2] = shuffle(mine, first + 2);
    q.value[3] = shuffle(mine, first + 3);
    return q;
}
struct plus {
    template <class T> static MP_CX T of(T a, T b) { return static_cast<T>(a + b); }
};
struct times {
    template <class T> static MP_CX T of(T a, T b) { return static_cast<T>(a * b); }
};
struct least {
    template <class T> static MP_CX T of(T a, T b) { return metal::min(a, b); }
};
struct greatest {
    template <class T> static MP_CX T of(T a, T b) { return metal::max(a, b); }
};
struct bit_and {
    template <class T> static MP_CX T of(T a, T b) { return static_cast<T>(a & b); }
};
struct bit_or {
    template <class T> static MP_CX T of(T a, T b) { return static_cast<T>(a | b); }
};
struct bit_xor {
    template <class T> static MP_CX T of(T a, T b) { return static_cast<T>(a ^ b); }
};
template <class Op, class T> MP_MEET T quad_reduce(T mine) {
    quad<T> q = gather_quad(mine);
    bool any = false;
    T all = mine;
    for (uint i = 0; i < 4; ++i)
        if (q.active >> i & 1) all = any ? Op::of(all, q.value[i]) : q.value[i], any = true;
    return all;
}
// Over the lanes before the caller's, which an inclusive scan adds to.
template <class Op, class T> MP_MEET T quad_scan(T mine, T identity, bool inclusive) {
    quad<T> q = gather_quad(mine);
    T all = identity;
    for (uint i = 0; i < 4; ++i)
        if ((q.active >> i & 1) && (i < q.lane || (inclusive && i == q.lane))) all = Op::of(all, q.value[i]);
    return all;
}
MP_MEET uint quad_lanes(ulong mask) { return static_cast<uint>(mask >> (mp_simd_lane() & ~3u)) & 15; }
} // namespace __mp

namespace metal {
#define MP_QUAD(op, combine, constraint)                                                                              \
    template <__mp::simd_value T> requires __mp::constraint<__mp::element_t<T>>                                       \
    MP_MEET __mp::value_t<T> quad_##op(T data) {                                                                      \
        return __mp::quad_reduce<__mp::combine>(static_cast<__mp::value_t<T>>(data));                                 \
    }
#define MP_QUAD_SCAN(op, combine, identity, inclusive)                                                                \
    template <__mp::simd_value T> MP_MEET __mp::value_t<T> quad_prefix_##op(T data) {                                 \
        using V = __mp::value_t<T>;                                                                                   \
        return __mp::quad_scan<__mp::combine>(static_cast<V>(data), V(__mp::element_t<T>(identity)), inclusive);      \
    }
MP_QUAD(sum, plus, scalar)
MP_QUAD(product, times, scalar)
MP_QUAD(min, least, scalar)
MP_QUAD(max, greatest, scalar)
MP_QUAD(and, bit_and, integer)
MP_QUAD(or, bit_or, integer)
MP_QUAD(xor, bit_xor, integer)
MP_QUAD_SCAN(inclusive_sum, plus, 0, true)
MP_QUAD_SCAN(exclusive_sum, plus, 0, false)
MP_QUAD_SCAN(inclusive_product, times, 1, true)
MP_QUAD_SCAN(exclusive_product, times, 1, false)
#undef MP_QUAD
#undef MP_QUAD_SCAN

class quad_vote {
public:
    using vote_t = ulong;
    quad_vote() = default;
    explicit constexpr quad_vote(vote_t mask) : mask(mask) {}
    explicit constexpr operator vote_t() const { return mask; }
    constexpr bool all() const { return (mask & 15) == 15; }
    constexpr bool any() const { return mask != 0; }

private:
    vote_t mask;
};
MP_MEET quad_vote quad_active_threads_mask() { return quad_vote(__mp::quad_lanes(mp_simd_active())); }
MP_MEET quad_vote quad_ballot(bool predicate) { return quad_vote(__mp::quad_lanes(mp_simd_ballot(predicate))); }
MP_MEET bool quad_all(bool predicate) { return __mp::quad_lanes(mp_simd_ballot(!predicate)) == 0; }
MP_MEET bool quad_any(bool predicate) { return __mp::quad_lanes(mp_simd_ballot(predicate)) != 0; }
MP_MEET bool quad_is_first() {
    return static_cast<uint>(__builtin_ctz(__mp::quad_lanes(mp_simd_active()))) == (mp_simd_lane() & 3);
}
MP_FN bool quad_is_helper_thread() { return false; }

// ---- shuffles; a lane that would read outside the quad keeps its own value ----
template <__mp::simd_value T> MP_MEET __mp::moved_t<T> quad_shuffle(T data, ushort lane) {
    return __mp::shuffle<__mp::moved_t<T>>(data, (mp_simd_lane() & ~3u) + (lane & 3));
}
template <__mp::simd_value T> MP_MEET __mp::moved_t<T> quad_broadcast(T data, ushort lane) {
    return __mp::shuffle<__mp::moved_t<T>>(data, (mp_simd_lane() & ~3u) + (lane & 3));
}
template <__mp::simd_value T> MP_MEET __mp::moved_t<T> quad_broadcast_first(T data) {
    uint first = static_cast<uint>(__builtin_ctz(__mp::quad_lanes(mp_simd_active())));
    return __mp::shuffle<__mp::moved_t<T>>(data, (mp_simd_lane() & ~3u) + first);
}
template <__mp::simd_value T> MP_MEET __mp::moved_t<T> quad_shuffle_up(T data, ushort delta) {
    uint lane = mp_simd_lane();
    return __mp::shuffle<__mp::moved_t<T>>(data, (lane & 3) >= delta ? lane - delta : lane);
}
template <__mp::simd_value T> MP_MEET __mp::moved_t<T> quad_shuffle_down(T data, ushort delta) {
    uint lane = mp_simd_lane();
    return __mp::shuffle<__mp::moved_t<T>>(data, (lane & 3) + delta < 4 ? lane + delta : lane);
}
template <__mp::simd_value T> MP_MEET __mp::moved_t<T> quad_shuffle_xor(T data, ushort mask) {
    return __mp::shuffle<__mp::moved_t<T>>(data, mp_simd_lane() ^ (mask & 3));
}
template <__mp::simd_value T> MP_MEET __mp::moved_t<T> quad_shuffle_rotate_up(T data, ushort delta) {
    uint lane = mp_simd_lane();
    return __mp::shuffle<__mp::moved_t<T>>(data, (lane & ~3u) + ((lane - delta) & 3));
}
template <__mp::simd_value T> MP_MEET __mp::moved_t<T> quad_shuffle_rotate_down(T data, ushort delta) {
    uint lane = mp_simd_lane();
    return __mp::shuffle<__mp::moved_t<T>>(data, (lane & ~3u) + ((lane + delta) & 3));
}
template <__mp::simd_value T>
MP_MEET __mp::moved_t<T> quad_shuffle_and_fill_up(T data, __mp::plain<T> filling_data, ushort delta,
                                                  ushort modulo = 4) {
    return simd_shuffle_and_fill_up(data, filling_data, delta, modulo);
}
template <__mp::simd_value T>
MP_MEET __mp::moved_t<T> quad_shuffle_and_fill_down(T data, __mp::plain<T> filling_data, ushort delta,
                                                    ushort modulo = 4) {
    return simd_shuffle_and_fill_down(data, filling_data, delta, modulo);
}
} // namespace metal
MP_END
