// Tables of [[visible]] functions. The host fills them with numbers of functions of the same program, by which the entry
// points (compiler/entries.py) call them: all that a kernel can reach is in its own machine code.
#pragma once
#pragma clang system_header
#include <__mp/scalar.h>

MP_BEGIN
namespace __mp {
template <class Of, class R> struct visible_tag {
    using result = R;
};
// For programs without such functions; the entry points' own is the better match.
template <class Tag, class... A> MP_FN typename Tag::result call_visible(Tag, int, A...) { __builtin_trap(); }
} // namespace __mp

namespace metal {
template <class Of> class visible_function_table;

template <class R, class... A> class visible_function_table<R(A...)> {
  public:
    struct value_type {
        int mp_number;
        // Not constexpr: what calls the functions is declared behind the program.
        MP_FN R operator()(A... arguments) const {
            return call_visible(__mp::visible_tag<R(A...), R>(), mp_number, arguments...);
        }
        constexpr explicit operator bool() const { return mp_number >= 0; }
        constexpr bool operator==(decltype(nullptr)) const { return mp_number < 0; }
    };
    using const_reference = value_type;

    static constexpr visible_function_table mp_at(const void *address) {
        visible_function_table made;
        made.mp_table = static_cast<const int *>(address);
        return made;
    }
    constexpr size_t size() const { return mp_table ? static_cast<size_t>(mp_table[0]) : 0; }
    constexpr size_t max_size() const { return size(); }
    constexpr bool empty() const { return size() == 0; }
    constexpr value_type operator[](size_t place) const { return {place < size() ? mp_table[1 + place] : -1}; }

  private:
    const int *mp_table; // their number, then the functions'; -1: none
};

template <class Of> constexpr bool is_null_visible_function_table(visible_function_table<Of> table) {
    return table.empty();
}
} // namespace metal
MP_END
