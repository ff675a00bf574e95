/* Sites and outcomes: every experiment once and in order, and no list that means two things.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>

#include "bytes.h"
#include "philox.h"
#include "sites.h"
#include "unit.h"

static hil_campaign_run_t run;

static void list(const uint8_t *bytes, size_t len) {
  memset(&run, UNIT_GUARD, sizeof run);
  run.sites.details = 0;
  run.sites.len = (uint16_t)len;
  memcpy(run.sites.bytes, bytes, len);
}

static int begin(const uint8_t *bytes, size_t len) {
  list(bytes, len);
  return sites_begin(&run);
}

/* All outcomes of a list, from the code that the host will read them with. */
static unsigned code_at(size_t i) {
  static const unsigned outcomes[] = {OUTCOME_MASKED, OUTCOME_SDC, OUTCOME_LATENT, OUTCOME_FAILED};
  size_t at = 0;
  for (;; i--) {
    unsigned ones = 0;
    while (ones < 3 && (unsigned)run.outcomes.bytes[at / 8u] >> at % 8u & 1u) ones++, at++;
    if (ones < 3) at++;
    if (!i) return outcomes[ones];
  }
}

/* --- what a list means ----------------------------------------------------------------------------- */

static void test_bits_then_bytes_then_sites_are_taken_in_order(void) {
  /* 300 instructions in: bits 0 and 7 of bytes 5 and 6 of the memory; 2 further: bit 4 of byte 130 of the vector
   * registers */
  static const uint8_t bytes[] = {0xac, 0x02, 5u << 2, 0x81, 2, 2, 0x8a, 0x04, 0x10, 1};
  static const hil_campaign_site_t want[] = {
      {300, 5, SPACE_MEMORY, 0x01, 0x81, 2},   {300, 5, SPACE_MEMORY, 0x80, 0x81, 2},
      {300, 6, SPACE_MEMORY, 0x01, 0x81, 1},   {300, 6, SPACE_MEMORY, 0x80, 0x81, 1},
      {302, 130, SPACE_VECTOR, 0x10, 0x10, 1},
  };
  CHECK_EQ(begin(bytes, sizeof bytes), HIL_OK);
  for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
    CHECK_EQ(run.site.position, want[i].position);
    CHECK_EQ(run.site.byte, want[i].byte);
    CHECK_EQ(run.site.space, want[i].space);
    CHECK_EQ(run.site.bit, want[i].bit);
    CHECK_EQ(run.site.mask, want[i].mask);
    CHECK_EQ(run.site.bytes, want[i].bytes);
    sites_put(&run, OUTCOME_MASKED, 0);
  }
  CHECK_EQ(run.site.bit, 0);
  CHECK_EQ(run.outcomes.count, 5);
  CHECK_EQ(run.outcomes.len, 1);
  const hil_campaign_outcomes_t before = run.outcomes;
  sites_put(&run, OUTCOME_FAILED, 11); /* none is left */
  CHECK(memcmp(&before, &run.outcomes, sizeof before) == 0);
}

static void test_the_largest_numbers_are_read(void) {
  /* position 2^64 - 1, byte 2^62 - 1 of the registers */
  static const uint8_t bytes[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0xfd,
                                  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0xff, 1};
  CHECK_EQ(begin(bytes, sizeof bytes), HIL_OK);
  CHECK_EQ(run.site.position, UINT64_MAX);
  CHECK_EQ(run.site.byte, UINT64_MAX >> 2);
  CHECK_EQ(run.site.space, SPACE_GPR);
}

/* --- what is refused --------------------------------------------------------------------------------- */

#define REFUSED(...)                                           \
  do {                                                         \
    const uint8_t refused[] = {__VA_ARGS__};                   \
    CHECK_EQ(begin(refused, sizeof refused), HIL_ERR_PAYLOAD); \
    CHECK_EQ(run.site.bit, 0);                                 \
  } while (0)

