/* A doer and its checkers, against the table of hil/redundancy/checked_vote.py written a second time.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "bytes.h"
#include "checked.h"
#include "unit.h"

enum { NODES = 4, ANSWERS = 4 };

static void store_f64(uint8_t *p, double real) {
  uint64_t bits;
  memcpy(&bits, &real, sizeof bits);
  store_u64le(p, bits);
}

/* A packed bound of one number at the start of both outputs. */
static void pack(uint8_t *p, uint8_t full, uint8_t reduced, double bound, double period) {
  memset(p, 0, CHECKED_BOUND_LEN);
  p[0] = full;
  p[1] = reduced;
  store_u32le(p + 12, 1);
  store_f64(p + 16, bound);
  store_f64(p + 24, period);
}

/* --- frames: outputs of one byte, and the bound 1 --- */

static const uint8_t VALUES[ANSWERS - 1] = {10, 11, 20};

/* Each node crashed, or answered with one of three outputs, by the digits of |pattern|. */
static hil_frame_verdict_t frame_of(unsigned pattern, unsigned voters, hil_frame_outputs_t *outputs) {
  hil_frame_verdict_t f = {.frame = 5, .nodes = NODES, .voters = (uint8_t)voters};
  *outputs = (hil_frame_outputs_t){.golden = NULL};
  for (int i = 0; i < NODES; i++, pattern /= ANSWERS) {
    const unsigned answer = pattern % ANSWERS;
    f.node[i].status = NODE_CRASHED;
    if (answer == 3) continue;
    f.node[i] = (hil_node_result_t){NODE_DONE, 0, VALUES[answer], 70 + answer};
    outputs->node[i] = &VALUES[answer];
  }
  return f;
}

static int is_near(const hil_frame_verdict_t *f, int checker) {
  const int apart = (int)f->node[0].output_digest - (int)f->node[checker].output_digest;
  return apart >= -1 && apart <= 1;
}

static int is_in(const hil_frame_verdict_t *f, int i) {
  return (f->voters >> i & 1) && f->node[i].status == NODE_DONE;
}

/* 1 + whose output leaves, where two nodes or more answer. */
static int by_table(const hil_frame_verdict_t *f, int votes) {
  int answered = 0, refuse = 0;
  for (int i = 1; i < NODES; i++) {
    answered += is_in(f, i);
    refuse += is_in(f, i) && !is_near(f, i);
  }
  if (is_in(f, 0) && refuse < votes && refuse < answered) return 1;
  for (int i = 1; i < NODES; i++) {
    int same = 0;
    for (int k = 1; k < NODES; k++) {
      same += is_in(f, i) && is_in(f, k) && f->node[k].output_digest == f->node[i].output_digest;
    }
    if (same >= 2 && 2 * same > answered) return i + 1;
  }
  return 0;
}

static void every_frame_of_four_nodes_follows_the_table(void) {
  uint8_t packed[CHECKED_BOUND_LEN];
  hil_checked_bound_t bound;
  pack(packed, NUMBER_U8, NUMBER_U8, 1, 0);
  CHECK_EQ(checked_bounds_unpack(&bound, 1, packed, sizeof packed, 1, 1), 1);
  for (unsigned k = 0; k < ANSWERS * ANSWERS * ANSWERS * ANSWERS * 16 * 3; k++) {
    const hil_checked_rules_t rules = {&bound, 1, 1 + k % 3, 0, 1};
    hil_frame_outputs_t outputs;
    hil_frame_verdict_t f = frame_of(k / 48, k / 3 % 16, &outputs);
    int answered = 0, heard = 0;
    for (int i = 0; i < NODES; i++) {
      answered += is_in(&f, i);
      heard |= (f.node[i].status == NODE_DONE) << i;
    }
    const int commands = checked_decide(&rules, &outputs, &f);
    if (answered < 2) {
      CHECK_EQ(f.verdict, answered ? VERDICT_SIMPLEX : VERDICT_NO_QUORUM);
      CHECK_EQ(commands != 0, answered == 1);
      continue;
    }
    CHECK_EQ(commands, by_table(&f, (int)rules.votes));
    CHECK_EQ((f.flags & FRAME_DELIVERED) != 0, commands != 0);
    CHECK_EQ(f.verdict == VERDICT_NO_MAJORITY, commands == 0);
    CHECK_EQ(f.output, commands ? f.node[commands - 1].output_digest : 0);
    CHECK_EQ(f.agree | f.dissent, commands ? heard : 0);
    CHECK_EQ(f.agree & f.dissent, 0);
    CHECK_EQ(!(f.agree & 1),
             !(commands == 1 || (commands && !(f.voters & 1) && (heard & 1) && is_near(&f, commands - 1))));
  }
}

