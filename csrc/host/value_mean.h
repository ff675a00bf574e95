/* Means of numbers, by their keys. SPDX-License-Identifier: Apache-2.0
 *
 * Of integers they are rounded to the nearest, ties to even; of angles they are taken the short way round. */
#ifndef HIL_VALUE_MEAN_H
#define HIL_VALUE_MEAN_H

#include <stdbool.h>
#include <stdint.h>

#include "value_rule.h"

/* Nodes, the bytes of the field of each, and the weight of each: their sum is above 0, and at most 2^8. */
typedef struct {
  const uint8_t *const *part;
  uint32_t mask;
  const uint32_t *weights;
} hil_weighted_t;

/* The mean of two numbers. False for an integer beyond 64 bits, which only angles reach: |out| is the same angle a period
 * away. */
bool value_mean(const hil_value_rule_t *rule, uint64_t first, uint64_t last, uint64_t *out);

/* The weighted mean of the numbers of some nodes at one place, which are near |middle|; |middle| itself if that is not
 * finite. False as value_mean. */
bool value_weighted_mean(const hil_value_rule_t *rule, const hil_weighted_t *nodes, uint32_t place,
                         uint64_t middle, uint64_t *out);

#endif
