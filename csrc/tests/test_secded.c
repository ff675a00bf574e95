/* SECDED: every error of one and of two bits; the store. SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>

#include "secded.h"
#include "unit.h"

enum { BITS = 72 };

static const uint64_t WORDS[] = {0,
                                 UINT64_MAX,
                                 1,
                                 (uint64_t)1 << 63,
                                 0x0123456789abcdefu,
                                 0xaaaaaaaaaaaaaaaau,
                                 0xdeadbeefcafef00du,
                                 0x5555555500000001u};
enum { WORDS_COUNT = sizeof WORDS / sizeof WORDS[0] };

/* Bits 0..63 are the data, 64..71 the check byte. */
static void flip(uint64_t *data, uint8_t *check, int bit) {
  if (bit < 64) {
    *data ^= (uint64_t)1 << bit;
  } else {
    *check = (uint8_t)(*check ^ 1u << (bit - 64));
  }
}

/* Hamming's construction, bit by bit: positions 1..71, parity bit k covers the positions that have
 * bit k, an eighth bit makes the number of ones even. */
static uint8_t encode_by_positions(uint64_t data) {
  int at[BITS] = {0}, next = 0, ones = 0;
  unsigned check = 0;
  for (int position = 1; position < BITS; position++) {
    if (position & (position - 1)) {
      at[position] = (int)(data >> next++ & 1);
      ones += at[position];
    }
  }
  for (int k = 0; k < 7; k++) {
    int parity = 0;
    for (int position = 1; position < BITS; position++) {
      parity ^= position >> k & 1 ? at[position] : 0;
    }
    check |= (unsigned)parity << k;
    ones += parity;
  }
  return (uint8_t)(check | (unsigned)(ones & 1) << 7);
}

static void check_bits_are_those_of_the_extended_hamming_code(void) {
  for (int i = 0; i < WORDS_COUNT; i++) {
    CHECK_EQ(secded_encode(WORDS[i]), encode_by_positions(WORDS[i]));
  }
  for (int bit = 0; bit < 64; bit++) {
    CHECK_EQ(secded_encode((uint64_t)1 << bit), encode_by_positions((uint64_t)1 << bit));
  }
  for (uint64_t i = 0, x = 1; i < 2000; i++, x = x * 6364136223846793005u + 1442695040888963407u) {
    CHECK_EQ(secded_encode(x), encode_by_positions(x));
  }
}

static void a_clean_word_stays_as_it_is(void) {
  for (int i = 0; i < WORDS_COUNT; i++) {
    uint64_t data = WORDS[i];
    uint8_t check = secded_encode(data);
    CHECK_EQ(secded_decode(&data, &check), SECDED_CLEAN);
    CHECK_EQ(data, WORDS[i]);
    CHECK_EQ(check, secded_encode(WORDS[i]));
  }
}

static void every_single_error_is_put_right(void) {
  for (int i = 0; i < WORDS_COUNT; i++) {
    for (int bit = 0; bit < BITS; bit++) {
      uint64_t data = WORDS[i];
      uint8_t check = secded_encode(data);
      flip(&data, &check, bit);
      CHECK_EQ(secded_decode(&data, &check), SECDED_CORRECTED);
      CHECK_EQ(data, WORDS[i]);
      CHECK_EQ(check, secded_encode(WORDS[i]));
    }
  }
}

static void every_double_error_is_detected_and_left_alone(void) {
  for (int i = 0; i < WORDS_COUNT; i++) {
    int pairs = 0;
    for (int first = 0; first < BITS; first++) {
      for (int second = first + 1; second < BITS; second++, pairs++) {
        uint64_t data = WORDS[i];
        uint8_t check = secded_encode(data);
        flip(&data, &check, first);
        flip(&data, &check, second);
        const uint64_t data_before = data;
        const uint8_t check_before = check;
        CHECK_EQ(secded_decode(&data, &check), SECDED_UNCORRECTABLE);
        CHECK_EQ(data, data_before);
        CHECK_EQ(check, check_before);
      }
    }
    CHECK_EQ(pairs, 72 * 71 / 2);
  }
}

