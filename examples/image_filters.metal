// Filters of images, over textures: drawing, blurring, edges, and a plane seen in perspective through mip levels.
#include <metal_stdlib>
using namespace metal;

// A test card: rings, a checkerboard and a ramp of colours.
kernel void draw_card(texture2d<float, access::write> card [[texture(0)]], uint2 at [[thread_position_in_grid]]) {
  const float2 size(card.get_width(), card.get_height());
  const float2 p = (float2(at) + 0.5) / size.y - float2(0.5 * size.x / size.y, 0.5);
  const float r = length(p);
  const float rings = 0.5 + 0.5 * cos(180.0 * r * r);
  const float checks = (at.x / 16 + at.y / 16) % 2 ? 0.9 : 0.15;
  float3 color = mix(float3(0.1, 0.3, 0.8), float3(1.0, 0.7, 0.1), saturate(p.x + 0.5));
  color = r < 0.3 ? float3(rings) : color * checks;
  card.write(float4(r > 0.3 && r < 0.32 ? float3(0.8, 0.1, 0.1) : color, 1), at);
}

// The mean of 5 by 5 texels.
kernel void box_blur(texture2d<float, access::read> source [[texture(0)]],
                     texture2d<float, access::write> target [[texture(1)]], uint2 at [[thread_position_in_grid]]) {
  const int2 last = int2(source.get_width(), source.get_height()) - 1;
  float4 sum = 0;
  for (int y = -2; y <= 2; ++y)
    for (int x = -2; x <= 2; ++x) sum += source.read(uint2(clamp(int2(at) + int2(x, y), 0, last)));
  target.write(sum / 25, at);
}

// Sobel's operator on the brightness.
kernel void edges(texture2d<half> source [[texture(0)]], texture2d<half, access::write> target [[texture(1)]],
                  uint2 at [[thread_position_in_grid]]) {
  constexpr sampler s(coord::pixel, address::clamp_to_edge, filter::nearest);
  const half3 weights(0.299h, 0.587h, 0.114h);
  half around[3][3];
  for (int y = 0; y < 3; ++y)
    for (int x = 0; x < 3; ++x) around[y][x] = dot(source.sample(s, float2(at) + 0.5, int2(x - 1, y - 1)).rgb, weights);
  const half gx = around[0][2] + 2 * around[1][2] + around[2][2] - around[0][0] - 2 * around[1][0] - around[2][0];
  const half gy = around[2][0] + 2 * around[2][1] + around[2][2] - around[0][0] - 2 * around[0][1] - around[0][2];
  target.write(half4(half3(sqrt(gx * gx + gy * gy)), 1), at);
}

// The image tiled over a plane that runs to the horizon; the sampler says how, the gradient which level of detail.
kernel void plane(texture2d<float> source [[texture(0)]], sampler how [[sampler(0)]],
                  texture2d<float, access::write> target [[texture(1)]], uint2 at [[thread_position_in_grid]]) {
  const float2 size(target.get_width(), target.get_height());
  const float x = (at.x + 0.5) / size.x - 0.5, y = (at.y + 0.5) / size.y + 0.02;
  const float2 place(x / y, 1 / y), across(1 / (y * size.x), 0), down(-x / (y * y * size.y), -1 / (y * y * size.y));
  target.write(source.sample(how, place, gradient2d(across, down)), at);
}
