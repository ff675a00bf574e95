/* SPDX-License-Identifier: Apache-2.0 */
#include "span.h"

#include "unit.h"

static void a_span_up_to_the_end_is_within(void) {
  CHECK(span_within(0, 8, 8));
  CHECK(span_within(7, 1, 8));
  CHECK(span_within(8, 0, 8));
  CHECK(span_within(0, 0, 0));
}

static void a_span_past_the_end_is_not(void) {
  CHECK(!span_within(0, 9, 8));
  CHECK(!span_within(7, 2, 8));
  CHECK(!span_within(9, 0, 8));
}

static void a_sum_that_overflows_is_not_within(void) {
  CHECK(!span_within(UINT64_MAX, 2, 8));
  CHECK(!span_within(2, UINT64_MAX, 8));
  CHECK(!span_within(UINT64_MAX, UINT64_MAX, 8));
  CHECK(!span_within(UINT64_MAX, 1, UINT64_MAX));
}

int main(void) {
  RUN(a_span_up_to_the_end_is_within);
  RUN(a_span_past_the_end_is_not);
  RUN(a_sum_that_overflows_is_not_within);
  return UNIT_RESULT();
}
