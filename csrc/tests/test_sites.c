/* Sites and outcomes: every experiment once and in order, and no list that means two things.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>

#include "bytes.h"
#include "crc32c.h"
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

static hil_draw_targets_t targets;
static hil_campaign_draws_t draws;

static void put_part(uint8_t *out, const hil_draw_t *d) {
  store_u32le(out, d->part);
  store_u16le(out + 4, d->left);
}

static void put_target(uint8_t *out, const hil_draw_t *d) {
  store_u64le(out, d->key[0]);
  store_u64le(out + 8, d->key[1]);
  store_u64le(out + 16, d->faults);
  store_u64le(out + 24, d->before);
  store_u32le(out + 32, d->parts);
  out[36] = d->space;
  store_u32le(out + 37, d->first);
  store_u32le(out + 41, d->length);
  put_part(out + DRAW_TARGET_BYTES, d);
}

static int begin_draws(void) {
  memset(&run, UNIT_GUARD, sizeof run);
  return sites_begin_drawn(&run, &targets, &draws);
}

static int begin_drawn(const hil_draw_t *d, size_t count, size_t cut) {
  memset(&draws, 0, sizeof draws);
  for (size_t i = 0; i < count; i++) put_target(draws.bytes + i * DRAW_BYTES, &d[i]);
  draws.len = (uint16_t)(count * DRAW_BYTES - cut);
  return begin_draws();
}

/* As a host makes it, which knows the same targets. */
static void continuation(const hil_draw_t *d, size_t count) {
  uint8_t all[DRAWS_MAX * DRAW_TARGET_BYTES], one[DRAW_BYTES];
  memset(&draws, 0, sizeof draws);
  draws.continued = 1;
  for (size_t i = 0; i < count; i++) {
    put_target(one, &d[i]);
    memcpy(all + i * DRAW_TARGET_BYTES, one, DRAW_TARGET_BYTES);
    put_part(draws.bytes + DRAW_CHECK_BYTES + i * DRAW_PART_BYTES, &d[i]);
  }
  store_u32le(draws.bytes, hil_crc32c(0, all, count * DRAW_TARGET_BYTES));
  draws.len = (uint16_t)(DRAW_CHECK_BYTES + count * DRAW_PART_BYTES);
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
  for (size_t i = 0; i < DRAWS_MAX; i++) { /* 2056 of them */
    many[i].parts = 1000;
    many[i].part = 200;
    many[i].left = 257;
  }
  CHECK_EQ(begin_drawn(many, DRAWS_MAX, 0), HIL_ERR_ARG);
  CHECK_EQ(run.site.bit, 0);
}

/* The largest numbers: nothing wraps, and positions ascend. */
static void test_the_largest_draws_ascend(void) {
  const hil_draw_t large = {.key = {UINT64_MAX, UINT64_MAX},
                            .faults = UINT64_C(1) << 62,
                            .parts = DRAW_PARTS_MAX,
                            .part = DRAW_PARTS_MAX - CAMPAIGN_DRAWN_MAX,
                            .left = CAMPAIGN_DRAWN_MAX,
                            .first = UINT32_MAX,
                            .length = UINT32_MAX / 8};
  uint64_t before = 0;
  CHECK_EQ(begin_drawn(&large, 1, 0), HIL_OK);
  for (; run.site.bit; sites_put(&run, OUTCOME_FAILED, 0xff)) {
    CHECK(run.site.position >= before);
    CHECK(run.site.position < (UINT64_C(1) << 62) / (8 * (uint64_t)(UINT32_MAX / 8)) + 1);
    before = run.site.position;
  }
  CHECK_EQ(run.outcomes.count, CAMPAIGN_DRAWN_MAX);
}

/* --- continuations --------------------------------------------------------------------------------------- */

