/* Verdicts against a brute force written from the words of frame_verdict.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>

#include "frame_verdict.h"
#include "unit.h"

enum { STATUSES = 6, GUARDED = 256 };

/* --- the brute force --------------------------------------------------------------------------------
 * Counts, for every value that occurs, how many of those asked hold it; no masks, no classes. */

static int is_heard(const hil_frame_verdict_t *f, int i) { return f->node[i].status == NODE_DONE; }

static int votes(const hil_frame_verdict_t *f, int i) { return is_heard(f, i) && (f->voters >> i & 1); }

/* The value that more than half of the |asked| nodes hold; 0 if none (digests here are not 0). */
static uint64_t most(const uint64_t *values, const int *asked, int n) {
  int all = 0;
  for (int i = 0; i < n; i++) all += asked[i] != 0;
  for (int i = 0; i < n; i++) {
    int same = 0;
    for (int k = 0; k < n; k++) same += asked[k] && values[k] == values[i];
    if (asked[i] && 2 * same > all) return values[i];
  }
  return 0;
}

static hil_frame_verdict_t judged(const hil_frame_verdict_t *in) {
  hil_frame_verdict_t f = *in;
  uint64_t outputs[VOTE_MAX_NODES], states[VOTE_MAX_NODES];
  int asked[VOTE_MAX_NODES], counted = 0, voters = 0, content = 1;
  f.verdict = f.agree = f.dissent = f.latent = 0;
  f.output = f.state = 0;
  const int fail_silent = (f.flags & FRAME_FAIL_SILENT) != 0;
  const int wrong = (f.flags & FRAME_HELD_WRONG) != 0;
  const int held = !(f.flags & FRAME_HELD) ? 0 : wrong ? FRAME_HELD | FRAME_HELD_WRONG : FRAME_HELD;
  f.flags = (uint8_t)(f.flags & ~(FRAME_DELIVERED | FRAME_STATE_SPLIT | FRAME_FAIL_SILENT));
  f.flags = (uint8_t)(f.flags & ~(FRAME_HELD | FRAME_HELD_WRONG));
  for (int i = 0; i < f.nodes; i++) {
    outputs[i] = f.node[i].output_digest;
    states[i] = f.node[i].state_digest;
    asked[i] = votes(&f, i);
    counted += asked[i];
    voters += f.voters >> i & 1;
  }
  if (!counted) {
    f.verdict = VERDICT_NO_QUORUM;
    f.flags = (uint8_t)(f.flags | held);
    return f;
  }
  f.output = most(outputs, asked, f.nodes);
  if (!f.output) {
    f.verdict = VERDICT_NO_MAJORITY;
    f.flags = (uint8_t)(f.flags | held);
    return f;
  }
  f.flags |= FRAME_DELIVERED;
  for (int i = 0; i < f.nodes; i++) {
    if (!is_heard(&f, i)) continue;
    if (outputs[i] == f.output) f.agree = (uint8_t)(f.agree | 1 << i);
    if (outputs[i] != f.output) f.dissent = (uint8_t)(f.dissent | 1 << i);
    if (asked[i] && outputs[i] != f.output) content = asked[i] = 0;
  }
  f.state = most(states, asked, f.nodes);
  if (!f.state) f.flags |= FRAME_STATE_SPLIT;
  for (int i = 0; f.state && i < f.nodes; i++) {
    if (!is_heard(&f, i) || states[i] == f.state) continue;
    f.latent = (uint8_t)(f.latent | 1 << i);
    if (votes(&f, i)) content = 0;
  }
  f.verdict = counted == 1                              ? VERDICT_SIMPLEX
              : counted == voters && content && f.state ? VERDICT_UNANIMOUS
                                                        : VERDICT_MAJORITY;
  if (counted == 1 && fail_silent)
    f.flags = (uint8_t)((f.flags & ~FRAME_DELIVERED) | FRAME_FAIL_SILENT | held);
  return f;
}

static void check_same(const hil_frame_verdict_t *got, const hil_frame_verdict_t *want) {
  CHECK_EQ(got->verdict, want->verdict);
  CHECK_EQ(got->flags, want->flags);
  CHECK_EQ(got->agree, want->agree);
  CHECK_EQ(got->dissent, want->dissent);
  CHECK_EQ(got->latent, want->latent);
  CHECK_EQ(got->output, want->output);
  CHECK_EQ(got->state, want->state);
}

static int heard_of(const hil_frame_verdict_t *f) {
  int mask = 0;
  for (int i = 0; i < f->nodes; i++) mask |= is_heard(f, i) << i;
  return mask;
}

