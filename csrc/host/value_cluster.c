/* Clusters of values that agree. SPDX-License-Identifier: Apache-2.0
 *
 * All subsets of the nodes are tried, at most 255. */
#include "value_cluster.h"

#include "value_metric.h"

/* What is known of pairs of nodes, and the place of each in the order of their values; equal ones have the same. */
typedef struct {
  uint64_t spread[VOTE_MAX_NODES][VOTE_MAX_NODES];
  uint8_t agrees[VOTE_MAX_NODES];
  uint8_t place[VOTE_MAX_NODES];
} hil_relations_t;

static int count_nodes(uint32_t mask) {
  int count = 0;
  for (; mask; mask &= mask - 1u) count++;
  return count;
}

static bool has(uint32_t mask, uint32_t node) { return (mask >> node & 1u) != 0; }

static void relate(hil_relations_t *to, const hil_value_rule_t *rule, const uint8_t *const *part,
                   uint32_t mask) {
  *to = (hil_relations_t){0};
  for (uint32_t a = 0; a < VOTE_MAX_NODES; a++) {
    for (uint32_t b = 0; has(mask, a) && b < VOTE_MAX_NODES; b++) {
      if (!has(mask, b)) continue;
      if (a == b || value_all_agree(rule, part[a], part[b])) to->agrees[a] |= (uint8_t)(1u << b);
      if (a == b) continue;
      to->spread[a][b] = value_spread(rule, part[a], part[b]);
      if (value_order(rule, part[b], part[a]) < 0) to->place[a]++;
    }
  }
}

static bool is_cluster(const hil_relations_t *of, uint32_t mask) {
  for (uint32_t node = 0; node < VOTE_MAX_NODES; node++) {
    if (has(mask, node) && mask & ~(uint32_t)of->agrees[node]) return false;
  }
  return true;
}

static uint64_t spread_of(const hil_relations_t *of, uint32_t mask) {
  uint64_t largest = 0;
  for (uint32_t a = 0; a < VOTE_MAX_NODES; a++) {
    for (uint32_t b = 0; b < a; b++) {
      if (has(mask, a) && has(mask, b) && of->spread[a][b] > largest) largest = of->spread[a][b];
    }
  }
  return largest;
}

/* How many nodes of a mask have each place in the order. */
static void count_places(const hil_relations_t *of, uint32_t mask, uint8_t *counts) {
  for (uint32_t place = 0; place < VOTE_MAX_NODES; place++) counts[place] = 0;
  for (uint32_t node = 0; node < VOTE_MAX_NODES; node++) {
    if (has(mask, node)) counts[of->place[node]]++;
  }
}

/* Whether of two clusters of one size |a| wins. */
static bool wins(const hil_relations_t *of, uint32_t a, uint32_t b) {
  const uint64_t x = spread_of(of, a), y = spread_of(of, b);
  uint8_t mine[VOTE_MAX_NODES], other[VOTE_MAX_NODES];
  if (x != y) return x < y;
  count_places(of, a, mine);
  count_places(of, b, other);
  for (uint32_t place = 0; place < VOTE_MAX_NODES; place++) {
    if (mine[place] != other[place]) return mine[place] > other[place];
  }
  return false;
}

static uint32_t largest_of(const hil_relations_t *of, uint32_t nodes, int *ties) {
  uint32_t best = 0;
  int size = 0;
  *ties = 0;
  for (uint32_t mask = 1; mask < 1u << VOTE_MAX_NODES; mask++) {
    const int count = mask & ~nodes ? 0 : count_nodes(mask);
    if (!count || count < size || !is_cluster(of, mask)) continue;
    *ties = count == size ? *ties + 1 : 1;
    if (count > size || wins(of, mask, best)) best = mask;
    size = count;
  }
  return best;
}

uint32_t value_largest_cluster(const hil_value_rule_t *rule, const uint8_t *const *part, uint32_t mask,
                               int *ties) {
  hil_relations_t relations;
  relate(&relations, rule, part, mask);
  return largest_of(&relations, mask, ties);
}

int value_clusters(const hil_value_rule_t *rule, const uint8_t *const *part, uint32_t mask,
                   uint8_t *clusters) {
  hil_relations_t relations;
  int count = 0, ties;
  relate(&relations, rule, part, mask);
  for (uint32_t rest = mask & 0xffu; rest; count++) {
    const uint32_t best = largest_of(&relations, rest, &ties);
    clusters[count] = (uint8_t)best;
    rest &= ~best;
  }
  return count;
}
