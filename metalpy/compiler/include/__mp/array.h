// <metal_array>.
#pragma once
#pragma clang system_header
#include <__mp/scalar.h>

MP_BEGIN
// The compiler makes objects of it from braces, and knows it by this name and these two members.
namespace std {
template <class T> class initializer_list {
    const T *__first;
    size_t __count;

  public:
    using value_type = T;
    constexpr initializer_list() : __first(nullptr), __count(0) {}
    constexpr size_t size() const { return __count; }
    constexpr const T *begin() const { return __first; }
    constexpr const T *end() const { return __first + __count; }
};
} // namespace std

namespace metal {
using std::initializer_list;

template <class T, size_t N> struct array {
    using value_type = T;
    using size_type = size_t;
    T __elems[N];

    constexpr T &operator[](size_t i) { return __elems[i]; }
    constexpr const T &operator[](size_t i) const { return __elems[i]; }
    constexpr T &at(size_t i) { return __elems[i]; }
    constexpr const T &at(size_t i) const { return __elems[i]; }
    constexpr T &front() { return __elems[0]; }
    constexpr const T &front() const { return __elems[0]; }
    constexpr T &back() { return __elems[N - 1]; }
    constexpr const T &back() const { return __elems[N - 1]; }
    constexpr T *data() { return __elems; }
    constexpr const T *data() const { return __elems; }
    constexpr T *begin() { return __elems; }
    constexpr const T *begin() const { return __elems; }
    constexpr T *end() { return __elems + N; }
    constexpr const T *end() const { return __elems + N; }
    static constexpr size_t size() { return N; }
    static constexpr size_t max_size() { return N; }
    static constexpr bool empty() { return N == 0; }
    constexpr void fill(const T &value) {
        for (T &x : __elems) x = value;
    }
};
template <class T> struct array<T, 0> {
    using value_type = T;
    static constexpr size_t size() { return 0; }
    static constexpr bool empty() { return true; }
    constexpr T *begin() const { return nullptr; }
    constexpr T *end() const { return nullptr; }
};
template <class T, class... Rest> array(T, Rest...) -> array<T, 1 + sizeof...(Rest)>;

// What array_ref<T> was for: a view of somebody else's elements.
template <class T> struct array_ref {
    T *first;
    size_t count;
    constexpr array_ref(T *data, size_t count) : first(data), count(count) {}
    template <size_t N> constexpr array_ref(array<T, N> &a) : first(a.data()), count(N) {}
    constexpr T &operator[](size_t i) const { return first[i]; }
    constexpr size_t size() const { return count; }
};
} // namespace metal
MP_END
