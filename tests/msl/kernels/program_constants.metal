// Constants and tables in program scope, in functions and in classes.
#include <metal_stdlib>
using namespace metal;

constant float weights[5] = {0.0625f, 0.25f, 0.375f, 0.25f, 0.0625f};
constant int grid[2][3] = {{1, 2, 3}, {4, 5, 6}};
constexpr constant uint answer = 42;
constant constexpr float half_of_it = answer / 2.0f;
static constant uchar bytes[] = {1, 1, 2, 3, 5, 8, 13, 21};
struct Entry {
  int key;
  float2 value;
};
constant Entry entries[3] = {{1, {1, 2}}, {2, {3, 4}}, {3, {5, 6}}};
struct Traits {
  static constexpr constant int lanes = 8;
  static constant constexpr float scale = 0.5f;
};
enum Colour : uint { red = 1, green = 2, blue = red + 4 };
enum class Mode { slow, fast = 10 };
constexpr int square(int x) { return x * x; }
constant int squares[4] = {square(1), square(2), square(3), square(4)};
constant float& alias = weights[2];

kernel void convolve(device float* out, const device float* x, uint i [[thread_position_in_grid]]) {
  float sum = 0;
  for (uint k = 0; k < 5; ++k) sum += weights[k] * x[i + k];
  out[i] = sum;
}
kernel void tables(device float* out, uint i [[thread_position_in_grid]]) {
  const int local[3] = {10, 20, 30};
  constexpr int primes[] = {2, 3, 5, 7};
  float r = grid[i % 2][i % 3] + bytes[i % 8] + local[i % 3] + primes[i % 4];
  r += entries[i % 3].key * entries[i % 3].value.y;
  r += squares[i % 4] + answer + half_of_it + Traits::lanes * Traits::scale;
  r += blue + int(Mode::fast) + alias;
  out[i] = r;
}
