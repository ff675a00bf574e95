/* Means of numbers, by their keys. SPDX-License-Identifier: Apache-2.0 */
#include "value_mean.h"

#include "value_metric.h"
#include "vote.h"

/* An integer moved by an offset. False beyond 64 bits, which only angles reach: then it is moved by a period. */
static bool moved(const hil_value_rule_t *rule, uint64_t from, hil_whole_t by, uint64_t *out) {
  const bool fits = by.negative ? by.size <= from : by.size <= UINT64_MAX - from;
  const uint64_t back = fits ? 0 : rule->period;
  *out = by.negative ? from - by.size + back : from + by.size - back;
  return fits;
}

bool value_mean(const hil_value_rule_t *rule, uint64_t first, uint64_t last, uint64_t *out) {
  if (value_is_real(rule)) {
    const double a = value_real_of_key(first), offset = value_real_difference(rule, last, first);
    const bool is_finite = (value_bits(offset) & ~((uint64_t)1 << 63)) < (uint64_t)0x7ff << 52;
    *out = value_key_of_real(is_finite ? a + offset / 2 : a + value_real_of_key(last));
    return true;
  }
  hil_whole_t by = value_whole_difference(rule, last, first);
  by.size = (by.size >> 1) + (by.size & by.size >> 1 & 1u);
  return moved(rule, first, by, out);
}

/* --- weighted --- */

/* The sum of products of weights and offsets of one sign, divided by all weights: exactly, in two parts. */
typedef struct {
  uint64_t whole, rest;
} hil_quotient_t;

static void add_offset(hil_quotient_t *to, uint64_t size, uint64_t weight, uint64_t total) {
  to->whole += weight * (size / total);
  to->rest += weight * (size % total);
  to->whole += to->rest / total;
  to->rest %= total;
}

/* |a| - |b|, rounded to the nearest, ties to even. */
static hil_whole_t rounded_difference(hil_quotient_t a, hil_quotient_t b, uint64_t total) {
  const bool negative = a.whole < b.whole || (a.whole == b.whole && a.rest < b.rest);
  const hil_quotient_t high = negative ? b : a, low = negative ? a : b;
  const bool borrows = high.rest < low.rest;
  uint64_t size = high.whole - low.whole - (borrows ? 1 : 0);
  const uint64_t rest = high.rest + (borrows ? total : 0) - low.rest;
  if (2 * rest > total || (2 * rest == total && (size & 1u))) size++;
  return (hil_whole_t){size, negative};
}

static bool whole_mean(const hil_value_rule_t *rule, const hil_weighted_t *nodes, uint32_t place,
                       uint64_t middle, uint64_t *out) {
  hil_quotient_t above = {0, 0}, below = {0, 0};
  uint64_t total = 0;
  for (uint32_t node = 0; node < VOTE_MAX_NODES; node++)
    total += nodes->mask >> node & 1u ? nodes->weights[node] : 0;
  for (uint32_t node = 0; node < VOTE_MAX_NODES; node++) {
    if (!(nodes->mask >> node & 1u)) continue;
    const hil_whole_t by = value_whole_difference(rule, value_key(rule, nodes->part[node], place), middle);
    add_offset(by.negative ? &below : &above, by.size, nodes->weights[node], total);
  }
  return moved(rule, middle, rounded_difference(above, below, total), out);
}

static double larger(double a, double b) { return b > a ? b : a; }

static double smaller(double a, double b) { return b < a ? b : a; }

bool value_weighted_mean(const hil_value_rule_t *rule, const hil_weighted_t *nodes, uint32_t place,
                         uint64_t middle, uint64_t *out) {
  *out = middle;
  if (!value_is_finite(rule, middle)) return true;
  if (!value_is_real(rule)) return whole_mean(rule, nodes, place, middle, out);
  double sum = 0, total = 0, least = 0, greatest = 0;
  for (uint32_t node = 0; node < VOTE_MAX_NODES; node++) {
    if (!(nodes->mask >> node & 1u)) continue;
    const uint64_t key = value_key(rule, nodes->part[node], place);
    const double number = value_real_of_key(key), weight = nodes->weights[node];
    least = total > 0 ? smaller(least, number) : number;
    greatest = total > 0 ? larger(greatest, number) : number;
    sum += weight * value_real_difference(rule, key, middle);
    total += weight;
  }
  const double mean = value_real_of_key(middle) + sum / total;
  *out = value_key_of_real(rule->period ? mean : smaller(larger(mean, least), greatest));
  return true;
}
