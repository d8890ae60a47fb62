// The scalar types and what our templates ask about them.
#pragma once
#pragma clang system_header
#include <__mp/bfloat.h>

typedef double __mp_double; // the headers' own way past a macro: Metal has no double
typedef _Float16 half;
typedef unsigned char uchar;
typedef unsigned short ushort;
typedef unsigned int uint;
typedef unsigned long ulong;
typedef signed char int8_t;
typedef short int16_t;
typedef int int32_t;
typedef long int64_t;
typedef unsigned char uint8_t;
typedef unsigned short uint16_t;
typedef unsigned int uint32_t;
typedef unsigned long uint64_t;
typedef unsigned long size_t;
typedef long ptrdiff_t;
typedef long intptr_t;
typedef unsigned long uintptr_t;

namespace metal {
using ::half;
using ::uchar;
using ::uint;
using ::ulong;
using ::ushort;
using ::int8_t;
using ::int16_t;
using ::int32_t;
using ::int64_t;
using ::uint8_t;
using ::uint16_t;
using ::uint32_t;
using ::uint64_t;
using ::size_t;
using ::ptrdiff_t;
using ::intptr_t;
using ::uintptr_t;
using nullptr_t = decltype(nullptr);
template <class T, int N> struct vec;
template <class T, int N> struct packed_vec;
template <class T, int C, int R> struct matrix;
} // namespace metal
using metal::nullptr_t;

MP_BEGIN
namespace __mp {
using metal::packed_vec;
using metal::vec;

template <class T> concept integer = __is_integral(T);
template <class T> concept floating = __is_same(T, float) || __is_same(T, half) || __is_same(T, bfloat);
template <class T> concept scalar = integer<T> || floating<T>;
template <class A, class B> concept same = __is_same(A, B);

// `a << __mp::by + 100`: by the low bits of the amount, as on a GPU (see compiler/conditionals.py). A sum, and `|=` behind
// `<<=`, binds as the amount did.
struct amount {
    ulong n;
    friend constexpr amount operator+(amount a, ulong b) { return {a.n + b}; }
    friend constexpr amount operator-(amount a, ulong b) { return {a.n - b}; }
    friend constexpr amount operator|=(amount, ulong b) { return {b}; }
    template <class T> friend constexpr auto operator<<(T a, amount b) {
        if constexpr (__is_integral(T) || __is_enum(T)) return a << (b.n & (sizeof(+a) * 8 - 1));
        else return a << b.n;
    }
    template <class T> friend constexpr auto operator>>(T a, amount b) {
        if constexpr (__is_integral(T) || __is_enum(T)) return a >> (b.n & (sizeof(+a) * 8 - 1));
        else return a >> b.n;
    }
    template <class T> friend constexpr T &operator<<=(T &a, amount b) { return a = a << b; }
    template <class T> friend constexpr T &operator>>=(T &a, amount b) { return a = a >> b; }
};
inline constexpr amount by = {0};

template <int Space, class T> struct in; // T in an address space, as a template argument: compiler/specialisations.py

template <class T> T make(); // a T to ask questions about
template <class T> struct type { using t = T; };
template <class T> using plain = typename type<T>::t; // not deducible

// A conversion of exactly one side from or to bfloat, which is one of a class.
template <class To, class From> concept bfloat_conversion =
    scalar<To> && scalar<From> && same<To, bfloat> != same<From, bfloat>;

// shape<T>: the value a function argument of type T stands for. Scalars, vectors and packed vectors (as vectors);
// enumerations and classes that convert to a scalar count as that scalar. `lanes` is 0 for anything else.
template <class T> struct shape { static constexpr int lanes = 0; };
template <scalar T> struct shape<T> {
    using value = T;
    using element = T;
    static constexpr int lanes = 1;
};
template <> struct shape<__mp_double> : shape<float> {}; // literals inside templates keep C++'s type
template <class T> requires(!scalar<T>) && requires(T x) { requires scalar<decltype(+x)>; }
struct shape<T> : shape<decltype(+make<T>())> {};
template <class T, int N> struct shape<vec<T, N>> {
    using value = vec<T, N>;
    using element = T;
    static constexpr int lanes = N;
};
template <class T, int N> struct shape<packed_vec<T, N>> : shape<vec<T, N>> {};

template <class T> using value_t = typename shape<T>::value;
template <class T> using element_t = typename shape<T>::element;
template <class T> inline constexpr bool is_vec = false;
template <class T, int N> inline constexpr bool is_vec<vec<T, N>> = true;
template <class T> inline constexpr bool is_packed = false;
template <class T, int N> inline constexpr bool is_packed<packed_vec<T, N>> = true;

template <class T, class E> struct rebind { using t = E; };
template <class T, int N, class E> struct rebind<vec<T, N>, E> { using t = vec<E, N>; };
template <class T, int N, class E> struct rebind<packed_vec<T, N>, E> { using t = packed_vec<E, N>; };
template <class T, class E> using rebind_t = typename rebind<T, E>::t; // T with other elements
template <class T> using float_for = typename type<rebind_t<T, float>>::t; // float, known when T is

// join<A, B>: what mixed arguments are converted to. Scalars go by C's rules, with half and bfloat below float (and
// meeting there); a scalar next to a vector takes the vector's type; vectors of different types do not mix.
template <class A, class B> struct join {};
template <class T> struct join<T, T> { using t = T; };
template <scalar A, scalar B> consteval auto join_scalars() {
    if constexpr (integer<A> && integer<B>) return A() + B();
    else if constexpr (integer<A>) return B();
    else if constexpr (integer<B>) return A();
    else return float();
}
template <scalar A, scalar B> requires(!same<A, B>) struct join<A, B> { using t = decltype(join_scalars<A, B>()); };
template <class T, int N, scalar S> struct join<vec<T, N>, S> { using t = vec<T, N>; };
template <class T, int N, scalar S> struct join<S, vec<T, N>> { using t = vec<T, N>; };

template <class T> struct no_bool { using t = T; };
template <> struct no_bool<bool> { using t = int; };
template <class A, class B> using join_t = typename join<value_t<A>, value_t<B>>::t;
template <class... T> struct fold {};
template <class A> requires requires { typename value_t<A>; }
struct fold<A> : no_bool<value_t<A>> {};
template <class A, class B> requires requires { typename join_t<A, B>; }
struct fold<A, B> : no_bool<join_t<A, B>> {};
template <class A, class B, class C> requires requires { typename join_t<join_t<A, B>, C>; }
struct fold<A, B, C> : no_bool<join_t<join_t<A, B>, C>> {};
template <class... T> using common_t = typename fold<T...>::t;

// The same for functions of floating-point numbers: integers become float.
template <class T> struct as_float { using t = T; };
template <integer T> struct as_float<T> { using t = float; };
template <class... T> using float_t = typename as_float<common_t<T...>>::t;

// The type to compute a result of type T in: not every type has functions of its own.
template <class T> struct wide { using t = T; };
template <> struct wide<bfloat> { using t = float; };
template <> struct wide<signed char> { using t = int; };
template <> struct wide<long long> { using t = long; };
template <> struct wide<unsigned long long> { using t = ulong; };
template <class T> using wide_t = typename wide<T>::t;

// What constrains the functions.
template <class... T> concept numbers = requires { typename common_t<T...>; };
template <class... T> concept floats = numbers<T...> && floating<element_t<float_t<T...>>>;
template <class... T> concept no_integers = floats<T...> && floating<element_t<common_t<T...>>>;
template <class... T> concept integers = numbers<T...> && integer<element_t<common_t<T...>>>;
} // namespace __mp
MP_END
