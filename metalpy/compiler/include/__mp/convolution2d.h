// mpp::tensor_ops::convolution2d: images with channels and weights to images with channels, by the simdgroups of a
// threadgroup. Sums are kept in float (of integers in int), as for matmul2d. Activations outside their tensor are zero.
#pragma once
#pragma clang system_header
#include <__mp/matmul2d.h>
#include <__mp/vec.h>

#if __METAL_VERSION__ >= 400
MP_BEGIN
namespace mpp::tensor_ops {
enum class convolution2d_activation_layout { nhwc };
enum class convolution2d_weights_layout { hwio };

struct convolution2d_descriptor {
    enum class mode { multiply, multiply_accumulate };
    metal::vec<int, 4> destination_dimensions, source_dimensions; // channels, width, height, batch
    metal::vec<int, 2> kernel_dimensions;                         // here and below: width, height
    convolution2d_activation_layout activation_layout;
    convolution2d_weights_layout weights_layout;
    metal::vec<int, 2> strides, dilations;
    int groups;
    bool relaxed_precision;
    mode conv2d_mode;
    constexpr convolution2d_descriptor(
        metal::vec<int, 4> destination, metal::vec<int, 4> source, metal::vec<int, 2> kernel_size,
        convolution2d_activation_layout of_activations = convolution2d_activation_layout::nhwc,
        convolution2d_weights_layout of_weights = convolution2d_weights_layout::hwio,
        metal::vec<int, 2> steps = metal::vec<int, 2>(1), metal::vec<int, 2> dilated = metal::vec<int, 2>(1),
        int number_of_groups = 1, bool may_be_relaxed = false, mode what = mode::multiply)
        : destination_dimensions(destination), source_dimensions(source), kernel_dimensions(kernel_size),
          activation_layout(of_activations), weights_layout(of_weights), strides(steps), dilations(dilated),
          groups(number_of_groups), relaxed_precision(may_be_relaxed), conv2d_mode(what) {}
};

template <convolution2d_descriptor Descriptor, class Scope, class... Options> class convolution2d {
    static constexpr auto size = Descriptor.destination_dimensions;
    static constexpr auto taps = Descriptor.kernel_dimensions;
    static constexpr bool accumulates =
        Descriptor.conv2d_mode == convolution2d_descriptor::mode::multiply_accumulate;
    static_assert(Descriptor.groups == 1, "convolution2d has one group: take slices of the channels for more");
    static_assert(size.x > 0 && size.y > 0 && size.z > 0 && size.w > 0 && taps.x > 0 && taps.y > 0,
                  "the sizes of a convolution's destination and kernel are known to the compiler, and positive");
    static_assert(!__mp::is_alone<Scope>, "convolution2d is for execution_simdgroups");
    metal::vec<int, 2> offsets = metal::vec<int, 2>(0);

    // An operand's elements along the channels, or zeros.
    template <class View> using line_of = __mp::line<typename View::value_type>;

    // Where an element of the destination begins to read. The middle of the window is at the offset, and of two in the
    // middle the second one, as measured on a GPU.
    static constexpr int before(int count, int dilation) { return ((count - 1) * dilation + 1) / 2; }
    template <class View>
    MP_FN line_of<View> source(const View &from, int pixel, int across, int down, const typename View::value_type *zero)
        const {
        int x = pixel % size.y * Descriptor.strides.x + offsets.x - before(taps.x, Descriptor.dilations.x) +
                across * Descriptor.dilations.x;
        int y = pixel / size.y % size.z * Descriptor.strides.y + offsets.y - before(taps.y, Descriptor.dilations.y) +
                down * Descriptor.dilations.y;
        int image = pixel / (size.y * size.z);
        bool exists = x >= 0 && x < from.get_extent(1) && y >= 0 && y < from.get_extent(2) &&
                      image < from.get_extent(3);
        const auto *at = from.data() + (x * static_cast<long>(from.get_stride(1)) +
                                        y * static_cast<long>(from.get_stride(2)) +
                                        image * static_cast<long>(from.get_stride(3)));
        return {at, from.get_stride(0), exists, zero};
    }
    template <class View>
    MP_FN static line_of<View> weight(const View &of, int channel, int across, int down,
                                      const typename View::value_type *zero) {
        const auto *at = of.data() + (channel * static_cast<long>(of.get_stride(0)) +
                                      across * static_cast<long>(of.get_stride(2)) +
                                      down * static_cast<long>(of.get_stride(3)));
        return {at, of.get_stride(1), channel < of.get_extent(0), zero};
    }

  public:
    template <class Activation, class Weights, class Element, class Index = int, class... More>
    using cooperative_tensor_destination_t =
        metal::cooperative_tensor<__remove_cvref(Element), metal::extents<Index, size.x, size.y, size.z, size.w>,
                                  Scope>;
    template <class Activation, class Weights, class Element, class Index = int, class... More>
    MP_FN static cooperative_tensor_destination_t<Activation, Weights, Element, Index>
    get_destination_cooperative_tensor() {
        return {};
    }

    // What the window of the destination's first element has in its middle: width, height.
    constexpr void set_offsets(metal::vec<int, 2> middle) { offsets = middle; }

    template <class Activation, class Weights, class Result>
    MP_MEET void run(const Activation &activation, const Weights &weights, Result &&result) const {
        using Destination = metal::remove_cvref_t<Result>;
        if constexpr (!__mp::cooperative<Destination>) {
            cooperative_tensor_destination_t<Activation, Weights, typename Destination::value_type> held;
            if constexpr (accumulates) held.load(result);
            run(activation, weights, held);
            held.store(result);
        } else {
            convolve(activation, weights, result);
        }
    }

  private:
    template <class Activation, class Weights, class Result>
    MP_MEET void convolve(const Activation &activation, const Weights &weights, Result &result) const {
        using Element = typename Result::value_type;
        using Sum = typename __mp::sum_of<Element>::t;
        const typename Activation::value_type no_activation{};
        const typename Weights::value_type no_weight{};
        int depth = activation.get_extent(0) < weights.get_extent(1) ? activation.get_extent(0) : weights.get_extent(1);
        auto here = Result::mp_layout::here();
        __mp::meet_in<Scope>();
#pragma clang loop unroll(disable)
        for (int i = 0; i < Result::mp_layout::capacity; i += 8) {
            Sum sums[8];
            for (int j = 0; j < 8; ++j) sums[j] = accumulates ? static_cast<Sum>(result[i + j]) : Sum(0);
            __mp::element_place first = here.place(i);
#pragma clang loop unroll(disable)
            for (int tap = 0; tap < taps.x * taps.y; ++tap) {
                int across = tap % taps.x, down = tap / taps.x;
                line_of<Activation> from[2];
                line_of<Weights> by[4];
                for (int r = 0; r < 2; ++r)
                    from[r] = source(activation, first.row + 8 * r, across, down, &no_activation);
                for (int c = 0; c < 4; ++c) by[c] = weight(weights, first.column + c, across, down, &no_weight);
                __mp::add_lines(sums, from, by, depth);
            }
            for (int j = 0; j < 8; ++j) result[i + j] = static_cast<Element>(sums[j]);
        }
        __mp::meet_in<Scope>();
    }
};
} // namespace mpp::tensor_ops
MP_END
#endif
