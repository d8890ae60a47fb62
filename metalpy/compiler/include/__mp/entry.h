// What the generated entry points are made of: how a kernel's parameters are filled from an mp_group and mp_thread.
// Included before every program; `compiler/entries.py` writes the code that uses it.
#pragma once
#include <metal_types>
#include <__mp/array.h>
#include <__mp/texture.h>
#include <metalpy_kernel.h>

MP_BEGIN
namespace __mp {

// ---- parameter types ----

// Of a kernel's address.
template <class F>
struct signature;
template <class... A>
struct signature<void (*const)(A...)> {
  template <unsigned I>
  using parameter = __type_pack_element<I, A...>;
};

// ---- buffer and threadgroup arguments ----

// Asking instantiates a template that nothing else in the program may look into, so that its layout is known.
template <class T>
constexpr bool is_complete = requires { sizeof(T); };

// `T*` gets the address, `T&` the object there.
template <class P>
struct bound;
template <class T>
struct bound<T*> {
  static_assert(is_complete<T> || true);
  static constexpr T* at(void* address) { return static_cast<T*>(address); }
};
template <class T>
struct bound<T&> {
  static_assert(is_complete<T> || true);
  static constexpr T& at(void* address) { return *static_cast<T*>(address); }
};
template <class T>
struct bound<const T*> {
  static_assert(is_complete<T> || true);
  static constexpr const T* at(void* address) { return static_cast<const T*>(address); }
};

// A tensor or a table of functions by value: what it consists of lies in the buffer.
template <class P>
requires requires { P::mp_at(nullptr); }
struct bound<P> {
  static constexpr P at(const void* address) { return P::mp_at(address); }
};

template <class P>
constexpr P buffer(const mp_group* group, unsigned index) {
  return bound<P>::at(group->buffers[index]);
}
template <class P>
constexpr P threadgroup_memory(const mp_group* group, unsigned index) {
  return bound<P>::at(group->threadgroup_memory[index]);
}

// What is known of an argument's address space, for programs whose overloads depend on it (compiler/spaces.py).
extern "C" __attribute__((const, nothrow)) const volatile void* __mp_in(int space, const volatile void* address);
template <int Space, class T>
inline T* placed(T* address) { return (T*)__mp_in(Space, address); }
template <int Space, class T>
inline T& placed(T& object) { return *(T*)__mp_in(Space, __builtin_addressof(object)); }

// ---- texture and sampler arguments: handles by value, alone or several in an array ----

template <class P>
struct handles {
  static constexpr unsigned count = 1;
};
template <class P, size_t N>
struct handles<metal::array<P, N>> {
  static constexpr unsigned count = N;
};

template <class P>
inline void set_handle(P& handle, const mp_texture_view* view) { handle.__view = view; }
inline void set_handle(metal::sampler& handle, unsigned long word) { handle.__word = word; }
template <class P, class Table>
inline void set_handles(P& handle, const Table* table) { set_handle(handle, *table); }
template <class P, size_t N, class Table>
inline void set_handles(metal::array<P, N>& several, const Table* table) {
  for (size_t i = 0; i < N; ++i) set_handle(several[i], table[i]);
}

template <class P>
inline P texture(const mp_group* group, unsigned index) {
  P made;
  set_handles(made, group->textures + index);
  return made;
}
template <class P>
inline P sampler(const mp_group* group, unsigned index) {
  P made;
  set_handles(made, group->samplers + index);
  return made;
}

constexpr int implicit_index = -1;

// Arguments without an index get the lowest ones that are free, in the order of the source. `counts` says how many
// indices each takes.
template <unsigned N>
struct indices {
  int of[N];
  constexpr int operator[](unsigned i) const { return of[i]; }
};
template <unsigned N>
constexpr indices<N> number(indices<N> given, indices<N> counts) {
  for (unsigned i = 0; i < N; ++i) {
    for (int candidate = 0; given.of[i] == implicit_index; ++candidate) {
      bool taken = false;
      for (unsigned j = 0; j < N; ++j)
        taken = taken || (given.of[j] != implicit_index && given.of[j] < candidate + counts.of[i] &&
                          candidate < given.of[j] + counts.of[j]);
      if (!taken) given.of[i] = candidate;
    }
  }
  return given;
}

// ---- thread, threadgroup and simdgroup inputs ----

using position = metal::vec<unsigned, 3>;

constexpr position triple(const unsigned (&v)[3]) { return position(v[0], v[1], v[2]); }
constexpr unsigned volume(const unsigned (&v)[3]) { return v[0] * v[1] * v[2]; }
constexpr unsigned groups_of(unsigned width, unsigned count) { return (count + width - 1) / width; }
constexpr unsigned simdgroup_width = 32;
constexpr unsigned quadgroup_width = 4;

#define MP_INPUT(name, expression)                                              \
  constexpr auto name(const mp_group* g, const mp_thread* t) { (void)g, (void)t; return expression; }
MP_INPUT(thread_position_in_threadgroup, triple(t->position))
MP_INPUT(thread_index_in_threadgroup, t->index)
MP_INPUT(threadgroup_position_in_grid, triple(g->position))
MP_INPUT(threads_per_grid, triple(g->threads))
MP_INPUT(grid_size, triple(g->threads))
MP_INPUT(grid_origin, position(0, 0, 0))
MP_INPUT(threadgroups_per_grid, triple(g->group_count))
MP_INPUT(threads_per_threadgroup, triple(g->size))
MP_INPUT(dispatch_threads_per_threadgroup, triple(g->group_size))
MP_INPUT(thread_position_in_grid, position(g->position[0] * g->group_size[0] + t->position[0],
                                           g->position[1] * g->group_size[1] + t->position[1],
                                           g->position[2] * g->group_size[2] + t->position[2]))
MP_INPUT(thread_index_in_simdgroup, t->index % simdgroup_width)
MP_INPUT(simdgroup_index_in_threadgroup, t->index / simdgroup_width)
MP_INPUT(simdgroups_per_threadgroup, groups_of(simdgroup_width, volume(g->size)))
MP_INPUT(dispatch_simdgroups_per_threadgroup, groups_of(simdgroup_width, volume(g->group_size)))
MP_INPUT(threads_per_simdgroup, simdgroup_width)
MP_INPUT(thread_execution_width, simdgroup_width)
MP_INPUT(thread_index_in_quadgroup, t->index % quadgroup_width)
MP_INPUT(quadgroup_index_in_threadgroup, t->index / quadgroup_width)
MP_INPUT(quadgroups_per_threadgroup, groups_of(quadgroup_width, volume(g->size)))
MP_INPUT(dispatch_quadgroups_per_threadgroup, groups_of(quadgroup_width, volume(g->group_size)))
#undef MP_INPUT

template <class T>
constexpr bool is_input_scalar = false;
template <> constexpr bool is_input_scalar<unsigned> = true;
template <> constexpr bool is_input_scalar<int> = true;
template <> constexpr bool is_input_scalar<unsigned short> = true;
template <> constexpr bool is_input_scalar<short> = true;
template <> constexpr bool is_input_scalar<unsigned long> = true;
template <> constexpr bool is_input_scalar<long> = true;

// An input as the integer scalar or vector that the kernel declares.
template <class T>
struct input {
  static_assert(is_input_scalar<T>, "an input such as [[thread_position_in_grid]] must be a scalar or a vector of "
                                    "ushort, uint, ulong or their signed kin");
  static constexpr T from(unsigned v) { return static_cast<T>(v); }
  static constexpr T from(position v) { return static_cast<T>(v.x); }
};
template <class T>
struct input<metal::vec<T, 2>> {
  static constexpr metal::vec<T, 2> from(position v) { return {input<T>::from(v.x), input<T>::from(v.y)}; }
};
template <class T>
struct input<metal::vec<T, 3>> {
  static constexpr metal::vec<T, 3> from(position v) {
    return {input<T>::from(v.x), input<T>::from(v.y), input<T>::from(v.z)};
  }
};

// An input declared outside functions, which may be const.
template <class T, class V>
inline __attribute__((always_inline)) void fill(const T& variable, V value) {
  const_cast<T&>(variable) = input<T>::from(value);
}

}  // namespace __mp

