/* COBS: published examples, block boundaries, limits. SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>

#include "cobs.h"
#include "unit.h"

enum { BIG = 2100 };

static uint64_t random_state;

/* xorshift64 (Marsaglia 2003): tests need repeatable bytes, not good ones. */
static uint32_t random_u32(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return (uint32_t)(random_state >> 32);
}

/* The definition, byte by byte (COBS paper, listing 1), against which the fast one is held. */
static size_t encode_slowly(const uint8_t *data, size_t len, uint8_t *out) {
  size_t code_at = 0, to = 1;
  uint8_t code = 1;
  for (size_t i = 0; i < len; i++) {
    if (data[i] != 0) {
      out[to++] = data[i];
      code++;
    }
    if (data[i] == 0 || (code == 255 && i + 1 < len)) {
      out[code_at] = code;
      code_at = to++;
      code = 1;
    }
  }
  out[code_at] = code;
  return to;
}

static void check_pair(const uint8_t *plain, size_t plain_len, const uint8_t *coded, size_t coded_len) {
  uint8_t out[BIG + 1];
  size_t len = 0;
  memset(out, UNIT_GUARD, sizeof out);
  CHECK_EQ(cobs_encode(plain, plain_len, out, coded_len, &len), HIL_OK);
  CHECK_EQ(len, coded_len);
  CHECK(memcmp(out, coded, coded_len) == 0);
  CHECK_EQ(out[coded_len], UNIT_GUARD);

  memset(out, UNIT_GUARD, sizeof out);
  CHECK_EQ(cobs_decode(coded, coded_len, out, plain_len, &len), HIL_OK);
  CHECK_EQ(len, plain_len);
  CHECK(memcmp(out, plain, plain_len) == 0);
  CHECK_EQ(out[plain_len], UNIT_GUARD);

  memcpy(out, coded, coded_len);
  out[coded_len] = UNIT_GUARD;
  CHECK_EQ(cobs_decode(out, coded_len, out, plain_len, &len), HIL_OK);
  CHECK_EQ(len, plain_len);
  CHECK(memcmp(out, plain, plain_len) == 0);
  CHECK_EQ(out[coded_len], UNIT_GUARD);
}

#define PAIR(plain, coded) \
  check_pair((const uint8_t *)(plain), sizeof(plain) - 1, (const uint8_t *)(coded), sizeof(coded) - 1)

/* Cheshire & Baker 1999, figure 3: the packet is the start of an IP header. */
static void test_the_figure_of_the_paper(void) {
  PAIR("\x45\x00\x00\x2C\x4C\x79\x00\x00\x40\x06\x4F\x37",
       "\x02\x45\x01\x04\x2C\x4C\x79\x01\x05\x40\x06\x4F\x37");
}

/* https://en.wikipedia.org/wiki/Consistent_Overhead_Byte_Stuffing#Encoding_examples, 1 to 11,
 * without their delimiters. */
static void test_the_short_examples_of_wikipedia(void) {
  PAIR("\x00", "\x01\x01");
  PAIR("\x00\x00", "\x01\x01\x01");
  PAIR("\x00\x11\x00", "\x01\x02\x11\x01");
  PAIR("\x11\x22\x00\x33", "\x03\x11\x22\x02\x33");
  PAIR("\x11\x22\x33\x44", "\x05\x11\x22\x33\x44");
  PAIR("\x11\x00\x00\x00", "\x02\x11\x01\x01\x01");
}

