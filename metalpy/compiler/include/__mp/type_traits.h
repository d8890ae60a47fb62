// <metal_type_traits>.
#pragma once
#pragma clang system_header
#include <__mp/vec.h>

MP_BEGIN
namespace __mp {
// What a vector holds; any other type is itself.
template <class T> struct held { using t = T; };
template <class T, int N> struct held<vec<T, N>> { using t = T; };
template <class T, int N> struct held<packed_vec<T, N>> { using t = T; };
template <class T> using held_t = typename held<T>::t;
} // namespace __mp

namespace metal {
template <class T, T V> struct integral_constant {
    static constexpr T value = V;
    using value_type = T;
    using type = integral_constant;
    constexpr operator T() const { return V; }
    constexpr T operator()() const { return V; }
};
template <bool B> using bool_constant = integral_constant<bool, B>;
using true_type = bool_constant<true>;
using false_type = bool_constant<false>;

template <class T> struct type_identity { using type = T; };
template <class T> using type_identity_t = T;
template <class T> T &&declval() noexcept;

// ---- choosing ----
template <bool B, class T = void> struct enable_if {};
template <class T> struct enable_if<true, T> { using type = T; };
template <bool B, class T = void> using enable_if_t = typename enable_if<B, T>::type;
template <bool B, class T, class F> struct conditional { using type = T; };
template <class T, class F> struct conditional<false, T, F> { using type = F; };
template <bool B, class T, class F> using conditional_t = typename conditional<B, T, F>::type;

template <class...> struct conjunction : true_type {};
template <class A, class... Rest>
struct conjunction<A, Rest...> : conditional_t<bool(A::value), conjunction<Rest...>, A> {};
template <class A> struct conjunction<A> : A {};
template <class...> struct disjunction : false_type {};
template <class A, class... Rest>
struct disjunction<A, Rest...> : conditional_t<bool(A::value), A, disjunction<Rest...>> {};
template <class A> struct disjunction<A> : A {};
template <class A> struct negation : bool_constant<!bool(A::value)> {};
template <class... A> inline constexpr bool conjunction_v = conjunction<A...>::value;
template <class... A> inline constexpr bool disjunction_v = disjunction<A...>::value;
template <class A> inline constexpr bool negation_v = negation<A>::value;
// the names some code took from inside Apple's headers
template <class... A> using _conjunction = conjunction<A...>;
template <class... A> using _disjunction = disjunction<A...>;
template <class A> using _negation = negation<A>;

// ---- changing types ----
#define MP_TRANSFORM(name, ...)                                                                                       \
    template <class T> struct name { using type = __VA_ARGS__; };                                                     \
    template <class T> using name##_t = __VA_ARGS__;
MP_TRANSFORM(remove_const, __remove_const(T))
MP_TRANSFORM(remove_volatile, __remove_volatile(T))
MP_TRANSFORM(remove_cv, __remove_cv(T))
MP_TRANSFORM(remove_reference, __remove_reference_t(T))
MP_TRANSFORM(remove_cvref, __remove_cvref(T))
MP_TRANSFORM(remove_pointer, __remove_pointer(T))
MP_TRANSFORM(remove_extent, __remove_extent(T))
MP_TRANSFORM(remove_all_extents, __remove_all_extents(T))
MP_TRANSFORM(add_const, const T)
MP_TRANSFORM(add_volatile, volatile T)
MP_TRANSFORM(add_cv, const volatile T)
MP_TRANSFORM(add_pointer, __add_pointer(T))
MP_TRANSFORM(add_lvalue_reference, __add_lvalue_reference(T))
MP_TRANSFORM(add_rvalue_reference, __add_rvalue_reference(T))
MP_TRANSFORM(decay, __decay(T))
MP_TRANSFORM(make_signed, __mp::rebind_t<__remove_cv(T), __make_signed(__mp::held_t<__remove_cv(T)>)>)
MP_TRANSFORM(make_unsigned, __mp::rebind_t<__remove_cv(T), __make_unsigned(__mp::held_t<__remove_cv(T)>)>)
MP_TRANSFORM(remove_addrspace, T) // there are none
MP_TRANSFORM(underlying_type, __underlying_type(T))
#undef MP_TRANSFORM
} // namespace metal

