/* CRC-32C against RFC 3720 and the definition. SPDX-License-Identifier: Apache-2.0
 * Includes the .c file so that the tables are tested where an instruction would be used instead. */
#include "crc32c.c"

#include "unit.h"

enum { LEN = 3000 };
static uint8_t data[LEN + 8];

static void fill(void) {
  uint32_t x = 1;
  for (size_t i = 0; i < sizeof data; i++) {
    x = x * 1664525u + 1013904223u; /* Numerical Recipes' LCG */
    data[i] = (uint8_t)(x >> 24);
  }
}

/* The definition: one bit at a time through the reflected polynomial 0x1edc6f41. */
static uint32_t crc_bit_by_bit(uint32_t crc, const uint8_t *p, size_t len) {
  crc = ~crc;
  for (size_t i = 0; i < len; i++) {
    crc ^= p[i];
    for (int bit = 0; bit < 8; bit++) {
      crc = (crc >> 1) ^ (crc & 1u ? 0x82f63b78u : 0u);
    }
  }
  return ~crc;
}

/* RFC 3720, appendix B.4 "CRC Examples". The RFC prints the bytes in the order sent; here
 * they are read as a little-endian number. */
static void rfc_3720_appendix_b4_examples_come_out(void) {
  static const uint8_t read_command[48] = {
      0x01, 0xc0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
      0x14, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x00, 0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00, 0x18,
      0x28, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00};
  uint8_t zeros[32], ones[32], up[32], down[32];
  for (size_t i = 0; i < 32; i++) {
    zeros[i] = 0;
    ones[i] = 0xff;
    up[i] = (uint8_t)i;
    down[i] = (uint8_t)(31 - i);
  }
  CHECK_EQ(hil_crc32c(0, zeros, 32), 0x8a9136aau);
  CHECK_EQ(hil_crc32c(0, ones, 32), 0x62a8ab43u);
  CHECK_EQ(hil_crc32c(0, up, 32), 0x46dd794eu);
  CHECK_EQ(hil_crc32c(0, down, 32), 0x113fdb5cu);
  CHECK_EQ(hil_crc32c(0, read_command, 48), 0xd9963a56u);
}

/* "check" of CRC-32/ISCSI in the CRC RevEng catalogue. */
static void catalogue_check_value_comes_out(void) {
  CHECK_EQ(hil_crc32c(0, (const uint8_t *)"123456789", 9), 0xe3069283u);
}

static void every_length_and_alignment_equals_the_definition(void) {
  fill();
  for (size_t len = 0; len <= LEN; len += len < 70 ? 1 : 61) {
    for (size_t shift = 0; shift < 8; shift++) {
      CHECK_EQ(hil_crc32c(0, data + shift, len), crc_bit_by_bit(0, data + shift, len));
    }
  }
  for (size_t len = 3 * 256 - 9; len <= 3 * 256 + 9; len++) { /* where three strands begin */
    CHECK_EQ(hil_crc32c(0, data, len), crc_bit_by_bit(0, data, len));
    CHECK_EQ(hil_crc32c(0, data, 2 * len), crc_bit_by_bit(0, data, 2 * len));
  }
}

static void tables_equal_the_definition(void) {
  fill();
  for (size_t len = 0; len <= LEN; len += len < 70 ? 1 : 61) {
    CHECK_EQ(~update_tables(~0x12345678u, data + 1, len), crc_bit_by_bit(0x12345678u, data + 1, len));
  }
  for (unsigned n = 0; n < 256; n++) { /* TABLE[k][n]: byte n, then k zero bytes, bare register */
    uint8_t bytes[8] = {(uint8_t)n};
    for (size_t k = 0; k < 8; k++) {
      CHECK_EQ(TABLE[k][n], ~crc_bit_by_bit(~0u, bytes, k + 1));
    }
  }
}

static void pieces_continue_to_the_same_value_for_every_cut(void) {
  fill();
  const size_t len = 1700;
  const uint32_t whole = crc_bit_by_bit(0, data, len);
  for (size_t cut = 0; cut <= len; cut++) {
    CHECK_EQ(hil_crc32c(hil_crc32c(0, data, cut), data + cut, len - cut), whole);
  }
}

static void every_error_of_one_or_two_bits_in_a_short_frame_is_caught(void) {
  enum { BITS = 8 * 40 };
  fill();
  const uint32_t good = hil_crc32c(0, data, BITS / 8);
  for (size_t i = 0; i < BITS; i++) {
    data[i / 8] ^= (uint8_t)(1u << (i % 8));
    CHECK(hil_crc32c(0, data, BITS / 8) != good);
    for (size_t j = 0; j < i; j++) {
      data[j / 8] ^= (uint8_t)(1u << (j % 8));
      CHECK(hil_crc32c(0, data, BITS / 8) != good);
      data[j / 8] ^= (uint8_t)(1u << (j % 8));
    }
    data[i / 8] ^= (uint8_t)(1u << (i % 8));
  }
}

int main(void) {
  RUN(rfc_3720_appendix_b4_examples_come_out);
  RUN(catalogue_check_value_comes_out);
  RUN(every_length_and_alignment_equals_the_definition);
  RUN(tables_equal_the_definition);
  RUN(pieces_continue_to_the_same_value_for_every_cut);
  RUN(every_error_of_one_or_two_bits_in_a_short_frame_is_caught);
  return UNIT_RESULT();
}
