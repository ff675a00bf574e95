/* Upsets: every pattern at every position of small targets. SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>

#include "unit.h"
#include "upset.h"

enum { TARGET_MAX = 20 };

static const uint64_t VALUES[] = {0, 1, UINT64_MAX, 0x8877665544332211u};
enum { VALUES_COUNT = sizeof VALUES / sizeof VALUES[0] };

static int get_bit(const uint8_t *bytes, uint64_t bit) { return bytes[bit / 8] >> (bit % 8) & 1; }

static void put_bit(uint8_t *bytes, uint64_t bit, int value) {
  const uint8_t mask = (uint8_t)(1u << (bit % 8));
  bytes[bit / 8] = (uint8_t)(value ? bytes[bit / 8] | mask : bytes[bit / 8] & ~mask);
}

static int is_word_width(unsigned width) { return width == 8 || width == 16 || width == 32 || width == 64; }

/* The header, one bit at a time over the whole target. Returns 0 if it must be refused. */
static int upset_bit_by_bit(const hil_upset_pattern_t *p, uint8_t *target, uint64_t len) {
  const uint64_t bits = 8 * len;
  uint64_t start = p->bit, width = 1;
  if (p->bit >= bits) {
    return 0;
  }
  if (p->kind == UPSET_ADJACENT) {
    width = p->width;
    if (width < 2 || width > 64 || width > bits) {
      return 0;
    }
    while (start + width > bits) {
      start--;
    }
  } else if (p->kind == UPSET_ZERO_WORD || p->kind == UPSET_RANDOM_WORD) {
    width = p->width;
    if (!is_word_width(p->width) || width > bits) {
      return 0;
    }
    while (start % width || start + width > bits) {
      start--;
    }
  } else if (p->kind != UPSET_BIT && p->kind != UPSET_STUCK) {
    return 0;
  }
  for (uint64_t i = 0; i < width; i++) {
    const int old = get_bit(target, start + i), given = (int)(p->value >> i & 1);
    const int flips = p->kind == UPSET_BIT || p->kind == UPSET_ADJACENT;
    put_bit(target, start + i, flips ? !old : p->kind == UPSET_ZERO_WORD ? 0 : given);
  }
  return 1;
}

static void try_pattern(const hil_upset_pattern_t *p, uint64_t len) {
  uint8_t old[TARGET_MAX], want[TARGET_MAX], got[TARGET_MAX + 2];
  hil_upset_window_t w;
  for (size_t i = 0; i < TARGET_MAX; i++) {
    old[i] = (uint8_t)(i * 73 + 0x35);
  }
  memcpy(want, old, TARGET_MAX);
  memset(&w, 0x77, sizeof w);
  const hil_upset_window_t untouched = w;
  if (!upset_bit_by_bit(p, want, len)) {
    CHECK_EQ(upset_window(p, len, &w), HIL_ERR_ARG);
    CHECK(memcmp(&w, &untouched, sizeof w) == 0);
    return;
  }
  CHECK_EQ(upset_window(p, len, &w), HIL_OK);
  CHECK(w.len >= 1 && w.len <= UPSET_WINDOW_MAX && w.offset + w.len <= len);
  for (int i = w.len; i < UPSET_WINDOW_MAX; i++) {
    CHECK(w.keep[i] == 0xff && w.flip[i] == 0);
  }
  got[0] = got[len + 1] = UNIT_GUARD;
  memcpy(got + 1, old, (size_t)len);
  upset_apply(&w, old + w.offset, got + 1 + w.offset); /* beside */
  CHECK(memcmp(got + 1, want, (size_t)len) == 0);
  CHECK_EQ(got[0], UNIT_GUARD);
  CHECK_EQ(got[len + 1], UNIT_GUARD);
  upset_apply(&w, old + w.offset, old + w.offset); /* in place */
  CHECK(memcmp(old, want, (size_t)len) == 0);
}

static void every_pattern_does_what_it_says_at_every_position(void) {
  for (uint64_t len = 0; len <= TARGET_MAX; len++) {
    for (unsigned kind = 0; kind <= 6; kind++) {
      for (unsigned width = 0; width <= 70; width++) {
        for (uint64_t bit = 0; bit < 8 * len + 2; bit++) {
          const hil_upset_pattern_t p = {(uint8_t)kind, (uint8_t)width, bit,
                                         VALUES[(width + bit) % VALUES_COUNT]};
          try_pattern(&p, len);
        }
      }
    }
  }
}

