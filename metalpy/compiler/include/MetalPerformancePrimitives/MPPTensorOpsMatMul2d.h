#pragma once
#pragma clang system_header
#include <__mp/macros.h>
#ifndef __METALPY_HARVEST__
#include <__mp/matmul2d.h>
#endif
