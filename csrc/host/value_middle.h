/* Mid-values. SPDX-License-Identifier: Apache-2.0
 *
 *   mid-value    of an odd number of values the middle one, of an even number the lower one of the two in the middle:
 *                it is always the number of a node
 *   NaN          is no number, and outside of their order; if more than half are NaN, the output is NaN
 *   infinities   are numbers at the ends of the order, and no periodic ones
 *   periodic     the circle is cut in its largest gap (of several the one behind the lowest angle), and the values are
 *                ordered from there: the middle is right as long as those of the correct nodes lie in an arc shorter
 *                than the period / (faulty nodes + 2) */
#ifndef HIL_VALUE_MIDDLE_H
#define HIL_VALUE_MIDDLE_H

#include <stdbool.h>
#include <stdint.h>

#include "value_rule.h"

/* The mid-value of 1 to VOTE_MAX_NODES numbers, as keys, without NaN. Their order is changed. */
uint64_t value_middle(const hil_value_rule_t *rule, uint64_t *keys, uint32_t count);

/* The numbers at one place of the values of the nodes in |mask|, as keys. Returns how many. */
uint32_t value_column(const hil_value_rule_t *rule, const uint8_t *const *part, uint32_t mask, uint32_t place,
                      uint64_t *keys);

/* The mid-value of the nodes in |mask|, number by number, as keys; |heard| is the number of voters. False if one of
 * them is undecided: no more than half of the voters have a number, or the only two do not agree. */
bool value_mid(const hil_value_rule_t *rule, const uint8_t *const *part, uint32_t mask, uint32_t heard,
               uint64_t *out);

#endif
