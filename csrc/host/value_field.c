/* The vote on one field of the output. SPDX-License-Identifier: Apache-2.0 */
#include "value_field.h"

#include <string.h>

#include "value_bytes.h"
#include "value_cluster.h"
#include "value_metric.h"

enum { FULL_RECORD = (1 << VALUE_RECORD_FRAMES) - 1 };

static bool has(uint32_t mask, uint32_t node) { return (mask >> node & 1u) != 0; }

static bool is_by_bytes(const hil_value_rule_t *rule) { return rule->kind <= VALUE_BITWISE; }

static uint32_t count_nodes(uint32_t mask) {
  uint32_t count = 0;
  for (; mask; mask &= mask - 1u) count++;
  return count;
}

hil_field_memory_t value_first_memory(const hil_value_rule_t *rule) {
  hil_field_memory_t first = {0};
  for (uint32_t node = 0; node < VOTE_MAX_NODES && rule->kind == VALUE_HISTORY; node++) {
    first.record[node] = FULL_RECORD;
  }
  return first;
}

bool value_field_matches(const hil_value_rule_t *rule, const uint8_t *a, const uint8_t *b) {
  if (value_same_bytes(a, b, value_field_len(rule))) return true;
  return !is_by_bytes(rule) && value_all_agree(rule, a, b);
}

static uint32_t known_nodes(const hil_field_ballots_t *ballots) {
  uint32_t mask = 0;
  for (uint32_t node = 0; node < VOTE_MAX_NODES; node++) {
    if (ballots->part[node]) mask |= 1u << node;
  }
  return mask;
}

/* The nodes whose bytes are the delivered ones to the rule. */
static uint8_t agreeing(const hil_value_rule_t *rule, const hil_field_ballots_t *ballots,
                        const uint8_t *delivered) {
  uint32_t agree = 0;
  for (uint32_t node = 0; node < VOTE_MAX_NODES; node++) {
    const uint8_t *part = ballots->part[node];
    if (part && value_field_matches(rule, part, delivered)) agree |= 1u << node;
  }
  return (uint8_t)agree;
}

/* What is remembered of a decided field. */
static hil_field_memory_t memory_after(const hil_value_rule_t *rule, const hil_field_ballots_t *ballots,
                                       const hil_field_memory_t *before, uint8_t agree, uint8_t has_last) {
  hil_field_memory_t after = *before;
  after.held = 0;
  after.has_last = value_remembers(rule) ? has_last : 0;
  for (uint32_t node = 0; node < VOTE_MAX_NODES && rule->kind == VALUE_HISTORY; node++) {
    if (!has(ballots->heard, node)) continue;
    const uint32_t record = before->record[node];
    after.record[node] = (uint16_t)(record << 1 | (has(agree, node) ? 1u : 0u));
  }
  return after;
}

void value_field_unanimous(const hil_value_rule_t *rule, const hil_field_ballots_t *ballots, uint8_t agree,
                           const hil_field_memory_t *before, hil_field_vote_t *out) {
  *out = (hil_field_vote_t){.agree = agree, .clusters = 1, .cluster = {(uint8_t)(agree & ballots->voters)}};
  out->after = memory_after(rule, ballots, before, agree, before->has_last);
}

static void undecided(const hil_field_memory_t *before, hil_field_vote_t *out) {
  out->decided = 0;
  out->agree = 0;
  out->after = *before;
  out->after.held++;
}

static void decided(const hil_value_rule_t *rule, const hil_field_ballots_t *ballots,
                    const hil_field_memory_t *before, uint8_t agree, hil_field_vote_t *out) {
  out->decided = 1;
  out->agree = agree;
  out->after = memory_after(rule, ballots, before, agree, 1);
}

static void vote_by_bytes(const hil_value_rule_t *rule, const hil_field_ballots_t *ballots, uint32_t voting,
                          const hil_field_memory_t *before, uint8_t *delivered, hil_field_vote_t *out) {
  const uint32_t len = value_field_len(rule), heard = count_nodes(ballots->voters);
  const uint8_t *voted = NULL;
  if (rule->kind == VALUE_EXACT) {
    voted = value_majority(ballots->part, voting, len, heard);
    if (voted) memcpy(delivered, voted, len);
  } else if (value_bitwise(ballots->part, voting, len, heard, delivered)) {
    voted = delivered;
  }
  out->clusters = (uint8_t)value_classes(ballots->part, voting, len, voted, out->cluster);
  if (voted) {
    decided(rule, ballots, before, agreeing(rule, ballots, delivered), out);
  } else {
    undecided(before, out);
  }
}

