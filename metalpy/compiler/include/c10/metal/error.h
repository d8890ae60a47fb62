// Error reports through a buffer, with the names of the counterpart's header of this name. The kernel takes a
// `device c10::metal::ErrorMessages*`; a launch with error_buf_idx=N binds it at [[buffer(N)]], and the next call on the
// host that waits for the kernel raises the first message. Plain Metal, for any device.
#ifndef C10_METAL_ERROR_H
#define C10_METAL_ERROR_H
#include <c10/metal/common.h>
#include <metal_stdlib>
#ifndef __METALPY_HARVEST__

namespace c10 {
namespace metal {

constant constexpr unsigned error_message_count = 30;

struct ErrorMessage {
  char file[128];
  char func[128];
  char message[250];
  unsigned int line;
};

struct ErrorMessages {
  ::metal::atomic<unsigned int> count; // of reports, also of those that found no room
  ErrorMessage msg[error_message_count];
};

namespace detail {

// Text is put at `at` and ended; what does not fit into `size` bytes is left out. Returns where the end is.
inline unsigned put(device char* to, unsigned size, unsigned at, constant char* text) {
  while (*text != 0 && at + 1 < size) to[at++] = *text++;
  to[at] = 0;
  return at;
}

template <class T>
inline unsigned put(device char* to, unsigned size, unsigned at, T number) {
  static_assert(::metal::is_integral<T>::value, "an error report takes string literals and integers");
  char digits[20];
  unsigned count = 0;
  const bool negative = number < T(0);
  unsigned long left = negative ? 0ul - static_cast<unsigned long>(static_cast<long>(number))
                                : static_cast<unsigned long>(number);
  do {
    digits[count++] = static_cast<char>('0' + left % 10);
    left /= 10;
  } while (left != 0);
  if (negative && at + 1 < size) to[at++] = '-';
  while (count != 0 && at + 1 < size) to[at++] = digits[--count];
  to[at] = 0;
  return at;
}

inline void put_all(device char*, unsigned, unsigned) {}

template <class T, class... Rest>
inline void put_all(device char* to, unsigned size, unsigned at, T first, Rest... rest) {
  put_all(to, size, put(to, size, at, first), rest...);
}

} // namespace detail

template <class... T>
inline void report_error(device ErrorMessages* messages, constant char* file, int line, constant char* func,
                         T... parts) {
  const unsigned index =
      ::metal::atomic_fetch_add_explicit(&messages->count, 1u, ::metal::memory_order_relaxed);
  if (index >= error_message_count) return;
  device ErrorMessage& entry = messages->msg[index];
  detail::put(entry.file, sizeof(entry.file), 0, file);
  detail::put(entry.func, sizeof(entry.func), 0, func);
  detail::put_all(entry.message, sizeof(entry.message), 0, parts...);
  entry.line = static_cast<unsigned>(line);
}

} // namespace metal
} // namespace c10

#endif
#define TORCH_REPORT_ERROR(buf, ...) \
  ::c10::metal::report_error(buf, __FILE__, __LINE__, __func__, __VA_ARGS__)
#endif
