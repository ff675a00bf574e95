/* Votes by value: arithmetic against the C library's, published classes, and hostile bytes.
 * SPDX-License-Identifier: Apache-2.0
 *
 * tests/redundancy has the rules against an oracle of their own; here is what only C can get wrong. */
#include <float.h>
#include <math.h>
#include <stdint.h>

#include "bytes.h"
#include "digest.h"
#include "philox.h"
#include "unit.h"
#include "value_cluster.h"
#include "value_metric.h"
#include "value_middle.h"
#include "value_verdict.h"

enum { DRAWS = 20000 };

static hil_philox_t stream;

static double any_double(void) { return value_real(philox_next(&stream)); }

static hil_value_rule_t rule_of(hil_value_voter_t kind, hil_number_type_t type, uint32_t count) {
  return (hil_value_rule_t){.kind = (uint8_t)kind, .type = (uint8_t)type, .quorum = 2, .count = count};
}

/* --- numbers --- */

static void keys_are_ordered_as_doubles_are(void) {
  int wrong = 0;
  for (int i = 0; i < DRAWS; i++) {
    const double a = any_double(), b = i % 3 ? any_double() : -a;
    const uint64_t x = value_key_of_real(a), y = value_key_of_real(b);
    if (isnan(a))
      wrong += x != UINT64_MAX;
    else if (!isnan(b))
      wrong += (a < b) != (x < y) || (a == b) != (x == y) || value_real_of_key(x) != a;
  }
  CHECK_EQ(wrong, 0);
  CHECK_EQ(value_key_of_real(-0.0), value_key_of_real(0.0));
  CHECK(isnan(value_real_of_key(UINT64_MAX)));
}

static void integers_of_every_type_come_back(void) {
  static const uint32_t sizes[] = {1, 1, 2, 2, 4, 4, 8, 8};
  for (int type = NUMBER_U8; type <= NUMBER_I64; type++) {
    const hil_value_rule_t rule = rule_of(VALUE_MID_VALUE, (hil_number_type_t)type, 2);
    for (int i = 0; i < 1000; i++) {
      uint8_t field[17], again[17];
      for (int k = 0; k < 17; k++) field[k] = (uint8_t)philox_next(&stream);
      memset(again, UNIT_GUARD, sizeof again);
      CHECK(value_store(&rule, again, 0, value_key(&rule, field, 0)));
      CHECK(value_store(&rule, again, 1, value_key(&rule, field, 1)));
      CHECK(!memcmp(field, again, 2 * sizes[type]) && again[2 * sizes[type]] == UNIT_GUARD);
    }
  }
}

static void numbers_beyond_their_type_are_not_written(void) {
  const hil_value_rule_t byte = rule_of(VALUE_MID_VALUE, NUMBER_I8, 1),
                         real = rule_of(VALUE_MID_VALUE, NUMBER_F32, 1);
  uint8_t field[4] = {7, 7, 7, 7};
  CHECK(!value_store(&byte, field, 0, value_zero(&byte) + 128));
  CHECK(!value_store(&byte, field, 0, value_zero(&byte) - 129));
  CHECK(!value_store(&real, field, 0, value_key_of_real(1e39)));
  CHECK_EQ(load_u32le(field), 0x07070707);
  CHECK(value_store(&real, field, 0, value_key_of_real(-(double)INFINITY)));
  CHECK_EQ(load_u32le(field), 0xff800000);
  CHECK(value_store(&real, field, 0, UINT64_MAX));
  CHECK_EQ(load_u32le(field), 0x7fc00000);
}

/* --- arithmetic --- */

static void the_short_way_round_is_that_of_the_c_library(void) {
  hil_value_rule_t rule = rule_of(VALUE_MID_VALUE, NUMBER_F64, 1);
  int wrong = 0, compared = 0;
  for (int i = 0; i < DRAWS; i++) {
    const double x =
        i % 2 ? any_double() : ldexp((double)(philox_next(&stream) >> 20), (int)(philox_next(&stream) % 40));
    const double y = fabs(i % 4 > 1 ? any_double() : 1 + (double)(philox_next(&stream) >> 40) / 7);
    if (!isfinite(x) || !isfinite(y) || y == 0) continue;
    rule.period = value_bits(y);
    double expected = fmod(x, y);
    if (expected > y / 2)
      expected -= y;
    else if (expected < -y / 2)
      expected += y;
    compared++;
    wrong += value_real_difference(&rule, value_key_of_real(x), value_key_of_real(0)) != expected;
  }
  CHECK(compared > DRAWS / 2);
  CHECK_EQ(wrong, 0);
}

