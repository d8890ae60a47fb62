// assert(), which <metal_stdlib> brings too: a condition that does not hold ends the launch. May be included again with
// another NDEBUG.
#pragma clang system_header
#include <__mp/macros.h>
#ifndef __METALPY_HARVEST__
#undef assert
#ifdef NDEBUG
#define assert(...) (void(0))
#else
#define assert(...) ((__VA_ARGS__) ? void(0) : __builtin_trap())
#endif
#endif
