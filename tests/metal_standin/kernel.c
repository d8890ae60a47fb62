/* kernel.c: the kernel of the test programs, `x[i] += y.x`, as metalpy's compiler would make it. */
#include "metalpy_kernel.h"

static void run_group(const mp_group *group)
{
    float *x = group->buffers[0];
    const float *y = group->buffers[1];
    for (mp_u32 i = 0; i < group->size[0]; i++)
        x[group->position[0] * group->group_size[0] + i] += y[0];
}

__attribute__((visibility("default"))) const mp_native_kernel mp_kernel = {
    MP_KERNEL_VERSION, 0, 0, 1024, 1024, 0, run_group, 0};
