/* The whole unit-test framework: CHECK, RUN, and an exit code. SPDX-License-Identifier: Apache-2.0 */
#ifndef HIL_UNIT_H
#define HIL_UNIT_H

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int unit_failures;
static int unit_checks;

#define CHECK(condition)                                                            \
  do {                                                                              \
    unit_checks++;                                                                  \
    if (!(condition)) {                                                             \
      unit_failures++;                                                              \
      fprintf(stderr, "%s:%d: CHECK(%s) failed\n", __FILE__, __LINE__, #condition); \
    }                                                                               \
  } while (0)

#define CHECK_EQ(got, want)                                                                          \
  do {                                                                                               \
    const uint64_t unit_got = (uint64_t)(got), unit_want = (uint64_t)(want);                         \
    unit_checks++;                                                                                   \
    if (unit_got != unit_want) {                                                                     \
      unit_failures++;                                                                               \
      fprintf(stderr, "%s:%d: %s = %#" PRIx64 ", expected %#" PRIx64 "\n", __FILE__, __LINE__, #got, \
              unit_got, unit_want);                                                                  \
    }                                                                                                \
  } while (0)

#define RUN(test)                                                             \
  do {                                                                        \
    const int unit_before = unit_failures;                                    \
    test();                                                                   \
    printf("%s %s\n", unit_failures == unit_before ? "ok  " : "FAIL", #test); \
  } while (0)

/* A program that checked nothing has not passed. */
#define UNIT_RESULT() (unit_failures || !unit_checks ? 1 : 0)

/* Guard byte behind every output buffer of a test. */
enum { UNIT_GUARD = 0xAA };

#endif
