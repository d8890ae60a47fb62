// mpp::tensor_ops::matmul2d: products of tiles of matrices, by one thread or by simdgroups. Sums are kept in float (of
// integers in int), whatever the types and the precision asked for. Tiles read from memory meet nobody but for order:
// each lane computes its own elements. Tiles held by a simdgroup are one meeting, in which the runtime multiplies.
#pragma once
#pragma clang system_header
#include <__mp/tensor.h>
#include <__mp/tile_reduction.h>
#include <__mp/type_traits.h>

#if __METAL_VERSION__ >= 400
MP_BEGIN
namespace mpp::tensor_ops {
using metal::dynamic_length_v;

struct matmul2d_descriptor {
    enum class mode { multiply, multiply_accumulate };
    int m, n, k; // k is that of the tensors if it is not positive
    bool transpose_left, transpose_right, relaxed_precision;
    mode matmul_mode;
    constexpr matmul2d_descriptor(int rows, int columns, int depth = -1, bool left_is_transposed = false,
                                  bool right_is_transposed = false, bool may_be_relaxed = false,
                                  mode what = mode::multiply)
        : m(rows), n(columns), k(depth), transpose_left(left_is_transposed), transpose_right(right_is_transposed),
          relaxed_precision(may_be_relaxed), matmul_mode(what) {}
};
} // namespace mpp::tensor_ops

namespace __mp {
template <class Operand> concept cooperative = requires { requires Operand::mp_cooperative; };
template <class Element> struct sum_of { using t = float; };
template <integer Element> struct sum_of<Element> { using t = int; };

// A tensor as the lines along which a product sums: rows of the left operand, columns of the right one.
template <class Element> struct lines {
    const Element *data;
    long line_stride, depth_stride;
    int count, depth;

    template <class View> MP_FN lines(const View &view, bool depth_is_fast)
        : data(view.data()), line_stride(view.get_stride(depth_is_fast)), depth_stride(view.get_stride(!depth_is_fast)),
          count(view.get_extent(depth_is_fast)), depth(view.get_extent(!depth_is_fast)) {}
};
// A line, or zeros where there is none: the loop over it need not ask.
template <class Element> struct line {
    const Element *at;
    long stride;
    line() = default;
    MP_FN line(const Element *from, long step, bool exists, const Element *zero)
        : at(exists ? from : zero), stride(exists ? step : 0) {}
    MP_FN line(const lines<Element> &of, int number, const Element *zero)
        : line(of.data + number * of.line_stride, of.depth_stride, number < of.count, zero) {}
};

// The products of a few lines of the left operand and a few of the right one, added to `sums`.
template <int Rows, int Columns, class Sum, class Left, class Right>
MP_FN void add_lines(Sum (&sums)[Rows * Columns], line<Left> (&a)[Rows], line<Right> (&b)[Columns], int depth) {
    for (int k = 0; k < depth; ++k) {
        Sum x[Rows], y[Columns];
#pragma unroll
        for (int r = 0; r < Rows; ++r) x[r] = static_cast<Sum>(*a[r].at), a[r].at += a[r].stride;
#pragma unroll
        for (int c = 0; c < Columns; ++c) y[c] = static_cast<Sum>(*b[c].at), b[c].at += b[c].stride;
#pragma unroll
        for (int i = 0; i < Rows * Columns; ++i) sums[i] += x[i / Columns] * y[i % Columns];
    }
}
// The product's elements in a block of `Rows` x `Columns`, added to `sums`.
template <int Rows, int Columns, class Sum, class Left, class Right>
MP_FN void add_block(Sum (&sums)[Rows * Columns], const lines<Left> &left, const lines<Right> &right, const int *rows,
                     int column, int depth) {
    const Left left_zero = Left(0);
    const Right right_zero = Right(0);
    line<Left> a[Rows];
    line<Right> b[Columns];
    for (int r = 0; r < Rows; ++r) a[r] = line<Left>(left, rows[r], &left_zero);
    for (int c = 0; c < Columns; ++c) b[c] = line<Right>(right, column + c, &right_zero);
    add_lines(sums, a, b, depth);
}
} // namespace __mp