// What compiler/overloads.py writes calls of: the address space of an argument, and that no overload takes it.
extern "C" __attribute__((const, nothrow)) int __mp_space(int set, int argument, const volatile void* address);
extern "C" void __mp_no_overload(int set);

namespace __mp {

// Whether an overload is for the spaces of some arguments: an octal digit for each, 0 for an overload that takes any.
constexpr bool is_for(unsigned long arguments, unsigned long spaces) {
  for (; spaces; spaces /= 8, arguments /= 8)
    if (spaces % 8 && spaces % 8 != arguments % 8) return false;
  return true;
}

template <unsigned long Spaces>
struct asked {
  enum : unsigned long { value = Spaces };  // a static member would not be known where nothing is evaluated
};

// What an argument of a type that depends on a template is, which may be no pointer.
template <int Set, int Argument>
struct question {};
template <int Set, int Argument, class T>
inline __attribute__((always_inline)) int space_of(question<Set, Argument>, const T&) {
  return 0;
}
template <int Set, int Argument, class T>
inline __attribute__((always_inline)) int space_of(question<Set, Argument>, T* const& pointer) {
  return __mp_space(Set, Argument, pointer);
}

// Whether a function may return what another does: it adds no more than a const.
template <class To, class From>
constexpr bool returns = __is_same(To, From);
template <class T>
constexpr bool returns<const T*, T*> = true;
template <class T>
constexpr bool returns<const T&, T&> = true;

// The call of an overload for the spaces of the arguments; `none` is what it returns where there is no such overload.
struct none {};
template <class Result, int Set, class Call>
inline __attribute__((always_inline)) Result chosen(const Call&) {
  __mp_no_overload(Set);
  __builtin_unreachable();
}
template <class Result, int Set, class Call, class Asked, class... Others>
inline __attribute__((always_inline)) Result chosen(const Call& call, Asked asked, Others... others) {
  if constexpr (returns<Result, decltype(call(asked))>)
    return call(asked);
  else
    return chosen<Result, Set>(call, others...);
}

}  // namespace __mp

// ---- the loop over a threadgroup's threads, for kernels whose threads never meet ----

// One for all kernels: lowering gives the name __mp_thread to the entry point of the one that it compiles.
extern "C" void __mp_thread(const mp_group* group, const mp_thread* thread);
extern "C" void __mp_group(const mp_group* group) {
  const unsigned width = group->size[0], height = group->size[1], depth = group->size[2];
  unsigned index = 0;
  for (unsigned z = 0; z < depth; ++z)
    for (unsigned y = 0; y < height; ++y)
      for (unsigned x = 0; x < width; ++x) {
        const mp_thread self = {{x, y, z}, index++};
        __mp_thread(group, &self);
      }
}
MP_END