static void nothing_is_refused_at_the_beginning_and_what_is_not_known_always_later(void) {
  uint8_t packed[CHECKED_BOUND_LEN];
  hil_checked_bound_t bound;
  pack(packed, NUMBER_U8, NUMBER_U8, 1, 0);
  CHECK_EQ(checked_bounds_unpack(&bound, 1, packed, sizeof packed, 1, 1), 1);
  for (uint64_t after = 5; after < 7; after++) {
    const hil_checked_rules_t rules = {&bound, 1, 2, after, 0};
    hil_frame_outputs_t outputs;
    hil_frame_verdict_t f = frame_of(0, 0xF, &outputs);
    memset(outputs.node, 0, sizeof outputs.node);
    f.flags = FRAME_HELD | FRAME_HELD_WRONG;
    CHECK_EQ(checked_decide(&rules, &outputs, &f), after == 6);
    CHECK_EQ(f.verdict, after == 6 ? VERDICT_UNANIMOUS : VERDICT_MAJORITY);
    CHECK_EQ(f.flags, after == 6 ? FRAME_DELIVERED : FRAME_HELD | FRAME_HELD_WRONG);
    CHECK_EQ(f.dissent, after == 6 ? 0 : 1);
  }
}

/* --- numbers --- */

static int within(uint8_t full, uint8_t reduced, uint64_t a, uint64_t b, double bound, double period,
                  uint8_t fraction) {
  uint8_t packed[CHECKED_BOUND_LEN], x[8], y[8];
  hil_checked_bound_t own;
  pack(packed, full, reduced, bound, period);
  packed[3] = fraction;
  store_u64le(x, a);
  store_u64le(y, b);
  CHECK_EQ(checked_bounds_unpack(&own, 1, packed, sizeof packed, 8, 8), 1);
  const hil_checked_rules_t rules = {&own, 1, 1, 0, 0};
  return checked_accepts(&rules, x, y);
}

static uint64_t bits_of(double real) {
  uint8_t p[8];
  store_f64(p, real);
  return load_u64le(p);
}

static void numbers_are_compared_exactly(void) {
  const uint64_t least = (uint64_t)1 << 63, all = UINT64_MAX;
  CHECK(within(NUMBER_U64, NUMBER_U64, all, all - 3, 3, 0, 0));
  CHECK(!within(NUMBER_U64, NUMBER_U64, all, all - 4, 3, 0, 0));
  CHECK(!within(NUMBER_U64, NUMBER_I64, all, least, 0x1.8p64 - 0x1p20, 0, 0)); /* 2^64 + 2^63 - 1 */
  CHECK(within(NUMBER_U64, NUMBER_I64, all, least, 0x1.8p64, 0, 0));
  CHECK(within(NUMBER_I8, NUMBER_I64, 0xFF, all, 0, 0, 0)); /* -1 and -1 */
  CHECK(within(NUMBER_F64, NUMBER_I32, bits_of(-1.5), 0xFFFE8000u, 0, 0, 16));
  CHECK(within(NUMBER_F64, NUMBER_F64, bits_of(359), bits_of(721), 2, 360, 0));
  CHECK(!within(NUMBER_F64, NUMBER_F64, bits_of(359), bits_of(722), 2, 360, 0));
  CHECK(within(NUMBER_U16, NUMBER_U16, 359, 721, 2, 360, 0));
  CHECK(within(NUMBER_F64, NUMBER_F64, bits_of(1), bits_of(1.5), 0.5, 0, 0));
  CHECK(!within(NUMBER_F64, NUMBER_F64, bits_of(1), bits_of(1.5), 0.25, 0, 0));
  const double strange[] = {(double)NAN, (double)INFINITY, (double)-INFINITY};
  for (int i = 0; i < 3; i++) {
    CHECK(!within(NUMBER_F64, NUMBER_F64, bits_of(strange[i]), bits_of(strange[i]), 1e308, 0, 0));
    CHECK(!within(NUMBER_F64, NUMBER_F64, bits_of(1), bits_of(strange[i]), 1e308, 7, 0));
  }
  CHECK(!within(NUMBER_F64, NUMBER_F64, bits_of(1e308), bits_of(-1e308), 1e308, 360, 0));
}

