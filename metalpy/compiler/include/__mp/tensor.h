// <metal_tensor>, Metal 4: views of memory as arrays of any rank, the scopes in which threads work together on them,
// and tensors whose elements those threads hold. The first index is the one that moves fastest in memory. Template
// parameters have long names: a program's own macros come first.
#pragma once
#pragma clang system_header
#include <__mp/array.h>
#include <__mp/simdgroup.h>
#include <__mp/unsupported.h>
#include <__mp/wide_vec.h>

#if __METAL_VERSION__ < 400
namespace metal {
template <class Element, class... Rest> struct tensor {
    static_assert(__mp::supported<Element, Rest...>, "tensor needs Metal 4: ask for language version 4.0");
};
} // namespace metal
#else
MP_BEGIN
namespace metal {
inline constexpr size_t dynamic_extent = ~0ul;
template <class Index> inline constexpr Index dynamic_length_v = static_cast<Index>(-1);

// ---- sizes ----
// Those known to the compiler are in the type; all of them are kept.
template <class Index, size_t... Sizes> struct extents {
    using index_type = Index;
    using size_type = size_t;
    using rank_type = size_t;
    Index mp_size[sizeof...(Sizes)] = {static_cast<Index>(Sizes == dynamic_extent ? 0 : Sizes)...};

    static constexpr size_t rank() { return sizeof...(Sizes); }
    static constexpr size_t rank_dynamic() { return (size_t(0) + ... + size_t(Sizes == dynamic_extent)); }
    static constexpr size_t static_extent(size_t dimension) {
        constexpr size_t sizes[] = {Sizes...};
        return sizes[dimension];
    }
    constexpr Index extent(size_t dimension) const { return mp_size[dimension]; }

    constexpr extents() = default;
    // either all sizes, or the dynamic ones
    template <class... Given>
    requires(sizeof...(Given) > 0 && (sizeof...(Given) == rank() || sizeof...(Given) == rank_dynamic()))
    constexpr extents(Given... given) {
        const Index values[] = {static_cast<Index>(given)...};
        size_t next = 0;
        for (size_t i = 0; i < rank(); ++i) {
            bool is_dynamic = static_extent(i) == dynamic_extent;
            if (is_dynamic) mp_size[i] = values[next];
            if (is_dynamic || sizeof...(Given) == rank()) ++next;
        }
    }
};
} // namespace metal

namespace __mp {
template <class Index, int Rank, size_t... Sizes>
struct dynamic_extents : dynamic_extents<Index, Rank - 1, metal::dynamic_extent, Sizes...> {};
template <class Index, size_t... Sizes> struct dynamic_extents<Index, 0, Sizes...> {
    using t = metal::extents<Index, Sizes...>;
};
} // namespace __mp