static void lengths_are_those_in_long_double(void) {
  const hil_value_rule_t rule = rule_of(VALUE_GENERALISED_MEDIAN, NUMBER_F64, 3);
  const uint8_t zero[24] = {0};
  int wrong = 0;
  for (int i = 0; i < DRAWS; i++) {
    uint8_t field[24];
    long double sum = 0;
    const int scale = (int)(philox_next(&stream) % 400) - 200;
    for (int k = 0; k < 3; k++) {
      const double x = ldexp((double)(int64_t)philox_next(&stream), scale);
      store_u64le(field + 8 * k, value_bits(x));
      sum += (long double)x * x;
    }
    const double expected = (double)sqrtl(sum), length = value_length(&rule, field, zero);
    wrong += fabs(length - expected) > DBL_EPSILON * expected * (LDBL_MANT_DIG > 60 ? 1 : 4);
  }
  CHECK_EQ(wrong, 0);
}

static void lengths_at_the_ends_of_the_range_are_lengths(void) {
  const hil_value_rule_t rule = rule_of(VALUE_GENERALISED_MEDIAN, NUMBER_F64, 2);
  const uint8_t zero[16] = {0};
  const double threes[] = {3e-320, 3e-300, 3e300};
  for (int i = 0; i < 3; i++) {
    uint8_t field[16];
    store_u64le(field, value_bits(threes[i]));
    store_u64le(field + 8, value_bits(threes[i] / 3 * 4));
    CHECK(fabs(value_length(&rule, field, zero) / (threes[i] / 3 * 5) - 1) < 1e-3);
  }
}

/* --- hostile bytes --- */

static void pack(const hil_value_rule_t *rule, uint8_t *to) {
  memset(to, 0, VALUE_RULE_LEN);
  to[0] = rule->kind;
  to[1] = rule->type;
  to[2] = rule->quorum;
  store_u32le(to + 4, rule->offset);
  store_u32le(to + 8, rule->count);
  store_u32le(to + 12, rule->hold_frames);
  store_u64le(to + 16, rule->ignored);
  store_u64le(to + 24, rule->tolerance);
  store_u64le(to + 32, rule->reach);
  store_u64le(to + 40, rule->period);
}

static void rules_that_do_not_fit_the_output_are_refused(void) {
  hil_value_rule_t rules[2] = {rule_of(VALUE_EXACT, NUMBER_U8, 4), rule_of(VALUE_MID_VALUE, NUMBER_F64, 2)},
                   again[2];
  uint8_t packed[2 * VALUE_RULE_LEN];
  rules[1].offset = 4;
  for (int i = 0; i < 2; i++) pack(&rules[i], packed + i * VALUE_RULE_LEN);
  CHECK_EQ(value_rules_unpack(again, 2, packed, sizeof packed, 20), 2);
  CHECK_EQ(again[1].offset + value_field_len(&again[1]), 20);
  CHECK_EQ(value_rules_unpack(again, 1, packed, sizeof packed, 20), HIL_ERR_EXHAUSTED);
  CHECK_EQ(value_rules_unpack(again, 2, packed, sizeof packed - 1, 20), HIL_ERR_PAYLOAD);
  for (uint32_t len = 0; len < 40; len++) {
    if (len != 20) CHECK_EQ(value_rules_unpack(again, 2, packed, sizeof packed, len), HIL_ERR_PAYLOAD);
  }
  store_u32le(packed + VALUE_RULE_LEN + 8, UINT32_MAX / 8 + 2); /* its length is 8 bytes, in 32 bits */
  CHECK_EQ(value_rules_unpack(again, 2, packed, sizeof packed, 12), HIL_ERR_PAYLOAD);
}

