/* The rules of voters by value. SPDX-License-Identifier: Apache-2.0 */
#include "value_choice.h"

#include "value_cluster.h"
#include "value_mean.h"
#include "value_metric.h"
#include "value_middle.h"

/* A rule: false if it is undecided. */
typedef bool (*hil_choose_t)(const hil_situation_t *now, hil_choice_t *choice);

static bool has(uint32_t mask, uint32_t node) { return (mask >> node & 1u) != 0; }

static uint32_t count_nodes(uint32_t mask) {
  uint32_t count = 0;
  for (; mask; mask &= mask - 1u) count++;
  return count;
}

static void copy_keys(const hil_situation_t *now, uint64_t *to, const uint64_t *from) {
  for (uint32_t i = 0; i < now->rule->count; i++) to[i] = from[i];
}

static void copy_value(const hil_situation_t *now, uint64_t *to, const uint8_t *field) {
  for (uint32_t i = 0; i < now->rule->count; i++) to[i] = value_key(now->rule, field, i);
}

/* The value of a node, or the last one, is delivered, and a node must agree with it. */
static void take(const hil_situation_t *now, const uint8_t *field) {
  copy_value(now, now->numbers, field);
  copy_value(now, now->anchor, field);
}

static bool mid_of_all(const hil_situation_t *now) {
  return value_mid(now->rule, now->part, now->voting, now->heard, now->anchor);
}

static bool by_mid_value(const hil_situation_t *now, hil_choice_t *choice) {
  (void)choice;
  if (!mid_of_all(now)) return false;
  copy_keys(now, now->numbers, now->anchor);
  return true;
}

/* The choice of the winning cluster if it has at least |least| members. */
static bool by_cluster(const hil_situation_t *now, uint32_t least, bool only, hil_choice_t *choice) {
  int ties;
  const uint32_t best = value_largest_cluster(now->rule, now->part, now->voting, &ties);
  if (!best || count_nodes(best) < least || (only && ties != 1)) return false;
  for (uint32_t place = 0; place < now->rule->count; place++) {
    uint64_t keys[VOTE_MAX_NODES];
    const uint32_t count = value_column(now->rule, now->part, best, place, keys);
    now->numbers[place] = value_is_nan(now->rule, keys[0]) ? keys[0] : value_middle(now->rule, keys, count);
  }
  choice->cluster = best;
  return true;
}

static bool by_tolerance(const hil_situation_t *now, hil_choice_t *choice) {
  return by_cluster(now, now->heard / 2 + 1, false, choice);
}

static bool by_plurality(const hil_situation_t *now, hil_choice_t *choice) {
  const uint32_t quorum = now->rule->quorum;
  return by_cluster(now, quorum < now->heard ? quorum : now->heard, true, choice);
}

/* --- generalised median --- */

static bool all_finite(const hil_situation_t *now, uint32_t node) {
  for (uint32_t i = 0; i < now->rule->count; i++) {
    if (!value_is_finite(now->rule, value_key(now->rule, now->part[node], i))) return false;
  }
  return true;
}

/* The voters whose values are finite, in the order of their values. */
static uint32_t finite_in_order(const hil_situation_t *now, const uint8_t **values) {
  uint32_t count = 0;
  for (uint32_t node = 0; node < VOTE_MAX_NODES; node++) {
    if (!has(now->voting, node) || !all_finite(now, node)) continue;
    uint32_t to = count++;
    for (; to && value_order(now->rule, now->part[node], values[to - 1]) < 0; to--)
      values[to] = values[to - 1];
    values[to] = now->part[node];
  }
  return count;
}

/* Put the two values aside that are farthest apart; of several such pairs the first by its higher value. */
static uint32_t without_farthest(const hil_situation_t *now, const uint8_t **values, uint32_t count) {
  uint32_t low = 0, high = 1, kept = 0;
  double farthest = -1;
  for (uint32_t b = 1; b < count; b++) {
    for (uint32_t a = 0; a < b; a++) {
      const double length = value_length(now->rule, values[a], values[b]);
      if (!(length > farthest)) continue;
      farthest = length;
      low = a;
      high = b;
    }
  }
  for (uint32_t i = 0; i < count; i++) {
    if (i != low && i != high) values[kept++] = values[i];
  }
  return kept;
}

static bool by_median(const hil_situation_t *now, hil_choice_t *choice) {
  const uint8_t *values[VOTE_MAX_NODES];
  uint32_t count = finite_in_order(now, values);
  (void)choice;
  if (2 * count <= now->heard) return false;
  if (count == 2 && !value_all_agree(now->rule, values[0], values[1])) return false;
  while (count > 2) count = without_farthest(now, values, count);
  take(now, values[0]);
  return true;
}

