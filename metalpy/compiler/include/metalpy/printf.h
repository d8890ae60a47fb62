// printf in Metal kernels: metalpy's own. The host prints when it waits for the kernel, in the order of the
// threadgroups. With another Metal compiler it is a message of os_log, which metalpy tells from others by its names.
#ifndef METALPY_PRINTF_H
#define METALPY_PRINTF_H
#include <metal_logging>
#ifndef __METALPY_HARVEST__
#ifdef __METALPY__
namespace metalpy {
template <class... A>
inline __attribute__((always_inline)) void printf(__mp::messages::format f, A... a) MP_FORMAT_CHECKED {
    __mp::messages::send(__mp::messages::print, f, nullptr, nullptr, a...);
}
} // namespace metalpy
using metalpy::printf;
#else
namespace metalpy {
constant metal::os_log printf_log("metalpy", "printf");
}
using metalpy::printf_log;
#define printf(...) printf_log.log(__VA_ARGS__)
#endif
#endif
#endif
