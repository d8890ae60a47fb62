// <metal_tessellation>: what a kernel writes for the tessellator of a render pass, in the layouts of the host's structures.
#pragma once
#pragma clang system_header
#include <__mp/scalar.h>

struct MTLQuadTessellationFactorsHalf {
    half edgeTessellationFactor[4];
    half insideTessellationFactor[2];
};
struct MTLTriangleTessellationFactorsHalf {
    half edgeTessellationFactor[3];
    half insideTessellationFactor;
};
