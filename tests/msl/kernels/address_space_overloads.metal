// Functions and methods that differ only in the address space, and do different things.
#include <metal_stdlib>
using namespace metal;

constant int table[2] = {7, 8};

static int f(const device int* p);  // declared first
static int f(const device int* p) { return 10 + *p; }
static int f(constant int* p) { return 20 + *p; }
static int f(const threadgroup int* p) { return 30 + *p; }
static int f(const thread int* p) { return 40 + *p; }

// They do the same for two of the spaces, and differ in const.
static int g(device int& x) { return x + 1; }
static int g(threadgroup int& x) { return x + 1; }
static int g(const thread int& x) { return x + 2; }

// One that calls another of its own set; the space of the second argument matters, too.
template <typename T>
T h(const thread T* p, const device T* q) { return 100 + f(p) + f(q); }
template <typename T>
T h(constant T* p, const device T* q) {
  T copy = *p;
  return 1000 + h(&copy, q);
}
template <typename T>
T h(constant T* p, constant T* q) { return 5000 + *p + *q; }

template <typename P>
struct Loader {
  P from;
  int load(uint i) const { return f(from + i); }
};

kernel void functions(device int* out, const device int* x, constant int* c, uint n [[threads_per_grid]]) {
  threadgroup int shared_value;
  shared_value = 5;
  int own[2] = {1, 2};
  out[0] = f(x);
  out[1] = f(c);
  out[2] = f(&shared_value);
  out[3] = f(own + n);
  out[4] = f(table + 1);
  out[5] = f(n > 1 ? x + 1 : x);
  out[6] = g(out[5]);
  out[7] = g(shared_value);
  out[8] = g(own[0]);
  out[9] = h(own, x);
  out[10] = h(c, x);
  out[11] = h(c, table);
  Loader<const device int*> a = {x};
  Loader<constant int*> b = {c};
  out[12] = a.load(1);
  out[13] = b.load(0);
  auto each = [&](auto p) { return f(p); };
  out[14] = each(x) + each(c);
  const thread int* rows[2] = {own, own + 1};
  out[15] = f(rows[n]);
  int far = 33;  // shifts by the low bits of the amount
  out[16] = (1 << far) + (2 << (x[0] + 32)) + f(x);
}

struct Cell {
  int v;
  int where() const device { return 1; }
  int where() const constant { return 2; }
  int where() const threadgroup { return 3; }
  int where() const thread { return 4; }
  int scaled(int by = 2) const device { return by * v; }
  int scaled(int by = 2) const thread { return -by * v; }
  int operator()(int x) const device { return x + v; }
  int operator()(int x) const thread { return x - v; }
  operator int() const device { return v + 100; }
  operator int() const thread { return v + 200; }
  template <int N>
  int times() const device { return N * v; }
  template <int N>
  int times() const thread { return N * v + 1; }
};
device Cell& operator+=(device Cell& a, int b) { a.v += b; return a; }
thread Cell& operator+=(thread Cell& a, int b) { a.v += 2 * b; return a; }

kernel void methods(device int* out, device Cell* x, constant Cell& c) {
  threadgroup Cell shared_cell;
  Cell own = x[0];
  out[0] = x->where();
  out[1] = c.where();
  out[2] = shared_cell.where();
  out[3] = own.where();
  out[4] = x->scaled();
  out[5] = own.scaled(3);
  out[6] = x[0](10);
  out[7] = own(10);
  out[8] = int(x[0]);
  out[9] = int(own);
  out[10] = x->times<5>();
  out[11] = own.times<5>();
  x[1] += 10;
  own += 10;
  out[12] = x[1].v;
  out[13] = own.v;
}

// Constructors, with initializers, of templates, as templates.
struct Part {
    int v;
    int w = 1;
    Part() = default;
    Part(device const int* p) : v(p[0]), w(5) {}
    Part(threadgroup int* p) : v(p[0] * 10) { w += 1; }
    Part(thread const int& p) : v(p * 100) {}
    Part(constant int& p) : v(p * 1000) {}
};
template <typename T> struct Value {
    T v;
    explicit Value(const device T* p, int n) : v(p[n]) {}
    explicit Value(const threadgroup T* p, int n) : v{-p[n]} {}
};
struct Any {
    int v;
    template <typename T> METAL_FUNC Any(const device T* p) { v = p[0]; }
    template <typename T> METAL_FUNC Any(const threadgroup T* p) { v = p[0] + 1000; }
};

kernel void constructors(device int* out, const device int* x, constant int& c) {
    threadgroup int shared[2];
    shared[0] = 7;
    shared[1] = 8;
    int own = 4;
    Part a(x), b(shared), d(own), e;
    e = Part(c);
    out[0] = a.v, out[1] = a.w, out[2] = b.v, out[3] = b.w, out[4] = d.v, out[5] = e.v;
    out[6] = Value<int>(x, 1).v, out[7] = Value<int>(shared, 1).v;
    out[8] = Any(x).v, out[9] = Any(shared).v;
}