namespace metal {
template <class Index, size_t Rank> using dextents = typename __mp::dynamic_extents<Index, Rank>::t;

// ---- views ----
struct tensor_handle {};
struct tensor_offset {};
struct tensor_inline {};

template <class Element, class Extents, class Descriptor = tensor_handle, class... Tags> struct tensor {
    static_assert(__mp::supported<Element, Descriptor>,
                  "metalpy: tensors are tensor_inline or tensor_handle, which the host binds");
};

template <class Element, class Extents, class... Tags> struct tensor<Element, Extents, tensor_inline, Tags...> {
    using element_type = Element;
    using value_type = __remove_cv(Element);
    using extents_type = Extents;
    using index_type = typename Extents::index_type;
    using data_handle_type = Element *;
    static constexpr size_t mp_rank = Extents::rank();
    Element *mp_data;
    Extents mp_extents;
    index_type mp_strides[mp_rank];

    constexpr tensor(Element *data, Extents sizes) : mp_data(data), mp_extents(sizes) {
        index_type stride = 1;
        for (size_t i = 0; i < mp_rank; ++i) {
            mp_strides[i] = stride;
            stride *= sizes.extent(i);
        }
    }
    template <class Stride>
    constexpr tensor(Element *data, Extents sizes, array<Stride, mp_rank> strides) : mp_data(data), mp_extents(sizes) {
        for (size_t i = 0; i < mp_rank; ++i) mp_strides[i] = static_cast<index_type>(strides[i]);
    }

    static constexpr size_t get_rank() { return mp_rank; }
    static constexpr size_t get_static_extent(size_t dimension) { return Extents::static_extent(dimension); }
    constexpr index_type get_extent(size_t dimension) const { return mp_extents.extent(dimension); }
    constexpr Extents get_extents() const { return mp_extents; }
    constexpr index_type get_stride(size_t dimension) const { return mp_strides[dimension]; }
    constexpr Element *data() const { return mp_data; }
    constexpr Element *get_data_handle() const { return mp_data; }

    template <class Index> constexpr Element &operator[](array<Index, mp_rank> at) const {
        long offset = 0;
        for (size_t i = 0; i < mp_rank; ++i) offset += static_cast<long>(at[i]) * mp_strides[i];
        return mp_data[offset];
    }
    template <class Index> requires(mp_rank == 1) constexpr Element &operator[](Index at) const {
        return mp_data[static_cast<long>(at) * mp_strides[0]];
    }
#if __cplusplus >= 202302L
    template <class... Indices> requires(mp_rank > 1 && sizeof...(Indices) == mp_rank)
    constexpr Element &operator[](Indices... at) const {
        return (*this)[array<long, mp_rank>{static_cast<long>(at)...}];
    }
#endif

    // What lies behind an origin: all of it, or as much as the template's arguments say.
    template <size_t... Sizes, class... Offsets> requires(sizeof...(Offsets) == mp_rank)
    constexpr auto slice(Offsets... offsets) const {
        if constexpr (sizeof...(Sizes) == 0) {
            return mp_slice<dextents<index_type, mp_rank>>(offsets...);
        } else {
            static_assert(sizeof...(Sizes) == mp_rank, "slice takes a size for each dimension, or none");
            return mp_slice<extents<index_type, Sizes...>>(offsets...);
        }
    }

  private:
    template <class Sizes, class... Offsets> constexpr auto mp_slice(Offsets... offsets) const {
        const long at[] = {static_cast<long>(offsets)...};
        array<index_type, mp_rank> strides;
        Sizes sizes;
        long offset = 0;
        for (size_t i = 0; i < mp_rank; ++i) {
            strides[i] = mp_strides[i];
            offset += at[i] * mp_strides[i];
            if (Sizes::static_extent(i) == dynamic_extent)
                sizes.mp_size[i] = static_cast<index_type>(mp_extents.extent(i) - at[i]);
        }
        return tensor<Element, Sizes, tensor_inline>(mp_data + offset, sizes, strides);
    }
};

// One that the host binds is the same, made by the host.
template <class Element, class Extents, class... Tags>
struct tensor<Element, Extents, tensor_handle, Tags...> : tensor<Element, Extents, tensor_inline, Tags...> {
    using mp_base = tensor<Element, Extents, tensor_inline, Tags...>;
    static constexpr tensor mp_at(const void *address) { return tensor(*static_cast<const mp_base *>(address)); }

  private:
    constexpr explicit tensor(const mp_base &base) : mp_base(base) {}
};

template <class Element, class Extents> tensor(Element *, Extents) -> tensor<Element, Extents, tensor_inline>;
template <class Element, class Extents, class Stride, size_t Rank>
tensor(Element *, Extents, array<Stride, Rank>) -> tensor<Element, Extents, tensor_inline>;

// ---- who works together ----
template <int Count> struct execution_threads {
    static_assert(Count == 1, "threads work on a tensor alone, or as simdgroups");
};
template <int Count> struct execution_simdgroups {
    static_assert(Count >= 1, "a number of simdgroups");
};
using execution_thread = execution_threads<1>;
using execution_simdgroup = execution_simdgroups<1>;
} // namespace metal

// ---- which thread holds what ----
// The layout of a row for each column, or of a column for each row. In the namespace of the functions that take it.
namespace mpp::tensor_ops {
template <bool OfRows> struct mp_reduced {};
} // namespace mpp::tensor_ops

