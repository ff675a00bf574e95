/* Distances of values, and whether they agree. SPDX-License-Identifier: Apache-2.0
 *
 * No function of a C library is used: what is computed must be the same on every machine, and in a web page. */
#include "value_metric.h"

#define SIGN ((uint64_t)1 << 63)
#define INFINITE ((uint64_t)0x7ff << 52)
#define HIDDEN ((uint64_t)1 << 52)

static bool is_finite(double real) { return (value_bits(real) & ~SIGN) < INFINITE; }

static double size_of(double real) { return value_real(value_bits(real) & ~SIGN); }

/* The remainder of x / y with the sign of x, exactly; both are finite, y > 0. Powers of two are taken off x one by
 * one: at most 2046. */
static double remainder_of(double x, double y) {
  const uint64_t sign = value_bits(x) & SIGN, size = value_bits(x) & ~SIGN, by = value_bits(y);
  uint64_t e = size >> 52, to = by >> 52, m = size & (HIDDEN - 1), n = by & (HIDDEN - 1);
  if (size < by) return x;
  if (e) m |= HIDDEN;
  if (to) n |= HIDDEN;
  e = e ? e : 1;
  to = to ? to : 1;
  for (; e > to; e--) m = m % n << 1;
  m %= n;
  for (; m && m < HIDDEN && e > 1; e--) m <<= 1;
  return value_real(sign | (m < HIDDEN ? m : (e << 52) + (m - HIDDEN)));
}

static hil_whole_t short_way(hil_whole_t delta, uint64_t period) {
  const uint64_t rest = delta.size % period, around = delta.negative && rest ? period - rest : rest;
  const bool is_far = around > period - around;
  return (hil_whole_t){is_far ? period - around : around, is_far};
}

hil_whole_t value_whole_difference(const hil_value_rule_t *rule, uint64_t a, uint64_t b) {
  const hil_whole_t delta = {a < b ? b - a : a - b, a < b};
  return rule->period ? short_way(delta, rule->period) : delta;
}

double value_real_difference(const hil_value_rule_t *rule, uint64_t a, uint64_t b) {
  const double delta = value_real_of_key(a) - value_real_of_key(b), period = value_real(rule->period);
  if (!rule->period || !is_finite(delta)) return delta;
  const double around = remainder_of(delta, period);
  if (around > period / 2) return around - period;
  return around < -period / 2 ? around + period : around;
}

uint64_t value_around(const hil_value_rule_t *rule, uint64_t key) {
  if (value_is_real(rule)) {
    const double period = value_real(rule->period), rest = remainder_of(value_real_of_key(key), period);
    return value_key_of_real(rest < 0 ? rest + period : rest);
  }
  const uint64_t period = rule->period, zero = value_zero(rule) % period, rest = key % period;
  return (rest < zero ? rest + period - zero : rest - zero) + value_zero(rule);
}

uint64_t value_distance(const hil_value_rule_t *rule, uint64_t a, uint64_t b) {
  if (a == b) return 0;
  if (!value_is_real(rule)) return value_whole_difference(rule, a, b).size;
  const uint64_t distance = value_bits(value_real_difference(rule, a, b)) & ~SIGN;
  return distance > INFINITE ? INFINITE : distance;
}

static bool is_within(const hil_value_rule_t *rule, uint64_t tolerance, uint64_t a, uint64_t b) {
  const uint64_t distance = value_distance(rule, a, b);
  if (distance <= tolerance) return true;
  if (!tolerance || !value_is_real(rule) || distance == INFINITE) return false;
  const double x = size_of(value_real_of_key(a)), y = size_of(value_real_of_key(b));
  const double last_place = (y > x ? y : x) * (rule->type == NUMBER_F32 ? 0x1p-23 : 0x1p-52);
  return value_real(distance) <= value_real(tolerance) + last_place;
}

bool value_agrees(const hil_value_rule_t *rule, uint64_t a, uint64_t b) {
  return is_within(rule, rule->tolerance, a, b);
}

