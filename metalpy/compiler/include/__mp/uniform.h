// uniform<T>: a value that is the same in all threads. Nothing is made of it here.
#pragma once
#pragma clang system_header
#include <__mp/scalar.h>

namespace metal {
template <class T> using uniform = T;
template <class T> MP_CX T make_uniform(T value) { return value; }
} // namespace metal
