// Integer functions, for every integer type.
#include <metal_stdlib>
using namespace metal;

template <typename T>
kernel void functions(device T* out, const device T* a, const device T* b, const device T* c, uint i [[thread_position_in_grid]]) {
  device T* row = out + 16 * i;
  row[0] = T(absdiff(a[i], b[i]));
  row[1] = addsat(a[i], b[i]);
  row[2] = subsat(a[i], b[i]);
  row[3] = clz(a[i]);
  row[4] = ctz(a[i]);
  row[5] = popcount(a[i]);
  row[6] = hadd(a[i], b[i]);
  row[7] = rhadd(a[i], b[i]);
  row[8] = mulhi(a[i], b[i]);
  row[9] = madhi(a[i], b[i], c[i]);
  row[10] = reverse_bits(a[i]);
  row[11] = rotate(a[i], T(i % (8 * sizeof(T))));
  row[12] = clamp(a[i], min(b[i], c[i]), max(b[i], c[i]));
  row[13] = max3(a[i], b[i], c[i]);
  row[14] = min3(a[i], b[i], c[i]);
  row[15] = median3(a[i], b[i], c[i]);
}
template [[host_name("functions_char")]] kernel decltype(functions<char>) functions<char>;
template [[host_name("functions_uchar")]] kernel decltype(functions<uchar>) functions<uchar>;
template [[host_name("functions_short")]] kernel decltype(functions<short>) functions<short>;
template [[host_name("functions_ushort")]] kernel decltype(functions<ushort>) functions<ushort>;
template [[host_name("functions_int")]] kernel decltype(functions<int>) functions<int>;
template [[host_name("functions_uint")]] kernel decltype(functions<uint>) functions<uint>;
template [[host_name("functions_long")]] kernel decltype(functions<long>) functions<long>;
template [[host_name("functions_ulong")]] kernel decltype(functions<ulong>) functions<ulong>;

kernel void bit_fields(device uint* out, const device uint* a, const device uint* b, uint i [[thread_position_in_grid]]) {
  device uint* row = out + 5 * i;
  row[0] = extract_bits(a[i], i % 20, 7);
  row[1] = as_type<uint>(extract_bits(as_type<int>(a[i]), i % 20, 7));
  row[2] = insert_bits(a[i], b[i], i % 20, 9);
  row[3] = mul24(a[i] & 0xffffff, b[i] & 0xff);
  row[4] = mad24(a[i] & 0xffff, b[i] & 0xff, 11u);
}
kernel void vectors(device uint4* out, const device uint4* a, uint i [[thread_position_in_grid]]) {
  out[i] = popcount(a[i]) + clz(a[i]) + rotate(a[i], uint4(1, 2, 3, 4)) + max(a[i], 5u) + abs(int4(a[i] >> 1) - 1000).x;
}
