// Names of <c10/metal/atomic.h>: AtomicType<T>::atomic_add and atomic_binary_op for types without atomics of their own.
// Elements of one or two bytes are exchanged with the 32-bit word around them. A long and a float2 are added in two
// steps: the total is right in the end, but who looks in between may see one half of a sum.
#pragma once
#include <metal_atomic>
#include <metal_stdlib>

namespace c10 {
namespace metal {

namespace detail {

using ::metal::memory_order_relaxed;

// Replace *slot by change(*slot).
template <typename T, typename F>
inline void atomic_change(device ::metal::atomic<T>* slot, F change) {
  T old = ::metal::atomic_load_explicit(slot, memory_order_relaxed);
  while (!::metal::atomic_compare_exchange_weak_explicit(slot, &old, change(old), memory_order_relaxed,
                                                         memory_order_relaxed)) {
  }
}

// The same for the element at `offset` of an array of smaller elements, which may start anywhere in a word.
template <typename T, typename F>
inline void atomic_change_within(device ::metal::atomic<uint>* data, long offset, F change) {
  const ulong address = reinterpret_cast<ulong>(data) + static_cast<ulong>(offset) * sizeof(T);
  const uint shift = static_cast<uint>(address & 3) * 8, mask = (sizeof(T) == 1 ? 0xffu : 0xffffu) << shift;
  auto word = reinterpret_cast<device ::metal::atomic<uint>*>(address & ~3ul);
  using bits_t = ::metal::conditional_t<sizeof(T) == 1, uchar, ushort>;
  atomic_change(word, [=](uint old) {
    const T changed = change(as_type<T>(static_cast<bits_t>(old >> shift)));
    return (old & ~mask) | (static_cast<uint>(as_type<bits_t>(changed)) << shift);
  });
}

template <typename T>
struct NativeAtomic {
  using type = ::metal::atomic<T>;
  static inline void atomic_add(device type* data, long offset, T value) {
    ::metal::atomic_fetch_add_explicit(data + offset, value, memory_order_relaxed);
  }
  static inline void atomic_binary_op(device type* data, long offset, T value, T (*op)(T, T)) {
    atomic_change(data + offset, [=](T old) { return op(old, value); });
  }
};

template <typename T>
struct SmallAtomic {
  using type = ::metal::atomic<uint>;
  static inline void atomic_add(device type* data, long offset, T value) {
    atomic_change_within<T>(data, offset, [=](T old) { return static_cast<T>(old + value); });
  }
  static inline void atomic_binary_op(device type* data, long offset, T value, T (*op)(T, T)) {
    atomic_change_within<T>(data, offset, [=](T old) { return op(old, value); });
  }
};

} // namespace detail

template <typename T> struct AtomicType {};
template <typename T> using AtomicType_t = typename AtomicType<T>::type;

template <> struct AtomicType<float> : detail::NativeAtomic<float> {};
template <> struct AtomicType<int> : detail::NativeAtomic<int> {};
template <> struct AtomicType<half> : detail::SmallAtomic<half> {};
template <> struct AtomicType<bfloat> : detail::SmallAtomic<bfloat> {};
template <> struct AtomicType<short> : detail::SmallAtomic<short> {};
template <> struct AtomicType<char> : detail::SmallAtomic<char> {};
template <> struct AtomicType<uchar> : detail::SmallAtomic<uchar> {};

// The sum of truth values says whether one is true.
template <> struct AtomicType<bool> {
  using type = ::metal::atomic<uint>;
  static inline void atomic_add(device type* data, long offset, bool value) {
    if (value) detail::atomic_change_within<uchar>(data, offset, [](uchar) { return uchar(1); });
  }
};

template <> struct AtomicType<half2> {
  using type = ::metal::atomic<uint>;
  static inline void atomic_add(device type* data, long offset, half2 value) {
    detail::atomic_change(data + offset, [=](uint old) { return as_type<uint>(as_type<half2>(old) + value); });
  }
};
template <> struct AtomicType<float2> {
  using type = ::metal::atomic<float>;
  static inline void atomic_add(device type* data, long offset, float2 value) {
    detail::NativeAtomic<float>::atomic_add(data, 2 * offset, value.x);
    detail::NativeAtomic<float>::atomic_add(data, 2 * offset + 1, value.y);
  }
};

template <> struct AtomicType<long> {
  using type = ::metal::atomic<uint>;
  static inline void atomic_add(device type* data, long offset, long value) {
    const uint2 words = as_type<uint2>(value);
    const uint before = ::metal::atomic_fetch_add_explicit(data + 2 * offset, words.x, detail::memory_order_relaxed);
    const uint carry = before + words.x < before ? 1u : 0u;
    ::metal::atomic_fetch_add_explicit(data + 2 * offset + 1, words.y + carry, detail::memory_order_relaxed);
  }
  // Each word is exchanged on its own, so this is for operations whose result hardly changes, such as max; tried again
  // when the number has changed meanwhile.
  static inline void atomic_binary_op(device type* data, long offset, long value, long (*op)(long, long)) {
    device type* low = data + 2 * offset;
    device type* high = low + 1;
    for (;;) {
      uint2 old(::metal::atomic_load_explicit(low, detail::memory_order_relaxed),
                ::metal::atomic_load_explicit(high, detail::memory_order_relaxed));
      const uint2 wanted = as_type<uint2>(op(as_type<long>(old), value));
      uint seen = old.x;
      if (!::metal::atomic_compare_exchange_weak_explicit(low, &seen, wanted.x, detail::memory_order_relaxed,
                                                          detail::memory_order_relaxed))
        continue;
      seen = old.y;
      if (::metal::atomic_compare_exchange_weak_explicit(high, &seen, wanted.y, detail::memory_order_relaxed,
                                                         detail::memory_order_relaxed))
        return;
      ::metal::atomic_store_explicit(low, old.x, detail::memory_order_relaxed);
    }
  }
};

} // namespace metal
} // namespace c10
