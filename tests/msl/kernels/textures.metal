// Textures and samplers as programs pass them about.
#include <metal_stdlib>
using namespace metal;

constant bool has_mask [[function_constant(0)]];
constexpr sampler whole_program(coord::pixel, address::clamp_to_zero, filter::nearest);
constant sampler by_value = sampler(coord::pixel, filter::linear);

typedef texture2d<float, access::read> Source;
template <typename T> using Target = texture2d<T, access::write>;

// Passed to functions, by value and by reference, and to templates.
static float4 at(Source t, uint2 p) { return t.read(p); }
template <typename Texture> static uint2 size_of(thread const Texture& t) { return uint2(t.get_width(), t.get_height()); }
template <typename T> static void fill(Target<T> t, vec<T, 4> v, ushort2 p) { t.write(v, p); }

kernel void passed(Source source [[texture(0)]], Target<half> target [[texture(1)]], ushort2 p [[thread_position_in_grid]]) {
  if (any(uint2(p) >= size_of(source))) return;
  fill<half>(target, half4(at(source, uint2(p))) * 2.0h, p);
}

// Arrays of textures take several indices; what has no index gets the next that is free.
kernel void several(array<texture2d<float>, 3> stack [[texture(1)]], texture2d<float, access::read> first,
                    metal::texture2d<float, metal::access::write> last, array<sampler, 2> samplers,
                    device float* out, uint2 p [[thread_position_in_grid]]) {
  float4 sum = first.read(p);
  for (uint i = 0; i < stack.size(); ++i) sum += stack[i].sample(samplers[i & 1], float2(p) + 1) * exp10(float(i));
  last.write(sum, p);
  out[p.y * 4 + p.x] = sum.x;
}

// A texture that is there only if a function constant says so, and one that may be null.
kernel void gated(texture2d<float, access::read> t [[texture(0)]], texture2d<float, access::read> other [[texture(1)]],
                  texture2d<float, access::read> mask [[texture(2), function_constant(has_mask)]],
                  device float* out, uint2 p [[thread_position_in_grid]]) {
  float v = t.read(p).x;
  if (!is_null_texture(other)) v += other.read(p).x;
  if (has_mask) v *= mask.read(p).x;
  out[p.y * t.get_width() + p.x] = v;
}

// Textures and samplers in an argument buffer.
struct Arguments {
  texture2d<float> image [[id(0)]];
  sampler how [[id(1)]];
  texture2d<float, access::write> target [[id(2)]];
  float scale [[id(3)]];
};
kernel void argument_buffer(constant Arguments& a [[buffer(0)]], uint2 p [[thread_position_in_grid]]) {
  a.target.write(a.image.sample(a.how, float2(p) + 0.5) * a.scale, p);
}

// Samplers of every kind give the same.
kernel void samplers(texture2d<float> t, sampler host, device float* out, uint i [[thread_position_in_grid]]) {
  constexpr sampler local(coord::pixel, s_address::clamp_to_zero, t_address::clamp_to_zero);
  sampler copy = local;
  float2 p = float2(i, 1) + 0.5;
  out[4 * i] = t.sample(whole_program, p).x;
  out[4 * i + 1] = t.sample(copy, p).x;
  out[4 * i + 2] = t.sample(host, p).x;
  out[4 * i + 3] = t.sample(by_value, p).x;
}

// Texels and threadgroup memory: a threadgroup averages its tile.
kernel void tiles(texture2d<half, access::read> t, texture2d<half, access::write> out, uint2 p [[thread_position_in_grid]],
                  uint2 l [[thread_position_in_threadgroup]], uint2 g [[threadgroup_position_in_grid]]) {
  threadgroup half4 tile[4][4];
  tile[l.y][l.x] = t.read(p);
  threadgroup_barrier(mem_flags::mem_threadgroup | mem_flags::mem_texture);
  if (l.x != 0 || l.y != 0) return;
  float4 sum = 0;
  for (int y = 0; y < 4; ++y)
    for (int x = 0; x < 4; ++x) sum += float4(tile[y][x]);
  out.write(half4(sum / 16), g);
}

// A thread sees what it wrote to a texture that it may read, too.
kernel void accumulate(texture2d<float, access::read_write> t, uint2 p [[thread_position_in_grid]]) {
  for (int i = 0; i < 5; ++i) {
    t.write(t.read(p) + float4(i), p);
    t.fence();
  }
}

// The arithmetic of integer textures is the integers'.
kernel void integers(texture2d<short, access::read> s, texture2d<uint, access::write> u, uint2 p [[thread_position_in_grid]]) {
  short4 v = s.read(p);
  u.write(uint4(abs(v)), p);
}

// simdgroup functions and textures in one kernel.
kernel void row_sums(texture2d<float, access::read> t, device float* out, uint2 p [[thread_position_in_grid]],
                     uint lane [[thread_index_in_simdgroup]]) {
  float sum = simd_sum(t.read(p).x);
  if (lane == 0) out[p.y] = sum;
}

// The filter of a resize, as image libraries write it.
kernel void resize(texture2d<float, access::sample> source, texture2d<float, access::write> target,
                   uint2 p [[thread_position_in_grid]]) {
  constexpr sampler s(address::clamp_to_edge, filter::linear);
  if (p.x >= target.get_width() || p.y >= target.get_height()) return;
  float2 at = (float2(p) + 0.5) / float2(target.get_width(), target.get_height());
  target.write(source.sample(s, at), p);
}

kernel void sizes(texture1d<float> a, texture1d_array<half> b, texture2d<int> c, texture2d_array<uint> d, texture3d<float> e,
                  texturecube<float> f, texturecube_array<float> g, texture_buffer<float> h, depth2d<float> i,
                  depth2d_array<float> j, texture2d_ms<float> k, depthcube<float> l, device uint* out) {
  uint found[] = {a.get_width(), a.get_num_mip_levels(), b.get_width(), b.get_array_size(), c.get_width(), c.get_height(),
                  c.get_num_mip_levels(), c.get_width(1), d.get_height(2), d.get_array_size(), e.get_depth(), e.get_depth(1),
                  f.get_width(), f.get_height(), g.get_array_size(), h.get_width(), i.get_height(), j.get_array_size(),
                  k.get_num_samples(), k.get_height(), l.get_width(), l.get_num_mip_levels()};
  for (uint n = 0; n < sizeof(found) / sizeof(uint); ++n) out[n] = found[n];
}