/* Distance 4: three errors are never taken for none, and never decoded to the true word. */
static void no_triple_error_looks_clean(void) {
  int detected = 0, miscorrected = 0;
  for (int first = 0; first < BITS; first++) {
    for (int second = first + 1; second < BITS; second++) {
      for (int third = second + 1; third < BITS; third++) {
        uint64_t data = WORDS[4];
        uint8_t check = secded_encode(data);
        flip(&data, &check, first);
        flip(&data, &check, second);
        flip(&data, &check, third);
        const hil_secded_result_t result = secded_decode(&data, &check);
        CHECK(result != SECDED_CLEAN);
        CHECK(data != WORDS[4] || check != secded_encode(WORDS[4]));
        detected += result == SECDED_UNCORRECTABLE;
        miscorrected += result == SECDED_CORRECTED;
      }
    }
  }
  CHECK(detected > 0 && miscorrected > 0);
  CHECK_EQ(detected + miscorrected, 72 * 71 * 70 / 6);
}

/* ---- The store ---- */

enum { COUNT = 9 };
static uint64_t words[COUNT + 1];
static uint8_t checks[COUNT + 1];
static hil_secded_memory_t memory;

static void begin(void) {
  memset(words, UNIT_GUARD, sizeof words);
  memset(checks, UNIT_GUARD, sizeof checks);
  CHECK_EQ(secded_init(&memory, words, checks, COUNT), HIL_OK);
}

static void check_guards(void) {
  CHECK_EQ(words[COUNT], 0xaaaaaaaaaaaaaaaau);
  CHECK_EQ(checks[COUNT], UNIT_GUARD);
}

static void a_new_store_holds_clean_zeros(void) {
  begin();
  uint8_t out[8 * COUNT + 1];
  memset(out, UNIT_GUARD, sizeof out);
  CHECK_EQ(secded_read(&memory, out, 8 * COUNT), HIL_OK);
  for (int i = 0; i < 8 * COUNT; i++) {
    CHECK_EQ(out[i], 0);
  }
  CHECK_EQ(out[8 * COUNT], UNIT_GUARD);
  CHECK_EQ(memory.corrected, 0);
  CHECK_EQ(memory.uncorrectable, 0);
  check_guards();
}

static void init_refuses_null_arrays_unless_empty(void) {
  hil_secded_memory_t m;
  CHECK_EQ(secded_init(&m, NULL, checks, 1), HIL_ERR_ARG);
  CHECK_EQ(secded_init(&m, words, NULL, 1), HIL_ERR_ARG);
  CHECK_EQ(secded_init(&m, NULL, NULL, 0), HIL_OK);
  CHECK_EQ(secded_scrub(&m, 10), 0);
  CHECK_EQ(secded_write(&m, NULL, 0), HIL_OK);
  CHECK_EQ(secded_write(&m, checks, 1), HIL_ERR_EXHAUSTED);
}

static void every_length_is_read_back_as_written(void) {
  uint8_t data[8 * COUNT], out[8 * COUNT + 1];
  for (size_t i = 0; i < sizeof data; i++) {
    data[i] = (uint8_t)(i * 37 + 11);
  }
  for (size_t len = 0; len <= sizeof data; len++) {
    begin();
    memset(out, UNIT_GUARD, sizeof out);
    CHECK_EQ(secded_write(&memory, data, len), HIL_OK);
    CHECK_EQ(secded_read(&memory, out, len), HIL_OK);
    CHECK(memcmp(out, data, len) == 0);
    CHECK_EQ(out[len], UNIT_GUARD);
    check_guards();
  }
}

static void words_are_little_endian_and_the_last_is_padded_with_zeros(void) {
  const uint8_t data[10] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
  uint8_t ones[8 * COUNT];
  memset(ones, 0xff, sizeof ones);
  begin();
  CHECK_EQ(secded_write(&memory, ones, sizeof ones), HIL_OK);
  CHECK_EQ(secded_write(&memory, data, 10), HIL_OK);
  CHECK_EQ(words[0], 0x0807060504030201u);
  CHECK_EQ(words[1], 0x0a09u);
  CHECK_EQ(words[2], UINT64_MAX); /* beyond: as before */
  CHECK_EQ(checks[1], secded_encode(0x0a09u));
}

static void too_much_is_refused_and_nothing_is_written(void) {
  uint8_t big[8 * COUNT + 1];
  memset(big, 0x55, sizeof big);
  begin();
  CHECK_EQ(secded_write(&memory, big, sizeof big), HIL_ERR_EXHAUSTED);
  CHECK_EQ(secded_write(&memory, big, SIZE_MAX), HIL_ERR_EXHAUSTED);
  CHECK_EQ(words[0], 0);
  CHECK_EQ(secded_read(&memory, big, sizeof big), HIL_ERR_EXHAUSTED);
  CHECK_EQ(secded_read(&memory, big, SIZE_MAX), HIL_ERR_EXHAUSTED);
  CHECK_EQ(big[0], 0x55);
}

