/* XXH64 against published values, spans against wholes. SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>

#include "digest.h"
#include "unit.h"

/* xxHash, cli/xsum_sanity_check.c: the test buffer is generated so, and these are its XXH64. */
static const uint64_t PRIME32 = 2654435761u;
static const uint64_t PRIME64 = 11400714785074694797u;

static void fill_sanity_buffer(uint8_t *buffer, size_t len) {
  uint64_t generator = PRIME32;
  for (size_t i = 0; i < len; i++) {
    buffer[i] = (uint8_t)(generator >> 56);
    generator *= PRIME64;
  }
}

static void xxhash_sanity_check_values_come_out(void) {
  static const struct {
    size_t len;
    uint64_t seed, digest;
  } published[] = {
      {0, 0, 0xef46db3751d8e999u},
      {0, 2654435761u, 0xac75fda2929b17efu},
      {1, 0, 0xe934a84adb052768u},
      {1, 2654435761u, 0x5014607643a9b4c3u},
      {4, 0, 0x9136a0dca57457eeu},
      {14, 0, 0x8282dcc4994e35c8u},
      {14, 2654435761u, 0xc3bd6bf63deb6df0u},
      {222, 0, 0xb641ae8cb691c174u},
      {222, 2654435761u, 0x20cb8ab7ae10c14au},
  };
  uint8_t buffer[222];
  fill_sanity_buffer(buffer, sizeof buffer);
  for (size_t i = 0; i < sizeof published / sizeof published[0]; i++) {
    CHECK_EQ(hil_digest64(buffer, published[i].len, published[i].seed), published[i].digest);
  }
}

/* README of python-xxhash, which wraps the reference implementation. */
static void python_xxhash_readme_values_come_out(void) {
  const char *text = "xxhash";
  CHECK_EQ(hil_digest64((const uint8_t *)text, 6, 0), 3665147885093898016u);
  CHECK_EQ(hil_digest64((const uint8_t *)text, 6, 20141025), 13067679811253438005u);
}

static void empty_data_may_be_null(void) { CHECK_EQ(hil_digest64(NULL, 0, 0), 0xef46db3751d8e999u); }

static void the_digest_does_not_depend_on_alignment(void) {
  uint8_t straight[200], shifted[208];
  fill_sanity_buffer(straight, sizeof straight);
  for (size_t len = 0; len <= sizeof straight; len++) {
    const uint64_t want = hil_digest64(straight, len, 7);
    for (size_t shift = 1; shift < 8; shift++) {
      memcpy(shifted + shift, straight, len);
      CHECK_EQ(hil_digest64(shifted + shift, len, 7), want);
    }
  }
}

static void every_single_bit_changes_the_digest(void) {
  uint8_t data[100];
  fill_sanity_buffer(data, sizeof data);
  const uint64_t before = hil_digest64(data, sizeof data, 0);
  for (size_t bit = 0; bit < 8 * sizeof data; bit++) {
    data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    CHECK(hil_digest64(data, sizeof data, 0) != before);
    data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
  }
}

static void spans_are_the_digests_of_their_bytes(void) {
  static const size_t lens[] = {1, 16, 255, 256, 257, 1000, 1024};
  static const size_t spans[] = {1, 7, 16, 256, 1000, 1024, 5000, SIZE_MAX};
  uint8_t data[1024];
  uint64_t out[1025];
  fill_sanity_buffer(data, sizeof data);
  for (size_t l = 0; l < sizeof lens / sizeof lens[0]; l++) {
    for (size_t s = 0; s < sizeof spans / sizeof spans[0]; s++) {
      const size_t len = lens[l], span = spans[s];
      const size_t total = (len - 1) / span + 1;
      memset(out, UNIT_GUARD, sizeof out);
      CHECK_EQ(digest_spans(data, len, span, 0, total, out), HIL_OK);
      for (size_t i = 0; i < total; i++) {
        const size_t at = i * span, part = len - at < span ? len - at : span;
        uint64_t one[2] = {0, 0xaaaaaaaaaaaaaaaau};
        CHECK_EQ(out[i], hil_digest64(data + at, part, 0));
        CHECK_EQ(digest_spans(data, len, span, i, 1, one), HIL_OK);
        CHECK_EQ(one[0], out[i]);
        CHECK_EQ(one[1], 0xaaaaaaaaaaaaaaaau);
      }
      CHECK_EQ(out[total], 0xaaaaaaaaaaaaaaaau);
    }
  }
}

static void spans_outside_the_region_are_refused_and_nothing_is_written(void) {
  uint8_t data[100] = {0};
  uint64_t out[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  CHECK_EQ(digest_spans(data, 100, 0, 0, 1, out), HIL_ERR_ARG);
  CHECK_EQ(digest_spans(data, 100, 0, 0, 0, out), HIL_ERR_ARG);
  CHECK_EQ(digest_spans(data, 100, 50, 2, 1, out), HIL_ERR_ARG); /* starts at len */
  CHECK_EQ(digest_spans(data, 100, 50, 0, 3, out), HIL_ERR_ARG);
  CHECK_EQ(digest_spans(data, 100, 50, 1, 2, out), HIL_ERR_ARG);
  CHECK_EQ(digest_spans(data, 100, 50, SIZE_MAX, 1, out), HIL_ERR_ARG);
  CHECK_EQ(digest_spans(data, 100, 50, 1, SIZE_MAX, out), HIL_ERR_ARG); /* first + count wraps */
  CHECK_EQ(digest_spans(data, 100, SIZE_MAX, 1, 1, out), HIL_ERR_ARG);
  CHECK_EQ(digest_spans(data, 0, 50, 0, 1, out), HIL_ERR_ARG);
  for (uint64_t i = 0; i < 8; i++) {
    CHECK_EQ(out[i], i + 1);
  }
}

static void no_spans_are_fine_anywhere(void) {
  CHECK_EQ(digest_spans(NULL, 0, 16, 0, 0, NULL), HIL_OK);
  CHECK_EQ(digest_spans(NULL, 0, 16, SIZE_MAX, 0, NULL), HIL_OK);
}

int main(void) {
  RUN(xxhash_sanity_check_values_come_out);
  RUN(python_xxhash_readme_values_come_out);
  RUN(empty_data_may_be_null);
  RUN(the_digest_does_not_depend_on_alignment);
  RUN(every_single_bit_changes_the_digest);
  RUN(spans_are_the_digests_of_their_bytes);
  RUN(spans_outside_the_region_are_refused_and_nothing_is_written);
  RUN(no_spans_are_fine_anywhere);
  return UNIT_RESULT();
}
