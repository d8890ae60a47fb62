// <metal_tensor>: declared, not supported yet.
#pragma once
#pragma clang system_header
#include <__mp/unsupported.h>

namespace metal {
template <class T, class... Rest> struct tensor {
    MP_UNSUPPORTED("tensor");
};
} // namespace metal
