"""Kernels that print, log and report errors: everything arrives when the host waits, in order."""

import metalpy as mp

SOURCE = """
#include <metal_stdlib>
#include <metal_logging>
#include <metalpy/printf.h>
#include <metalpy/report_error.h>
using namespace metal;

constant os_log newton_log("converge", "newton");

kernel void root(device float* x, constant int& steps, uint i [[thread_position_in_grid]]) {
  if (x[i] < 0) {
    MP_REPORT_ERROR("no square root of %f", x[i]);
    return;
  }
  float y = 0.5f * (x[i] + 1);
  if (i < 2) printf("thread %u starts at %.2f\\n", i, y);
  for (int step = 0; step < steps; ++step) y = 0.5f * (y + x[i] / y);
  if (abs(y * y - x[i]) > 1e-3f * x[i])
    newton_log.log_error("%.4f after %d steps: still off by %g", y, steps, y * y - x[i]);
  x[i] = y;
}
"""

lib = mp.mps.compile_shader(SOURCE)


def show(message):
    what = f"{message.level} of {message.category}" if message.category else message.level
    print(f"heard from thread {message.thread}: {what}: {message.text.strip()}")


x = mp.array([4.0, 9.0], dtype="float32")
lib.root(x, 9)
mp.mps.synchronize()  # prints what the kernel printed

# A handler gets every message as data.
previous = mp.mps.set_message_handler(show)
x = mp.array([2.0, 9.0, -1.0, 1e6], dtype="float32")
lib.root(x, 9)
try:
    x.numpy()
except mp.KernelReportedError as error:
    print(f"raised: {error.message} (thread {error.thread}, line {error.line})")
mp.mps.set_message_handler(previous)

# The counterpart's error buffer does the same.
CHECKED = """
#include <c10/metal/error.h>
kernel void fill(device float* x, constant int& limit, device c10::metal::ErrorMessages* errors,
                 uint i [[thread_position_in_grid]]) {
  if (int(i) >= limit) {
    TORCH_REPORT_ERROR(errors, "Index ", i, " exceeds limit ", limit);
    return;
  }
  x[i] = i;
}
"""
mp.mps.compile_shader(CHECKED).fill(mp.zeros(8), 7, error_buf_idx=2)
try:
    mp.mps.synchronize()
except mp.KernelReportedError as error:
    print(f"raised by the error buffer: {error.message}")