/* --- hostile bytes --- */

static void bounds_that_do_not_fit_are_refused(void) {
  uint8_t packed[2 * CHECKED_BOUND_LEN];
  hil_checked_bound_t bounds[2];
  pack(packed, NUMBER_F32, NUMBER_F32, 1, 0);
  pack(packed + CHECKED_BOUND_LEN, NUMBER_F32, NUMBER_F32, 1, 0);
  CHECK_EQ(checked_bounds_unpack(bounds, 2, packed, sizeof packed, 4, 4), 2);
  CHECK_EQ(checked_bounds_unpack(bounds, 1, packed, sizeof packed, 4, 4), (uint64_t)HIL_ERR_EXHAUSTED);
  CHECK_EQ(checked_bounds_unpack(bounds, 2, packed, 0, 4, 4), (uint64_t)HIL_ERR_PAYLOAD);
  CHECK_EQ(checked_bounds_unpack(bounds, 2, packed, sizeof packed - 1, 4, 4), (uint64_t)HIL_ERR_PAYLOAD);
  CHECK_EQ(checked_bounds_unpack(bounds, 2, packed, sizeof packed, 4, 3), (uint64_t)HIL_ERR_PAYLOAD);
  CHECK_EQ(checked_bounds_unpack(bounds, 2, packed, sizeof packed, 3, 4), (uint64_t)HIL_ERR_PAYLOAD);
  CHECK_EQ(checked_bounds_unpack(bounds, 2, packed, sizeof packed, UINT32_MAX, 4), (uint64_t)HIL_ERR_PAYLOAD);
  static const struct {
    int at;
    uint8_t value;
  } wrong[] = {{0, 10},    {1, 255},   {2, 64}, {3, 64},    {7, 0xFF},
               {11, 0xFF}, {15, 0x40}, {12, 0}, {23, 0x80}, {31, 0xFF}};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    pack(packed, NUMBER_F32, NUMBER_F32, 1, 0);
    packed[wrong[i].at] = wrong[i].value;
    CHECK_EQ(checked_bounds_unpack(bounds, 1, packed, CHECKED_BOUND_LEN, 4, 4), (uint64_t)HIL_ERR_PAYLOAD);
  }
}

static void arguments_out_of_range_are_the_callers_fault(void) {
  const hil_checked_rules_t rules = {NULL, 0, 1, 0, 0};
  hil_frame_outputs_t outputs;
  hil_frame_verdict_t f = frame_of(0, 0xF, &outputs);
  CHECK_EQ(checked_decide(NULL, &outputs, &f), (uint64_t)HIL_ERR_ARG);
  CHECK_EQ(checked_decide(&rules, NULL, &f), (uint64_t)HIL_ERR_ARG);
  CHECK_EQ(checked_decide(&rules, &outputs, NULL), (uint64_t)HIL_ERR_ARG);
  for (int nodes = 0; nodes < 256; nodes++) {
    f.nodes = (uint8_t)nodes;
    f.voters = 0xFF;
    CHECK_EQ(checked_decide(&rules, &outputs, &f) == HIL_ERR_ARG, nodes != 8);
  }
}

int main(void) {
  RUN(every_frame_of_four_nodes_follows_the_table);
  RUN(nothing_is_refused_at_the_beginning_and_what_is_not_known_always_later);
  RUN(numbers_are_compared_exactly);
  RUN(bounds_that_do_not_fit_are_refused);
  RUN(arguments_out_of_range_are_the_callers_fault);
  return UNIT_RESULT();
}
