// <metal_logging>, and what our printf and error reports are made of. A message goes to the runtime as its format and
// its values with their types; the host makes text of them. The format is checked against the types while the program
// is compiled, where it is known then.
#pragma once
#pragma clang system_header
#include <__mp/matrix.h>
#include <metalpy_format.h>
#include <metalpy_kernel.h>

MP_BEGIN
namespace __mp::messages {
enum level : mp_u32 { debug = 1, info = 2, notice = 3, error = 4, fault = 5, print = 6, report = 7 }; // MP_MESSAGE_*

// A format and where it is used: made from what stands in the call.
struct format {
    const char *text;
    const char *file;
    unsigned line;
    constexpr format(const char *text, const char *file = __builtin_FILE(), unsigned line = __builtin_LINE())
        : text(text), file(file), line(line) {}
};

// What an argument is to a conversion, as mp_conversion.wants says it; '?': no message takes it.
template <class T> inline constexpr char kind = '?';
template <class T> requires(shape<T>::lanes > 0) inline constexpr char kind<T> = integer<element_t<T>> ? 'i' : 'f';
template <class T> inline constexpr char kind<T *> = 'p';
template <> inline constexpr char kind<decltype(nullptr)> = 'p';
template <> inline constexpr char kind<const char *> = 's';

// ---- values ----

template <class T> MP_CX unsigned long bits_of(T x) {
    if constexpr (floating<T>) return __builtin_bit_cast(unsigned, static_cast<float>(x));
    else return static_cast<unsigned long>(x); // extended by the sign of its type
}
template <class T> MP_FN mp_message_value value_of(T x) {
    static_assert(kind<T> != '?', "a message takes numbers, vectors, pointers and constant strings");
    mp_message_value made = {};
    made.lanes = 1;
    made.size = 8;
    if constexpr (kind<T> == 's' || kind<T> == 'p') {
        made.kind = kind<T> == 's' ? MP_VALUE_STRING : MP_VALUE_POINTER;
        made.bits[0] = (unsigned long)x;
    } else if constexpr (kind<T> != '?') {
        using E = element_t<T>;
        made.kind = floating<E> ? MP_VALUE_FLOAT : static_cast<E>(-1) < E(0) ? MP_VALUE_SIGNED : MP_VALUE_UNSIGNED;
        made.size = sizeof(E);
        made.lanes = shape<T>::lanes;
        const value_t<T> v = static_cast<value_t<T>>(x);
        if constexpr (shape<T>::lanes == 1) made.bits[0] = bits_of<E>(v);
        else
            for (int i = 0; i < shape<T>::lanes; ++i) made.bits[i] = bits_of<E>(v[i]);
    }
    return made;
}

// ---- the check ----

enum verdict { right, few, many, integers, numbers, pointers, strings, lanes, unknown };

struct expected {
    char kind;
    int lanes;
};
template <class T> constexpr int lanes_of = shape<T>::lanes > 0 ? shape<T>::lanes : 1;

constexpr verdict check_one(mp_conversion wanted, expected got) {
    if (wanted.wants == 0 || wanted.lanes == 0) return unknown;
    if (got.kind == 0) return few;
    if (got.kind == '?') return right; // value_of says what is wrong
    if (wanted.wants == 'p' && got.kind == 's') return right;
    if (wanted.wants != got.kind)
        return wanted.wants == 'i' ? integers : wanted.wants == 'f' ? numbers : wanted.wants == 'p' ? pointers : strings;
    return wanted.lanes == got.lanes ? right : lanes;
}
template <class... A> constexpr verdict check(const char *text) {
    const expected got[] = {{kind<A>, lanes_of<A>}..., {0, 1}};
    unsigned next = 0;
    for (;;) {
        const mp_conversion wanted = mp_next_conversion(text);
        if (wanted.start == wanted.end) return got[next].kind ? many : right;
        const int stars = (wanted.width == MP_FORMAT_STAR) + (wanted.precision == MP_FORMAT_STAR);
        for (int i = 0; i < stars; ++i, ++next) {
            if (got[next].kind == 0) return few;
            if (got[next].kind != 'i' || got[next].lanes != 1) return integers;
        }
        const verdict found = check_one(wanted, got[next]);
        if (found != right) return found;
        ++next;
        text = wanted.end;
    }
}

#define MP_FORMAT_CHECK(found, message)                                                                               \
    __attribute__((diagnose_if(__mp::messages::check<A...>(f.text) == __mp::messages::found, message, "error")))
#define MP_FORMAT_CHECKED                                                                                             \
    MP_FORMAT_CHECK(few, "the format has more conversions than there are arguments")                                  \
    MP_FORMAT_CHECK(many, "there are more arguments than the format has conversions")                                 \
    MP_FORMAT_CHECK(integers, "the format needs an integer where the argument is something else")                     \
    MP_FORMAT_CHECK(numbers, "the format needs a floating-point number where the argument is something else")         \
    MP_FORMAT_CHECK(pointers, "the format needs a pointer where the argument is something else")                      \
    MP_FORMAT_CHECK(strings, "the format needs a constant string where the argument is something else")               \
    MP_FORMAT_CHECK(lanes, "the format and an argument differ in their number of components (%v4f is for a float4)")  \
    MP_FORMAT_CHECK(unknown, "the format has a conversion that does not exist")

template <class... A>
MP_FN void send(mp_u32 level, format f, const char *subsystem, const char *category, A... a) {
    const mp_message_site site = {level, f.line, f.file, f.text, subsystem, category};
    const mp_message_value values[] = {value_of<A>(a)..., {}};
    mp_kernel_message(&site, values, sizeof...(A));
}

template <class... A> MP_FN void print_formatted(format f, A... a) MP_FORMAT_CHECKED {
    send(print, f, nullptr, nullptr, a...);
}
template <class... A> MP_FN void report_error(format f, A... a) MP_FORMAT_CHECKED {
    send(report, f, nullptr, nullptr, a...);
}
} // namespace __mp::messages

namespace metal {
struct os_log {
    constexpr os_log(const char *subsystem, const char *category) : mp_subsystem(subsystem), mp_category(category) {}
#define MP_LOG(name, level)                                                                                           \
    template <class... A> MP_FN void name(__mp::messages::format f, A... a) const MP_FORMAT_CHECKED {                 \
        __mp::messages::send(__mp::messages::level, f, mp_subsystem, mp_category, a...);                              \
    }
    MP_LOG(log, notice)
    MP_LOG(log_debug, debug)
    MP_LOG(log_info, info)
    MP_LOG(log_error, error)
    MP_LOG(log_fault, fault)
#undef MP_LOG
    const char *mp_subsystem, *mp_category;
};
inline constexpr os_log os_log_default("", "");
} // namespace metal
MP_END
