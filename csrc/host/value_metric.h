/* Distances of values, and whether they agree. SPDX-License-Identifier: Apache-2.0
 *
 * A value is the numbers of one field of one node.
 *
 *   numbers          they agree if
 *   floating point   |a - b| <= tolerance + 2^-52 of the larger one, 2^-23 of numbers of 32 bits, which is one to
 *                    two units in its last place: within a tolerance of 0.0005 are 0.1813 and 0.1818, whose
 *                    difference in binary is a little more; with a tolerance of 0 they must be equal
 *   integers         |a - b| <= tolerance, exactly; without the bits that are not compared
 *   NaN              agrees with NaN, of any bits, and with nothing else
 *   infinities       each agrees with itself only
 *   -0.0             is +0.0
 *   periodic         the difference is taken the short way round: 359 and 1 degrees differ by 2
 *
 * A distance is a number of 64 bits that is ordered as distances are: whole numbers, or the bits of a double, which
 * is infinite between NaN or an infinity and anything else. */
#ifndef HIL_VALUE_METRIC_H
#define HIL_VALUE_METRIC_H

#include <stdbool.h>
#include <stdint.h>

#include "value_rule.h"

/* The difference of two integers. */
typedef struct {
  uint64_t size;
  bool negative;
} hil_whole_t;

/* a - b of two keys, the short way round. Of floating-point numbers NaN for different infinities and for NaN. */
hil_whole_t value_whole_difference(const hil_value_rule_t *rule, uint64_t a, uint64_t b);
double value_real_difference(const hil_value_rule_t *rule, uint64_t a, uint64_t b);

/* A finite number within its period, as a key: from 0 on, below the period. */
uint64_t value_around(const hil_value_rule_t *rule, uint64_t key);

/* Whether two numbers agree, by their keys. */
bool value_agrees(const hil_value_rule_t *rule, uint64_t a, uint64_t b);

/* Whether all numbers of a value agree with those that are keys. */
bool value_agrees_with(const hil_value_rule_t *rule, const uint8_t *field, const uint64_t *keys);

/* Whether all numbers of two values are as near as |reach| says. */
bool value_is_near(const hil_value_rule_t *rule, const uint8_t *a, const uint8_t *b);

/* The order of two values, number by number. Returns a negative number, 0 or a positive one. */
int value_order(const hil_value_rule_t *rule, const uint8_t *a, const uint8_t *b);

/* cffi:begin */
/* The distance of two numbers, by their keys. */
uint64_t value_distance(const hil_value_rule_t *rule, uint64_t a, uint64_t b);

/* Whether all numbers of two values agree. */
bool value_all_agree(const hil_value_rule_t *rule, const uint8_t *a, const uint8_t *b);

/* The largest distance of any two numbers of two values at the same place. */
uint64_t value_spread(const hil_value_rule_t *rule, const uint8_t *a, const uint8_t *b);

/* The Euclidean distance of two values, rounded to a double. */
double value_length(const hil_value_rule_t *rule, const uint8_t *a, const uint8_t *b);
/* cffi:end */

#endif
