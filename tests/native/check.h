/* check.h: a few checks and short-hands. A failed check prints where and what, and makes the program exit with 1. */
#ifndef CHECK_H
#define CHECK_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../../metalpy/cpu/software_debug.h"
#include "../../metalpy/include/metalpy_abi.h"

#if defined(__SANITIZE_THREAD__)
#define TSAN 1
#elif defined(__SANITIZE_ADDRESS__)
#define ASAN 1
#endif

extern const mp_driver *mp;
extern mp_device *device;
extern _Atomic int failures;

#define CHECK(condition, ...)                                                                                          \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s: FAILED: %s: ", __FILE__, __LINE__, __func__, #condition);                      \
            fprintf(stderr, "" __VA_ARGS__);                                                                           \
            fputc('\n', stderr);                                                                                       \
            failures++;                                                                                                \
        }                                                                                                              \
    } while (0)
#define OK(call)                                                                                                       \
    do {                                                                                                               \
        mp_error error_ = {0};                                                                                         \
        mp_error *error = &error_;                                                                                     \
        mp_status status_ = (call);                                                                                    \
        CHECK(status_ == MP_OK, "status %d, %s", status_, error_.message);                                             \
        (void)error;                                                                                                   \
    } while (0)
/* The call must fail with `code` and a message that contains `text`. */
#define FAILS(wanted, text, call)                                                                                      \
    do {                                                                                                               \
        mp_error error_ = {0};                                                                                         \
        mp_error *error = &error_;                                                                                     \
        mp_status status_ = (call);                                                                                    \
        CHECK(status_ == (wanted) && error_.code == (wanted) && strstr(error_.message, text), "status %d, '%s'",       \
              status_, error_.message);                                                                                \
        (void)error;                                                                                                   \
    } while (0)

mp_pipeline *load(const char *name);
mp_buffer *new_buffer(uint64_t size); /* zeroed */
mp_queue *new_queue(void);
mp_event *new_event(void);
mp_argument at(uint32_t index, mp_buffer *buffer);
mp_argument bytes(uint32_t index, const void *data, uint64_t size);
mp_argument group_memory(uint32_t index, uint64_t size);
mp_status launch(mp_queue *queue, mp_pipeline *pipeline, uint32_t threads, uint32_t group, const mp_argument *arguments,
                 uint32_t count, mp_error *error);
double seconds(void);
void pause_ms(int ms);
#define COUNT(array) (uint32_t)(sizeof(array) / sizeof *(array))
#define LAUNCH(queue, pipeline, threads, group, ...)                                                                   \
    OK(launch(queue, pipeline, threads, group, (mp_argument[]){__VA_ARGS__}, COUNT(((mp_argument[]){__VA_ARGS__})), error))

void test_memory(void);
void test_heap(void);
void test_errors(void);
void test_grid(void);
void test_simd(void);
void test_queue(void);
void test_event(void);
void test_wait(void);
void test_fault(void);
void test_limit(void);
void test_stress(void);
void test_texture(void);
void test_message(void);
void test_trace(void);
void test_process(void);
#endif