static void test_malformed_lists_are_refused(void) {
  static const uint8_t none[1] = {0};
  CHECK_EQ(begin(none, 0), HIL_ERR_PAYLOAD);
  REFUSED(0, 0, 0, 1); /* no bit */
  REFUSED(0, 0, 1, 0); /* no byte */
  REFUSED(0, 0x80, 0x00, 1, 1); /* a varint longer than it needs to be */
  REFUSED(0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01, 0, 1, 1); /* of 11 bytes */
  REFUSED(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0, 1, 1); /* of 65 bits */
  REFUSED(0, 0, 1, 1, 0, 0, 1); /* the second site is cut off */
  /* positions that overflow */
  REFUSED(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0, 1, 1, 1, 0, 1, 1);
}

static void test_a_list_that_is_cut_off_anywhere_is_refused(void) {
  static const uint8_t bytes[] = {0xac, 0x02, 0x94, 0x05, 0xff, 3};
  for (size_t len = 0; len < sizeof bytes; len++) {
    CHECK_EQ(begin(bytes, len), HIL_ERR_PAYLOAD);
    CHECK_EQ(run.site.bit, 0);
  }
  CHECK_EQ(begin(bytes, sizeof bytes), HIL_OK);
  run.sites.len = MESSAGE_PACKED_MAX + 1; /* no message has it, and it is not believed */
  CHECK_EQ(sites_begin(&run), HIL_ERR_PAYLOAD);
}

static void test_more_experiments_than_fit_into_an_answer_are_refused(void) {
  static const uint8_t full[] = {0, 0, 0xff, 90}; /* 784 */
  static const uint8_t more[] = {0, 0, 0xff, 98, 0, 0, 0x40, 1};
  static const uint8_t many[] = {0, 0, 0xff, 255};
  CHECK_EQ(begin(full, sizeof full), HIL_OK);
  CHECK_EQ(begin(more, sizeof more), HIL_ERR_ARG);
  CHECK_EQ(run.site.bit, 0);
  CHECK_EQ(begin(many, sizeof many), HIL_ERR_ARG);
}

/* --- drawn experiments --------------------------------------------------------------------------------- */

static void put_target(uint8_t *out, const hil_draw_t *d) {
  store_u64le(out, d->key[0]);
  store_u64le(out + 8, d->key[1]);
  store_u64le(out + 16, d->faults);
  store_u64le(out + 24, d->before);
  store_u32le(out + 32, d->parts);
  store_u32le(out + 36, d->part);
  store_u16le(out + 40, d->left);
  out[42] = d->space;
  store_u32le(out + 43, d->first);
  store_u32le(out + 47, d->length);
}

static int begin_drawn(const hil_draw_t *targets, size_t count, size_t cut) {
  uint8_t bytes[DRAWS_MAX * DRAW_BYTES + DRAW_BYTES];
  for (size_t i = 0; i < count; i++) put_target(bytes + i * DRAW_BYTES, &targets[i]);
  list(bytes, count * DRAW_BYTES - cut);
  run.sites.details = SITES_DRAWN;
  return sites_begin(&run);
}

/* Of a target with three bytes in ten instructions, 240 faults: 240 parts draw each of them once, in order. */
static void test_as_many_parts_as_faults_draw_each_fault(void) {
  const hil_draw_t all = {.key = {1, 2}, .faults = 240, .parts = 240, .left = 240, .first = 7, .length = 3};
  CHECK_EQ(begin_drawn(&all, 1, 0), HIL_OK);
  for (unsigned i = 0; i < 240; i++) {
    CHECK_EQ(run.site.position, i / 24);
    CHECK_EQ(run.site.byte, 7 + i / 8 % 3);
    CHECK_EQ(run.site.bit, 1u << i % 8);
    CHECK_EQ(run.site.mask, run.site.bit);
    CHECK_EQ(run.site.bytes, 1);
    CHECK_EQ(run.site.space, SPACE_MEMORY);
    sites_put(&run, OUTCOME_MASKED, 0);
  }
  CHECK_EQ(run.site.bit, 0);
  CHECK_EQ(run.outcomes.count, 240);
}

static uint64_t number_of_bit(uint8_t bit) {
  uint64_t number = 0;
  while (bit >> number != 1) number++;
  return number;
}

