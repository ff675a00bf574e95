/* One frame's verdict from the outputs of all nodes. SPDX-License-Identifier: Apache-2.0
 *
 * Invariants: those of csrc/host/frame_verdict.c. */
#include "value_verdict.h"

#include <string.h>

#include "digest.h"

static bool has(uint32_t mask, uint32_t node) { return (mask >> node & 1u) != 0; }

static uint32_t count_nodes(uint32_t mask) {
  uint32_t count = 0;
  for (; mask; mask &= mask - 1u) count++;
  return count;
}

void value_verdict_begin(const hil_value_rules_t *rules, hil_value_memory_t *memory) {
  for (uint32_t i = 0; i < rules->count; i++) memory->field[i] = value_first_memory(&rules->rule[i]);
  memset(memory->last, 0, rules->output_len);
}

void value_verdict_settle(const hil_value_rules_t *rules, const hil_value_decision_t *decision,
                          hil_value_memory_t *memory) {
  for (uint32_t i = 0; decision->voted && i < rules->count; i++) {
    const hil_value_rule_t *rule = &rules->rule[i];
    const hil_field_vote_t *vote = &decision->field[i];
    memory->field[i] = vote->after;
    if (!vote->decided || !vote->after.has_last) continue;
    memcpy(memory->last + rule->offset, decision->output + rule->offset, value_field_len(rule));
  }
}

bool value_outputs_match(const hil_value_rules_t *rules, const uint8_t *a, const uint8_t *b) {
  for (uint32_t i = 0; i < rules->count; i++) {
    const hil_value_rule_t *rule = &rules->rule[i];
    if (!value_field_matches(rule, a + rule->offset, b + rule->offset)) return false;
  }
  return true;
}

/* The nodes of a frame: those that were heard, of these those that vote, and those whose output is known. */
typedef struct {
  uint32_t heard, counted, known;
} hil_frame_nodes_t;

static hil_frame_nodes_t nodes_of(const hil_frame_verdict_t *f, const hil_frame_outputs_t *outputs) {
  hil_frame_nodes_t nodes = {0, 0, 0};
  for (uint32_t i = 0; i < f->nodes; i++) {
    if (f->node[i].status != NODE_DONE) continue;
    nodes.heard |= 1u << i;
    if (outputs->node[i]) nodes.known |= 1u << i;
  }
  nodes.counted = nodes.heard & f->voters;
  return nodes;
}

/* The digest that all voters have; false if they do not. */
static bool same_digest(const hil_frame_verdict_t *f, uint32_t counted, uint64_t *digest) {
  bool first = true;
  for (uint32_t i = 0; i < f->nodes; i++) {
    if (!has(counted, i)) continue;
    if (!first && f->node[i].output_digest != *digest) return false;
    *digest = f->node[i].output_digest;
    first = false;
  }
  return true;
}

/* All voters have the same output, of which only the digest is known. */
static void take_unanimous(const hil_value_rules_t *rules, const hil_value_memory_t *memory,
                           const hil_frame_nodes_t *nodes, hil_frame_verdict_t *f,
                           hil_value_decision_t *out) {
  const hil_field_ballots_t ballots = {.heard = (uint8_t)nodes->heard, .voters = (uint8_t)nodes->counted};
  uint32_t agree = 0;
  for (uint32_t i = 0; i < f->nodes; i++) {
    if (has(nodes->heard, i) && f->node[i].output_digest == f->output) agree |= 1u << i;
  }
  for (uint32_t i = 0; i < rules->count; i++) {
    value_field_unanimous(&rules->rule[i], &ballots, (uint8_t)agree, &memory->field[i], &out->field[i]);
  }
  f->agree = (uint8_t)agree;
  out->decided = f->output != 0;
}

static int vote_fields(const hil_value_rules_t *rules, const hil_value_memory_t *memory,
                       const hil_frame_outputs_t *outputs, const hil_frame_nodes_t *nodes,
                       hil_frame_verdict_t *f, hil_value_decision_t *out) {
  uint32_t agree = nodes->heard;
  out->decided = 1;
  for (uint32_t i = 0; i < rules->count; i++) {
    const uint32_t at = rules->rule[i].offset;
    hil_field_ballots_t ballots = {.heard = (uint8_t)nodes->heard, .voters = (uint8_t)nodes->counted};
    for (uint32_t node = 0; node < f->nodes; node++) {
      if (has(nodes->known, node)) ballots.part[node] = outputs->node[node] + at;
    }
    const int status = value_field_vote(&rules->rule[i], &ballots, &memory->field[i], memory->last + at,
                                        out->scratch, out->output + at, &out->field[i]);
    if (status != HIL_OK) return status;
    agree &= out->field[i].agree;
    out->decided &= out->field[i].decided;
  }
  if (!out->decided) return HIL_OK;
  f->output = hil_digest64(out->output, rules->output_len, 0);
  f->agree = (uint8_t)agree;
  out->output_known = 1;
  out->decided = f->output != 0;
  return HIL_OK;
}

