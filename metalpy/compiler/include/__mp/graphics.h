// <metal_graphics>: what functions that fragment functions call may use; they stand beside kernels in many files. Nothing
// here is defined: a kernel that reaches it is refused, as one with a bias is (see texture.h).
#pragma once
#pragma clang system_header
#include <__mp/scalar.h>

extern "C" void derivatives_are_for_fragment_functions();
extern "C" void discard_fragment_is_for_fragment_functions();
extern "C" void samples_are_for_fragment_functions();

MP_BEGIN
namespace metal {
#define MP_DERIVATIVE(name)                                                                                           \
    template <__mp::floats T> MP_FN __mp::value_t<T> name(T x) {                                                      \
        derivatives_are_for_fragment_functions();                                                                     \
        return x;                                                                                                     \
    }
MP_DERIVATIVE(dfdx)
MP_DERIVATIVE(dfdy)
MP_DERIVATIVE(fwidth)
#undef MP_DERIVATIVE
MP_FN void discard_fragment() { discard_fragment_is_for_fragment_functions(); }
MP_FN uint get_num_samples() {
    samples_are_for_fragment_functions();
    return 1;
}
MP_FN vec<float, 2> get_sample_position(uint) {
    samples_are_for_fragment_functions();
    return vec<float, 2>(0.5f);
}
} // namespace metal
MP_END