namespace __mp {
// common_type: what ?: makes of two types.
template <class A, class B> using ternary_t = __decay(decltype(false ? metal::declval<A>() : metal::declval<B>()));
template <class... T> struct common_type_of {};
template <class T> struct common_type_of<T> { using type = __decay(T); };
template <class A, class B> requires requires { typename ternary_t<A, B>; }
struct common_type_of<A, B> { using type = ternary_t<A, B>; };
template <class A, class B, class... Rest> requires(sizeof...(Rest) > 0)
struct common_type_of<A, B, Rest...> : common_type_of<typename common_type_of<A, B>::type, Rest...> {};
template <class F, class... A> struct result_of_call {};
template <class F, class... A> requires requires { metal::declval<F>()(metal::declval<A>()...); }
struct result_of_call<F, A...> { using type = decltype(metal::declval<F>()(metal::declval<A>()...)); };
template <class T> inline constexpr bool is_vec_or_packed = is_vec<T> || is_packed<T>;
template <class T> struct rank_of : metal::integral_constant<size_t, 0> {};
template <class T> struct rank_of<T[]> : metal::integral_constant<size_t, rank_of<T>::value + 1> {};
template <class T, size_t N> struct rank_of<T[N]> : metal::integral_constant<size_t, rank_of<T>::value + 1> {};
} // namespace __mp