/* Part i of 1000 of 10^12 faults, the first half of which are of earlier frames: i and word i of the stream, exactly. */
static void test_words_of_the_stream_choose_within_parts(void) {
  const uint64_t each = UINT64_C(1000000000), before = 500 * each;
  const hil_draw_t some = {.key = {7, 9},
                           .faults = 1000 * each,
                           .before = before,
                           .parts = 1000,
                           .part = 500,
                           .left = 500,
                           .space = SPACE_GPR,
                           .length = 136};
  hil_philox_t stream;
  philox_init(&stream, 7, 9);
  for (int i = 0; i < 500; i++) (void)philox_next(&stream);
  CHECK_EQ(begin_drawn(&some, 1, 0), HIL_OK);
  for (uint64_t i = 500; i < 1000; i++) {
    const uint64_t word = philox_next(&stream);
    const uint64_t within = (each * (word >> 32) + (each * (uint32_t)word >> 32)) >> 32;
    CHECK_EQ(run.site.space, SPACE_GPR);
    CHECK_EQ((run.site.position * 136 + run.site.byte) * 8 + number_of_bit(run.site.bit),
             i * each + within - before);
    sites_put(&run, OUTCOME_LATENT, 0);
  }
  CHECK_EQ(run.site.bit, 0);
}

/* Two targets of the same length: at one position the first of the list comes first. */
static void test_targets_are_merged_by_position(void) {
  const hil_draw_t two[] = {
      {.key = {1, 1}, .faults = 80, .parts = 80, .left = 80, .length = 1, .first = 5},
      {.key = {1, 2}, .faults = 80, .parts = 80, .left = 80, .length = 1, .space = SPACE_VECTOR},
  };
  CHECK_EQ(begin_drawn(two, 2, 0), HIL_OK);
  for (unsigned i = 0; i < 160; i++) {
    CHECK_EQ(run.site.position, i / 16);
    CHECK_EQ(run.site.space, i / 8 % 2 ? SPACE_VECTOR : SPACE_MEMORY);
    sites_put(&run, OUTCOME_SDC, 0);
  }
  CHECK_EQ(run.site.bit, 0);
}

static void test_draws_that_are_malformed_are_refused(void) {
  const hil_draw_t good = {.key = {3, 4},
                           .faults = 800,
                           .before = 80,
                           .parts = 100,
                           .part = 20,
                           .left = 50,
                           .space = SPACE_CPU,
                           .first = 16,
                           .length = 10};
  hil_draw_t wrong[13], many[DRAWS_MAX + 1];
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) wrong[i] = good;
  wrong[0].left = 0;
  wrong[1].faults = 0;
  wrong[2].faults = (UINT64_C(1) << 62) + 1;
  wrong[3].parts = 0;
  wrong[4].parts = UINT32_MAX;
  wrong[5].part = 100;
  wrong[6].part = 51; /* 50 are not left */
  wrong[7].space = SPACE_CPU + 1;
  wrong[8].length = 0;
  wrong[9].length = UINT32_MAX;
  wrong[10].before = 400; /* the first is of the frame before */
  wrong[11].before = UINT64_MAX;
  wrong[12].part = UINT32_MAX;
  CHECK_EQ(begin_drawn(&good, 1, 0), HIL_OK);
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    CHECK_EQ(begin_drawn(&wrong[i], 1, 0), HIL_ERR_PAYLOAD);
    CHECK_EQ(run.site.bit, 0);
  }
  for (size_t cut = 1; cut <= DRAW_BYTES; cut++) CHECK_EQ(begin_drawn(&good, 1, cut), HIL_ERR_PAYLOAD);
  for (size_t i = 0; i <= DRAWS_MAX; i++) many[i] = good;
  CHECK_EQ(begin_drawn(many, DRAWS_MAX, 0), HIL_OK);
  CHECK_EQ(begin_drawn(many, DRAWS_MAX + 1, 0), HIL_ERR_PAYLOAD);
  for (size_t i = 0; i < DRAWS_MAX; i++) { /* 800 of them */
    many[i].parts = 1000;
    many[i].part = 200;
    many[i].left = 100;
  }
  CHECK_EQ(begin_drawn(many, DRAWS_MAX, 0), HIL_ERR_ARG);
  CHECK_EQ(run.site.bit, 0);
}

