// Tables of [[visible]] functions: declared, not supported yet.
#pragma once
#pragma clang system_header
#include <__mp/unsupported.h>

namespace metal {
template <class T, class... Rest> struct visible_function_table {
    MP_UNSUPPORTED("visible_function_table");
};
} // namespace metal