static void test_the_long_examples_of_wikipedia(void) {
  uint8_t plain[256], coded[300];
  for (unsigned i = 0; i < 256; i++) plain[i] = (uint8_t)i;

  coded[0] = 255; /* 01 02 ... FE: one full block and nothing behind it */
  memcpy(coded + 1, plain + 1, 254);
  check_pair(plain + 1, 254, coded, 255);

  coded[0] = 1; /* 00 01 ... FE */
  coded[1] = 255;
  memcpy(coded + 2, plain + 1, 254);
  check_pair(plain, 255, coded, 256);

  coded[0] = 255; /* 01 02 ... FF */
  memcpy(coded + 1, plain + 1, 254);
  coded[255] = 2;
  coded[256] = 255;
  check_pair(plain + 1, 255, coded, 257);

  memmove(plain, plain + 2, 254); /* 02 03 ... FF 00 */
  plain[254] = 0;
  coded[0] = 255;
  memcpy(coded + 1, plain, 254);
  coded[255] = 1;
  coded[256] = 1;
  check_pair(plain, 255, coded, 257);

  memmove(plain, plain + 1, 253); /* 03 04 ... FF 00 01 */
  plain[253] = 0;
  plain[254] = 1;
  coded[0] = 254;
  memcpy(coded + 1, plain, 253);
  coded[254] = 2;
  coded[255] = 1;
  check_pair(plain, 255, coded, 256);
}

static void test_nothing_becomes_one_byte_and_comes_back(void) {
  PAIR("", "\x01");
  uint8_t out = UNIT_GUARD;
  size_t len = 1;
  CHECK_EQ(cobs_decode(&out, 0, &out, 1, &len), HIL_OK);
  CHECK_EQ(len, 0);
  CHECK_EQ(out, UNIT_GUARD);
}

static void test_lengths_round_every_block_boundary_agree_with_the_definition(void) {
  uint8_t plain[BIG], coded[BIG];
  random_state = 20250101;
  for (size_t block = 0; block <= 1016; block += 254) {
    for (size_t len = block < 3 ? 0 : block - 3; len <= block + 3; len++) {
      for (unsigned zeros = 0; zeros < 6; zeros++) {
        for (size_t i = 0; i < len; i++) plain[i] = (uint8_t)(random_u32() % 255 + 1);
        for (unsigned z = 0; z < zeros && len > 0; z++) plain[random_u32() % len] = 0;
        if (zeros == 5 && len > 0) plain[len - 1] = 0;
        const size_t coded_len = encode_slowly(plain, len, coded);
        CHECK(coded_len <= cobs_max(len));
        check_pair(plain, len, coded, coded_len);
      }
    }
  }
}

static void test_random_bytes_of_every_density_agree_with_the_definition(void) {
  uint8_t plain[BIG], coded[BIG];
  random_state = 20250102;
  for (unsigned round = 0; round < 2000; round++) {
    const size_t len = random_u32() % 1100;
    const uint32_t one_in = 1u << (random_u32() % 10); /* 1: all zeros ... 512: few */
    for (size_t i = 0; i < len; i++) {
      plain[i] = random_u32() % one_in == 0 ? 0 : (uint8_t)(random_u32() % 255 + 1);
    }
    check_pair(plain, len, coded, encode_slowly(plain, len, coded));
  }
}

static void test_cobs_max_is_reached_and_never_passed(void) {
  uint8_t plain[BIG], coded[BIG];
  memset(plain, 0x55, sizeof plain);
  CHECK_EQ(cobs_max(0), 1);
  CHECK_EQ(cobs_max(1), 2);
  CHECK_EQ(cobs_max(254), 255);
  CHECK_EQ(cobs_max(255), 257);
  CHECK_EQ(cobs_max(508), 510);
  CHECK_EQ(cobs_max(1032), 1037);
  for (size_t len = 0; len < 1100; len++) {
    size_t coded_len = 0;
    CHECK_EQ(cobs_encode(plain, len, coded, sizeof coded, &coded_len), HIL_OK);
    CHECK_EQ(coded_len, cobs_max(len));
  }
}