namespace __mp {
struct element_place {
    int row, column; // column is the first index, the fast one
    bool valid;
};

// Tiles in fragments of 16 x 16, row by row of fragments, dealt out to the simdgroups in turn. Of each fragment a lane
// holds columns c to c + 3 of rows r and r + 8. Kernels rely on this map of Apple's GPUs.
template <int Rows, int Columns, class Scope> struct tile_layout;
template <int Rows, int Columns, int Simdgroups>
struct tile_layout<Rows, Columns, metal::execution_simdgroups<Simdgroups>> {
    static constexpr int across = (Columns + 15) / 16, fragments = (Rows + 15) / 16 * across;
    static constexpr int capacity = (fragments + Simdgroups - 1) / Simdgroups * 8;
    static constexpr bool is_whole = Rows % 16 == 0 && Columns % 16 == 0 && fragments % Simdgroups == 0;
    int first, row, column; // the simdgroup's first fragment; the lane's place in each

    MP_FN static tile_layout here() {
        uint lane = mp_simd_lane(), quad = lane / 4;
        int simdgroup = Simdgroups == 1 ? 0 : static_cast<int>(mp_simdgroup_index() % Simdgroups);
        return {simdgroup, static_cast<int>((quad & 4) | (lane / 2 & 3)),
                static_cast<int>((quad & 2) | (lane & 1)) * 4};
    }
    MP_FN element_place place(int i) const {
        int block = i / 8 * Simdgroups + first;
        int r = block / across * 16 + i / 4 % 2 * 8 + row, c = block % across * 16 + i % 4 + column;
        return {r, c, is_whole || (block < fragments && r < Rows && c < Columns)};
    }
};
template <int Rows, int Columns> struct tile_layout<Rows, Columns, metal::execution_thread> {
    static constexpr int capacity = Rows * Columns;
    static constexpr bool is_whole = true;
    MP_FN static tile_layout here() { return {}; }
    MP_FN element_place place(int i) const { return {i / Columns, i % Columns, true}; }
};

// What the rows or columns of a simdgroup's tile come to, one element for each: a lane holds those of what it holds.
template <int Count, bool OfRows> struct line_layout {
    static constexpr int each = OfRows ? 2 : 4, capacity = (Count + 15) / 16 * each;
    static constexpr bool is_whole = Count % 16 == 0;
    int first;

    MP_FN static line_layout here() {
        auto tile = tile_layout<16, 16, metal::execution_simdgroup>::here();
        return {OfRows ? tile.row : tile.column};
    }
    MP_FN element_place place(int i) const {
        int at = i / each * 16 + i % each * (OfRows ? 8 : 1) + first;
        return {0, at, is_whole || at < Count};
    }
    // Which of them is the tile's element's.
    template <class Tile> MP_FN static constexpr int of(int i) {
        int block = i / 8;
        return OfRows ? block / Tile::across * 2 + i / 4 % 2 : block % Tile::across * 4 + i % 4;
    }
};

// Rows are all that the indices after the first one count.
template <class Scope, size_t Columns, size_t... Further> struct layout_of {
    using t = tile_layout<static_cast<int>((size_t(1) * ... * Further)), static_cast<int>(Columns), Scope>;
};
template <bool OfRows, size_t Count> struct layout_of<mpp::tensor_ops::mp_reduced<OfRows>, Count> {
    using t = line_layout<static_cast<int>(Count), OfRows>;
};

template <class Scope> inline constexpr bool is_alone = false;
template <> inline constexpr bool is_alone<metal::execution_thread> = true;
// The lanes do what follows together: none sees what another has not done yet.
template <class Scope> MP_MEET void meet_in() {
    if constexpr (!is_alone<Scope>) mp_simdgroup_barrier();
}
} // namespace __mp

namespace metal {
// Zero at first, which kernels rely on.
template <class Element, class Extents, class Layout> struct cooperative_tensor;
template <class Element, class Index, size_t Columns, size_t... Further, class Scope>
struct cooperative_tensor<Element, extents<Index, Columns, Further...>, Scope> {
    using element_type = Element;
    using value_type = Element;
    using index_type = Index;
    using extents_type = extents<Index, Columns, Further...>;
    using mp_layout = typename __mp::layout_of<Scope, Columns, Further...>::t;
    static constexpr size_t mp_rank = extents_type::rank();
    using mp_place = array<Index, mp_rank>;
    static constexpr bool mp_cooperative = true;
    Element mp_elements[mp_layout::capacity] = {};