/* The largest numbers: nothing wraps, and positions ascend. */
static void test_the_largest_draws_ascend(void) {
  const hil_draw_t large = {.key = {UINT64_MAX, UINT64_MAX},
                            .faults = UINT64_C(1) << 62,
                            .parts = DRAW_PARTS_MAX,
                            .part = DRAW_PARTS_MAX - 720,
                            .left = 720,
                            .first = UINT32_MAX,
                            .length = UINT32_MAX / 8};
  uint64_t before = 0;
  CHECK_EQ(begin_drawn(&large, 1, 0), HIL_OK);
  for (; run.site.bit; sites_put(&run, OUTCOME_FAILED, 0xff)) {
    CHECK(run.site.position >= before);
    CHECK(run.site.position < (UINT64_C(1) << 62) / (8 * (uint64_t)(UINT32_MAX / 8)) + 1);
    before = run.site.position;
  }
  CHECK_EQ(run.outcomes.count, 720);
}

/* --- outcomes ---------------------------------------------------------------------------------------- */

static void test_outcomes_of_a_full_list_fit_with_all_their_details(void) {
  static const uint8_t full[] = {0, 0, 0xff, 90};
  uint8_t packed[WIRE_PAYLOAD_MAX];
  size_t len = 0;
  CHECK_EQ(begin(full, sizeof full), HIL_OK);
  for (unsigned i = 0; run.site.bit; i++) sites_put(&run, OUTCOME_FAILED, (uint8_t)i);
  CHECK_EQ(run.outcomes.count, CAMPAIGN_EXPERIMENTS_MAX);
  CHECK_EQ(run.outcomes.len, 270 + 720);
  for (size_t i = 0; i < CAMPAIGN_EXPERIMENTS_MAX; i++) {
    CHECK_EQ(code_at(i), OUTCOME_FAILED);
    CHECK_EQ(run.outcomes.bytes[270 + 719 - i], (uint8_t)i);
  }
  CHECK_EQ(hil_campaign_outcomes_pack(&run.outcomes, packed, sizeof packed, &len), HIL_OK);
}

static void test_details_stand_behind_the_outcomes_for_failures_and_for_severity(void) {
  static const uint8_t bytes[] = {0, 0, 0x1f, 1}; /* 5 experiments */
  static const hil_outcome_t outcomes[] = {OUTCOME_SDC, OUTCOME_FAILED, OUTCOME_MASKED, OUTCOME_LATENT,
                                           OUTCOME_SDC};
  for (uint8_t severity = 0; severity < 2; severity++) {
    list(bytes, sizeof bytes);
    run.sites.details = severity ? DETAIL_BITS : 0;
    CHECK_EQ(sites_begin(&run), HIL_OK);
    for (uint8_t i = 0; i < 5; i++) sites_put(&run, outcomes[i], (uint8_t)(20 + i));
    for (size_t i = 0; i < 5; i++) CHECK_EQ(code_at(i), outcomes[i]);
    CHECK_EQ(run.outcomes.len, severity ? 2 + 3 : 2 + 1); /* 11 bits, and the details from the last on */
    CHECK_EQ(run.outcomes.bytes[2], severity ? 24 : 21);
    CHECK_EQ(run.outcomes.bytes[3], severity ? 21 : 0);
    CHECK_EQ(run.outcomes.bytes[4], severity ? 20 : 0);
  }
}

