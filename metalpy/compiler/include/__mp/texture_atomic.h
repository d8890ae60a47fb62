// Atomic functions of textures. They work on texels of one 32-bit integer, r32Uint and r32Sint, where the old value is in
// x; smallest and largest also on 64 bits, rg32Uint as ulong.
#pragma once
#pragma clang system_header

#define MP_LIST(...) __VA_ARGS__
#define MP_ATOMIC_FETCH(op, params, place)                                                                            \
    MP_FN vec<T, 4> atomic_fetch_##op(MP_LIST params, vec<T, 4> operand) const {                                      \
        T *word = this->template word MP_LIST place;                                                                  \
        return vec<T, 4>(word ? __atomic_fetch_##op(word, operand.x, __ATOMIC_RELAXED) : T(0), T(0), T(0), T(0));     \
    }
#define MP_ATOMIC_WIDE(op, params, place)                                                                             \
    MP_FN void atomic_##op(MP_LIST params, vec<T, 4> operand) const {                                                 \
        if (T *word = this->template long_word MP_LIST place) __atomic_fetch_##op(word, operand.x, __ATOMIC_RELAXED); \
    }
// `params` say where a texel is, `place` says it to word() of all textures: (<axes, many>(x, y, z, image)).
#define MP_ATOMICS(params, place)                                                                                     \
    MP_FN vec<T, 4> atomic_load(MP_LIST params) const {                                                               \
        const T *word = this->template word MP_LIST place;                                                            \
        return vec<T, 4>(word ? __atomic_load_n(word, __ATOMIC_RELAXED) : T(0), T(0), T(0), T(0));                    \
    }                                                                                                                 \
    MP_FN void atomic_store(vec<T, 4> desired, MP_LIST params) const {                                                \
        if (T *word = this->template word MP_LIST place) __atomic_store_n(word, desired.x, __ATOMIC_RELAXED);         \
    }                                                                                                                 \
    MP_FN vec<T, 4> atomic_exchange(MP_LIST params, vec<T, 4> desired) const {                                        \
        T *word = this->template word MP_LIST place;                                                                  \
        return vec<T, 4>(word ? __atomic_exchange_n(word, desired.x, __ATOMIC_RELAXED) : T(0), T(0), T(0), T(0));     \
    }                                                                                                                 \
    MP_FN bool atomic_compare_exchange_weak(MP_LIST params, vec<T, 4> *expected, vec<T, 4> desired) const {           \
        T *word = this->template word MP_LIST place;                                                                  \
        return word && __atomic_compare_exchange_n(word, &expected->x, desired.x, false, __ATOMIC_RELAXED,            \
                                                   __ATOMIC_RELAXED);                                                 \
    }                                                                                                                 \
    MP_ATOMIC_FETCH(add, params, place)                                                                               \
    MP_ATOMIC_FETCH(sub, params, place)                                                                               \
    MP_ATOMIC_FETCH(and, params, place)                                                                               \
    MP_ATOMIC_FETCH(or, params, place)                                                                                \
    MP_ATOMIC_FETCH(xor, params, place)                                                                               \
    MP_ATOMIC_FETCH(min, params, place)                                                                               \
    MP_ATOMIC_FETCH(max, params, place)                                                                               \
    MP_ATOMIC_WIDE(min, params, place)                                                                                \
    MP_ATOMIC_WIDE(max, params, place)