// Each overload has defaults of its own, some none.
int plus(const device int* p, int n = 1) { return p[0] + n; }
int plus(threadgroup int* p, int n = 2) { return 10 * p[0] + n; }
template <typename T> T sum(const device T* p, int n = 5) { return p[0] + n; }
template <typename T> T sum(const threadgroup T* p, int n) { return 10 * p[0] + n; }
int declared(const device int* p, int n = 4);
int declared(thread int* p, int n);
int declared(const device int* p, int n) { return p[0] + n; }
int declared(thread int* p, int n) { return 100 * p[0] + n; }
struct Made {
    int v;
    Made(const device int* p, int a = 1, int b = 2) : v(p[0] + 10 * a + 100 * b) {}
    Made(threadgroup int* p, int a = 3, int b = 4) : v(-p[0] - 10 * a - 100 * b) {}
    int get(int k = 1) const thread { return v + k; }
    int get(int k = 2) const device { return v - k; }
};

kernel void defaults(device int* out, const device int* x, device Made* there) {
    threadgroup int shared[1];
    shared[0] = 7;
    int own = 6;
    out[0] = plus(x), out[1] = plus(shared), out[2] = plus(x, 9), out[3] = plus(shared, 9);
    out[4] = sum(x), out[5] = sum(shared, 1), out[6] = declared(x), out[7] = declared(&own, 3);
    out[8] = Made(x).v, out[9] = Made(shared).v, out[10] = Made(shared, 1).v, out[11] = Made(x, 5, 6).v;
    Made made(x);
    out[12] = made.get(), out[13] = made.get(5), out[14] = there->get();
}

// Specialisations, used by their names.
template <typename T> struct Kind { enum { v = 0 }; };
template <typename T> struct Kind<device T*> { enum { v = 1 }; typedef T type; };
template <typename T> struct Kind<threadgroup T*> { enum { v = 3 }; };
template <typename T> struct Kind<const device T*> { enum { v = 4 }; };
template <typename T> struct Kind<constant T*> { enum { v = 4 }; };
template <typename T, int N> struct Get;
template <int N> struct Get<const device int*, N> { static int of(const device int* p) { return p[0] + N; } };
template <int N> struct Get<const threadgroup int*, N> {
    static int of(const threadgroup int* p) { return 10 * p[0] + N; }
};
template <typename T> int two(const device T* p) { return Kind<device T*>::v + Get<const device T*, 2>::of(p); }

kernel void specialisations(device int* out, const device int* x) {
    threadgroup int shared[1];
    shared[0] = 7;
    out[0] = Kind<int>::v, out[1] = Kind<device float*>::v, out[2] = Kind<threadgroup float*>::v;
    out[3] = Kind<constant int*>::v, out[4] = Kind<const device int*>::v;
    out[5] = Get<const device int*, 5>::of(x), out[6] = Get<const threadgroup int*, 5>::of(shared);
    out[7] = two(x);
    Kind<device int*>::type z = 3;
    out[8] = z;
}

// C++ would choose by the other parameter's type, and take an overload for another space.
static int ranked(device int* p, float x) { return int(x * 2); }
static int ranked(threadgroup int* p, int x) { return x / 2; }
static int twins(device int* p, float x) { return 1; }
static int twins(threadgroup int* p, float x) { return 1; }
static int twins(device int* p, int x) { return 2; }
static int splat(thread int* p, float4 x) { return int(x.w); }
static int splat(device int* p, half x) { return 70; }
static int given(device int* p, float x, int y = 5) { return int(x) + y; }
static int given(thread int* p, int x, int y) { return x + y + 200; }
template <typename T> T ranked_template(device T* p, float x) { return T(x * 2); }
template <typename T> T ranked_template(threadgroup T* p, int x) { return T(x / 2); }
struct Ranked {
    int v;
    Ranked(device int* p, float x) : v(int(x * 2)) {}
    Ranked(thread int* p, int x) : v(x / 2) {}
    int get(float x) const device { return 1; }
    int get(int x) const thread { return 2; }
};

kernel void ranks(device int* out, device int* x, device Ranked* there) {
    threadgroup int shared[1];
    int own[1];
    Ranked here(own, 7.0f);
    out[0] = ranked(x, 3), out[1] = ranked(shared, 3.0f), out[2] = ranked(x, 1.5f), out[3] = ranked(shared, 7);
    out[4] = twins(x, 1), out[5] = twins(shared, 1), out[6] = twins(x, 1.0f), out[7] = twins(shared, 1.0f);
    out[8] = splat(own, half(3)), out[9] = splat(x, half(3)), out[10] = splat(own, 4.0f);
    out[11] = given(x, 1), out[12] = given(own, 1, 0), out[13] = given(x, 2, 3), out[14] = given(own, 1.5f, 1);
    out[15] = ranked_template(x, 3), out[16] = ranked_template(shared, 3.0f);
    out[17] = Ranked(x, 3).v, out[18] = here.v;
    out[19] = there->get(1), out[20] = here.get(1), out[21] = there->get(1.0f);
}
