// <metal_command_buffer>: declared, not supported.
#pragma once
#pragma clang system_header

namespace metal {
struct command_buffer; // indirect command buffers are not supported
struct compute_command;
struct render_command;
} // namespace metal
