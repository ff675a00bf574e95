/* A primary with monitors, against the table of hil/redundancy/primary.py written a second time.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>

#include "primary.h"
#include "unit.h"

enum { NODES = 4, ANSWERS = 4 };

/* --- the rule, with lists and counts ---------------------------------------------------------------- */

typedef struct {
  int commands; /* 1 + index, 0: none */
  int contested;
  uint64_t output; /* 0: nothing leaves */
} expected_t;

static int is_in(const hil_frame_verdict_t *f, int i) {
  return (f->voters >> i & 1) && f->node[i].status == NODE_DONE;
}

/* How many of those that answered, |without| aside, have the output of |node|. */
static int with_same(const hil_frame_verdict_t *f, int node, int without) {
  int count = 0;
  for (int i = 0; i < f->nodes; i++) {
    count += i != without && is_in(f, i) && f->node[i].output_digest == f->node[node].output_digest;
  }
  return count;
}

static int first_with_another(const hil_frame_verdict_t *f, int without) {
  for (int i = 0; i < f->nodes; i++) {
    if (i != without && is_in(f, i) && with_same(f, i, without) > 1) return i + 1;
  }
  return 0;
}

static expected_t by_table(const hil_primary_t *p, const hil_frame_verdict_t *f) {
  int answered = 0;
  for (int i = 0; i < f->nodes; i++) answered += is_in(f, i);
  const int now = (int)p->node;
  if (now >= f->nodes || !is_in(f, now)) {
    const int next = first_with_another(f, -1);
    return (expected_t){next, 0, next ? f->node[next - 1].output_digest : 0};
  }
  const int same = with_same(f, now, -1), against = answered - same;
  const uint64_t own = f->node[now].output_digest;
  if (against < (int)p->votes && !(against > 0 && same == 1))
    return (expected_t){now + 1, 0, same > 1 ? own : 0};
  if (p->contradicted + 1 < p->frames) return (expected_t){now + 1, 1, own};
  const int next = first_with_another(f, now);
  if (next) return (expected_t){next, 0, f->node[next - 1].output_digest};
  return (expected_t){now + 1, 0, same > 1 ? own : 0};
}

/* --- tests ------------------------------------------------------------------------------------------ */

/* A frame of four nodes: each crashed, or answered with one of three outputs, by the digits of |pattern|. */
static hil_frame_verdict_t frame_of(unsigned pattern, unsigned voters) {
  hil_frame_verdict_t f = {.frame = 5, .nodes = NODES, .voters = (uint8_t)voters};
  for (int i = 0; i < NODES; i++, pattern /= ANSWERS) {
    const unsigned answer = pattern % ANSWERS;
    if (answer == 3) f.node[i].status = NODE_CRASHED;
    if (answer < 3) f.node[i] = (hil_node_result_t){NODE_DONE, 0, 7 + answer, 70 + answer};
  }
  return f;
}

static void check_against_the_table(const hil_primary_t *p, unsigned pattern, unsigned voters) {
  hil_frame_verdict_t f = frame_of(pattern, voters);
  int answered = 0;
  for (int i = 0; i < NODES; i++) answered += is_in(&f, i);
  const expected_t want = by_table(p, &f);
  const int commands = primary_decide(p, &f);
  CHECK_EQ(f.voters, voters);
  if (answered < 2) { /* by the rule for unvoted outputs, here: it is delivered */
    CHECK_EQ(f.verdict, answered ? VERDICT_SIMPLEX : VERDICT_NO_QUORUM);
    CHECK_EQ(commands != 0, answered == 1);
    return;
  }
  CHECK_EQ(commands, want.commands);
  CHECK_EQ(f.output, want.output);
  CHECK_EQ((f.flags & FRAME_DELIVERED) != 0, want.output != 0);
  CHECK_EQ(f.verdict == VERDICT_NO_MAJORITY, want.contested || !want.output);
  int united = want.output != 0 && !want.contested;
  for (int i = 0; i < NODES; i++) {
    const int counts = f.voters >> i & 1;
    united &= !counts || (is_in(&f, i) && f.node[i].output_digest == want.output);
  }
  CHECK_EQ(f.verdict == VERDICT_UNANIMOUS, united);
}

static void every_frame_of_four_nodes_follows_the_table(void) {
  for (unsigned pattern = 0; pattern < ANSWERS * ANSWERS * ANSWERS * ANSWERS; pattern++) {
    for (unsigned voters = 0; voters < 1u << NODES; voters++) {
      for (uint32_t k = 0; k < 6 * 3 * 3; k++) {
        const hil_primary_t p = {.votes = 1 + k % 3, .frames = 3, .node = k / 9, .contradicted = k / 3 % 3};
        check_against_the_table(&p, pattern, voters);
      }
    }
  }
}

