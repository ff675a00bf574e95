/* Mid-values. SPDX-License-Identifier: Apache-2.0 */
#include "value_middle.h"

#include "value_metric.h"
#include "vote.h"

/* A number, and where it is ordered: of periodic ones within the period. */
typedef struct {
  uint64_t at, key;
} hil_ordered_t;

static void sort(hil_ordered_t *numbers, uint32_t count) {
  for (uint32_t i = 1; i < count; i++) {
    const hil_ordered_t moved = numbers[i];
    uint32_t to = i;
    for (; to; to--) {
      const hil_ordered_t *before = &numbers[to - 1];
      if (before->at < moved.at || (before->at == moved.at && before->key <= moved.key)) break;
      numbers[to] = *before;
    }
    numbers[to] = moved;
  }
}

/* The way from number |i| to the next one around the circle, as a number that is ordered as ways are. */
static uint64_t gap_behind(const hil_value_rule_t *rule, const hil_ordered_t *numbers, uint32_t count,
                           uint32_t i) {
  const bool is_last = i + 1 == count;
  const uint64_t from = numbers[i].at, to = numbers[is_last ? 0 : i + 1].at;
  if (!value_is_real(rule)) return is_last ? rule->period - (from - to) : to - from;
  const double end = value_real_of_key(to) + (is_last ? value_real(rule->period) : 0);
  return value_key_of_real(end - value_real_of_key(from));
}

uint64_t value_middle(const hil_value_rule_t *rule, uint64_t *keys, uint32_t count) {
  hil_ordered_t numbers[VOTE_MAX_NODES];
  const bool is_circle = rule->period && value_is_finite(rule, keys[0]);
  for (uint32_t i = 0; i < count; i++) {
    numbers[i] = (hil_ordered_t){is_circle ? value_around(rule, keys[i]) : keys[i], keys[i]};
  }
  sort(numbers, count);
  uint32_t first = 0;
  uint64_t widest = 0;
  for (uint32_t i = 0; is_circle && i < count; i++) {
    const uint64_t gap = gap_behind(rule, numbers, count, i);
    if (!i || gap > widest) first = i + 1;
    if (!i || gap > widest) widest = gap;
  }
  return numbers[(first + (count - 1) / 2) % count].key;
}

uint32_t value_column(const hil_value_rule_t *rule, const uint8_t *const *part, uint32_t mask, uint32_t place,
                      uint64_t *keys) {
  uint32_t count = 0;
  for (uint32_t node = 0; node < VOTE_MAX_NODES; node++) {
    if (mask >> node & 1u) keys[count++] = value_key(rule, part[node], place);
  }
  return count;
}

static bool mid_at(const hil_value_rule_t *rule, uint64_t *keys, uint32_t count, uint32_t heard,
                   uint64_t *out) {
  uint32_t numbers = 0;
  for (uint32_t i = 0; i < count; i++) {
    const bool counts = rule->period ? value_is_finite(rule, keys[i]) : !value_is_nan(rule, keys[i]);
    if (counts) keys[numbers++] = keys[i];
  }
  if (2 * (count - numbers) > heard) {
    *out = UINT64_MAX; /* NaN: integers are all numbers */
    return true;
  }
  if (2 * numbers <= heard || (numbers == 2 && !value_agrees(rule, keys[0], keys[1]))) return false;
  *out = value_middle(rule, keys, numbers);
  return true;
}

bool value_mid(const hil_value_rule_t *rule, const uint8_t *const *part, uint32_t mask, uint32_t heard,
               uint64_t *out) {
  for (uint32_t place = 0; place < rule->count; place++) {
    uint64_t keys[VOTE_MAX_NODES];
    const uint32_t count = value_column(rule, part, mask, place, keys);
    if (!count || !mid_at(rule, keys, count, heard, &out[place])) return false;
  }
  return true;
}