namespace metal {
template <class... T> struct common_type : __mp::common_type_of<T...> {};
template <class... T> using common_type_t = typename common_type<T...>::type;
template <class F, class... A> struct invoke_result : __mp::result_of_call<F, A...> {};
template <class F, class... A> using invoke_result_t = typename invoke_result<F, A...>::type;

// ---- asking; is_empty and void_t are not among Metal's: programs bring them into its namespace themselves ----
#define MP_PREDICATE(name, ...)                                                                                       \
    template <class T> inline constexpr bool name##_v = __VA_ARGS__;                                                  \
    template <class T> struct name : bool_constant<__VA_ARGS__> {};
#define MP_PREDICATE2(name, ...)                                                                                      \
    template <class A, class B> inline constexpr bool name##_v = __VA_ARGS__;                                         \
    template <class A, class B> struct name : bool_constant<__VA_ARGS__> {};
#define MP_PREDICATE_N(name, ...)                                                                                     \
    template <class T, class... A> inline constexpr bool name##_v = __VA_ARGS__;                                      \
    template <class T, class... A> struct name : bool_constant<__VA_ARGS__> {};
MP_PREDICATE2(is_same, __is_same(A, B))
MP_PREDICATE2(is_base_of, __is_base_of(A, B))
MP_PREDICATE2(is_convertible, __is_convertible(A, B))
MP_PREDICATE2(is_assignable, __is_assignable(A, B))
MP_PREDICATE2(is_trivially_assignable, __is_trivially_assignable(A, B))
MP_PREDICATE(is_void, __is_void(T))
// A vector counts as what it holds; is_scalar tells them apart.
MP_PREDICATE(is_integral, __is_integral(__mp::held_t<__remove_cv(T)>))
MP_PREDICATE(is_floating_point, __mp::floating<__mp::held_t<__remove_cv(T)>> || __is_floating_point(T))
MP_PREDICATE(is_arithmetic, __is_arithmetic(__mp::held_t<__remove_cv(T)>) || __mp::floating<__mp::held_t<__remove_cv(T)>>)
MP_PREDICATE(is_fundamental, __is_fundamental(T) || __mp::floating<__remove_cv(T)>)
MP_PREDICATE(is_compound, !__is_fundamental(T) && !__mp::floating<__remove_cv(T)>)
MP_PREDICATE(is_scalar, __is_scalar(T) || __mp::floating<__remove_cv(T)>)
MP_PREDICATE(is_vector, __mp::is_vec_or_packed<__remove_cv(T)>)
// The number of components, 0 for a scalar.
template <class T>
struct vec_elements : integral_constant<uint, is_vector<T>::value ? __mp::shape<__remove_cv(T)>::lanes : 0> {};
// The type of a vector's components. Programs specialise the first for classes of theirs.
template <class T> struct _make_scalar_impl { using type = __mp::held_t<T>; };
template <class T> struct make_scalar : _make_scalar_impl<__remove_cv(T)> {};
template <class T> using make_scalar_t = typename make_scalar<T>::type;
// Asked by programs that specialise for what simdgroup functions take; 64-bit integers bring functions of their own.
template <class T>
struct __is_valid_simdgroup_type
    : bool_constant<requires { requires sizeof(__mp::element_t<T>) < 8 && !__mp::same<__mp::element_t<T>, bool>; }> {};
MP_PREDICATE(is_object, __is_object(T))
MP_PREDICATE(is_array, __is_array(T))
MP_PREDICATE(is_pointer, __is_pointer(T))
MP_PREDICATE(is_null_pointer, __is_same(__remove_cv(T), decltype(nullptr)))
MP_PREDICATE(is_reference, __is_reference(T))
MP_PREDICATE(is_lvalue_reference, __is_lvalue_reference(T))
MP_PREDICATE(is_rvalue_reference, __is_rvalue_reference(T))
MP_PREDICATE(is_function, __is_function(T))
MP_PREDICATE(is_enum, __is_enum(T))
MP_PREDICATE(is_union, __is_union(T))
MP_PREDICATE(is_class, __is_class(T))
MP_PREDICATE(is_final, __is_final(T))
MP_PREDICATE(is_aggregate, __is_aggregate(T))
MP_PREDICATE(is_const, __is_const(T))
MP_PREDICATE(is_volatile, __is_volatile(T))
MP_PREDICATE(is_signed, __is_signed(__mp::held_t<__remove_cv(T)>) || __mp::floating<__mp::held_t<__remove_cv(T)>>)
MP_PREDICATE(is_unsigned, __is_unsigned(__mp::held_t<__remove_cv(T)>))
MP_PREDICATE(is_trivial, __is_trivially_copyable(T) && __is_trivially_constructible(T))
MP_PREDICATE(is_trivially_copyable, __is_trivially_copyable(T))
MP_PREDICATE(is_standard_layout, __is_standard_layout(T))
MP_PREDICATE(is_default_constructible, __is_constructible(T))
MP_PREDICATE(is_copy_constructible, __is_constructible(T, const T &))
MP_PREDICATE(is_move_constructible, __is_constructible(T, T &&))
MP_PREDICATE(is_copy_assignable, __is_assignable(T &, const T &))
MP_PREDICATE(is_move_assignable, __is_assignable(T &, T &&))
MP_PREDICATE(is_trivially_move_constructible, __is_trivially_constructible(T, T &&))
MP_PREDICATE(is_trivially_move_assignable, __is_trivially_assignable(T &, T &&))
MP_PREDICATE(is_trivially_default_constructible, __is_trivially_constructible(T))
MP_PREDICATE(is_trivially_copy_constructible, __is_trivially_constructible(T, const T &))
MP_PREDICATE(is_trivially_copy_assignable, __is_trivially_assignable(T &, const T &))
MP_PREDICATE(is_destructible, __is_destructible(T))
MP_PREDICATE(is_trivially_destructible, __is_trivially_destructible(T))
MP_PREDICATE_N(is_constructible, __is_constructible(T, A...))
MP_PREDICATE_N(is_trivially_constructible, __is_trivially_constructible(T, A...))
MP_PREDICATE_N(is_invocable, requires { declval<T>()(declval<A>()...); })
#undef MP_PREDICATE
#undef MP_PREDICATE2
#undef MP_PREDICATE_N

template <class T> struct alignment_of : integral_constant<size_t, alignof(T)> {};
template <class T> inline constexpr size_t alignment_of_v = alignof(T);
template <class T> struct rank : __mp::rank_of<T> {};
template <class T> inline constexpr size_t rank_v = rank<T>::value;
template <class T, unsigned I = 0> struct extent : integral_constant<size_t, 0> {};
template <class T> struct extent<T[], 0> : integral_constant<size_t, 0> {};
template <class T, unsigned I> struct extent<T[], I> : extent<T, I - 1> {};
template <class T, size_t N> struct extent<T[N], 0> : integral_constant<size_t, N> {};
template <class T, size_t N, unsigned I> struct extent<T[N], I> : extent<T, I - 1> {};
template <class T, unsigned I = 0> inline constexpr size_t extent_v = extent<T, I>::value;
} // namespace metal
MP_END
