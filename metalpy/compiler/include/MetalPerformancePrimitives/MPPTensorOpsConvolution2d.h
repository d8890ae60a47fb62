#pragma once
#pragma clang system_header
#include <__mp/macros.h>
#ifndef __METALPY_HARVEST__
#include <__mp/convolution2d.h>
#endif
