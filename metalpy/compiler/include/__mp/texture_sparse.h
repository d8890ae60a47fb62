// Lookups in sparse textures, as members of the textures in texture.h. All texels are in memory here.
#pragma once
#pragma clang system_header
#include <__mp/scalar.h>

MP_BEGIN
namespace metal {
template <class T> struct sparse_color {
    MP_FN T value() const { return __value; }
    MP_FN bool resident() const { return true; }
    T __value;
};
} // namespace metal
MP_END

#define MP_SPARSE                                                                                                     \
    template <class... Given> MP_FN auto sparse_sample(sampler s, Given... given) const {                             \
        return sparse_color{this->sample(s, given...)};                                                               \
    }                                                                                                                 \
    template <class... Given> MP_FN auto sparse_sample_compare(sampler s, Given... given) const {                     \
        return sparse_color{this->sample_compare(s, given...)};                                                       \
    }                                                                                                                 \
    template <class... Given> MP_FN auto sparse_gather(sampler s, Given... given) const {                             \
        return sparse_color{this->gather(s, given...)};                                                               \
    }                                                                                                                 \
    template <class... Given> MP_FN auto sparse_gather_compare(sampler s, Given... given) const {                     \
        return sparse_color{this->gather_compare(s, given...)};                                                       \
    }