static bool all_within(const hil_value_rule_t *rule, uint64_t tolerance, const uint8_t *a, const uint8_t *b) {
  for (uint32_t i = 0; i < rule->count; i++) {
    if (!is_within(rule, tolerance, value_key(rule, a, i), value_key(rule, b, i))) return false;
  }
  return true;
}

bool value_all_agree(const hil_value_rule_t *rule, const uint8_t *a, const uint8_t *b) {
  return all_within(rule, rule->tolerance, a, b);
}

bool value_is_near(const hil_value_rule_t *rule, const uint8_t *a, const uint8_t *b) {
  return all_within(rule, rule->reach, a, b);
}

bool value_agrees_with(const hil_value_rule_t *rule, const uint8_t *field, const uint64_t *keys) {
  for (uint32_t i = 0; i < rule->count; i++) {
    if (!value_agrees(rule, value_key(rule, field, i), keys[i])) return false;
  }
  return true;
}

int value_order(const hil_value_rule_t *rule, const uint8_t *a, const uint8_t *b) {
  for (uint32_t i = 0; i < rule->count; i++) {
    const uint64_t x = value_key(rule, a, i), y = value_key(rule, b, i);
    if (x != y) return x < y ? -1 : 1;
  }
  return 0;
}

uint64_t value_spread(const hil_value_rule_t *rule, const uint8_t *a, const uint8_t *b) {
  uint64_t largest = 0;
  for (uint32_t i = 0; i < rule->count; i++) {
    const uint64_t distance = value_distance(rule, value_key(rule, a, i), value_key(rule, b, i));
    if (distance > largest) largest = distance;
  }
  return largest;
}

/* --- lengths: sums of squares in twice the digits, so that a length is rounded once --- */

typedef struct {
  double sum, rest;
} hil_long_sum_t;

/* The part of x * x behind its double (Dekker). */
static double behind_square(double x, double square) {
  const double t = x * 134217729.0, high = t - (t - x), low = x - high;
  return ((high * high - square) + 2.0 * high * low) + low * low;
}

static void add_square(hil_long_sum_t *to, double x) {
  const double square = x * x, sum = to->sum + square, moved = sum - to->sum;
  to->rest += ((to->sum - (sum - moved)) + (square - moved)) + behind_square(x, square);
  to->sum = sum;
}

/* The root of a sum that is positive and far from the ends of the range: Newton from the halved exponent, then a last
 * step from the exact difference. */
static double root_of(const hil_long_sum_t *of) {
  const double total = of->sum + of->rest;
  double root = value_real((value_bits(total) >> 1) + ((uint64_t)1023 << 51));
  for (int i = 0; i < 6; i++) root = 0.5 * (root + total / root);
  const double square = root * root;
  const double short_by = ((of->sum - square) - behind_square(root, square)) + of->rest;
  return root + short_by / (2.0 * root);
}

static double distance_at(const hil_value_rule_t *rule, const uint8_t *a, const uint8_t *b, uint32_t i) {
  const uint64_t distance = value_distance(rule, value_key(rule, a, i), value_key(rule, b, i));
  return value_is_real(rule) ? value_real(distance) : (double)distance;
}

double value_length(const hil_value_rule_t *rule, const uint8_t *a, const uint8_t *b) {
  double largest = 0, scale = 1;
  for (uint32_t i = 0; i < rule->count; i++) {
    const double distance = distance_at(rule, a, b, i);
    if (distance > largest) largest = distance;
  }
  if (rule->count == 1 || !(largest > 0) || !is_finite(largest)) return largest;
  if (largest > 0x1p476) scale = 0x1p-600;
  if (largest < 0x1p-223) scale = 0x1p600;
  hil_long_sum_t squares = {0, 0};
  for (uint32_t i = 0; i < rule->count; i++) add_square(&squares, distance_at(rule, a, b, i) * scale);
  return root_of(&squares) / scale;
}
