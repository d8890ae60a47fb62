// matrix<T, C, R>: C columns of R components, as <metal_matrix> has them.
#pragma once
#pragma clang system_header
#include <__mp/vec.h>

MP_BEGIN
namespace metal {
template <class T, int C, int R> struct matrix {
    static_assert(__mp::floating<T>, "matrices are of float, half or bfloat");
    using Column = vec<T, R>;
    Column columns[C];

    matrix() = default;
    // the scalar on the diagonal
    explicit constexpr matrix(T s) : columns() {
        for (int i = 0; i < C && i < R; ++i) columns[i][i] = s;
    }
    constexpr matrix(Column a, Column b) requires(C == 2) : columns{a, b} {}
    constexpr matrix(Column a, Column b, Column c) requires(C == 3) : columns{a, b, c} {}
    constexpr matrix(Column a, Column b, Column c, Column d) requires(C == 4) : columns{a, b, c, d} {}
    // every element, by columns
    template <class... S> requires(sizeof...(S) == C * R && (__mp::scalar<S> && ...))
    explicit constexpr matrix(S... s) : columns() {
        T all[] = {static_cast<T>(s)...};
        for (int i = 0; i < C; ++i)
            for (int j = 0; j < R; ++j) columns[i][j] = all[i * R + j];
    }
    template <class U> explicit constexpr matrix(const matrix<U, C, R> &m) : columns() {
        for (int i = 0; i < C; ++i) columns[i] = Column(m.columns[i]);
    }

    constexpr Column &operator[](long i) { return columns[i]; }
    constexpr const Column &operator[](long i) const { return columns[i]; }

    friend constexpr matrix operator+(const matrix &a) { return a; }
    friend constexpr matrix operator-(matrix a) {
        for (int i = 0; i < C; ++i) a.columns[i] = -a.columns[i];
        return a;
    }
    friend constexpr matrix operator+(matrix a, const matrix &b) {
        for (int i = 0; i < C; ++i) a.columns[i] += b.columns[i];
        return a;
    }
    friend constexpr matrix operator-(matrix a, const matrix &b) {
        for (int i = 0; i < C; ++i) a.columns[i] -= b.columns[i];
        return a;
    }
    template <class S> requires __mp::scalar<S> friend constexpr matrix operator*(matrix a, S s) {
        for (int i = 0; i < C; ++i) a.columns[i] *= static_cast<T>(s);
        return a;
    }
    template <class S> requires __mp::scalar<S> friend constexpr matrix operator*(S s, const matrix &a) {
        return a * s;
    }
    template <class S> requires __mp::scalar<S> friend constexpr matrix operator/(matrix a, S s) {
        for (int i = 0; i < C; ++i) a.columns[i] /= static_cast<T>(s);
        return a;
    }
    friend constexpr Column operator*(const matrix &m, vec<T, C> v) {
        Column r = m.columns[0] * v[0];
        for (int i = 1; i < C; ++i) r += m.columns[i] * v[i];
        return r;
    }
    friend constexpr vec<T, C> operator*(vec<T, R> v, const matrix &m) {
        vec<T, C> r{};
        for (int i = 0; i < C; ++i) {
            Column products = v * m.columns[i];
            r[i] = products[0];
            for (int j = 1; j < R; ++j) r[i] += products[j];
        }
        return r;
    }
    template <int K> friend constexpr matrix<T, K, R> operator*(const matrix &a, const matrix<T, K, C> &b) {
        matrix<T, K, R> r{};
        for (int i = 0; i < K; ++i) r.columns[i] = a * b.columns[i];
        return r;
    }
    friend constexpr vec<T, C> &operator*=(vec<T, C> &v, const matrix &m) requires(C == R) { return v = v * m; }
    friend constexpr bool operator==(const matrix &a, const matrix &b) {
        bool equal = true;
        for (int i = 0; i < C; ++i)
            for (int j = 0; j < R; ++j) equal = equal && a.columns[i][j] == b.columns[i][j];
        return equal;
    }

    constexpr matrix &operator+=(const matrix &b) { return *this = *this + b; }
    constexpr matrix &operator-=(const matrix &b) { return *this = *this - b; }
    constexpr matrix &operator*=(T s) { return *this = *this * s; }
    constexpr matrix &operator/=(T s) { return *this = *this / s; }
    constexpr matrix &operator*=(const matrix<T, C, C> &b) { return *this = *this * b; }
};

template <class T, int C, int R> MP_CX matrix<T, R, C> transpose(const matrix<T, C, R> &m) {
    matrix<T, R, C> r{};
    for (int i = 0; i < C; ++i)
        for (int j = 0; j < R; ++j) r.columns[j][i] = m.columns[i][j];
    return r;
}
template <class T> MP_CX T determinant(const matrix<T, 2, 2> &m) { return m[0].x * m[1].y - m[1].x * m[0].y; }
template <class T> MP_CX T determinant(const matrix<T, 3, 3> &m) {
    vec<T, 3> a = m[0], b = m[1], c = m[2];
    return a.x * (b.y * c.z - b.z * c.y) + a.y * (b.z * c.x - b.x * c.z) + a.z * (b.x * c.y - b.y * c.x);
}
template <class T> MP_CX T determinant(const matrix<T, 4, 4> &m) {
    // by the 2x2 minors of the first two columns and of the last two
    vec<T, 4> a = m[0], b = m[1], c = m[2], d = m[3];
    return (a.x * b.y - b.x * a.y) * (c.z * d.w - d.z * c.w) - (a.x * b.z - b.x * a.z) * (c.y * d.w - d.y * c.w) +
           (a.x * b.w - b.x * a.w) * (c.y * d.z - d.y * c.z) + (a.y * b.z - b.y * a.z) * (c.x * d.w - d.x * c.w) -
           (a.y * b.w - b.y * a.w) * (c.x * d.z - d.x * c.z) + (a.z * b.w - b.z * a.w) * (c.x * d.y - d.x * c.y);
}
} // namespace metal
MP_END

// float4x4 and so on, which need no header either.
#define MP_MATRIX(name, type, c, r)                                                                                   \
    using name##c##x##r = metal::matrix<type, c, r>;                                                                  \
    namespace metal {                                                                                                 \
    using ::name##c##x##r;                                                                                            \
    }
#define MP_MATRICES(name, type)                                                                                       \
    MP_MATRIX(name, type, 2, 2) MP_MATRIX(name, type, 2, 3) MP_MATRIX(name, type, 2, 4) MP_MATRIX(name, type, 3, 2)   \
    MP_MATRIX(name, type, 3, 3) MP_MATRIX(name, type, 3, 4) MP_MATRIX(name, type, 4, 2) MP_MATRIX(name, type, 4, 3)   \
    MP_MATRIX(name, type, 4, 4)
MP_MATRICES(float, float)
MP_MATRICES(half, half)
MP_MATRICES(bfloat, bfloat)
