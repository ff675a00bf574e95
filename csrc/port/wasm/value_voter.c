/* The voter by value for web pages. SPDX-License-Identifier: Apache-2.0
 *
 * csrc/host/value_verdict.c decides. The page writes the rules of the run once, and the outputs of the nodes in
 * each frame in which they are not all the same. */
#include "value_voter.h"

#include "digest.h"
#include "value_verdict.h"

enum {
  COUNT_MAX = 1024, /* rules */
  VIEWS = 1 + VOTE_MAX_NODES, /* what was sent, and what the voter of each node received */
  PLACES = VIEWS * VOTE_MAX_NODES
};

static uint8_t packed[COUNT_MAX * VALUE_RULE_LEN];
static hil_value_rule_t rule[COUNT_MAX];
static hil_value_rules_t rules;
static hil_field_memory_t memory_of_fields[COUNT_MAX];
static uint8_t last[VALUE_OUTPUT_MAX];
static hil_value_memory_t memory = {memory_of_fields, last};
static uint64_t scratch[2 * VALUE_OUTPUT_MAX];

/* The outputs of a frame: as nodes sent them; then for each voter those that it received and that are others. */
static uint8_t outputs[PLACES][VALUE_OUTPUT_MAX];
static uint8_t known[VIEWS]; /* masks: nodes whose output is known */
static uint8_t copied[VIEWS]; /* masks: nodes of which a voter received another one than was sent */

static hil_field_vote_t votes[VIEWS][COUNT_MAX];
static uint8_t delivered[VIEWS][VALUE_OUTPUT_MAX];
static hil_value_decision_t decision[VIEWS];
static const uint8_t *released;

#define EXPORT(name) __attribute__((export_name(#name)))

/* Where the packed rules are written to, and how many bytes fit there. */
EXPORT(value_rules) uint8_t *value_rules(void) { return packed; }
EXPORT(value_rules_capacity) uint32_t value_rules_capacity(void) { return sizeof packed; }

/* The voter compares outputs of |output_len| bytes by the packed rules, from the first frame of the run on, which is
 * the next one. Returns whether they fit. */
EXPORT(value_begin) uint32_t value_begin(uint32_t len, uint32_t output_len, uint32_t ignore_states) {
  rules.rule = NULL;
  if (len > sizeof packed) return 0;
  const int count = value_rules_unpack(rule, COUNT_MAX, packed, len, output_len);
  if (count < 0) return 0;
  rules = (hil_value_rules_t){rule, (uint32_t)count, output_len, ignore_states != 0};
  for (uint32_t i = 0; i < VIEWS; i++) {
    decision[i] = (hil_value_decision_t){.field = votes[i], .output = delivered[i], .scratch = scratch};
  }
  value_verdict_begin(&rules, &memory);
  return 1;
}

/* Where the output of a node is written to; behind those of all nodes are the ones that the voter of the first node
 * received, and so on. */
EXPORT(value_output) uint8_t *value_output(uint32_t place) { return place < PLACES ? outputs[place] : NULL; }

/* In the next frame that is voted on the outputs of the nodes in |mask| are known. With |view| - 1 instead of 0: to the
 * voter of this node, which received others than were sent of those in |copies|. */
EXPORT(value_known) void value_known(uint32_t view, uint32_t mask, uint32_t copies) {
  if (view >= VIEWS) return;
  known[view] = (uint8_t)mask;
  copied[view] = (uint8_t)copies;
}

/* The digest of an output that was written: its lower half, or its upper one. */
EXPORT(value_digest) uint32_t value_digest(uint32_t place, uint32_t upper) {
  if (place >= PLACES) return 0;
  return (uint32_t)(hil_digest64(outputs[place], rules.output_len, 0) >> (upper ? 32 : 0));
}

/* The bytes that the last frame delivered; NULL if they are not known. */
EXPORT(value_delivered) const uint8_t *value_delivered(void) { return released; }

bool value_voter_is_used(void) { return rules.rule != NULL; }

static int decide(hil_frame_verdict_t *f, uint32_t view) {
  hil_frame_outputs_t of = {.golden = NULL};
  for (uint32_t node = 0; node < VOTE_MAX_NODES; node++) {
    const uint32_t place = copied[view] >> node & 1u ? view * VOTE_MAX_NODES + node : node;
    if (known[view] >> node & 1u) of.node[node] = outputs[place];
  }
  known[view] = copied[view] = 0;
  return value_verdict_decide(&rules, &memory, &of, f, &decision[view]);
}

static void settle(uint32_t view) {
  value_verdict_settle(&rules, &decision[view], &memory);
  released = decision[view].decided && decision[view].output_known ? delivered[view] : NULL;
}

int value_voter_decide(hil_frame_verdict_t *f) {
  const int status = decide(f, 0);
  if (status == HIL_OK) settle(0);
  return status;
}

int value_voter_decide_view(hil_frame_verdict_t *f, uint32_t node) {
  released = NULL;
  return decide(f, 1 + node);
}

static bool is_alike(const hil_frame_verdict_t *of, uint32_t a, uint32_t b) {
  const hil_value_decision_t *one = &decision[1 + a], *other = &decision[1 + b];
  const uint8_t differ = of[a].flags ^ of[b].flags;
  if ((differ & (FRAME_DELIVERED | FRAME_STATE_SPLIT)) || of[a].state != of[b].state) return false;
  if (!(of[a].flags & FRAME_DELIVERED) || of[a].output == of[b].output) return true;
  return one->output_known && other->output_known && value_outputs_match(&rules, one->output, other->output);
}

void value_voter_alike(const hil_frame_verdict_t *of, uint32_t receivers, uint8_t *alike) {
  for (uint32_t a = 0; a < VOTE_MAX_NODES; a++) {
    alike[a] = 0;
    for (uint32_t b = 0; b < VOTE_MAX_NODES; b++) {
      if (!(receivers >> a & 1u) || !(receivers >> b & 1u)) continue;
      if (is_alike(of, a, b)) alike[a] |= (uint8_t)(1u << b);
    }
  }
}

void value_voter_settle_view(uint32_t node) { settle(1 + node); }