/* --- history --- */

static bool by_history(const hil_situation_t *now, hil_choice_t *choice) {
  uint32_t weights[VOTE_MAX_NODES] = {0}, total = 0, near = 0;
  (void)choice;
  if (!mid_of_all(now)) return false;
  for (uint32_t node = 0; node < VOTE_MAX_NODES; node++) {
    if (has(now->voting, node)) weights[node] = count_nodes(now->memory->record[node]);
    total += weights[node];
  }
  const uint32_t voters = count_nodes(now->voting);
  for (uint32_t node = 0; node < VOTE_MAX_NODES; node++) {
    const bool counts = has(now->voting, node) && weights[node] && weights[node] * voters >= total;
    if (counts && value_agrees_with(now->rule, now->part[node], now->anchor)) near |= 1u << node;
  }
  if (!near) {
    copy_keys(now, now->numbers, now->anchor);
    return true;
  }
  const hil_weighted_t nodes = {now->part, near, weights};
  for (uint32_t place = 0; place < now->rule->count; place++) {
    const uint64_t middle = now->anchor[place];
    if (!value_weighted_mean(now->rule, &nodes, place, middle, &now->numbers[place])) return false;
  }
  return true;
}

/* --- smoothing and hold --- */

static bool hold(const hil_situation_t *now, hil_choice_t *choice) {
  if (!now->last || now->memory->held >= now->rule->hold_frames) return false;
  choice->held = now->memory->held + 1;
  return true;
}

/* The voter whose value is nearest to the last one; of several the one with the lower value. -1 without. */
static int nearest_to_last(const hil_situation_t *now) {
  int best = -1;
  uint64_t least = 0;
  for (int node = 0; node < VOTE_MAX_NODES; node++) {
    if (!has(now->voting, (uint32_t)node)) continue;
    const uint64_t spread = value_spread(now->rule, now->part[node], now->last);
    if (best >= 0 && spread > least) continue;
    if (best >= 0 && spread == least && value_order(now->rule, now->part[node], now->part[best]) >= 0)
      continue;
    best = node;
    least = spread;
  }
  return best;
}

static bool by_smoothing(const hil_situation_t *now, hil_choice_t *choice) {
  if (by_tolerance(now, choice)) return true;
  if (!now->last) return false;
  const int nearest = nearest_to_last(now);
  if (nearest >= 0 && value_is_near(now->rule, now->part[nearest], now->last)) {
    take(now, now->part[nearest]);
    return true;
  }
  copy_value(now, now->anchor, now->last);
  return hold(now, choice);
}

static bool by_held_mean(const hil_situation_t *now, hil_choice_t *choice) {
  const uint8_t *pair[2] = {NULL, NULL};
  uint32_t count = 0;
  for (uint32_t node = 0; node < VOTE_MAX_NODES && count < 2; node++) {
    if (has(now->voting, node)) pair[count++] = now->part[node];
  }
  if (!count || count < (now->heard < 2 ? now->heard : 2)) return false;
  const uint8_t *other = count > 1 ? pair[1] : pair[0];
  bool fits = true;
  for (uint32_t place = 0; place < now->rule->count; place++) {
    const uint64_t first = value_key(now->rule, pair[0], place), last = value_key(now->rule, other, place);
    fits &= value_mean(now->rule, first, last, &now->numbers[place]);
  }
  const bool has_middle = mid_of_all(now);
  if (!has_middle) copy_keys(now, now->anchor, now->numbers);
  const bool agree = has_middle && value_agrees_with(now->rule, pair[0], now->anchor) &&
                     value_agrees_with(now->rule, other, now->anchor);
  const bool holds = (now->memory->held || !agree) && hold(now, choice);
  return holds || fits;
}

bool value_choose(const hil_situation_t *now, hil_choice_t *choice) {
  static const hil_choose_t rules[VALUE_VOTERS] = {
      [VALUE_PLURALITY] = by_plurality, [VALUE_TOLERANCE] = by_tolerance,
      [VALUE_MID_VALUE] = by_mid_value, [VALUE_GENERALISED_MEDIAN] = by_median,
      [VALUE_HISTORY] = by_history,     [VALUE_SMOOTHING] = by_smoothing,
      [VALUE_HELD_MEAN] = by_held_mean,
  };
  *choice = (hil_choice_t){0, 0};
  return rules[now->rule->kind](now, choice);
}
