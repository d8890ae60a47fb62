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