    template <class Of, class Held> struct mp_iterator {
        using mp_tile = mp_layout;
        Of *of;
        int at;
        constexpr Held &operator*() const { return of->mp_elements[at]; }
        constexpr mp_iterator &operator++() { return ++at, *this; }
        constexpr mp_iterator operator++(int) { return {of, at++}; }
        constexpr bool operator==(const mp_iterator &other) const { return at == other.at; }
        MP_FN mp_place get_multidimensional_index() const { return of->get_multidimensional_index(at); }
    };
    using iterator = mp_iterator<cooperative_tensor, Element>;
    using const_iterator = mp_iterator<const cooperative_tensor, const Element>;

    static constexpr size_t get_rank() { return mp_rank; }
    static constexpr ushort get_capacity() { return mp_layout::capacity; }
    MP_FN static bool is_valid_element(int i) { return mp_layout::here().place(i).valid; }
    // column and row, as for a tensor
    MP_FN static mp_place get_multidimensional_index(int i) { return mp_index(mp_layout::here().place(i)); }
    constexpr Element &operator[](int i) { return mp_elements[i]; }
    constexpr const Element &operator[](int i) const { return mp_elements[i]; }
    constexpr iterator begin() { return {this, 0}; }
    constexpr iterator end() { return {this, mp_layout::capacity}; }
    constexpr const_iterator begin() const { return {this, 0}; }
    constexpr const_iterator end() const { return {this, mp_layout::capacity}; }

    // The row's or column's element, for an element of the tile.
    template <class Iterator> constexpr iterator map_iterator(const Iterator &of) {
        return {this, mp_layout::template of<typename Iterator::mp_tile>(of.at)};
    }
    template <class Iterator> constexpr const_iterator map_iterator(const Iterator &of) const {
        return {this, mp_layout::template of<typename Iterator::mp_tile>(of.at)};
    }

    // Elements outside the tensor are zero, and are not stored.
    template <class Source> MP_MEET void load(const Source &from) {
        mp_layout here = mp_layout::here();
        __mp::meet_in<Scope>();
        for (int i = 0; i < mp_layout::capacity; ++i) {
            __mp::element_place at = here.place(i);
            mp_elements[i] = mp_inside(at, from) ? static_cast<Element>(mp_at(from, at)) : static_cast<Element>(0);
        }
        __mp::meet_in<Scope>();
    }
    template <class Target> MP_MEET void store(const Target &to) const {
        mp_layout here = mp_layout::here();
        __mp::meet_in<Scope>();
        for (int i = 0; i < mp_layout::capacity; ++i) {
            __mp::element_place at = here.place(i);
            if (mp_inside(at, to)) mp_at(to, at) = static_cast<typename Target::value_type>(mp_elements[i]);
        }
        __mp::meet_in<Scope>();
    }

  private:
    MP_FN static mp_place mp_index(__mp::element_place at) {
        constexpr Index sizes[] = {Columns, Further...};
        mp_place index;
        Index rest = static_cast<Index>(at.row);
        for (size_t d = 1; d + 1 < mp_rank; ++d) {
            index[d] = rest % sizes[d];
            rest /= sizes[d];
        }
        index[mp_rank - 1] = rest;
        index[0] = static_cast<Index>(at.column);
        return index;
    }
    // A view of fewer dimensions is the same along the others.
    template <class View> MP_FN static bool mp_inside(__mp::element_place at, const View &view) {
        mp_place index = mp_index(at);
        bool inside = at.valid;
        for (size_t d = 0; d < View::mp_rank; ++d) inside = inside && index[d] < view.get_extent(d);
        return inside;
    }
    template <class View> MP_FN static auto &mp_at(const View &view, __mp::element_place at) {
        static_assert(View::mp_rank <= mp_rank, "a cooperative tensor has as many dimensions as the tensor, or more");
        mp_place index = mp_index(at);
        array<Index, View::mp_rank> where;
        for (size_t d = 0; d < View::mp_rank; ++d) where[d] = index[d];
        return view[where];
    }
};
} // namespace metal
MP_END
#endif