static void any_bytes_of_rules_and_outputs_are_voted_on_or_refused(void) {
  enum { LEN = 64, RULES = 8 };
  int accepted = 0;
  for (int i = 0; i < DRAWS / 4; i++) {
    uint8_t packed[RULES * VALUE_RULE_LEN], outputs[VOTE_MAX_NODES][LEN], output[LEN + 1], last[LEN];
    hil_value_rule_t rule[RULES];
    uint32_t at = 0, count = 0;
    for (size_t k = 0; k < sizeof packed; k++) packed[k] = (uint8_t)philox_next(&stream);
    while (at < LEN && count < RULES) { /* rules that fit, but for what else stands in them */
      hil_value_rule_t of = rule_of((hil_value_voter_t)philox_below(&stream, 10),
                                    (hil_number_type_t)philox_below(&stream, 11), 1);
      of.count = 1 + (uint32_t)philox_below(&stream, 4);
      of.offset = at;
      of.quorum = (uint8_t)philox_next(&stream);
      of.hold_frames = (uint32_t)philox_below(&stream, 3);
      of.ignored = of.type < NUMBER_F32 ? philox_next(&stream) & philox_next(&stream) : 0;
      of.tolerance = philox_next(&stream) >> philox_below(&stream, 64);
      of.reach = philox_next(&stream) >> philox_below(&stream, 64);
      of.period = philox_below(&stream, 2) ? philox_next(&stream) >> philox_below(&stream, 64) : 0;
      pack(&of, packed + count * VALUE_RULE_LEN);
      if (value_rule_unpack(&rule[count], packed + count * VALUE_RULE_LEN, VALUE_RULE_LEN) < 0) break;
      if (value_field_len(&rule[count]) > LEN - at) break;
      at += value_field_len(&rule[count++]);
    }
    const int status = value_rules_unpack(rule, RULES, packed, count * VALUE_RULE_LEN, at);
    if (status < 1) continue;
    hil_value_rules_t rules = {rule, (uint32_t)status, at, (uint8_t)(i & 1)};
    hil_field_memory_t field[RULES];
    hil_field_vote_t votes[RULES];
    uint64_t scratch[8];
    hil_value_memory_t memory = {field, last};
    hil_value_decision_t decision = {.field = votes, .output = output, .scratch = scratch};
    value_verdict_begin(&rules, &memory);
    for (int frame = 0; frame < 4; frame++) {
      hil_frame_verdict_t f = {.nodes = (uint8_t)(1 + philox_below(&stream, 8))};
      hil_frame_outputs_t of = {.golden = NULL};
      f.voters = (uint8_t)(philox_next(&stream) & ((1u << f.nodes) - 1));
      for (int node = 0; node < f.nodes; node++) {
        for (uint32_t k = 0; k < at; k++) {
          outputs[node][k] = philox_below(&stream, 3) ? (uint8_t)(k * 37) : (uint8_t)philox_next(&stream);
        }
        f.node[node].status = (uint8_t)philox_below(&stream, 8) == 7 ? NODE_SILENT : NODE_DONE;
        f.node[node].output_digest = hil_digest64(outputs[node], at, 0);
        if (philox_below(&stream, 8)) of.node[node] = outputs[node];
      }
      memset(output, UNIT_GUARD, sizeof output);
      CHECK_EQ(value_verdict_decide(&rules, &memory, &of, &f, &decision), HIL_OK);
      CHECK_EQ(output[at], UNIT_GUARD);
      if (decision.decided && decision.output_known) CHECK_EQ(f.output, hil_digest64(output, at, 0));
      CHECK(!((f.agree | f.dissent | f.latent) >> f.nodes) && !(f.agree & f.dissent));
      value_verdict_settle(&rules, &decision, &memory);
    }
    accepted++;
  }
  CHECK(accepted > DRAWS / 40);
}

static void nodes_beyond_the_frame_are_refused(void) {
  hil_value_rule_t rule = rule_of(VALUE_EXACT, NUMBER_U8, 1);
  const hil_value_rules_t rules = {&rule, 1, 1, 0};
  const hil_frame_outputs_t outputs = {.golden = NULL};
  hil_value_decision_t decision = {0};
  hil_value_memory_t memory = {0};
  hil_frame_verdict_t f = {.nodes = 9};
  CHECK_EQ(value_verdict_decide(&rules, &memory, &outputs, &f, &decision), HIL_ERR_ARG);
  f = (hil_frame_verdict_t){.nodes = 2, .voters = 4};
  CHECK_EQ(value_verdict_decide(&rules, &memory, &outputs, &f, &decision), HIL_ERR_ARG);
}

/* --- rules --- */

static void angles_are_cut_in_their_largest_gap(void) {
  hil_value_rule_t rule = rule_of(VALUE_MID_VALUE, NUMBER_I32, 1);
  rule.period = 360;
  uint64_t keys[3];
  const int64_t angles[3] = {359, 1, 3};
  for (int i = 0; i < 3; i++) keys[i] = value_zero(&rule) + (uint64_t)angles[i];
  CHECK_EQ(value_middle(&rule, keys, 3), value_zero(&rule) + 1);
  CHECK_EQ(value_distance(&rule, value_zero(&rule) + 359, value_zero(&rule) + 1), 2);
}

static void formalised_majority_is_the_published_class(void) {
  static const double values[] = {0.18155, 0.18230, 0.18130, 0.18180, 0.18235};
  hil_value_rule_t rule = rule_of(VALUE_TOLERANCE, NUMBER_F64, 1);
  uint8_t bytes[5][8], clusters[VOTE_MAX_NODES];
  const uint8_t *part[VOTE_MAX_NODES] = {NULL};
  rule.tolerance = value_bits(0.0005);
  for (int i = 0; i < 5; i++) {
    store_u64le(bytes[i], value_bits(values[i]));
    part[i] = bytes[i];
  }
  CHECK_EQ(value_clusters(&rule, part, 31, clusters), 2);
  CHECK_EQ(clusters[0], 13);
  CHECK_EQ(clusters[1], 18);
}

int main(void) {
  philox_init(&stream, 17, 1);
  RUN(keys_are_ordered_as_doubles_are);
  RUN(integers_of_every_type_come_back);
  RUN(numbers_beyond_their_type_are_not_written);
  RUN(the_short_way_round_is_that_of_the_c_library);
  RUN(lengths_are_those_in_long_double);
  RUN(lengths_at_the_ends_of_the_range_are_lengths);
  RUN(rules_that_do_not_fit_the_output_are_refused);
  RUN(any_bytes_of_rules_and_outputs_are_voted_on_or_refused);
  RUN(nodes_beyond_the_frame_are_refused);
  RUN(angles_are_cut_in_their_largest_gap);
  RUN(formalised_majority_is_the_published_class);
  return UNIT_RESULT();
}