/* The numbered invariants of frame_verdict.c. */
static void check_invariants(const hil_frame_verdict_t *f) {
  const int heard = heard_of(f);
  CHECK_EQ((f->dissent | f->latent | f->agree) & ~heard, 0);
  CHECK_EQ(f->agree & f->dissent, 0);
  const int keeps_silent = (f->flags & FRAME_FAIL_SILENT) != 0;
  const int delivers = f->verdict == VERDICT_UNANIMOUS || f->verdict == VERDICT_MAJORITY ||
                       (f->verdict == VERDICT_SIMPLEX && !keeps_silent);
  CHECK(!keeps_silent || f->verdict == VERDICT_SIMPLEX);
  CHECK_EQ((f->flags & FRAME_DELIVERED) != 0, delivers);
  hil_frame_verdict_t other = *f;
  for (int i = 0; i < f->nodes; i++) { /* whatever the others say */
    if (f->voters >> i & 1) continue;
    for (uint8_t status = 0; status < STATUSES; status++) {
      other.node[i] = (hil_node_result_t){status, 0, 77, 78};
      CHECK_EQ(frame_verdict_decide(&other), HIL_OK);
      CHECK_EQ(other.verdict, f->verdict);
      CHECK_EQ(other.output, f->output);
      CHECK_EQ(other.state, f->state);
    }
  }
}

static void check_packing(const hil_frame_verdict_t *f) {
  static uint8_t bytes[GUARDED];
  hil_frame_verdict_t back;
  memset(bytes, UNIT_GUARD, sizeof bytes);
  memset(&back, 0xEE, sizeof back);
  const size_t len = FRAME_RECORD_HEADER_LEN + (size_t)f->nodes * FRAME_RECORD_NODE_LEN;
  CHECK_EQ(frame_verdict_pack(f, bytes, len - 1), HIL_ERR_EXHAUSTED);
  CHECK_EQ(bytes[0], UNIT_GUARD);
  CHECK_EQ(frame_verdict_pack(f, bytes, len), len);
  CHECK_EQ(bytes[len], UNIT_GUARD);
  CHECK_EQ(frame_verdict_unpack(&back, bytes, len), len);
  check_same(&back, f);
  CHECK_EQ(back.frame, f->frame);
  CHECK_EQ(back.nodes, f->nodes);
  CHECK_EQ(back.voters, f->voters);
  for (int i = 0; i < f->nodes; i++) {
    CHECK_EQ(back.node[i].status, f->node[i].status);
    CHECK_EQ(back.node[i].signal, f->node[i].signal);
    CHECK_EQ(back.node[i].output_digest, f->node[i].output_digest);
    CHECK_EQ(back.node[i].state_digest, f->node[i].state_digest);
  }
  CHECK_EQ(frame_verdict_decide(&back), HIL_OK); /* a record votes again to itself */
  check_same(&back, f);
}

/* --- tests -------------------------------------------------------------------------------------------- */

/* What a node can say: the statuses with nothing, or DONE with one of 3 outputs and 3 states. */
enum { DIGESTS = 3, SAYINGS = STATUSES - 1 + DIGESTS * DIGESTS };

static hil_node_result_t saying(unsigned k) {
  if (k < STATUSES - 1) return (hil_node_result_t){.status = (uint8_t)(k + 1), .signal = (uint8_t)k};
  k -= STATUSES - 1;
  return (hil_node_result_t){NODE_DONE, 0, 0x1000 + k % DIGESTS, 0x2000 + k / DIGESTS};
}

static void every_frame_of_up_to_three_nodes_equals_the_brute_force(void) {
  static const uint8_t kept[] = {0,
                                 FRAME_CORRECT | FRAME_RE_EXECUTED,
                                 0xff,
                                 FRAME_HELD | FRAME_FAIL_SILENT,
                                 FRAME_HELD | FRAME_HELD_WRONG,
                                 FRAME_HELD_WRONG};
  unsigned seen[6] = {0};
  for (unsigned n = 1; n <= 3; n++) {
    unsigned cases = 1;
    for (unsigned i = 0; i < n; i++) cases *= SAYINGS;
    for (unsigned c = 0; c < cases; c++) {
      for (unsigned voters = 0; voters < 1u << n; voters++) {
        hil_frame_verdict_t f = {.frame = c,
                                 .nodes = (uint8_t)n,
                                 .voters = (uint8_t)voters,
                                 .flags = kept[c % 6],
                                 .agree = 0xff,
                                 .latent = 0xff,
                                 .dissent = 0xff,
                                 .output = 9,
                                 .state = 9};
        for (unsigned i = 0, rest = c; i < n; i++, rest /= SAYINGS) f.node[i] = saying(rest % SAYINGS);
        const hil_frame_verdict_t want = judged(&f);
        CHECK_EQ(frame_verdict_decide(&f), HIL_OK);
        check_same(&f, &want);
        seen[f.verdict]++;
        if (c % 6 != 2) check_packing(&f);
        if (c % 7 == 0) check_invariants(&f);
      }
    }
  }
  for (int verdict = VERDICT_UNANIMOUS; verdict <= VERDICT_NO_QUORUM; verdict++) CHECK(seen[verdict] > 100);
}

static uint64_t random_state = 20250403;

static uint32_t random_u32(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return (uint32_t)((random_state * 0x2545F4914F6CDD1DU) >> 32);
}

