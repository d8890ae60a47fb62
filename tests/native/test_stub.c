#include "check.h"
void test_event(void) {}
void test_wait(void) {}
void test_fault(void) {}
void test_limit(void) {}
void test_stress(void) {}
void test_process(void) {}