/* Digits of |pattern|: who answered what; 0 is the right output. */
static int step(hil_primary_t *p, unsigned pattern) {
  hil_frame_verdict_t f = frame_of(pattern, 0xF);
  const int commands = primary_decide(p, &f);
  CHECK_EQ(primary_settle(p, &f, commands), HIL_OK);
  return commands;
}

static void command_passes_in_the_last_of_the_frames_and_does_not_return(void) {
  hil_primary_t p = {.votes = 2, .frames = 3};
  const unsigned wrong_first = 1; /* the first node has another output */
  CHECK_EQ(step(&p, wrong_first), 1);
  CHECK_EQ(step(&p, wrong_first), 1);
  CHECK_EQ(p.contradicted, 2);
  CHECK_EQ(step(&p, 0), 1); /* the count begins again */
  CHECK_EQ(p.contradicted, 0);
  for (int i = 0; i < 2; i++) CHECK_EQ(step(&p, wrong_first), 1);
  CHECK_EQ(step(&p, wrong_first), 2);
  CHECK_EQ(step(&p, 0), 2);
  CHECK_EQ(p.changes, 1);
}

static void states_among_equals_split_or_dissent(void) {
  const hil_primary_t p = {.votes = 2, .frames = 1};
  hil_frame_verdict_t f = frame_of(0, 0xF);
  f.node[0].state_digest = 99;
  CHECK_EQ(primary_decide(&p, &f), 1);
  CHECK_EQ(f.verdict, VERDICT_MAJORITY);
  CHECK_EQ(f.latent, 1);
  f = frame_of(3 * ANSWERS * ANSWERS + 3 * ANSWERS * ANSWERS * ANSWERS, 0xF); /* the last two crashed */
  f.node[0].state_digest = 99;
  CHECK_EQ(primary_decide(&p, &f), 1);
  CHECK(f.flags & FRAME_STATE_SPLIT);
}

static void one_that_is_alone_is_silent_if_the_caller_says_so(void) {
  const hil_primary_t p = {.votes = 2, .frames = 1};
  hil_frame_verdict_t f = frame_of(3 + ANSWERS * (3 + ANSWERS * 3), 0xF); /* only the last one answers */
  f.flags = FRAME_FAIL_SILENT | FRAME_HELD;
  CHECK_EQ(primary_decide(&p, &f), 0);
  CHECK_EQ(f.flags, FRAME_FAIL_SILENT | FRAME_HELD);
  f = frame_of(0, 0xF);
  f.flags = FRAME_FAIL_SILENT | FRAME_HELD; /* several answer: neither applies */
  CHECK_EQ(primary_decide(&p, &f), 1);
  CHECK_EQ(f.flags, FRAME_DELIVERED);
}

static void arguments_out_of_range_are_the_callers_fault(void) {
  hil_primary_t p = {.votes = 2, .frames = 1, .node = UINT32_MAX, .contradicted = UINT32_MAX};
  hil_primary_choice_t c;
  hil_frame_verdict_t f = frame_of(0, 0xF);
  CHECK_EQ(primary_decide(&p, &f), 1); /* what was hit decides nothing beyond its frame */
  CHECK_EQ(primary_settle(&p, &f, 5), (uint64_t)HIL_ERR_ARG);
  CHECK_EQ(primary_settle(&p, &f, -1), (uint64_t)HIL_ERR_ARG);
  CHECK_EQ(primary_settle(NULL, &f, 1), (uint64_t)HIL_ERR_ARG);
  CHECK_EQ(primary_choose(&p, &f, NULL), (uint64_t)HIL_ERR_ARG);
  CHECK_EQ(primary_release(NULL, &f), (uint64_t)HIL_ERR_ARG);
  for (int nodes = 0; nodes < 256; nodes++) {
    f.nodes = (uint8_t)nodes;
    f.voters = 0xFF;
    CHECK_EQ(primary_choose(&p, &f, &c) == HIL_OK, nodes == 8);
    CHECK_EQ(primary_settle(&p, &f, 0) == HIL_OK, nodes >= 1 && nodes <= 8);
  }
}

int main(void) {
  RUN(every_frame_of_four_nodes_follows_the_table);
  RUN(command_passes_in_the_last_of_the_frames_and_does_not_return);
  RUN(states_among_equals_split_or_dissent);
  RUN(one_that_is_alone_is_silent_if_the_caller_says_so);
  RUN(arguments_out_of_range_are_the_callers_fault);
  return UNIT_RESULT();
}
