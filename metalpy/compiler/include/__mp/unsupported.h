// Types that are declared only so that using one says what is missing.
#pragma once
#pragma clang system_header
#include <__mp/scalar.h>

namespace __mp {
template <class...> inline constexpr bool supported = false;
}
#define MP_UNSUPPORTED(name) static_assert(__mp::supported<T, Rest...>, "metalpy: " name " is not supported yet")
