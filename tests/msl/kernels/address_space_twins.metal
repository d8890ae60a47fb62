// Functions, traits and methods that differ only in the address space: what they do is the same.
#include <metal_stdlib>
using namespace metal;

static float first(const device float* p) { return p[0] + 100; }
static float first(constant float* p) { return p[0] + 100; }
static float first(const threadgroup float* p) { return p[0] + 100; }
static float twice(const device float& x) { return 2 * x; }
static float twice(const thread float& x) { return 2 * x; }

kernel void functions(device float* out, const device float* x, constant float* c, uint i [[thread_position_in_grid]]) {
  threadgroup float shared_value;
  if (i == 0) shared_value = 1000;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  const float local = 5;
  out[i] = first(x + i) + first(c) + first(&shared_value) + twice(x[i]) + twice(local);
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
