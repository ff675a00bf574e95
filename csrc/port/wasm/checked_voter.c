/* The voter of a doer and its checkers for web pages. SPDX-License-Identifier: Apache-2.0
 *
 * csrc/host/checked.c decides. The page writes the bounds of the run once, and before each frame in which they are
 * judged the outputs of the nodes. */
#include "checked_voter.h"

#include "checked.h"
#include "digest.h"

enum { BOUNDS_MAX = 1024 };

static uint8_t packed[BOUNDS_MAX * CHECKED_BOUND_LEN];
static hil_checked_bound_t bound[BOUNDS_MAX];
static hil_checked_rules_t rules;
static uint32_t full_len, reduced_len;

static uint8_t outputs[VOTE_MAX_NODES][VALUE_OUTPUT_MAX];
static uint32_t known; /* mask: nodes whose output of the next frame was written */

#define EXPORT(name) __attribute__((export_name(#name)))

static uint32_t length_of(uint32_t node) { return node == CHECKED_DOER ? full_len : reduced_len; }

/* Where the packed bounds are written to, and how many bytes fit there. */
EXPORT(checked_bounds) uint8_t *checked_bounds(void) { return packed; }
EXPORT(checked_bounds_capacity) uint32_t checked_bounds_capacity(void) { return sizeof packed; }

/* The outputs of doer and checkers have these lengths, and |len| bytes of bounds were written; the rest is that of
 * hil_checked_rules_t. Returns whether they fit. */
EXPORT(checked_begin)
uint32_t checked_begin(uint32_t len, uint32_t full, uint32_t reduced, uint32_t votes, uint32_t after_frames,
                       uint32_t delivers_reduced) {
  rules.bound = NULL;
  if (len > sizeof packed) return 0;
  const int count = checked_bounds_unpack(bound, BOUNDS_MAX, packed, len, full, reduced);
  if (count < 0) return 0;
  full_len = full;
  reduced_len = reduced;
  rules = (hil_checked_rules_t){bound, (uint32_t)count, votes, after_frames, delivers_reduced != 0};
  return 1;
}

/* Where the output of a node is written to. */
EXPORT(checked_output) uint8_t *checked_output(uint32_t node) {
  return node < VOTE_MAX_NODES ? outputs[node] : NULL;
}

/* In the next frame that is voted on the outputs of the nodes in |mask| are known. */
EXPORT(checked_known) void checked_known(uint32_t mask) { known = mask; }

/* The digest of an output that was written: its lower half, or its upper one. */
EXPORT(checked_digest) uint32_t checked_digest(uint32_t node, uint32_t upper) {
  if (node >= VOTE_MAX_NODES) return 0;
  return (uint32_t)(hil_digest64(outputs[node], length_of(node), 0) >> (upper ? 32 : 0));
}

bool checked_voter_is_used(void) { return rules.bound != NULL; }

int checked_voter_decide(hil_frame_verdict_t *f) {
  hil_frame_outputs_t of = {.golden = NULL};
  for (uint32_t node = 0; node < VOTE_MAX_NODES; node++) {
    if (known >> node & 1u) of.node[node] = outputs[node];
  }
  known = 0;
  return checked_decide(&rules, &of, f);
}
