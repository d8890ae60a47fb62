// mpp::tensor_ops::reduce_rows and reduce_columns: what the rows or columns of a simdgroup's tile come to. Each lane
// holds those of its own elements, so lanes of one row have the same.
#pragma once
#pragma clang system_header
#include <__mp/common.h>
#include <__mp/limits.h>
#include <__mp/tensor.h>

#if __METAL_VERSION__ >= 400
MP_BEGIN
namespace mpp::tensor_ops {
enum class reduction_operation { sum, max, min };

template <class Element> struct reduction_operation_identity {
    static constexpr Element sum_identity = static_cast<Element>(0);
    static constexpr Element max_identity = metal::numeric_limits<Element>::lowest();
    static constexpr Element min_identity = metal::numeric_limits<Element>::max();
};
} // namespace mpp::tensor_ops

namespace __mp {
template <class Element> MP_FN Element joined(mpp::tensor_ops::reduction_operation how, Element a, Element b) {
    using enum mpp::tensor_ops::reduction_operation;
    return how == sum ? static_cast<Element>(a + b) : how == max ? metal::max(a, b) : metal::min(a, b);
}

template <class Tile, class Line>
MP_MEET void reduce_tile(const Tile &tile, Line &line, bool of_rows, mpp::tensor_ops::reduction_operation how,
                         typename Line::value_type identity) {
    using Element = typename Line::value_type;
    constexpr int capacity = Line::mp_layout::capacity;
    for (int i = 0; i < capacity; ++i) line[i] = identity;
    for (int i = 0; i < Tile::mp_layout::capacity; ++i) {
        Element &joint = line[Line::mp_layout::template of<typename Tile::mp_layout>(i)];
        if (Tile::is_valid_element(i)) joint = joined(how, joint, static_cast<Element>(tile[i]));
    }
    // The lanes of a fragment's row differ in bits 0 and 3 of their numbers, those of a column in the others.
    for (ushort bit = 1; bit < 32; bit <<= 1)
        for (int i = 0; i < capacity; ++i)
            if (((bit & 9) != 0) == of_rows) line[i] = joined(how, line[i], metal::simd_shuffle_xor(line[i], bit));
}
} // namespace __mp

namespace mpp::tensor_ops {
// Whether map_iterator leads from the elements of a tile to those of a reduction.
template <class From, class To, class FromExtents, class ToExtents, class FromLayout, class ToLayout>
constexpr bool is_iterator_compatible(const metal::cooperative_tensor<From, FromExtents, FromLayout> &,
                                      const metal::cooperative_tensor<To, ToExtents, ToLayout> &) {
    if constexpr (FromExtents::rank() == 2 && __is_same(FromLayout, metal::execution_simdgroup)) {
        if constexpr (__is_same(ToLayout, mp_reduced<true>))
            return ToExtents::static_extent(0) == FromExtents::static_extent(1);
        if constexpr (__is_same(ToLayout, mp_reduced<false>))
            return ToExtents::static_extent(0) == FromExtents::static_extent(0);
    }
    return false;
}

template <class Element, class Extents, class Line, class Scope>
MP_MEET void reduce_rows(const metal::cooperative_tensor<Element, Extents, Scope> &source,
                         metal::cooperative_tensor<Element, Line, mp_reduced<true>> &destination,
                         reduction_operation how = reduction_operation::sum,
                         Element identity = reduction_operation_identity<Element>::sum_identity) {
    static_assert(Line::static_extent(0) == Extents::static_extent(1), "a destination with an element for each row");
    __mp::reduce_tile(source, destination, true, how, identity);
}
template <class Element, class Extents, class Line, class Scope>
MP_MEET void reduce_columns(const metal::cooperative_tensor<Element, Extents, Scope> &source,
                            metal::cooperative_tensor<Element, Line, mp_reduced<false>> &destination,
                            reduction_operation how = reduction_operation::sum,
                            Element identity = reduction_operation_identity<Element>::sum_identity) {
    static_assert(Line::static_extent(0) == Extents::static_extent(0), "a destination with an element for each column");
    __mp::reduce_tile(source, destination, false, how, identity);
}
} // namespace mpp::tensor_ops
MP_END
#endif