static void every_kind_and_width_that_does_not_exist_is_refused(void) {
  for (unsigned kind = 0; kind <= 255; kind++) {
    for (unsigned width = 0; width <= 255; width++) {
      const hil_upset_pattern_t p = {(uint8_t)kind, (uint8_t)width, 17, VALUES[3]};
      try_pattern(&p, TARGET_MAX);
    }
  }
}

static void a_random_word_is_written_little_endian(void) {
  const hil_upset_pattern_t p = {UPSET_RANDOM_WORD, 32, 40, 0x8877665544332211u};
  const uint8_t in[4] = {0xff, 0xff, 0xff, 0xff}, want[4] = {0x11, 0x22, 0x33, 0x44};
  uint8_t out[5] = {0, 0, 0, 0, UNIT_GUARD};
  hil_upset_window_t w;
  CHECK_EQ(upset_window(&p, 8, &w), HIL_OK);
  CHECK_EQ(w.offset, 4);
  CHECK_EQ(w.len, 4);
  upset_apply(&w, in, out);
  CHECK(memcmp(out, want, 4) == 0);
  CHECK_EQ(out[4], UNIT_GUARD);
}

static void a_stuck_bit_applied_again_changes_nothing_more(void) {
  for (uint64_t value = 0; value < 2; value++) {
    const hil_upset_pattern_t p = {UPSET_STUCK, 0, 3, value};
    hil_upset_window_t w;
    uint8_t byte = 0x5a, once;
    CHECK_EQ(upset_window(&p, 1, &w), HIL_OK);
    upset_apply(&w, &byte, &once);
    byte = once;
    upset_apply(&w, &byte, &byte);
    CHECK_EQ(byte, once);
    CHECK_EQ(once >> 3 & 1, value);
  }
}

static void a_flip_applied_twice_restores(void) {
  const hil_upset_pattern_t p = {UPSET_ADJACENT, 64, 3, 0};
  uint8_t target[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, before[9];
  hil_upset_window_t w;
  memcpy(before, target, 9);
  CHECK_EQ(upset_window(&p, 9, &w), HIL_OK);
  CHECK_EQ(w.len, 9); /* 64 bits that start inside a byte reach into a ninth */
  upset_apply(&w, target, target);
  CHECK(memcmp(target, before, 9) != 0);
  upset_apply(&w, target, target);
  CHECK(memcmp(target, before, 9) == 0);
}

static void targets_too_large_for_bit_numbers_do_not_wrap(void) {
  const uint64_t huge[] = {UINT64_MAX / 8, UINT64_MAX / 8 + 1, UINT64_MAX};
  for (int i = 0; i < 3; i++) {
    for (unsigned kind = UPSET_BIT; kind <= UPSET_RANDOM_WORD; kind++) {
      const hil_upset_pattern_t p = {(uint8_t)kind, 64, UINT64_MAX - 8, 0};
      hil_upset_window_t w;
      CHECK_EQ(upset_window(&p, huge[i], &w), HIL_OK);
      CHECK(w.offset <= huge[i] - w.len);
      CHECK(w.offset >= UINT64_MAX / 8 - 16);
    }
  }
}

static void a_window_with_a_wild_length_stays_inside_its_masks(void) {
  uint8_t in[UPSET_WINDOW_MAX], out[UPSET_WINDOW_MAX + 1];
  hil_upset_window_t w;
  memset(in, 0x0f, sizeof in);
  memset(out, UNIT_GUARD, sizeof out);
  memset(&w, 0xff, sizeof w);
  upset_apply(&w, in, out);
  for (int i = 0; i < UPSET_WINDOW_MAX; i++) {
    CHECK_EQ(out[i], 0xf0);
  }
  CHECK_EQ(out[UPSET_WINDOW_MAX], UNIT_GUARD);
}

int main(void) {
  RUN(every_pattern_does_what_it_says_at_every_position);
  RUN(every_kind_and_width_that_does_not_exist_is_refused);
  RUN(a_random_word_is_written_little_endian);
  RUN(a_stuck_bit_applied_again_changes_nothing_more);
  RUN(a_flip_applied_twice_restores);
  RUN(targets_too_large_for_bit_numbers_do_not_wrap);
  RUN(a_window_with_a_wild_length_stays_inside_its_masks);
  return UNIT_RESULT();
}