/* Three targets; of the second one nothing is left. */
static void three_targets(hil_draw_t *out) {
  static const hil_draw_t some[] = {
      {.key = {1, 1}, .faults = 8000, .parts = 500, .part = 7, .left = 40, .length = 10, .first = 5},
      {.key = {1, 2}, .faults = 3200, .parts = 500, .part = 0, .left = 0, .length = 4, .first = 90},
      {.key = {1, 3}, .faults = 9600, .parts = 500, .part = 8, .left = 30, .length = 12, .space = SPACE_GPR},
  };
  memcpy(out, some, sizeof some);
}

/* Where the experiments of |run| strike, up to |cap| of them. */
static size_t strikes(uint64_t *out, size_t cap) {
  size_t count = 0;
  for (; run.site.bit && count < cap; sites_put(&run, OUTCOME_MASKED, 0)) {
    out[count++] =
        run.site.position << 20 | run.site.byte << 12 | (uint64_t)run.site.space << 8 | run.site.bit;
  }
  return count;
}

static void test_a_continuation_draws_what_a_whole_request_would(void) {
  enum { CAP = 200 };
  static uint64_t whole[CAP], again[CAP];
  hil_draw_t d[3];
  three_targets(d);
  CHECK_EQ(begin_drawn(d, 3, 0), HIL_OK);
  CHECK_EQ(strikes(whole, CAP), 70);
  const hil_draw_targets_t before = targets;
  d[0].part = 47, d[0].left = 60;
  d[1].part = 0, d[1].left = 11;
  d[2].part = 38, d[2].left = 0;
  CHECK_EQ(begin_drawn(d, 3, 0), HIL_OK);
  const size_t count = strikes(whole, CAP);
  CHECK_EQ(count, 71);
  for (int repeat = 0; repeat < 2; repeat++) { /* it may be sent again: it says all that it asks for */
    continuation(d, 3);
    CHECK_EQ(begin_draws(), HIL_OK);
    CHECK_EQ(strikes(again, CAP), count);
    CHECK(memcmp(whole, again, count * sizeof *whole) == 0);
    CHECK(memcmp(&targets, &before, sizeof before) == 0);
  }
}

static void test_a_continuation_of_other_targets_is_refused(void) {
  hil_draw_t d[3];
  three_targets(d);
  memset(&targets, 0, sizeof targets);
  continuation(d, 3);
  CHECK_EQ(begin_draws(), HIL_ERR_STATE); /* none were given */
  CHECK_EQ(run.site.bit, 0);
  draws.len = DRAW_CHECK_BYTES; /* of no targets, whose check is 0 */
  store_u32le(draws.bytes, 0);
  CHECK_EQ(begin_draws(), HIL_ERR_STATE);
  CHECK_EQ(begin_drawn(d, 3, 0), HIL_OK);
  for (size_t byte = 0; byte < DRAW_TARGET_BYTES; byte++) {
    uint8_t one[DRAW_BYTES];
    put_target(one, &d[1]);
    one[byte] ^= 0x10;
    uint8_t all[3 * DRAW_TARGET_BYTES];
    memcpy(all, targets.bytes[0], sizeof all);
    memcpy(all + DRAW_TARGET_BYTES, one, DRAW_TARGET_BYTES);
    continuation(d, 3);
    store_u32le(draws.bytes, hil_crc32c(0, all, sizeof all));
    CHECK_EQ(begin_draws(), HIL_ERR_STATE);
  }
  continuation(d, 2); /* fewer */
  CHECK_EQ(begin_draws(), HIL_ERR_STATE);
  continuation(d, 3);
  CHECK_EQ(begin_draws(), HIL_OK);
}

