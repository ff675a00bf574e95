/* Fields of outputs, their numbers, and their rules. SPDX-License-Identifier: Apache-2.0
 *
 * Keys. Unsigned integers are their own; signed ones are moved up by 2^63. Of floating-point numbers the bits of the
 * double: of positive ones with the sign bit set, of negative ones all inverted. */
#include "value_rule.h"

#include <string.h>

#include "bytes.h"

#define SIGN ((uint64_t)1 << 63)
#define INFINITE ((uint64_t)0x7ff << 52)
#define NAN_KEY UINT64_MAX

static const uint8_t SIZES[] = {1, 1, 2, 2, 4, 4, 8, 8, 4, 8};

static bool is_signed(const hil_value_rule_t *rule) { return rule->type <= NUMBER_I64 && (rule->type & 1); }

bool value_is_real(const hil_value_rule_t *rule) { return rule->type >= NUMBER_F32; }

bool value_remembers(const hil_value_rule_t *rule) {
  return rule->kind == VALUE_SMOOTHING || rule->kind == VALUE_HELD_MEAN;
}

uint32_t value_field_len(const hil_value_rule_t *rule) { return rule->count * SIZES[rule->type]; }

/* --- packed rules --- */

static bool is_length(const hil_value_rule_t *rule, uint64_t length) {
  return value_is_real(rule) ? length < INFINITE : true;
}

int value_rule_unpack(hil_value_rule_t *rule, const uint8_t *data, size_t len) {
  if (len < VALUE_RULE_LEN) return HIL_ERR_PAYLOAD;
  *rule = (hil_value_rule_t){.kind = data[0],
                             .type = data[1],
                             .quorum = data[2],
                             .offset = load_u32le(data + 4),
                             .count = load_u32le(data + 8),
                             .hold_frames = load_u32le(data + 12),
                             .ignored = load_u64le(data + 16),
                             .tolerance = load_u64le(data + 24),
                             .reach = load_u64le(data + 32),
                             .period = load_u64le(data + 40)};
  if (data[3] || rule->kind >= VALUE_VOTERS || rule->type > NUMBER_F64 || rule->count < 1 ||
      rule->count > VALUE_OUTPUT_MAX || rule->offset > VALUE_OUTPUT_MAX) {
    return HIL_ERR_PAYLOAD;
  }
  if (!is_length(rule, rule->tolerance) || !is_length(rule, rule->reach) || !is_length(rule, rule->period) ||
      rule->period > SIGN || (rule->ignored && value_is_real(rule))) {
    return HIL_ERR_PAYLOAD;
  }
  return VALUE_RULE_LEN;
}

int value_rules_unpack(hil_value_rule_t *rules, uint32_t capacity, const uint8_t *data, size_t len,
                       uint32_t output_len) {
  const size_t count = len / VALUE_RULE_LEN;
  uint32_t end = 0;
  if (count > capacity) return HIL_ERR_EXHAUSTED;
  if (!count || len % VALUE_RULE_LEN || output_len > VALUE_OUTPUT_MAX) return HIL_ERR_PAYLOAD;
  for (size_t i = 0; i < count; i++) {
    const int status = value_rule_unpack(&rules[i], data + i * VALUE_RULE_LEN, VALUE_RULE_LEN);
    if (status < 0) return status;
    if (rules[i].offset != end || value_field_len(&rules[i]) > output_len - end) return HIL_ERR_PAYLOAD;
    end += value_field_len(&rules[i]);
  }
  return end == output_len ? (int)count : HIL_ERR_PAYLOAD;
}

/* --- numbers --- */

double value_real(uint64_t bits) {
  double real;
  memcpy(&real, &bits, sizeof real);
  return real;
}

uint64_t value_bits(double real) {
  uint64_t bits;
  memcpy(&bits, &real, sizeof bits);
  return bits;
}

uint64_t value_key_of_real(double real) {
  const uint64_t bits = value_bits(real), size = bits & ~SIGN;
  if (size > INFINITE) return NAN_KEY;
  if (!size) return SIGN;
  return bits & SIGN ? ~bits : bits | SIGN;
}

double value_real_of_key(uint64_t key) {
  if (key == NAN_KEY) return value_real(INFINITE | (uint64_t)1 << 51);
  return value_real(key & SIGN ? key & ~SIGN : ~key);
}

bool value_is_nan(const hil_value_rule_t *rule, uint64_t key) {
  return value_is_real(rule) && key == NAN_KEY;
}

bool value_is_finite(const hil_value_rule_t *rule, uint64_t key) {
  return !value_is_real(rule) || (key < (SIGN | INFINITE) && key > ~(SIGN | INFINITE));
}

uint64_t value_zero(const hil_value_rule_t *rule) { return is_signed(rule) ? SIGN : 0; }

static uint64_t load_bytes(const uint8_t *p, uint32_t size) {
  switch (size) {
    case 1: return *p;
    case 2: return load_u16le(p);
    case 4: return load_u32le(p);
    default: return load_u64le(p);
  }
}

static double load_real(const uint8_t *p, uint32_t size) {
  float narrow;
  if (size == 8) return value_real(load_u64le(p));
  const uint32_t bits = load_u32le(p);
  memcpy(&narrow, &bits, sizeof narrow);
  return (double)narrow;
}

uint64_t value_key(const hil_value_rule_t *rule, const uint8_t *field, uint32_t i) {
  const uint32_t size = SIZES[rule->type];
  const uint8_t *p = field + (size_t)i * size;
  if (value_is_real(rule)) return value_key_of_real(load_real(p, size));
  uint64_t bits = load_bytes(p, size) & ~rule->ignored; /* the sign may be one that is not compared */
  if (is_signed(rule) && size < 8 && bits >> (8 * size - 1)) bits |= UINT64_MAX << (8 * size);
  return bits + value_zero(rule);
}

static void store_bytes(uint8_t *p, uint32_t size, uint64_t bits) {
  for (uint32_t i = 0; i < size; i++) p[i] = (uint8_t)(bits >> (8 * i));
}

static bool store_real(uint8_t *p, uint32_t size, uint64_t key) {
  if (size == 8) {
    store_u64le(p, value_bits(value_real_of_key(key)));
    return true;
  }
  uint32_t bits = 0x7fc00000u; /* the NaN of positive sign without a payload, on every processor */
  if (key != NAN_KEY) {
    const float narrow = (float)value_real_of_key(key);
    memcpy(&bits, &narrow, sizeof bits);
    const bool is_infinite = (bits & 0x7fffffffu) == 0x7f800000u;
    if (is_infinite && key < (SIGN | INFINITE) && key > ~(SIGN | INFINITE)) return false;
  }
  store_u32le(p, bits);
  return true;
}

bool value_store(const hil_value_rule_t *rule, uint8_t *field, uint32_t i, uint64_t key) {
  const uint32_t size = SIZES[rule->type];
  uint8_t *p = field + (size_t)i * size;
  if (value_is_real(rule)) return store_real(p, size, key);
  if (size < 8) {
    const uint64_t half = (uint64_t)1 << (8 * size - 1);
    const uint64_t least = is_signed(rule) ? SIGN - half : 0,
                   last = is_signed(rule) ? SIGN + half - 1 : 2 * half - 1;
    if (key < least || key > last) return false;
  }
  store_bytes(p, size, key - value_zero(rule));
  return true;
}
