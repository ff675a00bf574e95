/* HMAC-SHA-256 against RFC 4231. SPDX-License-Identifier: Apache-2.0
 * Includes the .c file: it is part of the Linux port, which is no library. */
#include "../port/linux/hmac_sha256.c"

#include "unit.h"

static void check(const void *key, size_t key_len, const void *message, size_t len, const char *want) {
  uint8_t out[HMAC_SHA256_LEN + 1];
  char text[2 * HMAC_SHA256_LEN + 1];
  out[HMAC_SHA256_LEN] = UNIT_GUARD;
  hmac_sha256(key, key_len, message, len, out);
  for (size_t i = 0; i < HMAC_SHA256_LEN; i++) (void)snprintf(text + 2 * i, 3, "%02x", (unsigned)out[i]);
  CHECK(strcmp(text, want) == 0);
  CHECK_EQ(out[HMAC_SHA256_LEN], UNIT_GUARD);
}

/* RFC 4231, test cases 1, 2, 3, 6 and 7: short keys, and keys longer than a block. */
static void rfc_4231_test_cases_come_out(void) {
  uint8_t key[131], data[50];
  memset(key, 0x0b, 20);
  check(key, 20, "Hi There", 8, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  check("Jefe", 4, "what do ya want for nothing?", 28,
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  memset(key, 0xaa, sizeof key);
  memset(data, 0xdd, sizeof data);
  check(key, 20, data, sizeof data, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
  check(key, 131, "Test Using Larger Than Block-Size Key - Hash Key First", 54,
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
  static const char text[] =
      "This is a test using a larger than block-size key and a larger than block-size data. The key needs to "
      "be hashed before being used by the HMAC algorithm.";
  check(key, 131, text, sizeof text - 1, "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2");
}

/* Around the end of a block, where the padding needs one more. */
static void every_length_depends_on_every_byte(void) {
  uint8_t message[130] = {0}, before[HMAC_SHA256_LEN], after[HMAC_SHA256_LEN];
  for (size_t len = 0; len <= sizeof message; len++) {
    hmac_sha256(message, len, message, len, before);
    for (size_t i = 0; i < len; i += 7) {
      message[i] ^= 1;
      hmac_sha256((const uint8_t *)"key", 3, message, len, after);
      CHECK(!hmac_sha256_equal(before, after));
      message[i] ^= 1;
    }
    hmac_sha256(message, len, message, len, after);
    CHECK(hmac_sha256_equal(before, after));
  }
}

static void codes_are_equal_only_if_every_bit_is(void) {
  uint8_t a[HMAC_SHA256_LEN], b[HMAC_SHA256_LEN];
  memset(a, 0x5a, sizeof a);
  memcpy(b, a, sizeof b);
  CHECK(hmac_sha256_equal(a, b));
  for (unsigned bit = 0; bit < 8 * HMAC_SHA256_LEN; bit++) {
    b[bit / 8] ^= (uint8_t)(1u << bit % 8);
    CHECK(!hmac_sha256_equal(a, b));
    b[bit / 8] ^= (uint8_t)(1u << bit % 8);
  }
}

int main(void) {
  RUN(rfc_4231_test_cases_come_out);
  RUN(every_length_depends_on_every_byte);
  RUN(codes_are_equal_only_if_every_bit_is);
  return UNIT_RESULT();
}
