// Windows of images as columns of a matrix, and back.
//
// The host defines T, the type of the elements: float, half or bfloat.

#include <metal_stdlib>
using namespace metal;

#ifndef T // on its own, for tools
#define T float
#endif

struct Windows {
  uint planes;         // images times channels
  uint image[2];       // rows and columns of one
  uint counts[2];      // rows and columns of windows
  uint window[2];
  uint stride[2];
  uint padding[2];
  uint dilation[2];
  uint reserved;
  float outside;       // what is beyond the edges
};

// out: (planes, window rows, window columns, rows of windows, columns of windows), of which a thread has the last axis
// as x and all others as y.
kernel void unfold(device T *out, device const T *x, constant Windows &facts,
                   uint2 at [[thread_position_in_grid]]) {
  uint row = at.y % facts.counts[0], rest = at.y / facts.counts[0];
  uint right = rest % facts.window[1];
  rest /= facts.window[1];
  uint down = rest % facts.window[0], plane = rest / facts.window[0];
  int y = int(row * facts.stride[0] + down * facts.dilation[0]) - int(facts.padding[0]);
  int column = int(at.x * facts.stride[1] + right * facts.dilation[1]) - int(facts.padding[1]);
  bool inside = y >= 0 && column >= 0 && y < int(facts.image[0]) && column < int(facts.image[1]);
  ulong from = (ulong(plane) * facts.image[0] + uint(y)) * facts.image[1] + uint(column);
  out[ulong(at.y) * facts.counts[1] + at.x] = inside ? x[from] : T(facts.outside);
}

// out: (planes, rows, columns) of images; each thread adds up the windows that its element is in.
kernel void fold(device T *out, device const T *columns, constant Windows &facts,
                 uint2 at [[thread_position_in_grid]]) {
  uint y = at.y % facts.image[0] + facts.padding[0], plane = at.y / facts.image[0];
  uint x = at.x + facts.padding[1];
  float sum = 0.0f;
  for (uint down = 0; down < facts.window[0]; down++) {
    uint top = down * facts.dilation[0];
    if (top > y || (y - top) % facts.stride[0] != 0) continue;
    uint row = (y - top) / facts.stride[0];
    if (row >= facts.counts[0]) continue;
    for (uint right = 0; right < facts.window[1]; right++) {
      uint left = right * facts.dilation[1];
      if (left > x || (x - left) % facts.stride[1] != 0) continue;
      uint column = (x - left) / facts.stride[1];
      if (column >= facts.counts[1]) continue;
      ulong line = ((ulong(plane) * facts.window[0] + down) * facts.window[1] + right) * facts.counts[0] + row;
      sum += float(columns[line * facts.counts[1] + column]);
    }
  }
  out[ulong(at.y) * facts.image[1] + at.x] = T(sum);
}