static void random_frames_of_up_to_seven_nodes_equal_the_brute_force(void) {
  for (int round = 0; round < 100000; round++) {
    hil_frame_verdict_t f = {.frame = random_u32(), .nodes = (uint8_t)(1 + random_u32() % VOTE_MAX_NODES)};
    f.voters = (uint8_t)(random_u32() & ((1u << f.nodes) - 1u));
    if (random_u32() % 2) f.voters = (uint8_t)((1u << f.nodes) - 1u);
    for (unsigned i = 0; i < f.nodes; i++) {
      f.node[i] = saying(random_u32() % 3 ? STATUSES - 1 + (random_u32() % 4 ? 0 : random_u32() % 9)
                                          : random_u32() % SAYINGS);
    }
    const hil_frame_verdict_t want = judged(&f);
    CHECK_EQ(frame_verdict_decide(&f), HIL_OK);
    check_same(&f, &want);
    if (round % 16 == 0) check_invariants(&f);
    if (round % 16 == 1) check_packing(&f);
  }
}

static void a_spare_that_differs_does_not_break_unanimity(void) {
  hil_frame_verdict_t f = {.nodes = 4, .voters = 7};
  for (int i = 0; i < 4; i++) f.node[i] = (hil_node_result_t){NODE_DONE, 0, i < 3 ? 1 : 2, i < 3 ? 3 : 4};
  CHECK_EQ(frame_verdict_decide(&f), HIL_OK);
  CHECK_EQ(f.verdict, VERDICT_UNANIMOUS);
  CHECK_EQ(f.dissent, 8);
  CHECK_EQ(f.latent, 8);
}

static void frames_out_of_range_are_the_callers_fault(void) {
  hil_frame_verdict_t f = {.nodes = 0, .voters = 0};
  uint8_t bytes[GUARDED];
  CHECK_EQ(frame_verdict_decide(NULL), HIL_ERR_ARG);
  CHECK_EQ(frame_verdict_decide(&f), HIL_ERR_ARG);
  CHECK(frame_verdict_pack(&f, bytes, sizeof bytes) < 0);
  f.nodes = VOTE_MAX_NODES + 1;
  CHECK_EQ(frame_verdict_decide(&f), HIL_ERR_ARG);
  CHECK(frame_verdict_pack(&f, bytes, sizeof bytes) < 0);
  f.nodes = 3;
  f.voters = 8;
  CHECK_EQ(frame_verdict_decide(&f), HIL_ERR_ARG);
}

static void malformed_records_are_refused(void) {
  hil_frame_verdict_t f = {.frame = 5, .nodes = 3, .voters = 7}, back;
  uint8_t bytes[GUARDED], bad[GUARDED];
  for (int i = 0; i < 3; i++) f.node[i] = saying(STATUSES - 1);
  CHECK_EQ(frame_verdict_decide(&f), HIL_OK);
  const int len = frame_verdict_pack(&f, bytes, sizeof bytes);
  CHECK(len > 0);
  for (int cut = 0; cut < len; cut++)
    CHECK_EQ(frame_verdict_unpack(&back, bytes, (size_t)cut), HIL_ERR_PAYLOAD);
  static const struct {
    size_t at;
    int low, high; /* inclusive */
  } ranges[] = {{8, 1, 5},  {10, 0, 7}, {12, 0, 7}, {13, 0, 7}, {14, 0, 7},
                {15, 0, 3}, {32, 0, 5}, {50, 0, 5}, {68, 0, 5}};
  for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
    for (int value = 0; value < 256; value++) {
      memcpy(bad, bytes, sizeof bad);
      bad[ranges[i].at] = (uint8_t)value;
      const int good = value >= ranges[i].low && value <= ranges[i].high;
      CHECK_EQ(frame_verdict_unpack(&back, bad, (size_t)len), good ? len : HIL_ERR_PAYLOAD);
    }
  }
  for (int flags = 0; flags < 256; flags++) { /* nothing is held beside an output, or wrongly not at all */
    memcpy(bad, bytes, sizeof bad);
    bad[11] = (uint8_t)flags;
    const int delivered = flags & FRAME_DELIVERED, held = flags & FRAME_HELD;
    const int good = flags < 128 && (held ? !delivered : !(flags & FRAME_HELD_WRONG));
    CHECK_EQ(frame_verdict_unpack(&back, bad, (size_t)len), good ? len : HIL_ERR_PAYLOAD);
  }
  for (int nodes = 0; nodes < 256; nodes++) { /* masks name three nodes: fewer do not do */
    memcpy(bad, bytes, sizeof bad);
    bad[9] = (uint8_t)nodes;
    const int status = frame_verdict_unpack(&back, bad, (size_t)len);
    CHECK_EQ(status, nodes == 3 ? len : HIL_ERR_PAYLOAD);
  }
}

int main(void) {
  RUN(every_frame_of_up_to_three_nodes_equals_the_brute_force);
  RUN(random_frames_of_up_to_seven_nodes_equal_the_brute_force);
  RUN(a_spare_that_differs_does_not_break_unanimity);
  RUN(frames_out_of_range_are_the_callers_fault);
  RUN(malformed_records_are_refused);
  return UNIT_RESULT();
}