static void test_every_capacity_too_small_is_exhausted_and_respected(void) {
  uint8_t plain[600], coded[700], out[701];
  random_state = 20250103;
  for (size_t i = 0; i < sizeof plain; i++) {
    plain[i] = random_u32() % 40 == 0 ? 0 : (uint8_t)(random_u32() % 255 + 1);
  }
  memset(plain + 200, 7, 300); /* a full block too */
  const size_t coded_len = encode_slowly(plain, sizeof plain, coded);
  for (size_t cap = 0; cap < coded_len; cap++) {
    size_t len = 0;
    memset(out, UNIT_GUARD, sizeof out);
    CHECK_EQ(cobs_encode(plain, sizeof plain, out, cap, &len), HIL_ERR_EXHAUSTED);
    CHECK_EQ(out[cap], UNIT_GUARD);
  }
  for (size_t cap = 0; cap < sizeof plain; cap++) {
    size_t len = 0;
    memset(out, UNIT_GUARD, sizeof out);
    CHECK_EQ(cobs_decode(coded, coded_len, out, cap, &len), HIL_ERR_EXHAUSTED);
    CHECK_EQ(out[cap], UNIT_GUARD);
  }
}

static void test_a_zero_anywhere_is_refused(void) {
  uint8_t plain[300], coded[400], out[300];
  memset(plain, 9, sizeof plain);
  plain[20] = 0;
  const size_t coded_len = encode_slowly(plain, sizeof plain, coded);
  for (size_t i = 0; i < coded_len; i++) {
    const uint8_t kept = coded[i];
    size_t len;
    coded[i] = 0;
    CHECK_EQ(cobs_decode(coded, coded_len, out, sizeof out, &len), HIL_ERR_PAYLOAD);
    coded[i] = kept;
  }
}

static void test_a_block_past_the_end_is_refused(void) {
  const uint8_t codes[] = {3, 8, 100, 254, 255};
  for (size_t i = 0; i < sizeof codes; i++) {
    uint8_t coded[2] = {codes[i], 0x11}, out[300];
    size_t len;
    CHECK_EQ(cobs_decode(coded, 2, out, sizeof out, &len), HIL_ERR_PAYLOAD);
    CHECK_EQ(cobs_decode(coded, 1, out, sizeof out, &len), HIL_ERR_PAYLOAD);
  }
}

/* Some encoders add an empty block behind a last full one; it decodes to the same bytes. */
static void test_the_longer_encoding_of_a_full_block_is_understood(void) {
  uint8_t coded[256], out[255];
  size_t len = 0;
  memset(coded, 0x77, sizeof coded);
  coded[0] = 255;
  coded[255] = 1;
  out[254] = UNIT_GUARD;
  CHECK_EQ(cobs_decode(coded, sizeof coded, out, 254, &len), HIL_OK);
  CHECK_EQ(len, 254);
  CHECK(memcmp(out, coded + 1, 254) == 0);
  CHECK_EQ(out[254], UNIT_GUARD);
}

static void test_null_pointers_are_the_callers_fault(void) {
  uint8_t byte = 1;
  size_t len;
  CHECK_EQ(cobs_encode(NULL, 1, &byte, 1, &len), HIL_ERR_ARG);
  CHECK_EQ(cobs_encode(&byte, 1, NULL, 1, &len), HIL_ERR_ARG);
  CHECK_EQ(cobs_encode(&byte, 1, &byte, 1, NULL), HIL_ERR_ARG);
  CHECK_EQ(cobs_decode(NULL, 1, &byte, 1, &len), HIL_ERR_ARG);
  CHECK_EQ(cobs_decode(&byte, 1, NULL, 1, &len), HIL_ERR_ARG);
  CHECK_EQ(cobs_decode(&byte, 1, &byte, 1, NULL), HIL_ERR_ARG);
}

int main(void) {
  RUN(test_the_figure_of_the_paper);
  RUN(test_the_short_examples_of_wikipedia);
  RUN(test_the_long_examples_of_wikipedia);
  RUN(test_nothing_becomes_one_byte_and_comes_back);
  RUN(test_lengths_round_every_block_boundary_agree_with_the_definition);
  RUN(test_random_bytes_of_every_density_agree_with_the_definition);
  RUN(test_cobs_max_is_reached_and_never_passed);
  RUN(test_every_capacity_too_small_is_exhausted_and_respected);
  RUN(test_a_zero_anywhere_is_refused);
  RUN(test_a_block_past_the_end_is_refused);
  RUN(test_the_longer_encoding_of_a_full_block_is_understood);
  RUN(test_null_pointers_are_the_callers_fault);
  return UNIT_RESULT();
}
