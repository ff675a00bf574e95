/* Votes on the bytes of a field. SPDX-License-Identifier: Apache-2.0 */
#include "value_bytes.h"

#include <stddef.h>

#include "vote.h"

static bool has(uint32_t mask, uint32_t node) { return (mask >> node & 1u) != 0; }

static uint32_t count_nodes(uint32_t mask) {
  uint32_t count = 0;
  for (; mask; mask &= mask - 1u) count++;
  return count;
}

/* Negative, 0 or positive, as memcmp. */
static int order_of_bytes(const uint8_t *a, const uint8_t *b, uint32_t len) {
  for (uint32_t i = 0; i < len; i++) {
    if (a[i] != b[i]) return a[i] < b[i] ? -1 : 1;
  }
  return 0;
}

bool value_same_bytes(const uint8_t *a, const uint8_t *b, uint32_t len) {
  return a == b || !order_of_bytes(a, b, len);
}

/* The nodes of a mask with the bytes of |value|. */
static uint32_t having(const uint8_t *const *part, uint32_t mask, uint32_t len, const uint8_t *value) {
  uint32_t out = 0;
  for (uint32_t node = 0; node < VOTE_MAX_NODES; node++) {
    if (has(mask, node) && value_same_bytes(part[node], value, len)) out |= 1u << node;
  }
  return out;
}

const uint8_t *value_majority(const uint8_t *const *part, uint32_t mask, uint32_t len, uint32_t heard) {
  for (uint32_t node = 0; node < VOTE_MAX_NODES; node++) {
    if (has(mask, node) && 2 * count_nodes(having(part, mask, len, part[node])) > heard) return part[node];
  }
  return NULL;
}

bool value_bitwise(const uint8_t *const *part, uint32_t mask, uint32_t len, uint32_t heard, uint8_t *out) {
  const uint32_t count = count_nodes(mask);
  if (2 * count <= heard) return false;
  for (uint32_t i = 0; i < len; i++) {
    uint32_t ones[8] = {0}, voted = 0;
    for (uint32_t node = 0; node < VOTE_MAX_NODES; node++) {
      for (uint32_t bit = 0; has(mask, node) && bit < 8; bit++) ones[bit] += part[node][i] >> bit & 1u;
    }
    for (uint32_t bit = 0; bit < 8; bit++) {
      if (2 * ones[bit] == count) return false;
      if (2 * ones[bit] > count) voted |= 1u << bit;
    }
    out[i] = (uint8_t)voted;
  }
  return true;
}

/* The lowest node of a mask, which is not 0. */
static uint32_t lowest(uint32_t mask) {
  uint32_t node = 0;
  while (!has(mask, node)) node++;
  return node;
}

int value_classes(const uint8_t *const *part, uint32_t mask, uint32_t len, const uint8_t *first,
                  uint8_t *classes) {
  int count = 0;
  uint32_t rest = mask & 0xffu;
  if (first) {
    const uint32_t front = having(part, rest, len, first);
    if (front) classes[count++] = (uint8_t)front;
    rest &= ~front;
  }
  while (rest) {
    uint32_t best = 0;
    for (uint32_t node = 0; node < VOTE_MAX_NODES; node++) {
      if (!has(rest, node)) continue;
      const uint32_t members = having(part, rest, len, part[node]);
      const uint32_t size = count_nodes(members), most = count_nodes(best);
      const bool before =
          size > most || (size == most && order_of_bytes(part[node], part[lowest(best)], len) < 0);
      if (before) best = members;
    }
    classes[count++] = (uint8_t)best;
    rest &= ~best;
  }
  return count;
}