static bool write_value(const hil_situation_t *now, const hil_choice_t *choice, uint8_t *delivered) {
  if (choice->held && now->last) {
    memcpy(delivered, now->last, value_field_len(now->rule));
    return true;
  }
  for (uint32_t i = 0; i < now->rule->count; i++) {
    if (!value_store(now->rule, delivered, i, now->numbers[i]))
      return false; /* a mean beyond the range of its type */
  }
  return true;
}

static bool agrees_with_choice(const hil_situation_t *now, const hil_choice_t *choice, const uint8_t *part) {
  if (!choice->cluster) return value_agrees_with(now->rule, part, now->anchor);
  for (uint32_t node = 0; node < VOTE_MAX_NODES; node++) {
    if (has(choice->cluster, node) && !value_all_agree(now->rule, part, now->part[node])) return false;
  }
  return true;
}

static void vote_by_value(const hil_situation_t *now, const hil_field_ballots_t *ballots, uint8_t *delivered,
                          hil_field_vote_t *out) {
  hil_choice_t choice;
  const hil_value_rule_t *rule = now->rule;
  if (!value_choose(now, &choice) || !write_value(now, &choice, delivered)) {
    out->clusters = (uint8_t)value_clusters(rule, now->part, now->voting, out->cluster);
    undecided(now->memory, out);
    return;
  }
  uint32_t agree = 0;
  for (uint32_t node = 0; node < VOTE_MAX_NODES; node++) {
    if (now->part[node] && agrees_with_choice(now, &choice, now->part[node])) agree |= 1u << node;
  }
  out->cluster[0] = (uint8_t)(agree & ballots->voters);
  out->clusters = (uint8_t)(1 + value_clusters(rule, now->part, now->voting & ~agree, out->cluster + 1));
  decided(rule, ballots, now->memory, (uint8_t)agree, out);
  out->after.held = choice.held;
}

/* The bytes that all voters have alike; NULL if they do not. */
static const uint8_t *same_of_all(const hil_field_ballots_t *ballots, uint32_t len) {
  const uint8_t *same = NULL;
  for (uint32_t node = 0; node < VOTE_MAX_NODES; node++) {
    if (!has(ballots->voters, node)) continue;
    const uint8_t *part = ballots->part[node];
    if (!part || (same && !value_same_bytes(part, same, len))) return NULL;
    same = part;
  }
  return same;
}

int value_field_vote(const hil_value_rule_t *rule, const hil_field_ballots_t *ballots,
                     const hil_field_memory_t *before, const uint8_t *last, uint64_t *scratch,
                     uint8_t *delivered, hil_field_vote_t *out) {
  const uint32_t known = known_nodes(ballots), voting = known & ballots->voters;
  if ((ballots->voters | known) & ~(uint32_t)ballots->heard) return HIL_ERR_ARG;
  *out = (hil_field_vote_t){0};
  const uint8_t *same = same_of_all(ballots, value_field_len(rule));
  if (same) {
    memcpy(delivered, same, value_field_len(rule));
    out->clusters = 1;
    out->cluster[0] = ballots->voters;
    decided(rule, ballots, before, agreeing(rule, ballots, delivered), out);
    return HIL_OK;
  }
  if (is_by_bytes(rule)) {
    vote_by_bytes(rule, ballots, voting, before, delivered, out);
    return HIL_OK;
  }
  const hil_situation_t now = {.rule = rule,
                               .part = ballots->part,
                               .voting = voting,
                               .heard = count_nodes(ballots->voters),
                               .last = before->has_last ? last : NULL,
                               .memory = before,
                               .numbers = scratch,
                               .anchor = scratch + rule->count};
  vote_by_value(&now, ballots, delivered, out);
  return HIL_OK;
}
