/* What replicas of the voter decide together, against a count of their decisions by hand.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>
#include <stdint.h>

#include "replicas.h"
#include "unit.h"

enum { NODES = 4, RIGHT = 7, WRONG = 8 };

static hil_frame_verdict_t voted(const uint64_t outputs[NODES]) {
  hil_frame_verdict_t f = {.frame = 5, .nodes = NODES, .voters = 0xF};
  for (int i = 0; i < NODES; i++) {
    f.node[i] = (hil_node_result_t){outputs[i] ? NODE_DONE : NODE_SILENT, 0, outputs[i], outputs[i] ? 70 : 0};
  }
  CHECK_EQ(frame_verdict_decide(&f), HIL_OK);
  return f;
}

static const uint64_t ALL[NODES] = {RIGHT, RIGHT, RIGHT, RIGHT};

/* Combine the verdicts of four replicas that see the reply of the first node as in |seen|; it was sent right. */
static int combined(const uint64_t seen[NODES], hil_frame_verdict_t *out) {
  hil_frame_verdict_t of[VOTE_MAX_NODES] = {{0}};
  const hil_frame_verdict_t sent = voted(ALL);
  uint8_t alike[VOTE_MAX_NODES];
  for (int i = 0; i < NODES; i++) {
    const uint64_t view[NODES] = {seen[i], RIGHT, RIGHT, RIGHT};
    of[i] = voted(view);
  }
  CHECK_EQ(replicas_alike(of, 0xF, alike), HIL_OK);
  return replicas_combine(&sent, of, 0xF, alike, out);
}

/* Every way in which four replicas can see one reply: right, wrong in two ways, or not at all. */
static void every_view_of_one_reply_is_decided_by_the_count(void) {
  static const uint64_t kinds[4] = {RIGHT, WRONG, WRONG + 1, 0};
  for (unsigned pattern = 0; pattern < 256; pattern++) {
    uint64_t seen[NODES];
    /* A wrong output is a dissent, whatever it is: two wrong ones are the same decision. */
    int same[NODES] = {0}, best = 0;
    for (int i = 0; i < NODES; i++) seen[i] = kinds[pattern >> 2 * i & 3];
    for (int i = 0; i < NODES; i++) {
      for (int j = 0; j < NODES; j++) {
        const bool wrong_both = seen[i] > RIGHT && seen[j] > RIGHT;
        same[i] += seen[i] == seen[j] || wrong_both;
      }
      if (same[i] > same[best]) best = i;
    }
    hil_frame_verdict_t out;
    const int centre = combined(seen, &out);
    if (2 * same[best] <= NODES) {
      CHECK_EQ(centre, 0);
      CHECK_EQ(out.verdict, VERDICT_NO_MAJORITY);
      CHECK_EQ(out.flags, 0);
      CHECK_EQ(out.output | out.state | out.agree | out.dissent, 0);
      continue;
    }
    unsigned dissent = seen[best] != RIGHT;
    for (int i = 0; i < NODES; i++) {
      const bool as_best = seen[i] == seen[best] || (seen[i] > RIGHT && seen[best] > RIGHT);
      if (!as_best) dissent |= 1u << i;
    }
    CHECK_EQ(centre, best + 1);
    CHECK_EQ(out.dissent, dissent);
    CHECK_EQ(out.agree, 0xFu & ~dissent);
    CHECK_EQ(out.output, RIGHT);
    CHECK_EQ(out.flags, FRAME_DELIVERED);
    CHECK_EQ(out.verdict, dissent ? VERDICT_MAJORITY : VERDICT_UNANIMOUS);
    CHECK_EQ(out.node[0].output_digest, RIGHT); /* as it was sent */
  }
}

/* By value, a is like b and b like c, and not a like c: the verdict is that of b, and a node dissents by most. */
static void a_likeness_that_is_not_transitive_has_a_centre(void) {
  hil_frame_verdict_t of[VOTE_MAX_NODES] = {{0}}, out;
  const hil_frame_verdict_t sent = voted(ALL);
  for (uint64_t i = 0; i < 3; i++) {
    of[i] = voted(ALL);
    of[i].output = 100 + i;
  }
  of[0].dissent = of[1].dissent = of[2].latent = 8;
  of[0].verdict = VERDICT_MAJORITY;
  const uint8_t alike[VOTE_MAX_NODES] = {3, 7, 6};
  CHECK_EQ(replicas_combine(&sent, of, 7, alike, &out), 2);
  CHECK_EQ(out.output, 101);
  CHECK_EQ(out.dissent, 8);
  CHECK_EQ(out.latent, 0);
  CHECK_EQ(out.verdict, VERDICT_MAJORITY);
}

static void what_is_withheld_is_another_decision(void) {
  hil_frame_verdict_t of[VOTE_MAX_NODES] = {{0}};
  uint8_t alike[VOTE_MAX_NODES];
  for (int i = 0; i < 3; i++) of[i] = voted(ALL);
  of[1].flags &= (uint8_t)~FRAME_DELIVERED;
  of[2].flags |= FRAME_RE_EXECUTED;
  CHECK_EQ(replicas_alike(of, 7, alike), HIL_OK);
  CHECK_EQ(alike[0], 5);
  CHECK_EQ(alike[1], 2);
  CHECK_EQ(alike[2], 5);
  CHECK_EQ(alike[3], 0);
}

static void arguments_out_of_range_are_the_callers_fault(void) {
  hil_frame_verdict_t of[VOTE_MAX_NODES] = {{0}}, sent = voted(ALL), out;
  const uint8_t alike[VOTE_MAX_NODES] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};
  for (int i = 0; i < NODES; i++) of[i] = voted(ALL);
  CHECK_EQ(replicas_combine(&sent, of, 0, alike, &out), (uint64_t)HIL_ERR_ARG);
  CHECK_EQ(replicas_combine(&sent, of, 0x10, alike, &out), (uint64_t)HIL_ERR_ARG);
  CHECK_EQ(replicas_combine(&sent, NULL, 1, alike, &out), (uint64_t)HIL_ERR_ARG);
  CHECK_EQ(replicas_combine(&sent, of, 1, alike, NULL), (uint64_t)HIL_ERR_ARG);
  CHECK_EQ(replicas_alike(of, 1, NULL), (uint64_t)HIL_ERR_ARG);
  CHECK_EQ(replicas_combine(&sent, of, 0xF, alike, &out),
           1); /* masks beyond the receivers count for nothing */
  of[2].nodes = 3;
  CHECK_EQ(replicas_combine(&sent, of, 0xF, alike, &out), (uint64_t)HIL_ERR_ARG);
  sent.nodes = 9;
  CHECK_EQ(replicas_combine(&sent, of, 3, alike, &out), (uint64_t)HIL_ERR_ARG);
}

int main(void) {
  RUN(every_view_of_one_reply_is_decided_by_the_count);
  RUN(a_likeness_that_is_not_transitive_has_a_centre);
  RUN(what_is_withheld_is_another_decision);
  RUN(arguments_out_of_range_are_the_callers_fault);
  return UNIT_RESULT();
}
