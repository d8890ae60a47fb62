// Convolutions of images with channels: Metal 4.
#include <metal_stdlib>
#define N 3 // which the library's headers do not mind
#include <metal_tensor>
#include <MetalPerformancePrimitives/MPPTensorOpsConvolution2d.h>
using namespace metal;
using namespace mpp::tensor_ops;

using image_extents = dextents<int32_t, 4>;
constant constexpr auto nhwc = convolution2d_activation_layout::nhwc;
constant constexpr auto hwio = convolution2d_weights_layout::hwio;
constant constexpr auto accumulate = convolution2d_descriptor::mode::multiply_accumulate;

// Any images, in tiles of 8 x 5 x 4 of the result's channels, width and height. The kernel's size is the compiler's.
struct Sizes {
  int channels_in, channels_out, width, height, batch, width_out, height_out;
  int2 padding;
};
template <typename A, typename W, typename C, int KX, int KY, int SX, int SY, int DX, int DY>
kernel void convolve(device C* c, device A* a, device W* w, constant Sizes& s,
                     uint3 group [[threadgroup_position_in_grid]]) {
  auto image = tensor(a, image_extents(s.channels_in, s.width, s.height, s.batch));
  auto weights = tensor(w, image_extents(s.channels_out, s.channels_in, KX, KY));
  auto result = tensor(c, image_extents(s.channels_out, s.width_out, s.height_out, s.batch));
  constexpr auto descriptor =
      convolution2d_descriptor(int4(8, 5, 4, 1), int4(-1, 1 << 14, 1 << 14, 1), int2(KX, KY), nhwc, hwio, int2(SX, SY),
                               int2(DX, DY), 1, false, accumulate);
  static_assert(descriptor.kernel_dimensions.x == KX && descriptor.groups == 1, "");
  convolution2d<descriptor, execution_simdgroups<2>> op;
  const int channel = group.x % ((s.channels_out + 7) / 8) * 8, batch = group.x / ((s.channels_out + 7) / 8);
  const int2 at(group.y * 5, group.z * 4);
  auto from = image.slice(0, 0, 0, batch);
  auto by = weights.slice(channel, 0, 0, 0);
  op.set_offsets(at * int2(SX, SY) - s.padding + (int2(KX - 1, KY - 1) * int2(DX, DY) + 1) / 2);
  auto sum = op.template get_destination_cooperative_tensor<decltype(from), decltype(by), C>();
  op.run(from, by, sum);
  sum.store(result.slice(channel, at.x, at.y, batch));
}
#define CONVOLVE(name, A, W, C, KX, KY, SX, SY, DX, DY)                                           \
  template [[host_name("convolve_" #name)]] kernel void convolve<A, W, C, KX, KY, SX, SY, DX, DY>( \
      device C*, device A*, device W*, constant Sizes&, uint3);
CONVOLVE(float, float, float, float, 3, 3, 1, 1, 1, 1)
CONVOLVE(half, half, half, half, 3, 3, 1, 1, 1, 1)
CONVOLVE(bfloat, bfloat, bfloat, bfloat, 3, 3, 1, 1, 1, 1)
CONVOLVE(half_half_float, half, half, float, 3, 3, 1, 1, 1, 1)
CONVOLVE(char_char_int, char, char, int, 3, 3, 1, 1, 1, 1)
CONVOLVE(1x1, float, float, float, 1, 1, 1, 1, 1, 1)
CONVOLVE(even, float, float, float, 4, 2, 1, 1, 1, 1)
CONVOLVE(wide, float, float, float, 5, 1, 1, 1, 1, 1)
CONVOLVE(strides, float, float, float, 3, 2, 2, 3, 1, 1)
CONVOLVE(dilations, float, float, float, 3, 2, 1, 1, 2, 3)
CONVOLVE(both, float, float, float, 2, 4, 3, 2, 3, 2)

// Tensors of the host, without offsets: the window's middle is on the element.
template <typename, bool Adds, int K>
kernel void into_memory(tensor<device float, image_extents> result, tensor<device half, image_extents> image,
                        tensor<device half, image_extents> weights) {
  constexpr auto what = Adds ? accumulate : convolution2d_descriptor::mode::multiply;
  constexpr auto descriptor = convolution2d_descriptor(int4(6, 7, 5, 2), int4(3, 7, 5, 2), int2(K, K), nhwc, hwio,
                                                       int2(1, 1), int2(1, 1), 1, true, what);
  convolution2d<descriptor, execution_simdgroups<4>> op;
  op.run(image, weights, result);
}
#define INTO_MEMORY(name, adds, K)                                      \
  template [[host_name(name)]] kernel void into_memory<void, adds, K>( \
      tensor<device float, image_extents>, tensor<device half, image_extents>, tensor<device half, image_extents>);
INTO_MEMORY("replaces_3", false, 3)
INTO_MEMORY("replaces_2", false, 2)
INTO_MEMORY("adds_3", true, 3)

// Which thread holds what, and a bias for each channel from a tensor of one dimension.
kernel void places(device short* out, device float* images, uint thread_index [[thread_index_in_threadgroup]]) {
  constexpr convolution2d_descriptor descriptor(int4(20, 5, 3, 2), int4(1, 5, 3, 2), int2(1, 1));
  convolution2d<descriptor, execution_simdgroups<2>> op;
  auto held = op.get_destination_cooperative_tensor<float, float, float>();
  for (ushort i = 0; i < held.get_capacity(); ++i) {
    auto at = held.get_multidimensional_index(i);
    device short* to = out + 5 * (thread_index * held.get_capacity() + i);
    for (int j = 0; j < 4; ++j) to[j] = at[j];
    to[4] = held.is_valid_element(i) && held.get_rank() == 4;
  }
}
kernel void with_bias(device float* out, device float* image, device float* weights, device float* bias) {
  constexpr convolution2d_descriptor descriptor(int4(20, 5, 3, 2), int4(4, 5, 3, 2), int2(1, 1));
  convolution2d<descriptor, execution_simdgroups<2>> op;
  auto from = tensor(image, extents<int, 4, 5, 3, 2>());
  auto by = tensor(weights, image_extents(20, 4, 1, 1));
  auto sum = op.get_destination_cooperative_tensor<decltype(from), decltype(by), float>();
  auto each = op.get_destination_cooperative_tensor<decltype(from), decltype(by), float>();
  each.load(tensor(bias, dextents<int, 1>(20)));
  op.run(from, by, sum);
  for (int i = 0; i < sum.get_capacity(); ++i) sum[i] += each[i];
  sum.store(tensor(out, image_extents(20, 5, 3, 2)));
}
