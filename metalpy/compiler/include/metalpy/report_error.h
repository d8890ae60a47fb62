// MP_REPORT_ERROR("index %d exceeds limit %d", i, n): the next call on the host that waits for the kernel raises
// metalpy.KernelReportedError with the text, the file, the line and, where the device tells, the thread. The kernel goes
// on behind it. With another Metal compiler it is a message of os_log, which metalpy tells from others by its names.
#ifndef METALPY_REPORT_ERROR_H
#define METALPY_REPORT_ERROR_H
#include <metal_logging>
#ifdef __METALPY__
#define MP_REPORT_ERROR(...) __mp::messages::report_error(__VA_ARGS__)
#else
namespace metalpy {
constant metal::os_log report_log("metalpy", "report");
}
#define METALPY_TEXT_OF(x) #x
#define METALPY_TEXT(x) METALPY_TEXT_OF(x)
#define MP_REPORT_ERROR(...) metalpy::report_log.log_error(__FILE__ ":" METALPY_TEXT(__LINE__) ": " __VA_ARGS__)
#endif
#endif
