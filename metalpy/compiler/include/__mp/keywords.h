// Metal's keywords as macros. Included in front of every translation unit (-include), after the rewriter has blanked
// the uses that are no macros' business: [[attributes]], and `threadgroup` anywhere but before a variable declaration.
#pragma once
#pragma clang system_header
#include <__mp/matrix.h> // types need no header in Metal

// 1.0h, 65504H; the rewriter turns 1.0bf into 1.0_b.
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wreserved-user-defined-literal"
consteval _Float16 operator""h(long double value) { return static_cast<_Float16>(value); }
consteval _Float16 operator""H(long double value) { return static_cast<_Float16>(value); }
consteval metal::bfloat operator""_b(long double value) { return static_cast<float>(value); }
#pragma clang diagnostic pop

// Entry points.
#define kernel
#define vertex
#define fragment

// Address spaces are erased; `constant` is the one that makes things immutable, `threadgroup` the one that says where
// a variable lives: the threads of a threadgroup run on one OS thread.
#define device
#define thread
#define constant const
#define threadgroup static thread_local __attribute__((loader_uninitialized))
#define threadgroup_imageblock
#define ray_data
#define object_data

#define double double_is_not_supported_in_Metal

// A flag that is set when a kernel is specialised.
#define is_function_constant_defined(name) __mp_defined_##name
