// <metal_atomic>. The weak compare-exchange never fails without a reason here.
#pragma once
#pragma clang system_header
#include <__mp/compute.h>

MP_BEGIN
namespace metal {
template <class T> struct _atomic {
    static_assert(__mp::same<T, int> || __mp::same<T, uint> || __mp::same<T, bool> || __mp::same<T, float> ||
                      __mp::same<T, long> || __mp::same<T, ulong>,
                  "atomic<T> needs T to be int, uint, bool, float, long or ulong");
    T mp_value;
};
template <class T> using atomic = _atomic<T>;
using atomic_int = _atomic<int>;
using atomic_uint = _atomic<uint>;
using atomic_bool = _atomic<bool>;
using atomic_float = _atomic<float>;
using atomic_long = _atomic<long>;
using atomic_ulong = _atomic<ulong>;
} // namespace metal

namespace __mp {
template <class T> concept counting = integer<T> && !same<T, bool>;
template <class T> concept summing = counting<T> || same<T, float>;
} // namespace __mp

namespace metal {
template <class T> MP_FN T atomic_load_explicit(const volatile _atomic<T> *object, memory_order order) {
    T value;
    __atomic_load(&object->mp_value, &value, order);
    return value;
}
template <class T>
MP_FN void atomic_store_explicit(volatile _atomic<T> *object, __mp::plain<T> desired, memory_order order) {
    __atomic_store(&object->mp_value, &desired, order);
}
template <class T>
MP_FN T atomic_exchange_explicit(volatile _atomic<T> *object, __mp::plain<T> desired, memory_order order) {
    T old;
    __atomic_exchange(&object->mp_value, &desired, &old, order);
    return old;
}
template <class T>
MP_FN bool atomic_compare_exchange_weak_explicit(volatile _atomic<T> *object, __mp::plain<T> *expected,
                                                 __mp::plain<T> desired, memory_order success, memory_order failure) {
    return __atomic_compare_exchange(&object->mp_value, expected, &desired, false, success, failure);
}
template <class T>
MP_FN bool atomic_compare_exchange_strong_explicit(volatile _atomic<T> *object, __mp::plain<T> *expected,
                                                   __mp::plain<T> desired, memory_order success, memory_order failure) {
    return __atomic_compare_exchange(&object->mp_value, expected, &desired, false, success, failure);
}

#define MP_FETCH(op, concept)                                                                                         \
    template <__mp::concept T>                                                                                        \
    MP_FN T atomic_fetch_##op##_explicit(volatile _atomic<T> *object, __mp::plain<T> operand, memory_order order) {   \
        return __atomic_fetch_##op(&object->mp_value, operand, order);                                                \
    }
MP_FETCH(add, summing)
MP_FETCH(sub, summing)
MP_FETCH(and, counting)
MP_FETCH(or, counting)
MP_FETCH(xor, counting)
MP_FETCH(min, counting)
MP_FETCH(max, counting)
#undef MP_FETCH
// without a result
template <__mp::same<ulong> T>
MP_FN void atomic_min_explicit(volatile _atomic<T> *object, __mp::plain<T> operand, memory_order order) {
    __atomic_fetch_min(&object->mp_value, operand, order);
}
template <__mp::same<ulong> T>
MP_FN void atomic_max_explicit(volatile _atomic<T> *object, __mp::plain<T> operand, memory_order order) {
    __atomic_fetch_max(&object->mp_value, operand, order);
}

MP_FN void atomic_thread_fence(mem_flags, memory_order order, thread_scope = thread_scope_device) {
    __atomic_thread_fence(order);
}
} // namespace metal
MP_END