static void test_an_answer_ends_where_the_next_details_do_not_fit(void) {
  static const uint8_t full[] = {0, 0, 0xff, 90};
  uint8_t details[SITES_DETAILS_MAX];
  CHECK_EQ(begin(full, sizeof full), HIL_OK);
  for (unsigned i = 0; run.site.bit; i++) {
    memset(details, (int)i + 1, sizeof details);
    sites_put_details(&run, i ? OUTCOME_SDC : OUTCOME_LATENT, details, i ? 200 : 100);
  }
  CHECK_EQ(run.outcomes.count, 5); /* 11 bits, and 100 + 4 x 200 bytes behind them */
  CHECK_EQ(run.outcomes.len, 2 + 900);
  CHECK_EQ(code_at(0), OUTCOME_LATENT);
  for (size_t i = 1; i < 5; i++) CHECK_EQ(code_at(i), OUTCOME_SDC);
  for (size_t i = 0; i < 900; i++) CHECK_EQ(run.outcomes.bytes[901 - i], i < 100 ? 1 : (i - 100) / 200 + 2);
  for (size_t i = 902; i < MESSAGE_PACKED_MAX; i++) CHECK_EQ(run.outcomes.bytes[i], 0);
  const hil_campaign_outcomes_t before = run.outcomes;
  sites_put_details(&run, OUTCOME_SDC, details, 1); /* it has ended */
  CHECK(memcmp(&before, &run.outcomes, sizeof before) == 0);
}

static void test_the_details_of_one_experiment_always_fit(void) {
  static const uint8_t full[] = {0, 0, 0xff, 90};
  static const uint8_t details[SITES_DETAILS_MAX] = {0};
  CHECK_EQ(begin(full, sizeof full), HIL_OK);
  sites_put_details(&run, OUTCOME_SDC, details, sizeof details);
  CHECK_EQ(run.outcomes.count, 1);
  CHECK(run.site.bit);
}

/* --- random lists ------------------------------------------------------------------------------------- */

static uint64_t random_state = 20261129;

static uint32_t random_u32(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return (uint32_t)((random_state * 0x2545F4914F6CDD1DU) >> 32);
}

/* Whatever is accepted ends after as many experiments as fit, each with a bit of its site. */
static void test_random_lists_end_or_are_refused(void) {
  unsigned accepted = 0;
  for (int round = 0; round < 20000; round++) {
    uint8_t bytes[64];
    const size_t len = random_u32() % sizeof bytes;
    for (size_t i = 0; i < len; i++) {
      bytes[i] = (uint8_t)(random_u32() % 4 ? 1u << random_u32() % 8u & 0x77u : random_u32());
    }
    const int status = begin(bytes, len);
    CHECK(status == HIL_OK || status == HIL_ERR_PAYLOAD || status == HIL_ERR_ARG);
    CHECK_EQ(run.site.bit != 0, status == HIL_OK);
    accepted += status == HIL_OK;
    uint64_t position = 0;
    for (unsigned left = CAMPAIGN_EXPERIMENTS_MAX; run.site.bit && left; left--) {
      CHECK(run.site.bit & run.site.mask && !(run.site.bit & (run.site.bit - 1u)));
      CHECK(run.site.space <= SPACE_CPU && run.site.bytes && run.site.position >= position);
      position = run.site.position;
      sites_put(&run, OUTCOME_FAILED, 0xff);
    }
    CHECK_EQ(run.site.bit, 0);
    CHECK(run.outcomes.len <= MESSAGE_PACKED_MAX);
  }
  CHECK(accepted > 100);
}

int main(void) {
  RUN(test_bits_then_bytes_then_sites_are_taken_in_order);
  RUN(test_the_largest_numbers_are_read);
  RUN(test_malformed_lists_are_refused);
  RUN(test_a_list_that_is_cut_off_anywhere_is_refused);
  RUN(test_more_experiments_than_fit_into_an_answer_are_refused);
  RUN(test_as_many_parts_as_faults_draw_each_fault);
  RUN(test_words_of_the_stream_choose_within_parts);
  RUN(test_targets_are_merged_by_position);
  RUN(test_draws_that_are_malformed_are_refused);
  RUN(test_the_largest_draws_ascend);
  RUN(test_outcomes_of_a_full_list_fit_with_all_their_details);
  RUN(test_details_stand_behind_the_outcomes_for_failures_and_for_severity);
  RUN(test_an_answer_ends_where_the_next_details_do_not_fit);
  RUN(test_the_details_of_one_experiment_always_fit);
  RUN(test_random_lists_end_or_are_refused);
  return UNIT_RESULT();
}