/* The state of most of the voters that agree. False: they are split. */
static bool vote_states(const hil_value_rules_t *rules, uint32_t counted, hil_frame_verdict_t *f) {
  const uint32_t trusted = counted & f->agree;
  if (2 * count_nodes(trusted) <= count_nodes(counted)) return false;
  if (rules->ignore_states) return true;
  for (uint32_t i = 0; i < f->nodes; i++) {
    uint32_t same = 0;
    for (uint32_t k = 0; has(trusted, i) && k < f->nodes; k++) {
      if (has(trusted, k) && f->node[k].state_digest == f->node[i].state_digest) same++;
    }
    if (2 * same <= count_nodes(trusted)) continue;
    f->state = f->node[i].state_digest;
    return true;
  }
  return false;
}

static bool is_golden(const hil_value_rules_t *rules, const hil_value_decision_t *decision,
                      const uint8_t *golden, uint64_t digest) {
  if (!golden) return false;
  if (decision->output_known) return value_outputs_match(rules, decision->output, golden);
  return hil_digest64(golden, rules->output_len, 0) == digest;
}

static void deliver(const hil_value_rules_t *rules, const hil_frame_outputs_t *outputs,
                    const hil_frame_nodes_t *nodes, hil_frame_verdict_t *f,
                    const hil_value_decision_t *decision) {
  const uint8_t flags = f->flags;
  f->dissent = (uint8_t)(nodes->heard & ~(uint32_t)f->agree);
  const bool split = !vote_states(rules, nodes->counted, f);
  for (uint32_t i = 0; i < f->nodes; i++) {
    if (has(nodes->heard, i) && f->state && f->state != f->node[i].state_digest)
      f->latent |= (uint8_t)(1u << i);
  }
  const bool alone = !(nodes->counted & (nodes->counted - 1u));
  const bool silent = alone && (flags & FRAME_FAIL_SILENT);
  const bool complete = nodes->counted == f->voters && !((f->dissent | f->latent) & f->voters) && !split;
  f->verdict = alone ? VERDICT_SIMPLEX : complete ? VERDICT_UNANIMOUS : VERDICT_MAJORITY;
  f->flags = flags & FRAME_RE_EXECUTED;
  if (split) f->flags |= FRAME_STATE_SPLIT;
  if (silent) {
    f->flags |= (uint8_t)(FRAME_FAIL_SILENT | (flags & (FRAME_HELD | FRAME_HELD_WRONG)));
    return;
  }
  f->flags |= FRAME_DELIVERED;
  if (is_golden(rules, decision, outputs->golden, f->output)) f->flags |= FRAME_CORRECT;
}

int value_verdict_decide(const hil_value_rules_t *rules, const hil_value_memory_t *memory,
                         const hil_frame_outputs_t *outputs, hil_frame_verdict_t *f,
                         hil_value_decision_t *out) {
  if (f->nodes < 1 || f->nodes > VOTE_MAX_NODES || f->voters >> f->nodes) return HIL_ERR_ARG;
  const hil_frame_nodes_t nodes = nodes_of(f, outputs);
  f->agree = f->dissent = f->latent = 0;
  f->output = f->state = 0;
  out->voted = nodes.counted != 0;
  out->decided = out->output_known = 0;
  if (nodes.counted) {
    uint64_t digest = 0;
    if (!(nodes.known & nodes.counted) && same_digest(f, nodes.counted, &digest)) {
      f->output = digest;
      take_unanimous(rules, memory, &nodes, f, out);
    } else {
      const int status = vote_fields(rules, memory, outputs, &nodes, f, out);
      if (status != HIL_OK) return status;
    }
  }
  if (out->decided) {
    deliver(rules, outputs, &nodes, f, out);
    return HIL_OK;
  }
  f->verdict = out->voted ? VERDICT_NO_MAJORITY : VERDICT_NO_QUORUM;
  f->flags &= FRAME_RE_EXECUTED | FRAME_HELD | FRAME_HELD_WRONG;
  f->agree = 0;
  f->output = 0;
  return HIL_OK;
}
