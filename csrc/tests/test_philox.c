/* Philox4x64-10 against Random123's known answers. SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>

#include "philox.h"
#include "unit.h"

/* The same source once more under other names, with the multiplication for compilers that have no
 * 128-bit integers. */
void halves_block(const uint64_t counter[4], const uint64_t key[2], uint64_t out[4]);
void halves_init(hil_philox_t *p, uint64_t seed, uint64_t stream);
uint64_t halves_next(hil_philox_t *p);
uint64_t halves_below(hil_philox_t *p, uint64_t bound);
#define PHILOX_NO_INT128
#define philox_block halves_block
#define philox_init halves_init
#define philox_next halves_next
#define philox_below halves_below
#include "philox.c"
#undef philox_block
#undef philox_init
#undef philox_next
#undef philox_below

/* Random123, tests/kat_vectors, lines "philox4x64 10". */
static const struct {
  uint64_t counter[4], key[2], answer[4];
} KNOWN[] = {
    {{0, 0, 0, 0},
     {0, 0},
     {0x16554d9eca36314cu, 0xdb20fe9d672d0fdcu, 0xd7e772cee186176bu, 0x7e68b68aec7ba23bu}},
    {{UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX},
     {UINT64_MAX, UINT64_MAX},
     {0x87b092c3013fe90bu, 0x438c3c67be8d0224u, 0x9cc7d7c69cd777b6u, 0xa09caebf594f0ba0u}},
    {{0x243f6a8885a308d3u, 0x13198a2e03707344u, 0xa4093822299f31d0u, 0x082efa98ec4e6c89u},
     {0x452821e638d01377u, 0xbe5466cf34e90c6cu},
     {0xa528f45403e61d95u, 0x38c72dbd566e9788u, 0xa5a1610e72fd18b5u, 0x57bd43b5e52b7fe6u}},
};

static void random123_known_answers_come_out(void) {
  for (size_t i = 0; i < sizeof KNOWN / sizeof KNOWN[0]; i++) {
    uint64_t out[5] = {0, 0, 0, 0, 0xaaaaaaaaaaaaaaaau};
    philox_block(KNOWN[i].counter, KNOWN[i].key, out);
    CHECK(memcmp(out, KNOWN[i].answer, sizeof KNOWN[i].answer) == 0);
    CHECK_EQ(out[4], 0xaaaaaaaaaaaaaaaau);
    memset(out, 0, 4 * sizeof out[0]);
    halves_block(KNOWN[i].counter, KNOWN[i].key, out);
    CHECK(memcmp(out, KNOWN[i].answer, sizeof KNOWN[i].answer) == 0);
    CHECK_EQ(out[4], 0xaaaaaaaaaaaaaaaau);
  }
}

static void both_multiplications_give_the_same_stream(void) {
  hil_philox_t p, q;
  philox_init(&p, 1, 2);
  halves_init(&q, 1, 2);
  for (uint64_t i = 0; i < 1000; i++) {
    CHECK_EQ(halves_next(&q), philox_next(&p));
    CHECK_EQ(halves_below(&q, i * i), philox_below(&p, i * i));
  }
}

static void a_stream_is_its_blocks_from_counter_one_on(void) {
  const uint64_t key[2] = {0x1234, 0x5678};
  hil_philox_t p;
  philox_init(&p, key[0], key[1]);
  for (uint64_t block = 1; block <= 100; block++) {
    const uint64_t counter[4] = {block, 0, 0, 0};
    uint64_t want[4];
    philox_block(counter, key, want);
    for (int i = 0; i < 4; i++) {
      CHECK_EQ(philox_next(&p), want[i]);
    }
  }
}

static void the_counter_carries_through_all_words(void) {
  for (int full = 0; full <= 4; full++) {
    hil_philox_t p;
    uint64_t counter[4] = {0, 0, 0, 0}, want[4];
    philox_init(&p, 3, 4);
    for (int i = 0; i < full; i++) {
      p.counter[i] = UINT64_MAX;
    }
    if (full < 4) {
      counter[full] = 1;
    }
    philox_block(counter, p.key, want);
    CHECK_EQ(philox_next(&p), want[0]);
  }
}

static void seeds_and_streams_are_not_interchangeable(void) {
  hil_philox_t a, b, c;
  philox_init(&a, 1, 2);
  philox_init(&b, 2, 1);
  philox_init(&c, 1, 3);
  const uint64_t x = philox_next(&a);
  CHECK(x != philox_next(&b));
  CHECK(x != philox_next(&c));
}

static void a_damaged_used_field_costs_no_more_than_a_block(void) {
  hil_philox_t p;
  philox_init(&p, 1, 2);
  const uint64_t first = philox_next(&p);
  philox_init(&p, 1, 2);
  p.used = UINT32_MAX;
  CHECK_EQ(philox_next(&p), first);
}

static void below_stays_below_and_reaches_both_ends(void) {
  hil_philox_t p;
  philox_init(&p, 5, 6);
  CHECK_EQ(philox_below(&p, 0), 0);
  for (uint64_t bound = 1; bound <= 20; bound++) {
    uint32_t seen = 0;
    for (int i = 0; i < 1000; i++) {
      const uint64_t value = philox_below(&p, bound);
      CHECK(value < bound);
      seen |= 1u << (value % 32);
    }
    CHECK_EQ(seen, (1u << bound) - 1u);
  }
  for (int i = 0; i < 1000; i++) {
    CHECK(philox_below(&p, UINT64_MAX) < UINT64_MAX);
    CHECK(philox_below(&p, ((uint64_t)1 << 63) + 1) <= (uint64_t)1 << 63);
  }
}

/* For bound 3 * 2^62 plain multiplication would give every third value twice as often as its
 * neighbours. With 30 000 draws the standard deviation of a third is 82. */
static void below_has_no_bias_where_multiplication_alone_would(void) {
  hil_philox_t p;
  int count[3] = {0, 0, 0};
  philox_init(&p, 7, 8);
  for (int i = 0; i < 30000; i++) {
    count[philox_below(&p, (uint64_t)3 << 62) % 3]++;
  }
  for (int i = 0; i < 3; i++) {
    CHECK(count[i] > 10000 - 5 * 82 && count[i] < 10000 + 5 * 82);
  }
}

/* A power of two divides 2^64: nothing is surplus, so each value costs exactly one draw. */
static void below_a_power_of_two_is_the_high_bits_of_one_draw(void) {
  hil_philox_t p, q;
  philox_init(&p, 9, 10);
  philox_init(&q, 9, 10);
  for (int i = 0; i < 1000; i++) {
    CHECK_EQ(philox_below(&p, 1u << 20), philox_next(&q) >> 44);
  }
}

int main(void) {
  RUN(random123_known_answers_come_out);
  RUN(both_multiplications_give_the_same_stream);
  RUN(a_stream_is_its_blocks_from_counter_one_on);
  RUN(the_counter_carries_through_all_words);
  RUN(seeds_and_streams_are_not_interchangeable);
  RUN(a_damaged_used_field_costs_no_more_than_a_block);
  RUN(below_stays_below_and_reaches_both_ends);
  RUN(below_has_no_bias_where_multiplication_alone_would);
  RUN(below_a_power_of_two_is_the_high_bits_of_one_draw);
  return UNIT_RESULT();
}
