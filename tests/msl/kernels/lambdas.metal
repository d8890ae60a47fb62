// Lambdas, captured by value and by reference, generic and passed on.
#include <metal_stdlib>
using namespace metal;

template <typename F>
static int twice(F f, int x) {
  return f(f(x));
}
kernel void apply(device int* out, constant int& step, uint i [[thread_position_in_grid]]) {
  const int add = step;
  int calls = 0;
  auto plus = [add](int x) { return x + add; };
  auto counted = [&](int x) {
    ++calls;
    return x * 2;
  };
  auto generic = [](auto a, auto b) { return a + b; };
  out[i] = twice(plus, int(i)) + twice(counted, int(i)) + calls + generic(1, 2.5f);
}
