// Functions and traits overloaded on the address space of a pointer or reference.
#include <metal_stdlib>
using namespace metal;

static float first(const device float* p) { return p[0]; }
static float first(constant float* p) { return p[0] + 100; }
static float second(const device float& x) { return 2 * x; }
static float second(const thread float& x) { return 3 * x; }

constant float offset = 0.5f;

static void store(device float* p, float x) { *p = x; }
static void add(thread float& x, float y) { x += y; }
static void swap_both(threadgroup int& a, threadgroup int& b) {
  int t = a;
  a = b;
  b = t;
}

kernel void pointers(device float* out, const device float* x, constant float* c, uint i [[thread_position_in_grid]]) {
  float sum = first(x + i);
  add(sum, first(c));
  add(sum, offset);
  store(out + i, sum);
}
kernel void references(device int* out, uint i [[thread_index_in_threadgroup]]) {
  threadgroup int pair[2];
  if (i == 0) pair[0] = 10, pair[1] = 20;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (i == 0) swap_both(pair[0], pair[1]);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  out[i] = pair[i % 2];
}

template <typename P>
struct pointer_element {};
template <typename T>
struct pointer_element<device T*> { using type = T; };
template <typename T>
struct pointer_element<threadgroup T*> { using type = T; };
template <typename T>
struct pointer_element<constant T*> { using type = T; };

template <typename P>
struct Loader {
  P from;
  typename pointer_element<P>::type load(uint i) const { return from[i]; }
};
kernel void traits(device float* out, device float* x, constant float* c, uint i [[thread_position_in_grid]]) {
  Loader<device float*> a = {x};
  Loader<constant float*> b = {c};
  out[i] = a.load(i) + b.load(i);
}

struct Complex {
  float re, im;
  Complex(float r, float i) thread : re(r), im(i) {}
  Complex(float r, float i) threadgroup : re(r), im(i) {}
  float norm() const thread { return re * re + im * im; }
  float norm() const device { return re * re + im * im; }
  thread Complex& operator+=(Complex other) thread {
    re += other.re;
    im += other.im;
    return *this;
  }
};
kernel void methods(device float* out, const device Complex* x, uint i [[thread_position_in_grid]]) {
  Complex z = x[i];
  z += Complex(1, 2);
  out[i] = z.norm() + x[i].norm();
}
