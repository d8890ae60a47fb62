// Factorisations of dense matrices, many at a time: a threadgroup for each matrix, whose simdgroups share out rows (or
// columns, where those are contiguous) and whose lanes lie along them. T is float or float2.
//
// GVL is Golub and Van Loan, "Matrix Computations", 4th edition, 2013.
#pragma once
#include "complex_numbers.h"

namespace metalpy {

#define WIDEST 32  // simdgroups of a threadgroup

struct Team {
  uint member, width, lane, simdgroup, simdgroups;
};

inline void meet() { threadgroup_barrier(mem_flags::mem_device | mem_flags::mem_threadgroup); }

/// The sum over a threadgroup, in every thread.
template <typename T>
T team_sum(T value, threadgroup T* room, Team team) {
  value = simd_sum(value);
  meet();
  if (team.lane == 0) room[team.simdgroup] = value;
  meet();
  T total = room[0];
  for (uint i = 1; i < team.simdgroups; ++i) total += room[i];
  return total;
}

inline float team_max(float value, threadgroup float* room, Team team) {
  value = simd_max(value);
  meet();
  if (team.lane == 0) room[team.simdgroup] = value;
  meet();
  float most = room[0];
  for (uint i = 1; i < team.simdgroups; ++i) most = max(most, room[i]);
  return most;
}

/// The least index at which `value` is greatest, over a threadgroup.
inline uint team_argmax(float value, uint index, threadgroup float* values, threadgroup uint* indices, Team team) {
  float most = simd_max(value);
  uint least = simd_min(value == most ? index : 0xFFFFFFFFu);
  meet();
  if (team.lane == 0) {
    values[team.simdgroup] = most;
    indices[team.simdgroup] = least;
  }
  meet();
  most = values[0];
  least = indices[0];
  for (uint i = 1; i < team.simdgroups; ++i) {
    if (values[i] > most || (values[i] == most && indices[i] < least)) {
      most = values[i];
      least = indices[i];
    }
  }
  return least;
}

#define TEAM                                                                                                          \
  uint matrix [[threadgroup_position_in_grid]], uint member [[thread_position_in_threadgroup]],                       \
      uint width [[threads_per_threadgroup]], uint lane [[thread_index_in_simdgroup]],                                \
      uint simdgroup [[simdgroup_index_in_threadgroup]]

/// A = P L U with partial pivoting, in place, row after row (outer products: GVL 3.4.1). Row i of L U is row `order[i]`
/// of A. `parity` is the sign of the permutation, `singular` the first column without a pivot, counted from 1, or 0.
template <typename T>
kernel void lu(device T* matrices, device int* orders, device int* parities, device int* singular,
               constant uint& order_of_a, TEAM) {
  const uint n = order_of_a;  // a copy: the compiler cannot know that the stores below do not change it
  threadgroup float values[WIDEST];
  threadgroup uint indices[WIDEST];
  Team team = {member, width, lane, simdgroup, (width + 31) / 32};
  device T* a = matrices + ulong(matrix) * n * n;
  device int* order = orders + ulong(matrix) * n;
  for (uint i = member; i < n; i += width) order[i] = int(i);
  int parity = 1, first_singular = 0;
  for (uint j = 0; j < n; ++j) {
    meet();
    float most = -1.0f;
    uint at = j;
    for (uint i = j + member; i < n; i += width) {
      float size = magnitude(a[ulong(i) * n + j]);
      if (size > most) {
        most = size;
        at = i;
      }
    }
    uint pivot = team_argmax(most, at, values, indices, team);
    if (pivot >= n) pivot = j;  // nothing but NaN
    if (pivot != j) {
      for (uint k = member; k < n; k += width) {
        T upper = a[ulong(j) * n + k];
        a[ulong(j) * n + k] = a[ulong(pivot) * n + k];
        a[ulong(pivot) * n + k] = upper;
      }
      if (member == 0) {
        int upper = order[j];
        order[j] = order[pivot];
        order[pivot] = upper;
      }
      parity = -parity;
    }
    meet();
    T divisor = a[ulong(j) * n + j];
    if (magnitude(divisor) == 0.0f) {
      if (first_singular == 0) first_singular = int(j + 1);
      continue;
    }
    for (uint i = j + 1 + member; i < n; i += width) a[ulong(i) * n + j] = divide(a[ulong(i) * n + j], divisor);
    meet();
    for (uint i = j + 1 + simdgroup; i < n; i += team.simdgroups) {
      T factor = -a[ulong(i) * n + j];
      device T* row = a + ulong(i) * n;
      const device T* top = a + ulong(j) * n;
      for (uint k = j + 1 + lane; k < n; k += 32) row[k] = multiply_add(factor, top[k], row[k]);
    }
  }
  if (member == 0) {
    parities[matrix] = parity;
    singular[matrix] = first_singular;
  }
}

/// X with A X = B from the factors of A (GVL 3.1.2). B is the identity if `invert`. A simdgroup for 32 columns of B.
template <typename T>
kernel void substitute(device T* solutions, const device T* factors, const device int* orders, const device T* right,
                       constant uint& order_of_a, constant uint& right_columns, constant uint& invert,
                       uint2 group [[threadgroup_position_in_grid]], uint lane [[thread_index_in_simdgroup]]) {
  const uint n = order_of_a, columns = right_columns;
  uint first = group.x * 32, column = first + lane;
  if (column >= columns) return;
  ulong start = ulong(group.y) * n * columns + first;
  const device T* a = factors + ulong(group.y) * n * n;
  const device int* order = orders + ulong(group.y) * n;
  device T* x = solutions + start;
  const device T* b = right + (invert ? 0 : start);
  for (uint i = 0; i < n; ++i) {
    const device T* row = a + ulong(i) * n;
    uint from = uint(order[i]);
    T sum = Number<T>::real(from == column ? 1.0f : 0.0f);
    if (!invert) sum = b[ulong(from) * columns + lane];
    for (uint k = 0; k < i; ++k) sum = multiply_add(-row[k], x[ulong(k) * columns + lane], sum);
    x[ulong(i) * columns + lane] = sum;
  }
  for (uint i = n; i-- > 0;) {
    const device T* row = a + ulong(i) * n;
    T sum = x[ulong(i) * columns + lane];
    for (uint k = i + 1; k < n; ++k) sum = multiply_add(-row[k], x[ulong(k) * columns + lane], sum);
    x[ulong(i) * columns + lane] = divide(sum, row[i]);
  }
}

/// The determinant; its direction and the logarithm of its magnitude.
template <typename T>
kernel void determinant(device T* value, device T* sign, device float* logarithm, const device T* factors,
                        const device int* parities, constant uint& n, uint matrix [[thread_position_in_grid]]) {
  const device T* a = factors + ulong(matrix) * n * n;
  T product = Number<T>::real(float(parities[matrix])), turn = product;
  float sum = 0;
  for (uint i = 0; i < n; ++i) {
    T pivot = a[ulong(i) * n + i];
    float size = magnitude(pivot);
    product = multiply(product, pivot);
    turn = size == 0.0f ? T(0) : multiply(turn, pivot / size);
    sum += log(size);
  }
  value[matrix] = product;
  sign[matrix] = turn;
  logarithm[matrix] = sum;
}

/// A = L L^H from the lower triangle of A (GVL 4.2.5). L^H is made in the rows above the diagonal, which are
/// contiguous. `failed` is the first column without a positive pivot, counted from 1, or 0.
template <typename T>
kernel void cholesky(device T* out, const device T* matrices, device int* failed,
                     constant uint& order_of_a, constant uint& upper, TEAM) {
  const uint n = order_of_a;
  Team team = {member, width, lane, simdgroup, (width + 31) / 32};
  const device T* a = matrices + ulong(matrix) * n * n;
  device T* u = out + ulong(matrix) * n * n;
  for (uint i = simdgroup; i < n; i += team.simdgroups)
    for (uint k = i + lane; k < n; k += 32) u[ulong(i) * n + k] = conjugate(a[ulong(k) * n + i]);
  int first_failed = 0;
  for (uint j = 0; j < n; ++j) {
    meet();
    float pivot = real_part(u[ulong(j) * n + j]);
    if (!(pivot > 0.0f)) {
      first_failed = int(j + 1);
      break;
    }
    float root = sqrt(pivot);
    meet();
    for (uint k = j + member; k < n; k += width)
      u[ulong(j) * n + k] = k == j ? Number<T>::real(root) : u[ulong(j) * n + k] / root;
    meet();
    for (uint i = j + 1 + simdgroup; i < n; i += team.simdgroups) {
      T factor = -conjugate(u[ulong(j) * n + i]);
      for (uint k = i + lane; k < n; k += 32)
        u[ulong(i) * n + k] = multiply_add(factor, u[ulong(j) * n + k], u[ulong(i) * n + k]);
    }
  }
  meet();
  for (uint i = simdgroup; i < n; i += team.simdgroups) {
    for (uint k = i + 1 + lane; k < n; k += 32) {
      if (!upper) {
        u[ulong(k) * n + i] = conjugate(u[ulong(i) * n + k]);
        u[ulong(i) * n + k] = T(0);
      } else {
        u[ulong(k) * n + i] = T(0);
      }
    }
  }
  if (member == 0) failed[matrix] = first_failed;
}

/// x -= tau v (v^H x), for vectors of `count` numbers; v[0] stands for 1. By a simdgroup.
template <typename T>
void reflect(device T* x, const device T* v, T tau, uint count, uint lane) {
  T product = lane == 0 ? x[0] : T(0);
  for (uint i = 1 + lane; i < count; i += 32) product = multiply_add(conjugate(v[i]), x[i], product);
  product = -multiply(tau, simd_sum(product));
  if (lane == 0) x[0] += product;
  for (uint i = 1 + lane; i < count; i += 32) x[i] = multiply_add(product, v[i], x[i]);
}

struct Qr {
  uint rows, columns, vectors;  // vectors: columns of Q that are wanted, and rows of R
};

/// A = Q R by Householder reflections (GVL 5.1.4, 5.2.2; Q by backward accumulation, 5.1.6). `matrices` has the columns
/// of A one after another, and is overwritten; `q` gets those of Q. The diagonal of R is not negative.
template <typename T>
kernel void qr(device T* q, device T* r, device T* matrices, constant Qr& given, TEAM) {
  threadgroup float room[WIDEST];
  Team team = {member, width, lane, simdgroup, (width + 31) / 32};
  const uint rows = given.rows, columns = given.columns, vectors = given.vectors, count = min(rows, columns);
  device T* a = matrices + ulong(matrix) * rows * columns;
  device T* own_q = q + ulong(matrix) * rows * vectors;
  device T* own_r = r + ulong(matrix) * vectors * columns;
  for (uint j = 0; j < count; ++j) {
    device T* v = a + ulong(j) * rows + j;
    uint length = rows - j;
    float most = 0;
    meet();
    for (uint i = member; i < length; i += width) most = max(most, magnitude(v[i]));
    most = team_max(most, room, team);
    float sum = 0;
    for (uint i = member; i < length; i += width) sum += most == 0.0f ? 0.0f : squared(v[i] / most);
    float norm = most * sqrt(team_sum(sum, room, team));
    T alpha = v[0];
    meet();
    T first = alpha + direction(alpha) * norm;  // of the vector, before it is scaled to start with 1
    T tau = Number<T>::real(norm == 0.0f ? 0.0f : (norm + magnitude(alpha)) / norm);
    for (uint i = 1 + member; i < length; i += width) v[i] = norm == 0.0f ? v[i] : divide(v[i] / most, first / most);
    if (member == 0) v[0] = norm == 0.0f ? alpha : -direction(alpha) * norm;
    meet();
    for (uint c = j + 1 + simdgroup; c < columns; c += team.simdgroups)
      reflect(a + ulong(c) * rows + j, v, tau, length, lane);
  }
  meet();
  for (uint c = simdgroup; c < vectors; c += team.simdgroups)
    for (uint i = lane; i < rows; i += 32) own_q[ulong(c) * rows + i] = Number<T>::real(i == c ? 1.0f : 0.0f);
  // The factors of the reflections are found again from their vectors: 2 / |v|^2.
  for (uint j = count; j-- > 0;) {
    meet();
    device T* v = a + ulong(j) * rows + j;
    uint length = rows - j;
    float sum = member == 0 ? 1.0f : 0.0f;
    for (uint i = 1 + member; i < length; i += width) sum += squared(v[i]);
    sum = team_sum(sum, room, team);
    T diagonal = v[0];
    T tau = Number<T>::real(magnitude(diagonal) == 0.0f ? 0.0f : 2.0f / sum);
    for (uint c = j + simdgroup; c < vectors; c += team.simdgroups)
      reflect(own_q + ulong(c) * rows + j, v, tau, length, lane);
  }
  meet();
  for (uint c = simdgroup; c < count; c += team.simdgroups) {
    T turn = direction(a[ulong(c) * rows + c]);
    for (uint i = lane; i < rows; i += 32) own_q[ulong(c) * rows + i] = multiply(own_q[ulong(c) * rows + i], turn);
  }
  for (uint i = simdgroup; i < vectors; i += team.simdgroups) {
    T turn = i < count ? conjugate(direction(a[ulong(i) * rows + i])) : T(0);
    for (uint c = lane; c < columns; c += 32)
      own_r[ulong(i) * columns + c] = c < i ? T(0) : multiply(a[ulong(c) * rows + i], turn);
  }
}

struct Jacobi {
  uint rows, columns, wants_vectors, hermitian;
};

/// x - turn y, y + turn^H x, both less `shrink` of themselves.
template <typename T>
void turn_columns(device T* x, device T* y, T turn, float shrink, uint count, uint lane) {
  for (uint i = lane; i < count; i += 32) {
    T left = x[i], right = y[i];
    x[i] = left - (multiply(turn, right) + left * shrink);
    y[i] = right + (multiply(conjugate(turn), left) - right * shrink);
  }
}

/// Makes two columns orthogonal by a rotation, applied to `vector_rows` numbers of their vectors; false if they were. By a simdgroup.
template <typename T>
bool rotate(device T* x, device T* y, device T* u, device T* v, uint rows, uint vector_rows, float floor, uint lane) {
  float alpha = 0, beta = 0;
  T gamma = T(0);
  for (uint i = lane; i < rows; i += 32) {
    alpha += squared(x[i]);
    beta += squared(y[i]);
    gamma = multiply_add(conjugate(x[i]), y[i], gamma);
  }
  alpha = simd_sum(alpha);
  beta = simd_sum(beta);
  gamma = simd_sum(gamma);
  float size = magnitude(gamma);
  float tolerance = 0.6e-7f * sqrt(float(rows));
  if (!(size > tolerance * sqrt(alpha) * sqrt(beta)) || !(min(alpha, beta) > floor)) return false;
  float zeta = (beta - alpha) / (2.0f * size);
  float tangent = (zeta < 0.0f ? -1.0f : 1.0f) / (fabs(zeta) + sqrt(1.0f + zeta * zeta));
  float cosine = 1.0f / sqrt(1.0f + tangent * tangent), sine = cosine * tangent;
  // As changes of the columns (Rutishauser, "The Jacobi method for real symmetric matrices", Numerische Mathematik 9,
  // 1966): small rotations then make small errors, which do not add up over the sweeps.
  float shrink = sine * sine / (1.0f + cosine);  // 1 - cosine
  T turn = conjugate(gamma) * (sine / size);
  turn_columns(x, y, turn, shrink, rows, lane);
  turn_columns(u, v, turn, shrink, vector_rows, lane);
  return true;
}

/// One-sided Jacobi (Hestenes; GVL 8.6.3): A V = W, where W has orthogonal columns, in any order, and V is unitary; pairs
/// in the order of a tournament (GVL 8.5.5). `work` has the columns of A one after another and gets those of W; `vectors`
/// gets those of V; `values` the norms of the columns of W, which are the singular values.
///
/// If `hermitian`, A comes in `matrices`, of which the lower triangle is read and which is overwritten by all of A; the
/// values are eigenvalues, and V has the eigenvectors. The method needs A to have no two eigenvalues that differ in sign
/// alone, so a multiple of the identity is added that makes all positive. The values are Rayleigh quotients of A itself.
template <typename T>
kernel void jacobi(device T* work, device T* vectors, device float* values, device T* matrices,
                   constant Jacobi& given, TEAM) {
  threadgroup float room[WIDEST];
  threadgroup atomic_uint last_sweep;
  Team team = {member, width, lane, simdgroup, (width + 31) / 32};
  const uint rows = given.rows, columns = given.columns;
  const bool wants_vectors = given.wants_vectors, hermitian = given.hermitian;
  device T* w = work + ulong(matrix) * rows * columns;
  device T* v = vectors + (wants_vectors ? ulong(matrix) * columns * columns : 0);
  device T* a = matrices + (hermitian ? ulong(matrix) * rows * columns : 0);
  if (hermitian) {
    for (uint i = simdgroup; i < rows; i += team.simdgroups)
      for (uint k = lane; k <= i; k += 32) {
        T x = a[ulong(i) * rows + k];
        w[ulong(k) * rows + i] = k == i ? Number<T>::real(real_part(x)) : x;
        w[ulong(i) * rows + k] = k == i ? Number<T>::real(real_part(x)) : conjugate(x);
      }
    meet();
  }
  float most = 0;
  for (uint i = member; i < rows * columns; i += width) most = max(most, magnitude(w[i]));
  most = team_max(most, room, team);
  float scale = most > 0.0f && !isinf(most) ? most : 1.0f, squares = 0;
  for (uint i = member; i < rows * columns; i += width) {
    w[i] = w[i] / scale;
    squares += squared(w[i]);
  }
  squares = team_sum(squares, room, team);
  bool finite = !isnan(squares) && !isinf(squares);
  float shift = 0.0f;
  if (hermitian) {
    for (uint i = member; i < rows * columns; i += width) a[i] = conjugate(w[i]);
    shift = 1.01f * sqrt(squares);
    meet();
    for (uint i = member; i < rows; i += width) w[ulong(i) * rows + i] += Number<T>::real(shift);
    squares += shift * shift * float(rows);
  }
  if (wants_vectors)
    for (uint j = simdgroup; j < columns; j += team.simdgroups)
      for (uint i = lane; i < columns; i += 32) v[ulong(j) * columns + i] = Number<T>::real(i == j ? 1.0f : 0.0f);
  if (member == 0) atomic_store_explicit(&last_sweep, 0u, memory_order_relaxed);
  meet();
  float floor = 1.4e-14f * squares;  // columns below that are rounding errors
  uint players = columns + (columns & 1);
  for (uint sweep = 1; sweep <= 40; ++sweep) {
    for (uint round = 0; round + 1 < players; ++round) {
      for (uint game = simdgroup; game < players / 2; game += team.simdgroups) {
        uint first = (round + game) % (players - 1);
        uint second = game == 0 ? players - 1 : (round + players - 1 - game) % (players - 1);
        uint p = min(first, second), q = max(first, second);
        if (q >= columns) continue;
        if (rotate(w + ulong(p) * rows, w + ulong(q) * rows, v + ulong(p) * columns, v + ulong(q) * columns, rows,
                   wants_vectors ? columns : 0, floor, lane) && lane == 0)
          atomic_store_explicit(&last_sweep, sweep, memory_order_relaxed);
      }
      meet();
    }
    uint last = simd_broadcast_first(atomic_load_explicit(&last_sweep, memory_order_relaxed));
    meet();
    if (last != sweep) break;
  }
  for (uint j = simdgroup; j < columns; j += team.simdgroups) {
    float value = 0;
    if (hermitian) {
      const device T* own = v + ulong(j) * columns;
      for (uint i = 0; i < rows; ++i) {
        T sum = T(0);
        for (uint k = lane; k < rows; k += 32) sum = multiply_add(a[ulong(i) * rows + k], own[k], sum);
        value += real_part(multiply(conjugate(own[i]), sum));
      }
      value = simd_sum(value);
    } else {
      for (uint i = lane; i < rows; i += 32) value += squared(w[ulong(j) * rows + i]);
      value = sqrt(simd_sum(value));
    }
    if (lane == 0) values[ulong(matrix) * columns + j] = finite ? value * scale : NAN;
    for (uint i = lane; i < rows; i += 32) w[ulong(j) * rows + i] = w[ulong(j) * rows + i] * scale;
  }
}

struct Arrange {
  uint rows, columns, total, ascending, conjugated, has_work, has_vectors;
};

/// Puts values, columns and vectors in order, descending or ascending, NaN last: a simdgroup for each of them.
template <typename T>
kernel void arrange(device float* sorted, device T* sorted_work, device T* sorted_vectors, const device float* values,
                    const device T* work, const device T* vectors, constant Arrange& given,
                    uint thread_in_grid [[thread_position_in_grid]], uint lane [[thread_index_in_simdgroup]]) {
  const Arrange sizes = given;
  uint index = thread_in_grid / 32, columns = sizes.columns, rows = sizes.rows;
  if (index >= sizes.total) return;
  uint own = index % columns;
  ulong first = index - own;
  float turn = sizes.ascending ? -1.0f : 1.0f, value = values[index];
  float key = isnan(value) ? -INFINITY : turn * value;
  uint before = 0;
  for (uint i = lane; i < columns; i += 32) {
    float other = values[first + i];
    float other_key = isnan(other) ? -INFINITY : turn * other;
    before += other_key > key || (other_key == key && i < own);
  }
  ulong place = first + simd_sum(before);
  if (lane == 0) sorted[place] = value;
  if (sizes.has_work)
    for (uint i = lane; i < rows; i += 32) sorted_work[place * rows + i] = work[ulong(index) * rows + i];
  if (sizes.has_vectors)
    for (uint i = lane; i < columns; i += 32) {
      T x = vectors[ulong(index) * columns + i];
      sorted_vectors[place * columns + i] = sizes.conjugated ? conjugate(x) : x;
    }
}

}  // namespace metalpy
