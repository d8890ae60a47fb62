// <metal_raytracing>: declared, not supported.
#pragma once
#pragma clang system_header
#include <__mp/unsupported.h>

namespace metal::raytracing {
template <class T = void, class... Rest> struct acceleration_structure {
    MP_UNSUPPORTED("ray tracing");
};
template <class T = void, class... Rest> struct intersector {
    MP_UNSUPPORTED("ray tracing");
};
template <class T = void, class... Rest> struct intersection_function_table {
    MP_UNSUPPORTED("ray tracing");
};
} // namespace metal::raytracing
