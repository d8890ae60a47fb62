#pragma once
#include "numbers.h"
static int area(int width, int height) {
  return width * height * ONE;
}