static void reading_puts_right_and_counts(void) {
  const uint8_t data[20] = "nineteen bytes here";
  uint8_t out[21];
  for (int word = 0; word < 3; word++) { /* the third is partial */
    for (int bit = 0; bit < BITS; bit++) {
      begin();
      CHECK_EQ(secded_write(&memory, data, 20), HIL_OK);
      flip(&words[word], &checks[word], bit);
      out[20] = UNIT_GUARD;
      CHECK_EQ(secded_read(&memory, out, 20), HIL_OK);
      CHECK(memcmp(out, data, 20) == 0);
      CHECK_EQ(out[20], UNIT_GUARD);
      CHECK_EQ(memory.corrected, 1);
      CHECK_EQ(secded_read(&memory, out, 20), HIL_OK); /* put right in place */
      CHECK_EQ(memory.corrected, 1);
      CHECK_EQ(memory.uncorrectable, 0);
    }
  }
}

static void an_uncorrectable_word_is_reported_and_its_bytes_still_copied(void) {
  const uint8_t data[20] = "nineteen bytes here";
  for (int word = 0; word < 3; word++) {
    uint8_t out[20] = {0};
    begin();
    CHECK_EQ(secded_write(&memory, data, 20), HIL_OK);
    words[word] ^= 0x101; /* bit 0 of its first two bytes */
    CHECK_EQ(secded_read(&memory, out, 20), HIL_ERR_DAMAGED);
    CHECK_EQ(memory.uncorrectable, 1);
    CHECK_EQ(memory.corrected, 0);
    for (int i = 0; i < 20; i++) {
      CHECK_EQ(out[i], data[i] ^ (i == 8 * word || i == 8 * word + 1));
    }
    CHECK_EQ(secded_read(&memory, out, (size_t)8 * (size_t)word), HIL_OK); /* not asked for it */
  }
}

static void scrubbing_in_steps_visits_every_word_once_a_pass(void) {
  for (size_t step = 1; step <= COUNT; step++) {
    begin();
    for (int i = 0; i < COUNT; i++) {
      flip(&words[i], &checks[i], 8 * i);
    }
    size_t corrected = 0;
    for (size_t visited = 0; visited < COUNT; visited += step) {
      CHECK_EQ(memory.cursor, visited % COUNT);
      const size_t here = secded_scrub(&memory, step);
      CHECK_EQ(here, COUNT - visited < step ? COUNT - visited : step);
      corrected += here;
    }
    CHECK_EQ(corrected, COUNT);
    CHECK_EQ(memory.corrected, COUNT);
    CHECK_EQ(memory.passes, 1);
    for (int i = 0; i < COUNT; i++) {
      CHECK_EQ(words[i], 0);
      CHECK_EQ(checks[i], 0);
    }
    check_guards();
  }
}

static void one_scrub_call_makes_at_most_one_pass(void) {
  begin();
  words[4] = 3; /* two wrong bits: met once, left, not counted as corrected */
  CHECK_EQ(secded_scrub(&memory, SIZE_MAX), 0);
  CHECK_EQ(memory.passes, 1);
  CHECK_EQ(memory.uncorrectable, 1);
  CHECK_EQ(words[4], 3);
  CHECK_EQ(secded_scrub(&memory, 0), 0);
  CHECK_EQ(memory.passes, 1);
}

static void scrubbing_survives_an_upset_of_its_cursor(void) {
  begin();
  memory.cursor = SIZE_MAX;
  words[0] = 4;
  CHECK_EQ(secded_scrub(&memory, 1), 1);
  CHECK_EQ(memory.cursor, 1);
  CHECK_EQ(words[0], 0);
  check_guards();
}

int main(void) {
  RUN(check_bits_are_those_of_the_extended_hamming_code);
  RUN(a_clean_word_stays_as_it_is);
  RUN(every_single_error_is_put_right);
  RUN(every_double_error_is_detected_and_left_alone);
  RUN(no_triple_error_looks_clean);
  RUN(a_new_store_holds_clean_zeros);
  RUN(init_refuses_null_arrays_unless_empty);
  RUN(every_length_is_read_back_as_written);
  RUN(words_are_little_endian_and_the_last_is_padded_with_zeros);
  RUN(too_much_is_refused_and_nothing_is_written);
  RUN(reading_puts_right_and_counts);
  RUN(an_uncorrectable_word_is_reported_and_its_bytes_still_copied);
  RUN(scrubbing_in_steps_visits_every_word_once_a_pass);
  RUN(one_scrub_call_makes_at_most_one_pass);
  RUN(scrubbing_survives_an_upset_of_its_cursor);
  return UNIT_RESULT();
}