namespace mpp::tensor_ops {
template <matmul2d_descriptor Descriptor, class Scope, class... Options> class matmul2d {
    static constexpr bool accumulates = Descriptor.matmul_mode == matmul2d_descriptor::mode::multiply_accumulate;
    static constexpr bool is_alone = __mp::is_alone<Scope>;
    static constexpr int depth_of_tile = Descriptor.k > 0 ? Descriptor.k : 1;
    template <class Element, int Rows, int Columns, bool Transposed = false, class Index = int>
    using tile = metal::cooperative_tensor<
        __remove_cvref(Element), metal::extents<Index, Transposed ? Rows : Columns, Transposed ? Columns : Rows>,
        Scope>;
    template <class Element, class Index = int>
    using destination = tile<Element, Descriptor.m, Descriptor.n, false, Index>;
    template <class Element> using left_input = tile<Element, Descriptor.m, depth_of_tile, Descriptor.transpose_left>;
    template <class Element>
    using right_input = tile<Element, depth_of_tile, Descriptor.n, Descriptor.transpose_right>;
    template <class Element, class Index, int Count, bool OfRows>
    using reduced =
        metal::cooperative_tensor<__remove_cvref(Element), metal::extents<Index, Count>, mp_reduced<OfRows>>;

  public:
    static constexpr matmul2d_descriptor descriptor = Descriptor;
    using scope = Scope;

    template <class Left, class Right, class Element, class Index = int>
    MP_FN static destination<Element, Index> get_destination_cooperative_tensor() { return {}; }
    template <class Left, class Right, class Element>
    MP_FN static left_input<Left> get_left_input_cooperative_tensor() {
        check_inputs();
        return {};
    }
    template <class Left, class Right, class Element>
    MP_FN static right_input<Right> get_right_input_cooperative_tensor() {
        check_inputs();
        return {};
    }
    // Another tensor, held as an operand is, as an operand.
    template <class Left, class Right, class Element, class Held>
    static constexpr bool is_compatible_as_left_input(const Held &) {
        return __is_same(typename Held::mp_layout, typename left_input<Left>::mp_layout);
    }
    template <class Left, class Right, class Element, class Held>
    static constexpr bool is_compatible_as_right_input(const Held &) {
        return __is_same(typename Held::mp_layout, typename right_input<Right>::mp_layout);
    }
    template <class Left, class Right, class Element, class Held>
    MP_FN static left_input<Left> get_left_input_cooperative_tensor(const Held &held) {
        return converted<left_input<Left>>(held);
    }
    template <class Left, class Right, class Element, class Held>
    MP_FN static right_input<Right> get_right_input_cooperative_tensor(const Held &held) {
        return converted<right_input<Right>>(held);
    }

    template <class Left, class Right, class Element, class Index = int>
    MP_FN static reduced<Element, Index, Descriptor.m, true> get_row_reduction_destination_cooperative_tensor() {
        check_reduction();
        return {};
    }
    template <class Left, class Right, class Element, class Index = int>
    MP_FN static reduced<Element, Index, Descriptor.n, false> get_column_reduction_destination_cooperative_tensor() {
        check_reduction();
        return {};
    }

    template <class Left, class Right, class Result>
    MP_MEET void run(const Left &left, const Right &right, Result &&result) const {
        if constexpr (!__mp::cooperative<metal::remove_cvref_t<Result>>) {
            destination<typename metal::remove_cvref_t<Result>::value_type> held;
            if constexpr (accumulates) held.load(result);
            run(left, right, held);
            held.store(result);
        } else if constexpr (!__mp::cooperative<Left> && !__mp::cooperative<Right>) {
            multiply_memory(left, right, result);
        } else if constexpr (!__mp::cooperative<Left>) {
            auto held = get_left_input_cooperative_tensor<typename Left::value_type, void, void>();
            held.load(left);
            multiply_held(held, right, result);
        } else if constexpr (!__mp::cooperative<Right>) {
            auto held = get_right_input_cooperative_tensor<void, typename Right::value_type, void>();
            held.load(right);
            multiply_held(left, held, result);
        } else {
            multiply_held(left, right, result);
        }
    }

  private:
    MP_FN static void check_inputs() {
        static_assert(Descriptor.k > 0, "an input cooperative tensor needs a descriptor whose k is known");
        static_assert(is_alone || __is_same(Scope, metal::execution_simdgroup),
                      "input cooperative tensors are for execution_simdgroup and execution_thread");
    }
    MP_FN static void check_reduction() {
        static_assert(__is_same(Scope, metal::execution_simdgroup),
                      "rows and columns are reduced by execution_simdgroup");
    }
    template <class Input, class Held> MP_FN static Input converted(const Held &held) {
        check_inputs();
        static_assert(__is_same(typename Held::mp_layout, typename Input::mp_layout),
                      "a cooperative tensor of another shape or scope: is_compatible_as_left_input says, or _right_");
        Input input;
        for (int i = 0; i < Input::mp_layout::capacity; ++i)
            input[i] = static_cast<typename Input::value_type>(held[i]);
        return input;
    }
    template <class Element> MP_FN static void clear(Element &element) {
        if constexpr (!accumulates) element = static_cast<Element>(0);
    }

    template <class Left, class Right, class Result>
    MP_MEET static void multiply_memory(const Left &left, const Right &right, Result &result) {
        using Element = typename Result::value_type;
        using Sum = typename __mp::sum_of<Element>::t;
        __mp::lines<typename Left::value_type> a(left, !Descriptor.transpose_left);
        __mp::lines<typename Right::value_type> b(right, Descriptor.transpose_right);
        int depth = a.depth < b.depth ? a.depth : b.depth;
        if (Descriptor.k > 0 && Descriptor.k < depth) depth = Descriptor.k;
        auto here = Result::mp_layout::here();
        constexpr int rows = is_alone ? 1 : 2, columns = is_alone ? 1 : 4, block = rows * columns;
        __mp::meet_in<Scope>();
#pragma clang loop unroll(disable)
        for (int i = 0; i < Result::mp_layout::capacity; i += block) {
            Sum sums[block];
            for (int j = 0; j < block; ++j) {
                clear(result[i + j]);
                sums[j] = static_cast<Sum>(result[i + j]);
            }
            __mp::element_place first = here.place(i);
            const int lines_of_rows[] = {first.row, first.row + 8};
            __mp::add_block<rows, columns>(sums, a, b, lines_of_rows, first.column, depth);
            for (int j = 0; j < block; ++j) result[i + j] = static_cast<Element>(sums[j]);
        }
        __mp::meet_in<Scope>();
    }

    // Operands as the runtime takes them: floats, zeros outside the tile.
    template <class Held> MP_FN static void spread(float *to, const Held &from) {
        for (int i = 0; i < Held::mp_layout::capacity; ++i)
            to[i] = Held::mp_layout::is_whole || Held::is_valid_element(i) ? static_cast<float>(from[i]) : 0.0f;
    }
    template <class Left, class Right, class Result>
    MP_MEET static void multiply_held(const Left &left, const Right &right, Result &result) {
        using Element = typename Result::value_type;
        static_assert(__mp::floating<Element>, "metalpy: a product of cooperative tensors is float, half or bfloat");
        float a[Left::mp_layout::capacity], b[Right::mp_layout::capacity], sums[Result::mp_layout::capacity];
        spread(a, left);
        spread(b, right);
        for (int i = 0; i < Result::mp_layout::capacity; ++i) {
            clear(result[i]);
            sums[i] = static_cast<float>(result[i]);
        }
        if constexpr (is_alone) {
            multiply_alone(a, b, sums);
        } else {
            constexpr uint fragments[] = {(Descriptor.m + 15) / 16, (Descriptor.n + 15) / 16,
                                          (depth_of_tile + 15) / 16};
            static_assert(fragments[0] < 256 && fragments[1] < 256 && fragments[2] < 256, "a tile that registers hold");
            mp_simd_matmul(a, b, sums, fragments[0] | fragments[1] << 8 | fragments[2] << 16,
                           Descriptor.transpose_left | Descriptor.transpose_right << 1);
        }
        for (int i = 0; i < Result::mp_layout::capacity; ++i) result[i] = static_cast<Element>(sums[i]);
    }
    MP_FN static void multiply_alone(const float *a, const float *b, float *sums) {
        constexpr int rows = Descriptor.m, columns = Descriptor.n, depth = depth_of_tile;
        for (int i = 0; i < rows; ++i)
            for (int k = 0; k < depth; ++k)
                for (int j = 0; j < columns; ++j)
                    sums[i * columns + j] += a[Descriptor.transpose_left ? k * rows + i : i * depth + k] *
                                             b[Descriptor.transpose_right ? j * depth + k : k * columns + j];
    }
};
} // namespace mpp::tensor_ops
MP_END
#endif
