// <metal_command_buffer>: what a kernel writes for commands that the host encodes, in the layouts of the host's structures.
// Command buffers themselves are declared, not supported.
#pragma once
#pragma clang system_header
#include <__mp/scalar.h>

struct MTLDispatchThreadgroupsIndirectArguments { uint threadgroupsPerGrid[3]; };
struct MTLDispatchThreadsIndirectArguments { uint threadsPerGrid[3], threadsPerThreadgroup[3]; };
struct MTLStageInRegionIndirectArguments { uint stageInOrigin[3], stageInSize[3]; };
struct MTLDrawPrimitivesIndirectArguments { uint vertexCount, instanceCount, vertexStart, baseInstance; };
struct MTLDrawPatchIndirectArguments { uint patchCount, instanceCount, patchStart, baseInstance; };
struct MTLDrawIndexedPrimitivesIndirectArguments {
    uint indexCount, instanceCount, indexStart;
    int baseVertex;
    uint baseInstance;
};

namespace metal {
struct command_buffer; // indirect command buffers are not supported
struct compute_command;
struct render_command;
} // namespace metal