static void test_malformed_continuations_are_refused_and_change_nothing(void) {
  hil_draw_t d[3];
  three_targets(d);
  CHECK_EQ(begin_drawn(d, 3, 0), HIL_OK);
  const hil_draw_targets_t before = targets;
  continuation(d, 3);
  const uint16_t whole = draws.len;
  for (draws.len = 0; draws.len < whole; draws.len++) CHECK_EQ(begin_draws(), HIL_ERR_PAYLOAD);
  draws.len = (uint16_t)(whole + 1u);
  CHECK_EQ(begin_draws(), HIL_ERR_PAYLOAD);
  draws.len = MESSAGE_PACKED_MAX + 1; /* no message has it, and it is not believed */
  CHECK_EQ(begin_draws(), HIL_ERR_PAYLOAD);
  d[1].part = 501;
  continuation(d, 3);
  CHECK_EQ(begin_draws(), HIL_ERR_PAYLOAD); /* past its parts, though nothing is left of it */
  d[1].part = 400, d[1].left = 101;
  continuation(d, 3);
  CHECK_EQ(begin_draws(), HIL_ERR_PAYLOAD);
  d[0].left = d[1].left = d[2].left = 0;
  continuation(d, 3);
  CHECK_EQ(begin_draws(), HIL_ERR_PAYLOAD); /* no experiment */
  CHECK_EQ(run.site.bit, 0);
  hil_draw_t bad = d[0];
  bad.length = 0, bad.left = 1;
  CHECK_EQ(begin_drawn(&bad, 1, 0), HIL_ERR_PAYLOAD);
  CHECK(memcmp(&targets, &before, sizeof before) == 0);
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

/* --- coded outcomes ------------------------------------------------------------------------------------ */

static uint32_t random_u32(void);

/* Carry out all of one request, in as many answers as it takes; each is read as its host reads it. Returns how many
 * bytes they have. */
static size_t carry_out(hil_draw_t *d, size_t count, unsigned failures_permille, unsigned *out_answers) {
  static hil_campaign_run_t host;
  static uint8_t outcomes[CAMPAIGN_DRAWN_MAX], details[CAMPAIGN_DRAWN_MAX];
  static uint8_t read_outcomes[CAMPAIGN_DRAWN_MAX], read_details[CAMPAIGN_DRAWN_MAX];
  size_t bytes = 0, left = 0;
  for (size_t i = 0; i < count; i++) left += d[i].left;
  for (*out_answers = 0; left && *out_answers < 100; ++*out_answers) {
    size_t done = 0, details_len = 0, read_len = 0, of[DRAWS_MAX] = {0};
    if (begin_drawn(d, count, 0) != HIL_OK) break;
    while (run.site.bit) {
      const unsigned what = random_u32() % 1000u;
      const hil_outcome_t outcome =
          what >= failures_permille ? OUTCOME_MASKED : (hil_outcome_t)(1u + what % 3u);
      const uint8_t detail = (uint8_t)(random_u32() >> 7);
      outcomes[done++] = (uint8_t)outcome;
      if (outcome_has_detail(outcome)) details[details_len++] = detail;
      of[run.of.target]++;
      sites_put(&run, outcome, detail);
    }
    CHECK_EQ(run.outcomes.count, done);
    CHECK(run.outcomes.len <= MESSAGE_PACKED_MAX && done);
    CHECK_EQ(sites_begin_drawn(&host, &targets, &draws), HIL_OK);
    CHECK_EQ(sites_read_coded(&host, &run.outcomes, read_outcomes, read_details, &read_len), HIL_OK);
    CHECK_EQ(read_len, details_len);
    CHECK(memcmp(outcomes, read_outcomes, done) == 0 && memcmp(details, read_details, read_len) == 0);
    CHECK_EQ(host.site.bit, 0);
    for (size_t i = 0; i < count; i++) {
      d[i].part += (uint32_t)of[i];
      d[i].left = (uint16_t)(d[i].left - of[i]);
    }
    left -= done;
    bytes += run.outcomes.len;
  }
  CHECK_EQ(left, 0);
  return bytes;
}

static void test_coded_outcomes_are_read_as_they_were_whatever_they_are(void) {
  static const unsigned permille[] = {0, 1, 20, 200, 500, 900, 1000};
  unsigned answers;
  for (size_t i = 0; i < sizeof permille / sizeof permille[0]; i++) {
    for (unsigned round = 0; round < 20; round++) {
      hil_draw_t d[2] = {{.key = {round, i}, .faults = 1u << 20, .parts = 3000, .left = 1400, .length = 64},
                         {.key = {round, 9}, .faults = 1u << 19, .parts = 700, .left = 600, .length = 32}};
      if (round % 4) d[0].left = (uint16_t)(1u + random_u32() % (round % 4 * 9u));
      if (round % 4) d[1].left = (uint16_t)(random_u32() % 3u);
      (void)carry_out(d, 2, permille[i], &answers);
      CHECK(answers >= 1);
    }
  }
}

/* Outcomes that are all the same take next to nothing; random ones take several answers. */
static void test_an_answer_is_as_long_as_its_outcomes_are_random(void) {
  unsigned answers;
  hil_draw_t quiet = {
      .key = {4, 4}, .faults = 1u << 20, .parts = 3000, .left = CAMPAIGN_DRAWN_MAX, .length = 64};
  hil_draw_t noise = quiet;
  CHECK(carry_out(&quiet, 1, 0, &answers) < 32);
  CHECK_EQ(answers, 1);
  const size_t bytes = carry_out(&noise, 1, 1000, &answers); /* 1.58 bits, and 8 for two of three: 6.9 */
  CHECK(bytes > 2048 * 69 / 80 && bytes < 2048 * 80 / 80);
  CHECK(answers > 1);
}

/* Whatever an answer is, it is read to its end or refused. */
static void test_hostile_answers_are_read_or_refused(void) {
  static hil_campaign_outcomes_t answer;
  static uint8_t outcomes[CAMPAIGN_DRAWN_MAX + 8], details[CAMPAIGN_DRAWN_MAX + 8];
  unsigned accepted = 0;
  for (unsigned round = 0; round < 3000; round++) {
    hil_draw_t d = {.key = {round, 3}, .faults = 1u << 20, .parts = 3000, .left = 300, .length = 64};
    size_t len = 0;
    CHECK_EQ(begin_drawn(&d, 1, 0), HIL_OK);
    memset(&answer, 0, sizeof answer);
    answer.count = (uint16_t)(random_u32() % 400u);
    answer.len = (uint16_t)(random_u32() % (round % 2 ? 1100u : 60u));
    for (size_t i = 0; i < answer.len && i < sizeof answer.bytes; i++) {
      answer.bytes[i] = (uint8_t)(round % 3 ? random_u32() : round % 5 ? 0xff : 0);
    }
    memset(outcomes, UNIT_GUARD, sizeof outcomes);
    memset(details, UNIT_GUARD, sizeof details);
    const int status = sites_read_coded(&run, &answer, outcomes, details, &len);
    CHECK(status == HIL_OK || status == HIL_ERR_PAYLOAD);
    if (!answer.count || answer.count > 300 || answer.len > MESSAGE_PACKED_MAX)
      CHECK_EQ(status, HIL_ERR_PAYLOAD);
    CHECK(len <= 300 && outcomes[300] == UNIT_GUARD && details[300] == UNIT_GUARD);
    CHECK_EQ(run.site.bit, 0);
    accepted += status == HIL_OK;
  }
  CHECK(accepted > 0);
}

/* An answer with a byte more, or with one less that is not zero, is of other outcomes: counts do not fit. */
static void test_an_answer_of_another_length_is_refused(void) {
  static uint8_t outcomes[CAMPAIGN_DRAWN_MAX], details[CAMPAIGN_DRAWN_MAX];
  hil_draw_t d = {.key = {8, 8}, .faults = 1u << 20, .parts = 3000, .left = 100, .length = 64};
  size_t len;
  CHECK_EQ(begin_drawn(&d, 1, 0), HIL_OK);
  for (unsigned i = 0; run.site.bit; i++)
    sites_put(&run, i % 3 ? OUTCOME_SDC : OUTCOME_LATENT, (uint8_t)(i * 37));
  hil_campaign_outcomes_t answer = run.outcomes;
  answer.bytes[answer.len++] = 0;
  CHECK_EQ(begin_draws(), HIL_OK);
  CHECK_EQ(sites_read_coded(&run, &answer, outcomes, details, &len), HIL_ERR_PAYLOAD);
  answer.bytes[answer.len++] = 1;
  CHECK_EQ(begin_draws(), HIL_OK);
  CHECK_EQ(sites_read_coded(&run, &answer, outcomes, details, &len), HIL_ERR_PAYLOAD);
  answer.len = (uint16_t)(answer.len - 2u);
  answer.count = 50;
  CHECK_EQ(begin_draws(), HIL_OK);
  CHECK_EQ(sites_read_coded(&run, &answer, outcomes, details, &len), HIL_ERR_PAYLOAD);
  answer.count = 100;
  CHECK_EQ(begin_draws(), HIL_OK);
  CHECK_EQ(sites_read_coded(&run, &answer, outcomes, details, &len), HIL_OK);
}

/* --- coded lists --------------------------------------------------------------------------------------- */

static int begin_coded(const uint8_t *bytes, size_t len) {
  list(bytes, len);
  run.sites.details = DETAIL_BITS;
  return sites_begin_coded(&run);
}

/* Neighbours with details that creep, and any details: as they were, whether the answer has all of them or not. */
static void test_coded_lists_are_read_as_they_were_whatever_they_are(void) {
  static const uint8_t full[] = {0, 0x09, 0xff, 90};
  static uint8_t outcomes[CAMPAIGN_EXPERIMENTS_MAX], details[CAMPAIGN_EXPERIMENTS_MAX];
  static uint8_t read_outcomes[CAMPAIGN_EXPERIMENTS_MAX], read_details[CAMPAIGN_EXPERIMENTS_MAX];
  unsigned cut = 0;
  for (unsigned round = 0; round < 60; round++) {
    size_t done = 0, details_len = 0, read_len = 0;
    uint8_t detail = (uint8_t)random_u32();
    CHECK_EQ(begin_coded(full, sizeof full), HIL_OK);
    while (run.site.bit) {
      const hil_outcome_t outcome = round % 6             ? (hil_outcome_t)(random_u32() >> 9 & round % 4u)
                                    : (random_u32() & 1u) ? OUTCOME_SDC
                                                          : OUTCOME_FAILED;
      detail = (uint8_t)(round % 3 ? detail + random_u32() % 3u : random_u32() >> 7);
      outcomes[done++] = (uint8_t)outcome;
      if (outcome_has_detail(outcome)) details[details_len++] = detail;
      sites_put(&run, outcome, detail);
    }
    const hil_campaign_outcomes_t answer = run.outcomes;
    CHECK(answer.count == done && answer.len <= MESSAGE_PACKED_MAX && done);
    cut += done < CAMPAIGN_EXPERIMENTS_MAX;
    CHECK_EQ(begin_coded(full, sizeof full), HIL_OK);
    CHECK_EQ(sites_read_coded(&run, &answer, read_outcomes, read_details, &read_len), HIL_OK);
    CHECK_EQ(read_len, details_len);
    CHECK(memcmp(outcomes, read_outcomes, done) == 0 && memcmp(details, read_details, read_len) == 0);
    CHECK_EQ(run.site.bit, 0);
  }
  CHECK(cut < 60);
}

static void test_details_that_creep_take_less_than_any_details(void) {
  static const uint8_t full[] = {0, 0, 0xff, 90};
  size_t len[2];
  for (unsigned any = 0; any < 2; any++) {
    uint8_t detail = 100;
    CHECK_EQ(begin_coded(full, sizeof full), HIL_OK);
    while (run.site.bit) {
      detail = (uint8_t)(any ? random_u32() >> 7 : detail + random_u32() % 3u - 1u);
      sites_put(&run, OUTCOME_SDC, detail);
    }
    len[any] = run.outcomes.len;
  }
  CHECK(len[0] < 720 * 4 / 8); /* 1.6 bits are new in each; 8 */
  CHECK(len[1] > 700);
}

static void test_lists_that_cannot_be_coded_are_refused(void) {
  static const uint8_t one[] = {0, 0, 1, 1}, malformed[] = {0, 0, 0, 1};
  CHECK_EQ(begin_coded(malformed, sizeof malformed), HIL_ERR_PAYLOAD);
  CHECK_EQ(run.site.bit, 0);
  list(one, sizeof one);
  run.sites.details = DETAIL_BITS | DETAIL_FATE;
  CHECK_EQ(sites_begin_coded(&run), HIL_ERR_ARG);
  CHECK_EQ(run.site.bit, 0);
  list(one, sizeof one);
  CHECK_EQ(sites_begin_coded(&run), HIL_ERR_ARG);
  CHECK_EQ(run.site.bit, 0);
}

static void test_hostile_answers_to_coded_lists_are_read_or_refused(void) {
  static const uint8_t some[] = {0, 0, 0xff, 40, 3, 1, 0x80, 1}; /* 321 experiments */
  static hil_campaign_outcomes_t answer;
  static uint8_t outcomes[CAMPAIGN_DRAWN_MAX], details[CAMPAIGN_DRAWN_MAX];
  unsigned accepted = 0;
  for (unsigned round = 0; round < 3000; round++) {
    size_t len = 0;
    CHECK_EQ(begin_coded(some, sizeof some), HIL_OK);
    memset(&answer, 0, sizeof answer);
    answer.count = (uint16_t)(random_u32() % 400u);
    answer.len = (uint16_t)(random_u32() % (round % 2 ? 1100u : 60u));
    for (size_t i = 0; i < answer.len && i < sizeof answer.bytes; i++) {
      answer.bytes[i] = (uint8_t)(round % 3 ? random_u32() : round % 5 ? 0xff : 0);
    }
    memset(outcomes, UNIT_GUARD, sizeof outcomes);
    memset(details, UNIT_GUARD, sizeof details);
    const int status = sites_read_coded(&run, &answer, outcomes, details, &len);
    CHECK(status == HIL_OK || status == HIL_ERR_PAYLOAD);
    if (!answer.count || answer.count > 321 || answer.len > MESSAGE_PACKED_MAX)
      CHECK_EQ(status, HIL_ERR_PAYLOAD);
    CHECK(len <= 321 && outcomes[321] == UNIT_GUARD && details[321] == UNIT_GUARD);
    CHECK_EQ(run.site.bit, 0);
    accepted += status == HIL_OK;
  }
  CHECK(accepted > 0);
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
  RUN(test_a_continuation_draws_what_a_whole_request_would);
  RUN(test_a_continuation_of_other_targets_is_refused);
  RUN(test_malformed_continuations_are_refused_and_change_nothing);
  RUN(test_coded_outcomes_are_read_as_they_were_whatever_they_are);
  RUN(test_an_answer_is_as_long_as_its_outcomes_are_random);
  RUN(test_hostile_answers_are_read_or_refused);
  RUN(test_an_answer_of_another_length_is_refused);
  RUN(test_coded_lists_are_read_as_they_were_whatever_they_are);
  RUN(test_details_that_creep_take_less_than_any_details);
  RUN(test_lists_that_cannot_be_coded_are_refused);
  RUN(test_hostile_answers_to_coded_lists_are_read_or_refused);
  RUN(test_outcomes_of_a_full_list_fit_with_all_their_details);
  RUN(test_details_stand_behind_the_outcomes_for_failures_and_for_severity);
  RUN(test_an_answer_ends_where_the_next_details_do_not_fit);
  RUN(test_the_details_of_one_experiment_always_fit);
  RUN(test_random_lists_end_or_are_refused);
  return UNIT_RESULT();
}
